"""At the paper's own sizes the collapse reaches output-side layers first and moves toward the input: in 4 to 12 blocks.

Estimands, one value a run: by how many log steps the half-way fall of RankMe comes later in the first block than in the last one (of each
task-level the median over pairs of blocks, so that no single block makes it): the mean over task-levels, and the lowest of three
in four. Supported if at every size the mean is at least 0.15 (a factor of 1.16, which `top_down` asks of four blocks), and three in four
are above 0. Refuted if one size is outside for certain. A block that does not fall counts as falling at the end. The size of two
blocks is left out: 32 pairs of the paper are eight tasks at four sizes.

There are no controls at these sizes: whether the order takes tasks that can be learned, and whether it is one of step sizes, is asked of
small models alone. Not known of the paper: how it dates a layer's collapse.
"""

import numpy as np

from emergence_stats import Claim, Hypothesis, Needs, Prediction, Region

from .._tasks import OTHER_POOLINGS, POOLINGS
from ._early import DEEPER, WITHIN, delays
from ._paper import PAPER


def mean_delay(run, fraction=0.5, pooling="mean", within=WITHIN):
    """By how many log steps the first block falls later than the last, mean over task-levels."""
    return float(delays(run, fraction, pooling, within).mean())


def delay_of_most(run, fraction=0.5, pooling="mean", within=WITHIN, share=0.25):
    """The quantile `share` over task-levels of the same delay, the lower of two."""
    return float(np.quantile(delays(run, fraction, pooling, within), share, method="lower"))


top_down_85m = Hypothesis(
    claim=Claim(
        "From 3.2M to 85M parameters, the rank collapse reaches output-side layers first and moves toward the input.",
        paper=PAPER,
        reported={"v1": "32/32 task x model pairs", "v3": "28/32 task x model pairs", "v4": "top-down"},
    ),
    needs=Needs(["rankme"], optional=OTHER_POOLINGS, layers="blocks", min_layers=4, min_scales=4, step_unit="optimiser steps"),
    predictions=[
        Prediction("log steps, first block after last", mean_delay, Region.at_least(0.15), scope="every scale"),
        Prediction("the same, of three in four", delay_of_most, Region.above(0.0), scope="every scale"),
    ],
    design=DEEPER,
    multiverse={"fraction": [0.25, 0.5, 0.75], "within": [200, 350, 500], "pooling": list(POOLINGS)},
)  # fmt: skip
