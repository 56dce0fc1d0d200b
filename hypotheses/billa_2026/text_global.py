"""On language models trained here the global geometric patterns hold: representations collapse early, from the output to the input, and recover.

An analogue of `pythia_global`, and no replication: models of up to a million parameters, on text, at four sizes. Estimands, one value a
run: of the probes and levels, the log fall of RankMe - 1 within the first 200 steps, and the log rise of RankMe from its floor to the end,
each the value that nine in ten reach; and by how many log steps the first block falls later than the last. Supported if at every size nine in ten
fall by a half or more and rise by a quarter or more, and the first block is later by 0.15 (a factor of 1.16) or more. Refuted if one size is
outside for certain. Nothing is asked of the order in which blocks recover.

Not known of the paper: its probes, its layers, its pooling, and whether states are centred.
"""

import math

import numpy as np

from emergence_stats import Claim, Hypothesis, Needs, Prediction, Region

from .._tasks import OTHER_POOLINGS, POOLINGS, floors
from ._early import delays
from ._paper import PAPER
from ._text import ON_TEXT, WITHIN
from .universal_collapse_85m import least_falls


def falls(run, pooling="mean", within=WITHIN, share=0.1):
    """Quantile `share` over probes and levels of the log fall of RankMe - 1."""
    return least_falls(run, pooling=pooling, within=within, share=share)


def rises(run, pooling="mean", within=WITHIN, share=0.1):
    """Quantile `share` over probes and levels of the log rise of RankMe from its floor to the median of its last three checkpoints."""
    lowest = floors(run, pooling=pooling, within=within)
    last = np.median(
        run.traces(POOLINGS[pooling], layers="final", tasks=True).values[:, -3:], axis=1
    )
    return float(np.quantile(np.log(last / lowest.value), share, method="lower"))


def mean_delay(run, pooling="mean", within=WITHIN):
    """By how many log steps the first block falls later than the last, mean over probes and levels."""
    return float(delays(run, 0.5, pooling, within).mean())


text_global = Hypothesis(
    claim=Claim(
        "On language models trained here, representations collapse early, from the output to the input, and recover.",
        paper=PAPER,
        reported={"v1": "of Pythia: replicate", "v3": "of Pythia: replicate", "v4": "of Pythia: replicate"},
    ),
    needs=Needs(["rankme"], optional=OTHER_POOLINGS, layers="blocks", min_layers=4, min_scales=4, step_unit="optimiser steps"),
    predictions=[
        Prediction("log fall of nine in ten", falls, Region.at_least(round(math.log(2), 4)), scope="every scale"),
        Prediction("log rise of nine in ten", rises, Region.at_least(round(math.log(1.25), 4)), scope="every scale"),
        Prediction("log steps, first block after last", mean_delay, Region.at_least(0.15), scope="every scale"),
    ],
    design=ON_TEXT,
    multiverse={"pooling": list(POOLINGS), "within": [100, 200, 400], "share": [0.05, 0.1, 0.25]},
)  # fmt: skip
