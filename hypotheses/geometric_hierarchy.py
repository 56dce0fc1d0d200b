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
from dataclasses import replace

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
    placebo,
)
from emergence_stats.events import kendall_tau_b

from ._order import DEEP, MISMATCHED, How, align, lag_behind, same_noise
from ._paper import PAPER

ORDER = ("rankme", "llc", "hessian_top")
TIE = 1.25
HOW = How()


def tau(lags, tie):
    """Kendall's tau-b between the claimed order and these lags (3,); within a factor `tie` they tie."""
    at, half = np.array(lags), math.log(tie) / 2
    return kendall_tau_b(np.arange(len(at)), at - half, at + half)


def order(run, how=HOW, tie=TIE, pairing="matched"):
    """Tau-b of the claimed order, each measure on its own checkpoints."""
    return tau([lag_behind(run, measure, how, pairing) for measure in ORDER], tie)


def order_by_both(run, behaviour="accuracy", window="floor", tie=TIE, pairing="matched"):
    """The lower tau-b of the two definitions of lag."""
    hows = [How(onset, behaviour, window) for onset in ("sigmoid", "step")]
    return min(order(run, how, tie, pairing) for how in hows)


def order_at_equal_noise(run, onset="sigmoid", behaviour="accuracy", window="floor", tie=TIE):
    """The same at common checkpoints and with equal noise."""
    traces, how = same_noise(run, ORDER), How(onset, behaviour, window)
    aligned = [align(run, m, how, t) for m, t in zip(ORDER, traces, strict=True)]
    return tau([measure.lag().lag for measure in aligned], tie)


def in_order(run):
    """Whether all three are in the claimed order."""
    return Count(int(order(run) == 1), 1)


geometric_hierarchy = Hypothesis(
    claim=Claim(
        "RankMe changes first, then the local learning coefficient, then the Hessian.",
        paper=PAPER,
        reported={"v1": "stated", "v3": "stated"},
    ),
    needs=Needs(
        measures=["rankme", "llc", "hessian_top", "accuracy"],
        further=["log_prob"],
        layers="final",
    ),
    predictions=[
        Prediction("tau-b (lower of two)", order_by_both, Region.above(0.5), Mean((-1.0, 1.0))),
        Prediction(
            "tau-b (equal noise)", order_at_equal_noise, Region.above(0.5), Mean((-1.0, 1.0))
        ),
    ],
    design=DEEP,
    pooled=Pooled("runs with all three in the claimed order", in_order),
    controls=[
        replace(MISMATCHED, predictions=["tau-b (lower of two)"]),
        placebo("hessian_top", by="weight_norm"),
    ],
    multiverse={
        "behaviour": ["accuracy", "log_prob"],
        "window": ["floor", "start"],
        "tie": [1.1, 1.25, 1.5],
    },
)
