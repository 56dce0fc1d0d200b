"""The measures move in an order: RankMe first, then the LLC, then the Hessian.

Estimands, one value a run: the lag of the LLC behind RankMe, and of the Hessian behind the LLC, each the median over the
task-levels in which both change; and of each measure the slope of its onset on emergence, without which
its place in an order says nothing of the task. Supported if both lags are above a factor of 1.1 at every scale and all
slopes above 0.25; refuted as soon as one is outside for certain. A measure that changes on a schedule has no place.
"""

import functools
import itertools
import math

import numpy as np

from emergence_stats import Claim, Hypothesis, Needs, Prediction, Region, Undefined, placebo

from .._tasks import DEEP
from ._lags import lags_of, slope_on_emergence
from ._paper import PAPER

ORDER = ("rankme", "llc", "hessian_top")
LEAST = round(math.log(1.1), 4)
FEWEST = 6


def lag_between(run, *, first, second, onset="step", behaviour="accuracy"):
    """Median lag of the second measure behind the first, in log steps, over the task-levels in which both change."""
    later, earlier = (lags_of(run, m, onset, behaviour) for m in (second, first))
    lags = later.behind(earlier)
    if len(lags) < FEWEST:
        raise Undefined(f"{len(lags)} task-levels show a change of both measures")
    return float(np.median(lags))


geometric_hierarchy = Hypothesis(
    claim=Claim(
        "RankMe changes first, then the local learning coefficient, then the Hessian.",
        paper=PAPER,
        reported={"v1": "stated", "v3": "stated"},
    ),
    needs=Needs(
        ["rankme", "llc", "hessian_top", "accuracy"],
        optional=["log_prob"],
        layers="final",
        min_scales=2,
        step_unit="optimiser steps",
    ),
    predictions=[
        *(
            Prediction(
                f"{second} behind {first}",
                functools.partial(lag_between, first=first, second=second),
                Region.above(LEAST),
                scope="every scale",
            )
            for first, second in itertools.pairwise(ORDER)
        ),
        *(
            Prediction(
                f"slope of {measure}",
                functools.partial(slope_on_emergence, measure=measure),
                Region.above(0.25),
                scope="average",
            )
            for measure in ORDER
        ),
    ],
    design=DEEP,
    controls=[
        placebo(measure, by="weight_norm", predictions=[f"slope of {measure}"])
        for measure in ("llc", "hessian_top")
    ],
    multiverse={"onset": ["step", "sigmoid", "half-way"], "behaviour": ["accuracy", "log_prob"]},
)
