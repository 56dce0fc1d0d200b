"""The local learning coefficient moves with emergence, not before it.

The paper: the LLC is a precursor in 0 of 24 series, which are the task-levels of one model (v1, v3).
Here each of the 24 is a task-level's part in the LLC of the mixture that the model is trained on
(docs/measures/llc.md).

Estimands, one value a run, over the task-levels that emerge: the median lag, log step of the LLC's main
change less that of accuracy, by two definitions of both (`hypotheses/_order.py`); the share in which
the LLC certainly changes before accuracy does; and, since a change that all task-levels make at one
time may be near their accuracy by chance, how much nearer the LLC's change is to the accuracy of its
own task than to that of the others (matched minus mismatched distance in log steps). The standard error of the LLC widens the interval
of its onset; where it leaves the onset open, the task-level tells nothing and does not count, and a
run with too few that tell has no value.

Supported if both median lags lie within a factor of 1.25 either way, which is more than one step of
the checkpoints that carry the LLC (1.2), the share that leads is at most 0.1, and the LLC is nearer
to its own task. Refuted if any of these is otherwise for certain.
"""

import math

from emergence_stats import (
    Claim,
    Hypothesis,
    Mean,
    Needs,
    Pooled,
    Prediction,
    Region,
    Share,
)

from ._order import DEEP, matched_minus_mismatched, median_lag, share_leading
from ._paper import PAPER

MARGIN = math.log(1.25)


def lag(run, onset="sigmoid", behaviour="accuracy"):
    """Median over task-levels of the log step of the LLC's change less that of behaviour."""
    return median_lag(run, "llc", onset, behaviour)


def lag_half_way(run, onset="half-way", behaviour="accuracy"):
    """The same by the second definition."""
    return lag(run, onset, behaviour)


def leads(run, onset="sigmoid", behaviour="accuracy"):
    """Task-levels in which the LLC changes before behaviour does, of those in which it would show."""
    return share_leading(run, "llc", onset, behaviour)


def nearness(run, onset="sigmoid", behaviour="accuracy"):
    """Distance of the LLC's change to its own task's behaviour, less that to other tasks'."""
    return matched_minus_mismatched(run, "llc", onset, behaviour)


llc_synchronous = Hypothesis(
    claim=Claim(
        "The local learning coefficient changes together with emergence and not before it.",
        paper=PAPER,
        reported={"v1": "precursor in 0/24", "v3": "precursor in 0/24"},
    ),
    needs=Needs(measures=["llc", "accuracy", "rankme"], layers="final"),
    predictions=[
        Prediction("lag (sigmoid)", lag, Region.between(-MARGIN, MARGIN), Mean()),
        Prediction("lag (half-way)", lag_half_way, Region.between(-MARGIN, MARGIN), Mean()),
        Prediction("share leading", leads, Region.at_most(0.1), Share()),
        Prediction("matched minus mismatched distance", nearness, Region.below(0.0), Mean()),
    ],
    design=DEEP,
    pooled=Pooled("task-levels in which the LLC changes before accuracy", leads),
    multiverse={"behaviour": ["accuracy", "log_prob"]},
)
