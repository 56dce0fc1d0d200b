"""Within a difficulty class geometry does not order emergence times.

The paper: concordance 27% (v1), 52% on easy to 69% on hard tasks (v3). Chance is 50% when ties
count half; where ties count as failures chance is (1 - share of ties) / 2, and with about 46% ties
27% is chance itself. Here ties in geometry count half.

Estimand, one value a run: Harrell's C between the recovery of RankMe and emergence, over pairs of
task-levels of one class (easy or hard) and of different tasks, whose emergence intervals are
disjoint (a task-level that never emerges is later than all that do). Levels of one task are
ordered by construction and not paired.

The claim is "no better than chance": supported if the mean C is at most 0.6; refuted if it is
above 0.6 for certain.
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
    Undefined,
    varied,
)
from emergence_stats.events import interval_order

from ._paper import (
    EASY,
    HARD,
    OTHER_POOLINGS,
    PAPER,
    POCKET,
    POOLINGS,
    SUITES,
    emergences,
    loss_half_way,
    planted,
    recoveries,
)

NOISE = 1.0  # of planted geometry, in log steps: on the pilots a concordance of about .7


def concordant(run, regain=1.25, pooling="mean", within=None, ties=0.5, geometry="recovery"):
    """Concordant pairs, ties counting `ties`, of the comparable pairs within the classes."""
    recovered = recoveries(run, regain, pooling, within)
    geometry = {
        "recovery": lambda: recovered,
        "planted": lambda: planted(run, recovered.task_levels(), NOISE),
        "loss": lambda: loss_half_way(run).at(recovered.task_levels()),
    }[geometry]()
    behaviour = emergences(run).at(geometry.task_levels())
    group = np.select([np.isin(geometry.task, EASY), np.isin(geometry.task, HARD)], [1, 2], 0)
    i, j = np.triu_indices(len(geometry), 1)
    paired = (group[i] == group[j]) & (group[i] > 0) & (geometry.task[i] != geometry.task[j])
    later = interval_order(behaviour.lo, behaviour.hi)[i, j]
    geometry_later = interval_order(geometry.lo, geometry.hi)[i, j]
    comparable = paired & (later != 0)
    if not comparable.any():
        raise Undefined("no two task-levels of a class emerge at distinct times")
    agree = (geometry_later == later)[comparable].sum()
    tied = (geometry_later == 0)[comparable].sum()
    return Count(agree + ties * tied, comparable.sum())


def concordance(run, regain=1.25, pooling="mean", within=None, ties=0.5, geometry="recovery"):
    """Harrell's C within difficulty classes."""
    count = concordant(run, regain, pooling, within, ties, geometry)
    return count.successes / count.trials


def concordant_strictly(run):
    """Concordant pairs with ties as failures, which may be how v1 counts."""
    return concordant(run, ties=0.0)


concordance_limits = Hypothesis(
    claim=Claim(
        "Within a difficulty class, geometry orders emergence times no better than chance.",
        paper=PAPER,
        reported={"v1": "concordance 27%", "v3": "52% (easy) to 69% (hard)"},
    ),
    needs=Needs(measures=["rankme", "accuracy"], further=OTHER_POOLINGS, layers="final"),
    predictions=[
        Prediction("Harrell's C", concordance, Region.at_most(0.6), Mean(bounds=(0.0, 1.0))),
    ],
    design=POCKET,
    pooled=Pooled("concordant pairs, ties as failures", concordant_strictly),
    controls=[
        varied(
            "planted relation",
            "this analysis does not see a relation that is there",
            geometry="planted",
        ),
        varied(
            "loss in place of geometry",
            "the loss does not order them either",
            measures=["loss"],
            geometry="loss",
        ),
    ],
    multiverse={
        "regain": [1.1, 1.25, 1.5],
        "within": [None, 100, 200],
        "pooling": list(POOLINGS),
        "suite": SUITES,
    },
)
