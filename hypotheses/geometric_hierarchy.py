"""The measures move in an order: RankMe first, then the LLC, then the Hessian.

The paper states the order (v1, v3).

Estimand, one value a run: Kendall's tau-b between the claimed order and the lags behind accuracy of
RankMe, the LLC and the Hessian's largest eigenvalue, each the lag that the task-levels of the run have in
common (`hypotheses/_order.py`): 1 for the claimed order, 1/3 for two of three pairs in it, -1 for its
reverse. Lags that differ by less than a factor of 1.25 are ties, as they are synchronous in
`hypotheses/llc_synchronous.py`. A noisier measure may seem to move later than it does, so there are
two predictions: the lower tau-b of two definitions of lag, each measure on its own checkpoints; and the
tau-b by the first at the checkpoints that all measures have, with noise added to their traces until the
three are equally noisy.

Supported if the mean tau-b is above 0.5 in both. Refuted if it is at most 0.5 in one for certain. (Of 16
runs that all agree on 1 the interval begins at 0.52: fewer runs, or a third prediction, could not
support the claim.)
"""

import math

import numpy as np

from emergence_stats import Claim, Count, Hypothesis, Mean, Needs, Pooled, Prediction, Region
from emergence_stats.events import kendall_tau_b

from ._order import DEEP, align, lag_behind, same_noise
from ._paper import PAPER

ORDER = ("rankme", "llc", "hessian_top")
TIE = math.log(1.25)


def tau(lags):
    """Kendall's tau-b between the claimed order and these lags (3,), ties within `TIE`."""
    at = np.array(lags)
    return kendall_tau_b(np.arange(len(at)), at - TIE / 2, at + TIE / 2)


def order(run, onset="sigmoid", behaviour="accuracy"):
    """Tau-b of the claimed order, each measure on its own checkpoints."""
    return tau([lag_behind(run, measure, onset, behaviour) for measure in ORDER])


def order_by_both(run, behaviour="accuracy"):
    """The lower tau-b of the two definitions of lag."""
    return min(order(run, onset, behaviour) for onset in ("sigmoid", "step"))


def order_at_equal_noise(run, onset="sigmoid", behaviour="accuracy"):
    """The same at common checkpoints and with equal noise."""
    traces = same_noise(run, ORDER)
    aligned = [align(run, m, onset, behaviour, t) for m, t in zip(ORDER, traces, strict=True)]
    return tau([measure.lag().lag for measure in aligned])


def in_order(run, onset="sigmoid", behaviour="accuracy"):
    """Whether all three are in the claimed order."""
    return Count(int(order(run, onset, behaviour) == 1), 1)


geometric_hierarchy = Hypothesis(
    claim=Claim(
        "RankMe changes first, then the local learning coefficient, then the Hessian.",
        paper=PAPER,
        reported={"v1": "stated", "v3": "stated"},
    ),
    needs=Needs(measures=["rankme", "llc", "hessian_top", "accuracy"], layers="final"),
    predictions=[
        Prediction("tau-b (lower of two)", order_by_both, Region.above(0.5), Mean((-1.0, 1.0))),
        Prediction(
            "tau-b (equal noise)", order_at_equal_noise, Region.above(0.5), Mean((-1.0, 1.0))
        ),
    ],
    design=DEEP,
    pooled=Pooled("runs with all three in the claimed order", in_order),
)
