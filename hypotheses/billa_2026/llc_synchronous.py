"""The local learning coefficient moves with emergence, not before it.

Estimands, one value a run: the median over task-levels of the LLC's lag behind accuracy, event by event; and the slope of
its onset on emergence, without which a lag says nothing of the task. Supported if the lag lies within a factor of 1.25 at
every scale and the slope is above 0.25 on average. A lag outside for certain at one scale refutes; a slope of 0 too.
"""

import functools
import math

from emergence_stats import Claim, Hypothesis, Needs, Prediction, Region, placebo

from .._tasks import DEEP
from ._lags import median_lag, slope_on_emergence
from ._paper import PAPER

MARGIN = round(math.log(1.25), 4)

llc_synchronous = Hypothesis(
    claim=Claim(
        "The local learning coefficient changes together with emergence and not before it.",
        paper=PAPER,
        reported={"v1": "precursor in 0/24", "v3": "precursor in 0/24"},
    ),
    needs=Needs(
        ["llc", "accuracy"], optional=["log_prob"], min_scales=2, step_unit="optimiser steps"
    ),
    predictions=[
        Prediction(
            "median lag",
            functools.partial(median_lag, measure="llc"),
            Region.between(-MARGIN, MARGIN),
            scope="every scale",
        ),
        Prediction(
            "slope on emergence",
            functools.partial(slope_on_emergence, measure="llc"),
            Region.above(0.25),
            scope="average",
        ),
    ],
    design=DEEP,
    controls=[placebo("llc", by="weight_norm", predictions=["slope on emergence"])],
    multiverse={
        "onset": ["step", "sigmoid", "half-way"],
        "behaviour": ["accuracy", "log_prob"],
        "reach": [math.log(1.5), math.log(2)],
    },
)
