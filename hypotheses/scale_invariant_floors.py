"""The floor of the collapse is task-specific and does not depend on scale.

The paper: over 210x in parameters the floor of a task stays where it is; modular arithmetic has a
floor of RankMe ~ 2.0 at every size (v1, v3); "the floor is task-specific" (v4).

Estimands: for each task the change of log floor (mean over its levels, final block) when the
parameters grow 210-fold, a slope over runs whose error comes from the seeds; eta-squared of task
on log floor within a run; and the floor of modular arithmetic.

Invariance is an equivalence claim: every task's change has to lie within a factor of 1.25 either
way, so an uncertain slope is inconclusive and not support. Refuted as soon as one task's change,
eta-squared (below 0.5) or the modular floor (outside 1.5 to 2.5) lies outside for certain.
"""

import functools
import math

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    Mean,
    Needs,
    Pooled,
    Prediction,
    Region,
    Slope,
    Undefined,
    shuffled_answers,
    varied,
)

from ._paper import OTHER_POOLINGS, PAPER, POCKET, POOLINGS, SHUFFLED, SUITES, floors

TASKS = ("copy", "reverse", "compare", "parity", "add", "mod", "sort", "mul")
MARGIN = round(math.log(1.25), 4)


def log_floor(run, *, task, pooling="mean", within=None, excess=False, at="floor"):
    """Mean over the levels of a task of log floor; `excess`: of floor - 1, which no bound hides.

    `at` "initialisation": of the RankMe before the first step.
    """
    lowest = floors(run, pooling=pooling, within=within)
    mine = lowest.traces.task == task
    if not mine.any():
        raise Undefined(f"no traces of task {task}")
    value = {"floor": lowest.value, "initialisation": lowest.initial}[at][mine]
    return np.log(value - (1.0 if excess else 0.0)).mean()


def task_eta_squared(run, pooling="mean", within=None, at="floor"):
    """Share of the variance of log floor over task-levels that lies between tasks."""
    lowest = floors(run, pooling=pooling, within=within)
    values = np.log({"floor": lowest.value, "initialisation": lowest.initial}[at])
    tasks = lowest.traces.task
    if len(np.unique(tasks)) < 2:
        raise Undefined("eta-squared of task needs two tasks")
    fitted = np.array([values[tasks == task].mean() for task in tasks])
    total = ((values - values.mean()) ** 2).sum()
    if total == 0:
        raise Undefined("all floors are equal")
    return ((fitted - values.mean()) ** 2).sum() / total


def modular_floor(run, pooling="mean", within=None):
    """Mean over levels of the floor of modular arithmetic, in RankMe."""
    lowest = floors(run, pooling=pooling, within=within)
    mine = lowest.traces.task == "mod"
    if not mine.any():
        raise Undefined("no traces of task mod")
    return lowest.value[mine].mean()


scale_invariant_floors = Hypothesis(
    claim=Claim(
        "The floor of the collapse is task-specific and does not depend on scale.",
        paper=PAPER,
        reported={
            "v1": "task-specific, invariant over 210x; modular floor about 2.0 at every size",
            "v3": "the same",
            "v4": "floor is task-specific",
        },
    ),
    needs=Needs(
        measures=["rankme", "accuracy"], further=OTHER_POOLINGS, layers="final", min_scales=3
    ),
    predictions=[
        *(
            Prediction(
                f"{task} drift over 210x",
                functools.partial(log_floor, task=task),
                Region.between(-MARGIN, MARGIN),
                Slope(over=210.0),
            )
            for task in TASKS
        ),
        Prediction(
            "eta-squared of task", task_eta_squared, Region.at_least(0.5), Mean(bounds=(0.0, 1.0))
        ),
        Prediction("modular floor, mean of sizes", modular_floor, Region.between(1.5, 2.5), Mean()),
    ],
    design=POCKET,
    pooled=Pooled("mean floor of modular arithmetic, RankMe", modular_floor),
    controls=[
        shuffled_answers(SHUFFLED),
        varied(
            "before training",
            "the rank at initialisation differs by scale and task as the floor does",
            predictions=[*(f"{task} drift over 210x" for task in TASKS), "eta-squared of task"],
            at="initialisation",
        ),
    ],
    multiverse={
        "within": [None, 100, 200],
        "excess": [False, True],
        "pooling": list(POOLINGS),
        "suite": SUITES,
    },
)
