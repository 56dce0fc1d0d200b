"""At the paper's own sizes, 405K to 85M parameters, training begins with a collapse of representation rank.

Estimand, one value a run: of the 24 task-levels, the third smallest log fall of RankMe - 1 within the first 500 steps, so that nine of ten fall
by as much or more. Supported if it is at least log 2, a halving, at every size; a size below for certain refutes. It asks what
`universal_collapse` asks of small models, by a number that few runs can tell: five runs that agree say nothing for certain of a share of nine
tenths. Where RankMe begins near 1, RankMe itself has to fall too: it counts as halved if it falls by a factor of 1.25, if that is less.

There is no control with shuffled answers at these sizes: whether a collapse takes tasks that can be learned is asked of small models alone. Not
known of the paper: layer, pooling, and whether states are centred. Here they are the mean over the sequence in the last block, not centred;
all other choices are in the multiverse.
"""

import math

import numpy as np

from emergence_stats import Claim, Hypothesis, Needs, Prediction, Region

from .._tasks import OTHER_POOLINGS, POOLINGS, floors
from ._early import EARLY, WITHIN
from ._paper import PAPER

HALVING = math.log(2)
ITSELF = math.log(1.25)  # a fall of RankMe, not less 1, that counts as a halving


def least_falls(run, pooling="mean", within=WITHIN, share=0.1):
    """Quantile `share` over task-levels, the lower of two, of the log fall of RankMe - 1."""
    lowest = floors(run, pooling=pooling, within=within)
    before, after = np.maximum(lowest.initial - 1, 1e-6), np.maximum(lowest.value - 1, 1e-6)
    itself = np.log(lowest.initial / lowest.value) * HALVING / ITSELF
    return float(np.quantile(np.minimum(np.log(before / after), itself), share, method="lower"))


universal_collapse_85m = Hypothesis(
    claim=Claim(
        "From 405K to 85M parameters, training begins with a collapse of representation rank in nine of ten tasks and levels.",
        paper=PAPER,
        reported={"v1": "universal: every task, level and size", "v3": "universal"},
    ),
    needs=Needs(["rankme"], optional=OTHER_POOLINGS, layers="final", min_scales=5, step_unit="optimiser steps"),
    predictions=[
        Prediction("log fall of nine in ten", least_falls, Region.at_least(round(HALVING, 4)), scope="every scale"),
    ],
    design=EARLY,
    multiverse={"pooling": list(POOLINGS), "within": [200, 350, 500], "share": [0.05, 0.1, 0.25]},
)  # fmt: skip
