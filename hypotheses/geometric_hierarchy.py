"""The measures move in an order: RankMe first, then the LLC, then the Hessian.

The paper states the order (v1, v3).

Estimand, one value a run: Kendall's tau-b between the claimed order and the steps at which RankMe, the
LLC and the Hessian's largest eigenvalue make their main change, in each task-level that emerges and
whose three onsets are known; mean over these. Changes whose intervals overlap are ties. Three
predictions, since a noisier measure may seem to move later than it does: by two definitions of the
moment (`hypotheses/_order.py`), each measure on its own checkpoints; and by the first at the checkpoints
that all have, with noise added until the three are equally noisy.

Supported if the mean tau-b is above 0.5 in all three, which asks for more than one pair in order and
the others tied (0.58). Refuted if it is at most 0.5 in one for certain.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Count,
    Hypothesis,
    Mean,
    Needs,
    Pooled,
    Prediction,
    Region,
    Undefined,
)
from emergence_stats.events import kendall_tau_b, precedence

from ._order import DEEP, FEWEST, onsets, same_noise
from ._paper import PAPER

ORDER = ("rankme", "llc", "hessian_top")


def taus(moved):
    """Kendall's tau-b of the claimed order in each task-level whose onsets are all known (m,)."""
    lo, hi = np.array([e.lo for e in moved]), np.array([e.hi for e in moved])  # (3, n)
    known = (np.isfinite(lo) & np.isfinite(hi)).all(0)
    if known.sum() < FEWEST:
        raise Undefined(
            f"the onsets of all three measures are known for {known.sum()} of {len(known)} learned "
            f"task-levels, and fewer than {FEWEST} say nothing"
        )
    place = np.arange(len(moved))
    return np.array([kendall_tau_b(place, lo[:, i], hi[:, i]) for i in np.flatnonzero(known)])


def order(run, onset="sigmoid"):
    """Mean tau-b of the claimed order, each measure on its own checkpoints."""
    return taus([onsets(run, measure, onset) for measure in ORDER]).mean()


def order_half_way(run, onset="half-way"):
    """The same by the second definition."""
    return order(run, onset)


def order_same_noise(run, onset="sigmoid"):
    """The same at common checkpoints and with equal noise."""
    return taus(same_noise(run, ORDER, onset)).mean()


def in_order(run, onset="sigmoid"):
    """Task-levels whose three onsets are known and certainly in the claimed order."""
    moved = [onsets(run, measure, onset) for measure in ORDER]
    known = np.all([np.isfinite(e.lo) & np.isfinite(e.hi) for e in moved], axis=0)
    steps = [precedence(moved[0], moved[1]) > 0, precedence(moved[1], moved[2]) > 0]
    return Count(int((np.all(steps, axis=0) & known).sum()), int(known.sum()))


geometric_hierarchy = Hypothesis(
    claim=Claim(
        "RankMe changes first, then the local learning coefficient, then the Hessian.",
        paper=PAPER,
        reported={"v1": "stated", "v3": "stated"},
    ),
    needs=Needs(measures=["rankme", "llc", "hessian_top", "accuracy"], layers="final"),
    predictions=[
        Prediction("tau-b (sigmoid)", order, Region.above(0.5), Mean(bounds=(-1.0, 1.0))),
        Prediction("tau-b (half-way)", order_half_way, Region.above(0.5), Mean(bounds=(-1.0, 1.0))),
        Prediction(
            "tau-b (equal noise)", order_same_noise, Region.above(0.5), Mean(bounds=(-1.0, 1.0))
        ),
    ],
    design=DEEP,
    pooled=Pooled("task-levels with all three in the claimed order", in_order),
)
