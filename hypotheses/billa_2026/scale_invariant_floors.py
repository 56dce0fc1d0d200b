"""The floor of the collapse is task-specific and does not depend on scale.

Estimands: for each task the largest difference of its mean log floor between two scales, of states as they are and of centred
ones; the ratio of the highest to the lowest floor of a task; and the floor of modular arithmetic. Supported if no task's floor differs by more than a factor of 1.25
between any two scales, by either definition, tasks differ by a factor of two or more at every scale, and modular arithmetic
lies between 1.5 and 2.5 at each (of states as they are). One task, or one scale, that lies outside for certain refutes.

Reservations would mean: not specific, that floors of shuffled answers, or ranks before training, differ as much. Not known of
the paper: whether hidden states are centred (code by its author for another paper centres), which layer, which pooling.
"""

import functools
import math

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    LargestDifference,
    Needs,
    Prediction,
    Region,
    Reported,
    Undefined,
    shuffled_answers,
    with_options,
)

from .._tasks import EASY, HARD, LONG, OTHER_POOLINGS, SHUFFLED, floors
from ._paper import PAPER

MARGIN = round(math.log(1.25), 4)


def log_floor(run, *, task, pooling="mean", within=300, at="floor"):
    """Mean over the levels of a task of log floor; `at` "initialisation": of the RankMe before the first step."""
    lowest = floors(run, pooling=pooling, within=within)
    mine = lowest.traces.task == task
    if not mine.any():
        raise Undefined(f"no traces of task {task}")
    return np.log({"floor": lowest.value, "initialisation": lowest.initial}[at][mine]).mean()


def modular_floor(run, pooling="mean", within=300):
    """Geometric mean over levels of the floor of modular arithmetic, in RankMe."""
    return math.exp(log_floor(run, task="mod", pooling=pooling, within=within))


def between_tasks(run, pooling="mean", within=300):
    """Log ratio of the highest to the lowest floor of a task."""
    found = [log_floor(run, task=task, pooling=pooling, within=within) for task in (*EASY, *HARD)]
    return max(found) - min(found)


WAYS = {"between scales": "mean", "between scales, centred": "mean, centred"}
DRIFTS = [f"{task}, {way}" for way in WAYS for task in (*EASY, *HARD)]

scale_invariant_floors = Hypothesis(
    claim=Claim(
        "The floor of the collapse is task-specific and does not depend on scale.",
        paper=PAPER,
        reported={
            "v1": Reported(
                estimate=2.0, prediction="modular floor", text="modular floor at every size"
            ),
            "v4": "floor is task-specific",
        },
    ),
    needs=Needs(
        ["rankme", "rankme_centred", "accuracy"],
        optional=OTHER_POOLINGS,
        layers="final",
        min_scales=3,
        step_unit="optimiser steps",
    ),
    predictions=[
        *(
            Prediction(
                f"{task}, {way}",
                functools.partial(log_floor, task=task, pooling=pooling),
                Region.at_most(MARGIN),
                LargestDifference(),
            )
            for way, pooling in WAYS.items()
            for task in (*EASY, *HARD)
        ),
        Prediction(
            "between tasks", between_tasks, Region.at_least(math.log(2)), scope="every scale"
        ),
        Prediction("modular floor", modular_floor, Region.between(1.5, 2.5), scope="every scale"),
    ],
    design=LONG,
    controls=[
        shuffled_answers(SHUFFLED, DRIFTS),
        with_options(
            "before training",
            "ranks at initialisation differ as floors do",
            DRIFTS,
            at="initialisation",
        ),
    ],
    multiverse={"within": [100, 200, 300]},
)
