"""Training begins with a collapse of representation rank, in every task and model.

The paper: "universal" (v1 and v3); "first collapse, then recover, and only then does behaviour
improve" (v4).

Estimands, one value a run, of the final block: how far RankMe falls, as the mean over task-levels
of log(initial / floor); and the share of task-levels in which RankMe - 1 at least halves.
RankMe is at least 1, so what can be lost is RankMe - 1: with parity the initial RankMe is near 2.4
and no floor whatever could halve RankMe itself.

Supported if the mean fall is above a factor 1.25 and the share is at least 0.8. Refuted if either
lies outside for certain. The share's region stops at 0.8 since 25 runs that all agree allow no
more than 0.84: "in every task" cannot be shown from 25 runs.
"""

import math

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
    Share,
    placebo,
    shuffled_answers,
)

from ._paper import OTHER_POOLINGS, PAPER, POCKET, POOLINGS, SHUFFLED, SUITES, floors


def fall(run, pooling="mean", within=None):
    """Mean over task-levels of log(initial RankMe / floor)."""
    return floors(run, pooling=pooling, within=within).fall.mean()


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
    needs=Needs(measures=["rankme", "accuracy"], further=OTHER_POOLINGS, layers="final"),
    predictions=[
        Prediction("mean log fall", fall, Region.above(round(math.log(1.25), 4)), Mean()),
        Prediction("share halved", halvings, Region.at_least(0.8), Share()),
    ],
    design=POCKET,
    pooled=Pooled("task-levels whose RankMe - 1 at least halves", halvings),
    controls=[shuffled_answers(SHUFFLED), placebo("rankme", by="weight_norm")],
    multiverse={"within": [None, 100, 200], "pooling": list(POOLINGS), "suite": SUITES},
)
