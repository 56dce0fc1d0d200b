"""Geometry orders tasks by coarse difficulty.

Estimand, one value a run: Spearman's rho over tasks between the step at which RankMe has recovered (median of a task's
levels) and a difficulty that was fixed beforehand: when tasks emerged in the runs of the first study (`_tasks.DIFFICULTY`).
Supported if the mean rho is at least 0.5 on average over scales, refuted if it is below for certain.

Reservations would mean: not specific, that the mean rank of all tasks, the loss, or shifted traces order tasks as well; mixed across
scales, that one size says otherwise. Not known of the paper: its difficulty, and how it dates a recovery.
"""

import numpy as np
from scipy.stats import spearmanr

from emergence_stats import (
    Claim,
    Hypothesis,
    Mean,
    Needs,
    Prediction,
    Region,
    Undefined,
    surrogate,
    with_options,
)

from .._tasks import DIFFICULTY, LONG, OTHER_POOLINGS, POOLINGS, loss_half_way, recoveries
from ._paper import PAPER


def rho_with_difficulty(run, rise=1.25, pooling="mean", quantity="recovery", shared=False):
    """Spearman's rho over tasks."""
    by_loss = quantity == "loss"
    events = loss_half_way(run) if by_loss else recoveries(run, rise, pooling, shared=shared)
    tasks = [task for task in DIFFICULTY if (events.task == task).any()]
    if len(tasks) < 4:
        raise Undefined(f"a rank correlation over {len(tasks)} tasks says nothing")
    # Censored events are later than all others.
    late = np.nan_to_num(events.hi, posinf=1e12)
    at = np.array([np.median(late[events.task == task]) for task in tasks])
    hard = np.array([DIFFICULTY[task] for task in tasks])
    if np.ptp(at) == 0:
        return 0.0  # tasks that recover at one step have no order
    return float(spearmanr(at, hard).statistic)


coarse_difficulty = Hypothesis(
    claim=Claim(
        "Tasks that are harder recover later: geometry orders tasks by coarse difficulty.",
        paper=PAPER,
        reported={"v1": "Spearman .57-.90 (notes)"},
    ),
    needs=Needs(
        ["rankme", "accuracy"], optional=OTHER_POOLINGS, layers="final", step_unit="optimiser steps"
    ),
    predictions=[
        Prediction(
            "Spearman's rho",
            rho_with_difficulty,
            Region.at_least(0.5),
            Mean((-1.0, 1.0)),
            scope="average",
        ),
    ],
    design=LONG,
    controls=[
        with_options(
            "geometry of all tasks", "the mean rank of all tasks orders them too", shared=True
        ),
        with_options(
            "loss in place of geometry",
            "the loss orders them too",
            measures=["loss"],
            quantity="loss",
        ),
        surrogate("rankme"),
    ],
    multiverse={"rise": [1.1, 1.25, 1.5], "pooling": list(POOLINGS)},
)
