"""Larger models acquire a task earlier.

Estimand, one value a run: the log step of emergence, mean over the task-levels that emerged in all runs of the first study.
Supported if its slope shows that models ten times as large emerge earlier by a factor of 1.1 or more, for tasks that move
tokens and for tasks that compute. A class in which larger models are later, or no earlier than that, for certain refutes.

The learning rate is confounded with size: wider models train at lower rates here (0.16 / width). The multiverse has runs at
half and at twice the rate, in which every size meets the rate of its neighbour. A reservation "fragile" would mean that the
verdict depends on it. Of the paper the abstract only was at hand; how it dates acquisition is not known.
"""

import functools
import math

from emergence_stats import Claim, Hypothesis, Needs, Prediction, Region, Slope, varied

from .._tasks import LONG, RATES, emergences, log_middle

EASY = [
    *((task, level) for task in ("copy", "reverse") for level in range(3)),
    ("sort", 0),
    ("sort", 1),
]
HARD = [("mod", 0), ("mod", 1), ("mul", 0), ("add", 0)]
LEAST = -round(math.log(1.1), 4)
LATE = 8000  # what has not emerged by the end counts as emerging then, which is never too late


def log_step(run, *, task_levels, rise=0.25, behaviour="accuracy", relative=False):
    """Mean over task-levels of the log step of emergence; `relative`: less that of parity of three bits, the first of all."""
    at = log_middle(emergences(run, rise, behaviour=behaviour).at(task_levels), LATE)
    if relative:
        at = at - log_middle(emergences(run, rise, behaviour=behaviour).at([("compare", 1)]), LATE)
    return float(at.mean())


larger_learn_earlier = Hypothesis(
    claim=Claim(
        "Larger models acquire a task earlier.",
        paper="arXiv:2606.25010",
        reported={"abstract": "larger models acquire a task earlier"},
    ),
    needs=Needs(["accuracy"], further=["log_prob"], layers="final", min_scales=3),
    predictions=[
        Prediction(
            f"log step, {name}",
            functools.partial(log_step, task_levels=task_levels),
            Region.at_most(LEAST),
            Slope(over=10),
        )
        for name, task_levels in (("easy", EASY), ("hard", HARD))
    ],
    design=LONG,
    controls=[
        varied(
            "behind the first task", "all tasks shift together, the first one too", relative=True
        )
    ],
    multiverse={"rise": [0.1, 0.25, 0.5], "behaviour": ["accuracy", "log_prob"], "suite": RATES},
)
