"""Training begins with a collapse of representation rank, in every task and model.

Estimand, one value a run: the share of task-levels in which RankMe - 1 at least halves within the first 84 steps. Supported if it is at least 0.9 at every scale; a scale below that for certain refutes.

Reservations would mean: not specific, that shuffled answers collapse as much, so that it takes no task; fragile, that the
verdict is that of one pooling, or of uncentred states alone. Not known of the paper: which layer, which pooling, and whether
states are centred. Here they are the mean over the sequence in the last block, not centred, as RankMe is defined; all other
choices are in the multiverse.
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
    shuffled_answers,
)

from .._tasks import OTHER_POOLINGS, POOLINGS, SHUFFLED, START, floors
from ._paper import PAPER


def halvings(run, pooling="mean", within=84, share=0.5):
    """Task-levels in which RankMe - 1 falls to `share` of what it was, or less."""
    lowest = floors(run, pooling=pooling, within=within)
    halved = lowest.value - 1 <= share * (lowest.initial - 1)
    return Count(np.count_nonzero(halved), len(halved))


universal_collapse = Hypothesis(
    claim=Claim(
        "Training begins with a collapse of representation rank, in every task and model.",
        paper=PAPER,
        reported={
            "v1": "universal: every task, level and size",
            "v3": "universal",
            "v4": "first collapse, then recover",
        },
    ),
    needs=Needs(
        ["rankme"],
        optional=OTHER_POOLINGS,
        layers="final",
        min_scales=2,
        step_unit="optimiser steps",
    ),
    predictions=[
        Prediction("share halved", halvings, Region.at_least(0.9), Share(), scope="every scale"),
    ],
    design=START,
    controls=[shuffled_answers(SHUFFLED)],
    multiverse={"pooling": list(POOLINGS), "share": [0.4, 0.5, 0.6]},
)
