"""On Pythia the global geometric patterns hold: representations collapse early, recover, and do so from the output to the input.

Estimands, one value a model: of the probes and levels, the share whose RankMe - 1 at least halves within the first 1,000 steps; the
share whose RankMe is a quarter above its floor by the end, three checkpoints running; and Kendall's tau of depth and fall, as in
`top_down`. Supported if the shares are at least 0.9 and tau is below 0 on average over models.

Three models are three observations, one at each size, so that the verdict is inconclusive whatever they show: seeds of each size
(PolyPythias) would be needed. Not known of the paper: its probes, its layers, its pooling, and whether states are centred.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Count,
    Hypothesis,
    Mean,
    Needs,
    Prediction,
    Region,
    Share,
    floor,
    recovery,
)

from .._tasks import OTHER_POOLINGS, POOLINGS
from ._paper import PAPER
from ._pythia import EARLY, PYTHIA
from .top_down import depth_order


def halvings(run, pooling="mean", within=EARLY, share=0.5):
    """Probes and levels in which RankMe - 1 falls to `share` of what it was, or less."""
    lowest = floor(run, POOLINGS[pooling], within=within)
    halved = lowest.value - 1 <= share * (lowest.initial - 1)
    return Count(np.count_nonzero(halved), len(halved))


def recoveries(run, pooling="mean", within=EARLY, rise=1.25):
    """Probes and levels whose RankMe is `rise` times its floor, and stays there."""
    events = recovery(floor(run, POOLINGS[pooling], within=within), rise)
    return Count(np.count_nonzero(events.observed), len(events))


def order_of_depth(run, pooling="mean", within=EARLY):
    """Kendall's tau of depth and fall: -1 is from the output to the input."""
    return depth_order(run, pooling=pooling, within=within)


pythia_global = Hypothesis(
    claim=Claim(
        "On Pythia the global geometric patterns hold: collapse, recovery, and an order from the output to the input.",
        paper=PAPER,
        reported={"v1": "replicate", "v3": "replicate", "v4": "replicate"},
    ),
    needs=Needs(["rankme"], optional=OTHER_POOLINGS, layers="blocks", min_layers=4, min_scales=3, step_unit="optimiser steps"),
    predictions=[
        Prediction("share halved", halvings, Region.at_least(0.9), Share(), scope="average"),
        Prediction("share recovered", recoveries, Region.at_least(0.9), Share(), scope="average"),
        Prediction("tau", order_of_depth, Region.below(0.0), Mean((-1.0, 1.0)), scope="average"),
    ],
    design=PYTHIA,
    multiverse={"pooling": list(POOLINGS), "within": [512, 1000, 2000]},
)  # fmt: skip
