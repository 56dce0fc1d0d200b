"""Within a difficulty class geometry does not order emergence times.

Estimand, one value a run and class: Harrell's C between the recovery of RankMe and emergence, over pairs of task-levels of
one class and of different tasks whose emergence intervals are disjoint; ties in geometry count half, so that chance is
one half; undefined where most pairs are tied. Supported if C is at most 0.6 on average over scales in both classes, no scale lies
above for certain, and a planted relation is found. (At every scale: that would take some forty seeds a scale.) The paper's 27%
(v1) and 52% (v3) are of the easy class, its 69% of the hard one.
"""

import functools

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    Mean,
    Needs,
    Prediction,
    Region,
    Reported,
    Undefined,
    interval_order,
    with_options,
)

from .._tasks import (
    EASY,
    HARD,
    LONG,
    OTHER_POOLINGS,
    POOLINGS,
    emergences,
    loss_half_way,
    members,
    planted,
    recoveries,
)
from ._paper import PAPER

NOISE = 0.7  # of planted geometry, in log steps


def concordance(run, *, tasks, rise=1.25, pooling="mean", geometry="recovery", least=0.5):
    """Harrell's C within a class, over pairs of different tasks."""
    recovered = recoveries(run, rise, pooling)
    keys = recovered.task_levels()
    moved = {
        "recovery": lambda: recovered,
        "planted": lambda: planted(run, recovered, NOISE),
        "loss": lambda: loss_half_way(run).at(keys),
    }[geometry]()
    mine = members(moved, tasks)
    moved, emerged = moved.select(mine), emergences(run).at(keys).select(mine)
    i, j = np.triu_indices(len(moved), 1)
    later = interval_order(emerged.lo, emerged.hi)[i, j]
    moved_later = interval_order(moved.lo, moved.hi)[i, j]
    comparable = (moved.task[i] != moved.task[j]) & (later != 0)
    if not comparable.any():
        raise Undefined("no two task-levels of the class emerge at distinct times")
    agree, tied = moved_later == later, moved_later == 0
    if tied[comparable].mean() > 1 - least:
        raise Undefined("most pairs are tied in geometry, which says nothing of how it orders")
    return float((agree + 0.5 * tied)[comparable].mean())


concordance_limits = Hypothesis(
    claim=Claim(
        "Within a difficulty class, geometry orders emergence times no better than chance.",
        paper=PAPER,
        reported={
            "v1": Reported(estimate=0.27, prediction="C, easy", text="ties perhaps as failures"),
            "v3, easy": Reported(estimate=0.52, prediction="C, easy"),
            "v3, hard": Reported(estimate=0.69, prediction="C, hard"),
        },
    ),
    needs=Needs(
        ["rankme", "accuracy"],
        optional=OTHER_POOLINGS,
        layers="final",
        min_scales=2,
        step_unit="optimiser steps",
    ),
    predictions=[
        Prediction(
            f"C, {name}",
            functools.partial(concordance, tasks=tasks),
            Region.at_most(0.6),
            Mean((0.0, 1.0)),
            scope="average",
        )
        for name, tasks in (("easy", EASY), ("hard", HARD))
    ],
    design=LONG,
    controls=[
        *(
            with_options(
                f"planted relation, {name}",
                "this analysis sees no relation",
                [f"C, {name}"],
                finds="refuted",
                geometry="planted",
            )
            for name in ("easy", "hard")
        ),
        with_options(
            "loss in place of geometry",
            "the loss does not order them either",
            measures=["loss"],
            geometry="loss",
        ),
    ],
    multiverse={"rise": [1.1, 1.25, 1.5], "pooling": list(POOLINGS)},
)
