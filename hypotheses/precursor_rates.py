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
    placebo,
    shuffled_answers,
    surrogate,
    varied,
)

from ._paper import (
    HARD,
    OTHER_POOLINGS,
    PAPER,
    POCKET,
    POOLINGS,
    SHUFFLED,
    SUITES,
    emergences,
    recoveries,
)


def hard_pairs(run, regain, pooling, within, rise, persistence, behaviour):
    """Whether the recovery of hard task-level i precedes the emergence of j (n, n), and their tasks."""
    geometry = recoveries(run, regain, pooling, within)
    emerged = emergences(run, rise=rise, persistence=persistence, behaviour=behaviour)
    hard = [(task, level) for task, level in geometry.task_levels() if task in HARD]
    if not hard:
        raise Undefined(f"no traces of the hard tasks ({', '.join(HARD)})")
    first, second = geometry.at(hard), emerged.at(hard)
    return first.hi[:, None] <= second.lo[None, :], first.task


def leads(
    run,
    regain=1.25,
    pooling="mean",
    within=None,
    rise=0.25,
    persistence=3,
    behaviour="accuracy",
    pairing="matched",
):
    """Hard task-levels whose recovery precedes their emergence.

    `pairing` "mismatched": pairs of different tasks in which the recovery of one precedes the
    emergence of the other.
    """
    before, task = hard_pairs(run, regain, pooling, within, rise, persistence, behaviour)
    counted = np.eye(len(task), dtype=bool)
    if pairing == "mismatched":
        counted = task[:, None] != task[None, :]
        if not counted.any():
            raise Undefined("mismatched pairs need two hard tasks")
    return Count(np.count_nonzero(before & counted), np.count_nonzero(counted))


def lead_beyond_mismatched(
    run,
    regain=1.25,
    pooling="mean",
    within=None,
    rise=0.25,
    persistence=3,
    behaviour="accuracy",
):
    """Share of matched pairs that lead, minus the share of mismatched pairs (other tasks)."""
    choices = (regain, pooling, within, rise, persistence, behaviour)
    own, other = (leads(run, *choices, pairing) for pairing in ("matched", "mismatched"))
    return own.successes / own.trials - other.successes / other.trials


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
    needs=Needs(
        measures=["rankme", "accuracy"], further=[*OTHER_POOLINGS, "log_prob"], layers="final"
    ),
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
    controls=[
        varied(
            "mismatched tasks",
            "the recovery of one task precedes the emergence of another as well",
            predictions=["share leading"],
            pairing="mismatched",
        ),
        shuffled_answers(SHUFFLED),
        surrogate("rankme"),
        placebo("rankme", by="weight_norm"),
    ],
    multiverse={
        "regain": [1.1, 1.25, 1.5],
        "within": [None, 100, 200],
        "rise": [0.1, 0.25, 0.5],
        "persistence": [1, 3, 5],
        "behaviour": ["accuracy", "log_prob"],
        "pooling": list(POOLINGS),
        "suite": SUITES,
    },
)
