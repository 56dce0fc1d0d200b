"""Geometry orders tasks by coarse difficulty.

The paper (notes on v1): Spearman's rho between a geometric quantity and difficulty is .57 to .90.
Which quantity is not known to us; here it is the step at which RankMe has recovered from its floor.

Estimand, one value a run: Spearman's rho over tasks (each the median of its levels, since levels
of one task are ordered by construction) between recovery step and emergence step. Censored events
rank last, together.

Supported if the mean rho is at least 0.5, refuted if it is below for certain.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    Mean,
    Needs,
    Prediction,
    Region,
    Undefined,
    surrogate,
    varied,
)

from ._paper import (
    OTHER_POOLINGS,
    PAPER,
    POCKET,
    POOLINGS,
    SUITES,
    emergences,
    floors,
    loss_half_way,
    recoveries,
)


def ranks(x):
    """Average ranks (n,), ties alike; infinity ranks last."""
    order = np.sort(x)
    return (np.searchsorted(order, x, "left") + np.searchsorted(order, x, "right")) / 2


def by_task(tasks, values):
    """Median over the levels of each task, in the order of the tasks' names."""
    return np.array([np.median(values[tasks == task]) for task in np.unique(tasks)])


def rho_with_emergence(
    run, quantity="recovery", regain=1.25, pooling="mean", within=None, pairing="matched"
):
    """Spearman's rho over tasks between a geometric quantity and the emergence step.

    `pairing` "mismatched": of a task's geometry and the emergence of the next task, the one after it
    and so on around, on average.
    """
    lowest = floors(run, pooling=pooling, within=within)
    keys = list(zip(lowest.traces.task.tolist(), lowest.traces.level.tolist(), strict=True))
    geometry = {
        "recovery": lambda: recoveries(run, regain, pooling, within).hi,
        "floor step": lambda: lowest.step.astype(float),
        "floor": lambda: -lowest.value,  # a deeper floor for a harder task
        "loss": lambda: loss_half_way(run).at(keys).hi,  # no geometry
    }[quantity]()
    tasks = lowest.traces.task
    x, y = (ranks(by_task(tasks, v)) for v in (geometry, emergences(run).at(keys).hi))
    if len(x) < 4:
        raise Undefined(f"a rank correlation over {len(x)} tasks says nothing")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        raise Undefined("all tasks have the same rank")
    if pairing == "mismatched":
        return np.mean([np.corrcoef(x, np.roll(y, i))[0, 1] for i in range(1, len(y))])
    return np.corrcoef(x, y)[0, 1]


coarse_difficulty = Hypothesis(
    claim=Claim(
        "Tasks whose representation recovers later emerge later: geometry orders them by "
        "coarse difficulty.",
        paper=PAPER,
        reported={"v1": "Spearman .57-.90 (notes)"},
    ),
    needs=Needs(measures=["rankme", "accuracy"], further=OTHER_POOLINGS, layers="final"),
    predictions=[
        Prediction(
            "Spearman's rho over tasks",
            rho_with_emergence,
            Region.at_least(0.5),
            Mean(bounds=(-1.0, 1.0)),
        ),
    ],
    design=POCKET,
    controls=[
        varied("mismatched tasks", "the order is that of any other task", pairing="mismatched"),
        varied(
            "loss in place of geometry",
            "the moment at which the loss has fallen half-way orders the tasks too",
            measures=["loss"],
            quantity="loss",
        ),
        surrogate("rankme"),
    ],
    multiverse={
        "quantity": ["recovery", "floor step", "floor"],
        "regain": [1.1, 1.25, 1.5],
        "within": [None, 100, 200],
        "pooling": list(POOLINGS),
        "suite": SUITES,
    },
)
