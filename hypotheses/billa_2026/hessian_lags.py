"""The Hessian moves after emergence.

Estimands as in `llc_synchronous`: the median lag of its largest eigenvalue (logarithm) behind accuracy, event by event,
and the slope of its onset on emergence. Supported if the lag is above a factor of 1.1 at every scale and the slope above 0.25. A change
that comes at one time, whatever emerges, has slope 0 and refutes the claim, though on average it comes after emergence.
"""

import functools
import math

from emergence_stats import Claim, Control, Hypothesis, Needs, Prediction, Region, placebo

from .._tasks import CONSTANT, DEEP
from ._lags import median_lag, slope_on_emergence
from ._paper import PAPER

MARGIN = round(math.log(1.5), 4)
LEAST = round(math.log(1.1), 4)

hessian_lags = Hypothesis(
    claim=Claim(
        "The largest eigenvalue of the Hessian changes after emergence.",
        paper=PAPER,
        reported={"v1": "lag (notes: leads in 17%)", "v3": "lag"},
    ),
    needs=Needs(
        ["hessian_top", "accuracy"],
        optional=["log_prob"],
        min_scales=2,
        step_unit="optimiser steps",
    ),
    predictions=[
        Prediction(
            "median lag",
            functools.partial(median_lag, measure="hessian_top"),
            Region.above(LEAST),
            scope="every scale",
        ),
        Prediction(
            "slope on emergence",
            functools.partial(slope_on_emergence, measure="hessian_top"),
            Region.above(0.25),
            scope="average",
        ),
    ],
    design=DEEP,
    controls=[
        Control(
            "constant learning rate",
            "it does not come with the fall of the learning rate",
            suite=CONSTANT,
            predictions=["median lag"],
            margin=MARGIN,
            expects="the same",
        ),
        placebo("hessian_top", by="weight_norm", predictions=["slope on emergence"]),
    ],
    multiverse={
        "onset": ["step", "sigmoid", "half-way"],
        "behaviour": ["accuracy", "log_prob"],
        "reach": [math.log(1.5), math.log(2)],
    },
)
