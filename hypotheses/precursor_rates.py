"""Representation geometry leads emergence on hard tasks.

The paper: RankMe's recovery precedes emergence in 75-100% of hard tasks (v1; notes: 86% for the
smallest model), in 100% at every size (v3); only RankMe reliably precedes, on hard tasks only
(v4). Hard tasks here: add, mod, mul and parity, which have to compute; fixed on the pilots.

Estimands, one value a run: the share of hard task-levels whose recovery from the floor certainly
precedes their emergence (intervals disjoint; unresolved counts as not preceding; a task-level that
never emerges is right-censored, not dropped); and that share minus the same share for mismatched
pairs, task A's recovery against task B's emergence in the same run. An early event that all tasks
share precedes everything that comes later: it earns the first share and not the difference.

Supported if the share is at least 0.75 and the difference is above 0. Refuted if the share is
below 0.75 or the difference is not above 0, for certain.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Count,
    Hypothesis,
    Mean,
    Needs,
    Pooled,
    Prediction,
    Region,
    Share,
    Undefined,
    precedence,
)

from ._paper import HARD, PAPER, POCKET, emergences, recoveries


def hard_events(run, regain, pooling, within, rise, behaviour):
    """Recovery and emergence of the hard task-levels, in the same order."""
    geometry = recoveries(run, regain, pooling, within)
    behaviour_events = emergences(run, rise=rise, behaviour=behaviour)
    hard = [(task, level) for task, level in geometry.task_levels() if task in HARD]
    if not hard:
        raise Undefined(f"no traces of the hard tasks ({', '.join(HARD)})")
    return geometry.at(hard), behaviour_events.at(hard)


def leads(run, regain=1.25, pooling="mean", within=None, rise=0.25, behaviour="accuracy"):
    """Hard task-levels whose recovery precedes their emergence."""
    first, second = hard_events(run, regain, pooling, within, rise, behaviour)
    return Count(np.count_nonzero(precedence(first, second) > 0), len(first))


def lead_beyond_mismatched(
    run, regain=1.25, pooling="mean", within=None, rise=0.25, behaviour="accuracy"
):
    """Share of matched pairs that lead, minus the share of mismatched pairs (other tasks)."""
    first, second = hard_events(run, regain, pooling, within, rise, behaviour)
    before = first.hi[:, None] <= second.lo[None, :]
    other_task = first.task[:, None] != second.task[None, :]
    if not other_task.any():
        raise Undefined("mismatched pairs need two hard tasks")
    return np.diag(before).mean() - before[other_task].mean()


precursor_rates = Hypothesis(
    claim=Claim(
        "On hard tasks the recovery of RankMe precedes the emergence of the same task.",
        paper=PAPER,
        reported={
            "v1": "75-100% of hard tasks (notes: 86% smallest model)",
            "v3": "100% at every size",
            "v4": "only RankMe, hard tasks only",
        },
    ),
    needs=Needs(measures=["rankme", "accuracy"], layers="final"),
    predictions=[
        Prediction("share leading", leads, Region.at_least(0.75), Share()),
        Prediction(
            "matched minus mismatched",
            lead_beyond_mismatched,
            Region.above(0.0),
            Mean(bounds=(-1.0, 1.0)),
        ),
    ],
    design=POCKET,
    pooled=Pooled("hard task-levels whose recovery precedes emergence", leads),
    multiverse={
        "regain": [1.1, 1.25, 1.5],
        "within": [None, 100, 200],
        "rise": [0.1, 0.25, 0.5],
    },
)
