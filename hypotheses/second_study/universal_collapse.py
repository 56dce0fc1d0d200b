"""Training begins with a collapse of representation rank, in every task and model.

Estimand, one value a run: the share of task-levels in which RankMe - 1 at least halves before the task-level emerges.
Supported if it is at least 0.9 at every scale; a scale below that for certain refutes. What shuffled answers do as much
takes no task that can be learned: then the verdict is not specific. Not known of the paper: which layer, which pooling.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Count,
    Hypothesis,
    Needs,
    Prediction,
    Region,
    Share,
    placebo,
    shuffled_answers,
)  # fmt: skip

from ._paper import OTHER_POOLINGS, PAPER, POCKET, SHUFFLED, SUITES, floors


def halvings(run, pooling="mean", within=None):
    """Task-levels in which RankMe - 1 falls to half or less."""
    lowest = floors(run, pooling=pooling, within=within)
    halved = lowest.value - 1 <= (lowest.initial - 1) / 2
    return Count(np.count_nonzero(halved), len(halved))


universal_collapse = Hypothesis(
    claim=Claim(
        "Training begins with a collapse of representation rank, in every task and model.",
        paper=PAPER,
        reported={"v1": "universal", "v3": "universal", "v4": "first collapse, then recover"},
    ),
    needs=Needs(["rankme", "accuracy"], further=OTHER_POOLINGS, layers="final", min_scales=2),
    predictions=[
        Prediction("share halved", halvings, Region.at_least(0.9), Share(), scope="every scale"),
    ],
    design=POCKET,
    controls=[shuffled_answers(SHUFFLED, margin=0.05), placebo("rankme", by="weight_norm")],
    multiverse={"within": [None, 100, 200], "pooling": ["mean", "answer", "unit"], "suite": SUITES},
)
