"""When two tasks swap order across scales, geometry fails to predict it.

The paper: geometry predicts 26% of the swaps (v1, v3). Two independent fair coins, one a scale,
would predict 25%.

Estimand, one value a seed (its runs at all scales): of the pairs of task-levels of different tasks
that emerge in one order at one scale and in the other order at another, both resolved by the
checkpoint grid, the share in which the recovery of RankMe shows the same two orders. Seeds are
matched across scales by number only, which makes five units of five runs each.

"Fails to predict" is supported if the share is at most 0.5 and refuted if it is above for certain.
"""

import itertools

import numpy as np

from emergence_stats import (
    Claim,
    Count,
    Hypothesis,
    Needs,
    Prediction,
    Region,
    Share,
    Undefined,
    varied,
)
from emergence_stats.events import interval_order

from ._paper import (
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

NOISE = 0.4  # of planted geometry, in log steps: on the pilots two thirds of the swaps predicted


def predicted_swaps(runs, regain=1.25, pooling="mean", within=None, geometry="recovery"):
    """Swaps of emergence order between two scales that the recovery order repeats."""
    by_scale = {run.scale: run for run in sorted(runs, key=lambda run: run.n_params)}
    if len(by_scale) < 2:
        raise Undefined("a swap needs runs at two scales")
    behaviour, moved, tasks = [], [], None
    for run in by_scale.values():
        recovered = recoveries(run, regain, pooling, within)
        if tasks is not None and recovered.task_levels() != tasks:
            raise Undefined("the scales have different task-levels")
        tasks = recovered.task_levels()
        emerged = emergences(run).at(tasks)
        behaviour.append(interval_order(emerged.lo, emerged.hi))
        if geometry == "planted":
            recovered = planted(run, tasks, NOISE)
        elif geometry == "loss":
            recovered = loss_half_way(run).at(tasks)
        moved.append(interval_order(recovered.lo, recovered.hi))
    names = np.array([task for task, _ in tasks])
    different = np.triu(names[:, None] != names[None, :], 1)
    swaps = predicted = 0
    for a, b in itertools.combinations(range(len(behaviour)), 2):
        swapped = different & (behaviour[a] * behaviour[b] == -1)
        same = (moved[a] == behaviour[a]) & (moved[b] == behaviour[b])
        swaps += np.count_nonzero(swapped)
        predicted += np.count_nonzero(swapped & same)
    if swaps == 0:
        raise Undefined("no two tasks swap order between scales")
    return Count(predicted, swaps)


order_reversal = Hypothesis(
    claim=Claim(
        "When two tasks swap their order of emergence between scales, geometry fails to "
        "predict the swap.",
        paper=PAPER,
        reported={"v1": "26% predicted", "v3": "26%"},
    ),
    needs=Needs(
        measures=["rankme", "accuracy"], further=OTHER_POOLINGS, layers="final", min_scales=2
    ),
    predictions=[
        Prediction("swaps predicted", predicted_swaps, Region.at_most(0.5), Share(), unit="seed"),
    ],
    design=POCKET,
    controls=[
        varied(
            "planted relation",
            "this analysis does not see a relation that is there",
            geometry="planted",
        ),
        varied(
            "loss in place of geometry",
            "the loss does not predict them either",
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
