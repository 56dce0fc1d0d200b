"""The Hessian moves after emergence.

The paper: Hessian measures lag (v1, v3); notes: the Hessian leads in 17%.

Estimand, one value a run: the median over the task-levels that emerge of the log step of the main change
of the Hessian's largest eigenvalue (of the task-level's own loss, on a logarithmic scale) less that of
accuracy, by two definitions of both (`hypotheses/_order.py`).

Curvature also follows the learning rate, whose warm-up ends at step 200 and which then falls until the
end of training: a lag says when curvature changes, not why.

Supported if the median lags are above zero, refuted if one is at most zero for certain.
"""

from emergence_stats import Claim, Hypothesis, Mean, Needs, Pooled, Prediction, Region

from ._order import DEEP, median_lag, share_leading
from ._paper import PAPER


def lag(run, onset="sigmoid", behaviour="accuracy"):
    """Median over task-levels of the log step of the Hessian's change less that of behaviour."""
    return median_lag(run, "hessian_top", onset, behaviour)


def lag_half_way(run, onset="half-way", behaviour="accuracy"):
    """The same by the second definition."""
    return lag(run, onset, behaviour)


def leads(run, onset="sigmoid", behaviour="accuracy"):
    """Task-levels in which the Hessian changes before behaviour does."""
    return share_leading(run, "hessian_top", onset, behaviour)


hessian_lags = Hypothesis(
    claim=Claim(
        "The largest eigenvalue of the Hessian changes after emergence.",
        paper=PAPER,
        reported={"v1": "lag (notes: leads in 17%)", "v3": "lag"},
    ),
    needs=Needs(measures=["hessian_top", "accuracy", "rankme"], layers="final"),
    predictions=[
        Prediction("lag (sigmoid)", lag, Region.above(0.0), Mean()),
        Prediction("lag (half-way)", lag_half_way, Region.above(0.0), Mean()),
    ],
    design=DEEP,
    pooled=Pooled("task-levels in which the Hessian changes before accuracy", leads),
    multiverse={"behaviour": ["accuracy", "log_prob"]},
)
