"""Larger models acquire a task earlier.

Estimand, one value a run: the log step of emergence, mean over the task-levels that emerged in all runs of the first study.
Supported if its slope shows that models ten times as large emerge earlier by a factor of 1.1 or more, for tasks that move
tokens and for tasks that compute. A class in which larger models are later, or no earlier than that, for certain refutes.

The learning rate is confounded with size: wider models train at lower rates here (0.16 / width). So a control trains three
sizes at one rate, and the slope has to be the same there within a factor of 1.1; a reservation "not specific" would mean that it is
not shown to be. Half and twice the rate for all sizes (in the multiverse) leave the confounding as it is. Of the paper the abstract only was at hand; how it dates acquisition is not known.
"""

import functools
import math

from emergence_stats import Claim, Control, Hypothesis, Needs, Prediction, Region, Slope

from .._tasks import LEARNED, LONG, RATES, emergences, log_middle

LEAST = -round(math.log(1.1), 4)
LATE = 8000  # what has not emerged by the end counts as emerging then, which is never too late


def log_step(run, *, task_levels, rise=0.25):
    """Mean over task-levels of the log step of emergence."""
    return float(log_middle(emergences(run, rise).at(task_levels), LATE).mean())


larger_learn_earlier = Hypothesis(
    claim=Claim(
        "Larger models acquire a task earlier.",
        paper="arXiv:2606.25010",
        reported={"abstract": "larger models acquire a task earlier"},
    ),
    needs=Needs(["accuracy"], min_scales=3, step_unit="optimiser steps"),
    predictions=[
        Prediction(
            f"log step, {name}",
            functools.partial(log_step, task_levels=task_levels),
            Region.at_most(LEAST),
            Slope(over=10),
        )
        for name, task_levels in LEARNED.items()
    ],
    design=LONG,
    controls=[
        Control(
            "one learning rate", "it does not come with the learning rate", suite="pocket_long_one_rate",
            margin=-LEAST, expects="the same",
        ),
    ],
    multiverse={"rise": [0.1, 0.25, 0.5], "suite": RATES},
)  # fmt: skip
