"""The collapse reaches output-side layers first and moves toward the input.

The paper: in 32 of 32 task x model pairs (v1), 28 of 32 (v3); "top-down" (v4). One of its five
sizes is left out of the count, perhaps the one with two blocks.

Estimand, one value a run: Kendall's tau-b between block depth and the step at which RankMe has
fallen half-way to its floor, mean over task-levels; -1 is perfectly top-down. Layers that fall
between the same two checkpoints are ties. The floor is the lowest RankMe of the whole trace, so that
behaviour plays no part: only RankMe is needed. Runs with fewer than four blocks are excluded: two
blocks give one pair.

Supported if the mean tau-b is at most -0.3, refuted if it is above for certain.
"""

from dataclasses import replace

import numpy as np

from emergence_stats import (
    Claim,
    Count,
    Design,
    Hypothesis,
    Mean,
    Needs,
    Pooled,
    Prediction,
    Region,
    collapse,
    floor,
    shuffled_answers,
    surrogate,
    varied,
)

from ._paper import (
    CONFIRMATORY_SEEDS,
    OTHER_POOLINGS,
    PAPER,
    POOLINGS,
    SCALES,
    SHUFFLED,
    SUITES,
)


def orders(run, fraction=0.5, pooling="mean", within=None, quantity="collapse"):
    """Kendall's tau-b of depth and collapse step for each task-level (task-levels,).

    `quantity` "initial rank": of depth and the RankMe before the first step.
    """
    lowest = floor(run, POOLINGS[pooling], layers="blocks", within=within)
    events = collapse(lowest, fraction)
    if quantity == "initial rank":
        events = replace(events, lo=lowest.initial, hi=lowest.initial)
    return events.layer_order()


def depth_order(run, fraction=0.5, pooling="mean", within=None, quantity="collapse"):
    """Mean over task-levels of the tau-b between depth and collapse step."""
    return orders(run, fraction, pooling, within, quantity).mean()


def top_down_task_levels(run):
    """Task-levels in which deeper blocks collapse earlier (tau-b below zero)."""
    tau = orders(run)
    return Count(np.count_nonzero(tau < 0), len(tau))


top_down = Hypothesis(
    claim=Claim(
        "The rank collapse reaches output-side layers first and moves toward the input.",
        paper=PAPER,
        reported={"v1": "32/32 task x model", "v3": "28/32", "v4": "top-down"},
    ),
    needs=Needs(measures=["rankme"], further=OTHER_POOLINGS, layers="blocks", min_layers=4),
    predictions=[
        Prediction(
            "tau-b of depth and collapse",
            depth_order,
            Region.at_most(-0.3),
            Mean(bounds=(-1.0, 1.0)),
        ),
    ],
    design=Design("pocket", SCALES[1:], CONFIRMATORY_SEEDS),
    pooled=Pooled("task-levels in which deeper blocks collapse earlier", top_down_task_levels),
    controls=[
        shuffled_answers(SHUFFLED),
        varied(
            "gradient at initialisation",
            "deeper blocks have the lower rank before training",
            quantity="initial rank",
        ),
        surrogate("rankme"),
    ],
    multiverse={
        "fraction": [0.25, 0.5, 0.75],
        "within": [None, 100, 200],
        "pooling": list(POOLINGS),
        "suite": SUITES,
    },
)
