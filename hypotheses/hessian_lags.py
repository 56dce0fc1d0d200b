"""The Hessian moves after emergence.

The paper: Hessian measures lag (v1, v3); notes: the Hessian leads in 17%.

Estimand, one value a run: the log-step lag of the change of the Hessian's largest eigenvalue (of the
task-level's own loss, on a logarithmic scale) behind that of accuracy that the task-levels have in
common, by two definitions (`hypotheses/_order.py`).

Curvature also follows the learning rate, whose warm-up ends at step 200 and which then falls until the
end of training: a lag says when curvature changes, not why. On the pilots its change explains no more
of a task-level's own emergence than of another's.

Supported if both lags are above zero, refuted if one is at most zero for certain.
"""

import math

from emergence_stats import Claim, Hypothesis, Mean, Needs, Pooled, Prediction, Region, placebo

from ._order import DEEP, MISMATCHED, How, certainly_before, lag_behind
from ._paper import PAPER

RANGE = (-math.log(2), math.log(2))  # that lags are searched in


def lag(
    run,
    onset="sigmoid",
    behaviour="accuracy",
    window="floor",
    pairing="matched",
    measure="hessian_top",
):
    """Log steps by which the Hessian's change comes after that of behaviour."""
    return lag_behind(run, measure, How(onset, behaviour, window), pairing)


def lag_of_steps(
    run,
    onset="step",
    behaviour="accuracy",
    window="floor",
    pairing="matched",
    measure="hessian_top",
):
    """The same by the second definition."""
    return lag(run, onset, behaviour, window, pairing, measure)


def leads(run):
    """Task-levels in which the Hessian certainly changes before behaviour, of those where known."""
    return certainly_before(run, "hessian_top", How())


hessian_lags = Hypothesis(
    claim=Claim(
        "The largest eigenvalue of the Hessian changes after emergence.",
        paper=PAPER,
        reported={"v1": "lag (notes: leads in 17%)", "v3": "lag"},
    ),
    needs=Needs(
        measures=["hessian_top", "accuracy", "rankme"],
        further=["hessian_trace", "log_prob"],
        layers="final",
    ),
    predictions=[
        Prediction("common lag (sigmoid)", lag, Region.above(0.0), Mean(RANGE)),
        Prediction("common lag (step)", lag_of_steps, Region.above(0.0), Mean(RANGE)),
    ],
    design=DEEP,
    pooled=Pooled("task-levels in which the Hessian is seen to change before accuracy", leads),
    controls=[MISMATCHED, placebo("hessian_top", by="weight_norm")],
    multiverse={
        "measure": ["hessian_top", "hessian_trace"],
        "behaviour": ["accuracy", "log_prob"],
        "window": ["floor", "start"],
    },
)
