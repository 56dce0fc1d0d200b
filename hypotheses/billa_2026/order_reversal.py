"""When two tasks swap order across scales, geometry fails to predict it.

Where geometry does not swap it predicts nothing, right or wrong. So the question is conditional: of the pairs of
task-levels whose emergence is ordered one way at one scale and the other way at another, and whose recovery swaps too, in
which share does the recovery have the same two orders? A geometry that knows nothing of emergence has one half, whatever
the share of ties. One value a seed, its runs at all scales; runs of one seed have nothing in common but the number, so that seeds
are independent studies, and any other pairing is as good.

"Fails to predict" is supported if that share is at most 0.65, and a planted relation is found; refuted if it is above for
certain.
"""

import itertools

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    Median,
    Needs,
    Prediction,
    Region,
    Reported,
    Undefined,
    interval_order,
    with_options,
)

from .._tasks import LONG, OTHER_POOLINGS, POOLINGS, emergences, loss_half_way, planted, recoveries
from ._paper import PAPER

NOISE = 0.4  # of planted geometry, in log steps


def swaps_that_agree(runs, rise=1.25, pooling="mean", geometry="recovery"):
    """Of the swaps of emergence in which geometry swaps too, those with the same two orders."""
    by_scale = {run.scale: run for run in sorted(runs, key=lambda run: run.n_params)}
    if len(by_scale) < 2:
        raise Undefined("a swap needs runs at two scales")
    behaviour, moved, tasks = [], [], None
    for run in by_scale.values():
        recovered = recoveries(run, rise, pooling)
        if tasks is not None and recovered.task_levels() != tasks:
            raise Undefined("the scales have different task-levels")
        tasks = recovered.task_levels()
        emerged = emergences(run).at(tasks)
        behaviour.append(interval_order(emerged.lo, emerged.hi))
        if geometry == "planted":
            recovered = planted(run, recovered, NOISE)
        elif geometry == "loss":
            recovered = loss_half_way(run).at(tasks)
        moved.append(interval_order(recovered.lo, recovered.hi))
    names = np.array([task for task, _ in tasks])
    different = np.triu(names[:, None] != names[None, :], 1)
    right = both = 0
    for a, b in itertools.combinations(range(len(behaviour)), 2):
        swapped = different & (behaviour[a] * behaviour[b] == -1) & (moved[a] * moved[b] == -1)
        both += np.count_nonzero(swapped)
        right += np.count_nonzero(swapped & (moved[a] == behaviour[a]))
    if both == 0:
        raise Undefined("no two tasks swap order in behaviour and in geometry")
    return right / both


order_reversal = Hypothesis(
    claim=Claim(
        "When two tasks swap their order of emergence between scales, geometry fails to predict the swap.",
        paper=PAPER,
        reported={"v1": Reported(estimate=0.26, text="of all swaps, not of those in which geometry swaps"), "v3": "26%"},
    ),
    needs=Needs(["rankme", "accuracy"], optional=OTHER_POOLINGS, layers="final", min_scales=2, step_unit="optimiser steps"),
    predictions=[
        Prediction("swaps that agree", swaps_that_agree, Region.at_most(0.65), Median(), unit="seed"),
    ],
    design=LONG,
    controls=[
        with_options("planted relation", "this analysis sees no relation", finds="refuted", geometry="planted"),
        with_options("loss in place of geometry", "the loss does not predict them", measures=["loss"], geometry="loss"),
    ],
    multiverse={"rise": [1.1, 1.25, 1.5], "pooling": list(POOLINGS)},
)  # fmt: skip
