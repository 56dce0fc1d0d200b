"""The local learning coefficient moves with emergence, not before it.

The paper: the LLC is a precursor in 0 of 24 series, which are the task-levels of one model (v1, v3).
Here each of the 24 is a task-level's part in the LLC of the mixture that the model is trained on
(docs/measures/llc.md).

Estimands, one value a run: the log-step lag of the LLC's change behind that of accuracy that the
task-levels have in common, by two definitions (`hypotheses/_order.py`); and, since a change that all
task-levels make at one time may be near their emergence by chance, how much more of the LLC's variance
is explained by the accuracy of its own task than by that of another. Traces are weighted by the LLC's
standard errors. Where these hide any common lag, the lags of runs scatter over the whole range and the
verdict is inconclusive.

Supported if both lags lie within a factor of 1.25 either way, which is more than one step of the
checkpoints that carry the LLC (1.2), and the LLC knows its own task (difference above zero). Refuted if
any lies outside for certain. An LLC that led by more than that in most task-levels would refute it; one
that leads in a few is not excluded, and the pooled count shows how many are seen to.
"""

import math
from dataclasses import replace

from emergence_stats import Claim, Hypothesis, Mean, Needs, Pooled, Prediction, Region, placebo

from ._order import DEEP, MISMATCHED, How, certainly_before, lag_behind, matched_minus_mismatched
from ._paper import PAPER

MARGIN = math.log(1.25)
RANGE = (-math.log(2), math.log(2))  # that lags are searched in


def lag(run, onset="sigmoid", behaviour="accuracy", window="floor", pairing="matched"):
    """Log steps by which the LLC's change comes after that of behaviour."""
    return lag_behind(run, "llc", How(onset, behaviour, window), pairing)


def lag_of_steps(run, onset="step", behaviour="accuracy", window="floor", pairing="matched"):
    """The same by the second definition."""
    return lag(run, onset, behaviour, window, pairing)


def own_task(run, onset="sigmoid", behaviour="accuracy", window="floor"):
    """Variance of the LLC explained by its own task's behaviour, less that by another task's."""
    return matched_minus_mismatched(run, "llc", How(onset, behaviour, window))


def leads(run):
    """Task-levels in which the LLC certainly changes before behaviour, of those where it is known."""
    return certainly_before(run, "llc", How())


llc_synchronous = Hypothesis(
    claim=Claim(
        "The local learning coefficient changes together with emergence and not before it.",
        paper=PAPER,
        reported={"v1": "precursor in 0/24", "v3": "precursor in 0/24"},
    ),
    needs=Needs(measures=["llc", "accuracy", "rankme"], further=["log_prob"], layers="final"),
    predictions=[
        Prediction("common lag (sigmoid)", lag, Region.between(-MARGIN, MARGIN), Mean(RANGE)),
        Prediction("common lag (step)", lag_of_steps, Region.between(-MARGIN, MARGIN), Mean(RANGE)),
        Prediction("matched minus mismatched", own_task, Region.above(0.0), Mean((-1.0, 1.0))),
    ],
    design=DEEP,
    pooled=Pooled("task-levels in which the LLC is seen to change before accuracy", leads),
    controls=[
        replace(MISMATCHED, predictions=["common lag (sigmoid)", "common lag (step)"]),
        placebo("llc", by="loss"),
    ],
    multiverse={"behaviour": ["accuracy", "log_prob"], "window": ["floor", "start"]},
)
