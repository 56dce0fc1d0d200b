"""At the paper's own sizes the floor of the collapse is task-specific and does not depend on scale: over 210 times in parameters.

Estimands, one value a run, as in `scale_invariant_floors`: of each task the log floor of RankMe within the first 500 steps, mean over its levels;
the ratio of the highest to the lowest floor of a task; and the floor of modular arithmetic. Supported if no task's floor differs
by more than a factor of 1.25 between any two sizes, tasks differ by a factor of two or more at every size, and the modular floor is
between 1.5 and 2.5 at every size, about the paper's 2.0. A difference, or a floor, outside for certain refutes. Centred states are in the
multiverse.

Floors of small models vary by 8% between seeds. If these do too, five seeds can show a difference and hardly that there is none: then the plan
can refute, or is inconclusive. Levels of one task that drift in opposite directions are not seen, nor are floors near 1, which differ by large
factors of RankMe - 1. A reservation "not specific" would mean that no task's floor drifts more than its ranks before training do.
"""

import functools
import math

from emergence_stats import (
    Claim,
    Hypothesis,
    LargestDifference,
    Needs,
    Prediction,
    Region,
    Reported,
    with_options,
)

from .._tasks import EASY, HARD, OTHER_POOLINGS, POOLINGS
from ._early import EARLY, WITHIN
from ._paper import PAPER
from .scale_invariant_floors import MARGIN, between_tasks, log_floor, modular_floor


def floor_of_task(run, *, task, pooling="mean", within=WITHIN, at="floor"):
    """Mean over the levels of a task of log floor; `at` "initialisation": of the RankMe before the first step."""
    return log_floor(run, task=task, pooling=pooling, within=within, at=at)


def ratio_of_tasks(run, pooling="mean", within=WITHIN):
    """Log ratio of the highest to the lowest floor of a task."""
    return between_tasks(run, pooling=pooling, within=within)


def floor_of_mod(run, pooling="mean", within=WITHIN):
    """Geometric mean over levels of the floor of modular arithmetic, in RankMe."""
    return modular_floor(run, pooling=pooling, within=within)


TASKS = (*EASY, *HARD)

scale_invariant_floors_85m = Hypothesis(
    claim=Claim(
        "From 405K to 85M parameters, the floor of the collapse is task-specific and does not depend on scale.",
        paper=PAPER,
        reported={
            "v1": Reported(estimate=2.0, prediction="modular floor", text="modular floor at every size"),
            "v4": "floor is task-specific",
        },
    ),
    needs=Needs(["rankme"], optional=OTHER_POOLINGS, layers="final", min_scales=5, step_unit="optimiser steps"),
    predictions=[
        *(
            Prediction(task, functools.partial(floor_of_task, task=task), Region.at_most(MARGIN), LargestDifference())
            for task in TASKS
        ),
        Prediction("between tasks", ratio_of_tasks, Region.at_least(math.log(2)), scope="every scale"),
        Prediction("modular floor", floor_of_mod, Region.between(1.5, 2.5), scope="every scale"),
    ],
    design=EARLY,
    controls=[with_options("before training", "ranks at initialisation differ as floors do", TASKS, at="initialisation")],
    multiverse={"pooling": list(POOLINGS), "within": [200, 350, 500]},
)  # fmt: skip
