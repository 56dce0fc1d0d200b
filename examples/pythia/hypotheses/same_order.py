"""Tasks are acquired in the same order at every size.

Estimand, one value a ladder of sizes: of all pairs of tasks at all pairs of sizes whose order is certain
at both, the share that swaps. Supported if it is at most 0.1. `python swaps.py` names the pairs.
"""

import itertools

from emergence_stats import Claim, Count, Hypothesis, Needs, Prediction, Region, Share, Undefined
from emergence_stats.core.events.definitions import interval_order

from ._pythia import acquisitions


def swaps(runs, share=1.0, persistence=2):
    """Pairs of tasks with two sizes that order them differently for certain."""
    found, trials = [], 0
    orders = []
    for run in sorted(runs, key=lambda run: run.n_params):
        events = acquisitions(run, share, persistence)
        orders.append((run.scale, events.task, interval_order(events.lo, events.hi)))
    for (small, tasks, a), (large, _, b) in itertools.combinations(orders, 2):
        for i, j in itertools.combinations(range(len(tasks)), 2):
            trials += bool(a[i, j] and b[i, j])
            if a[i, j] * b[i, j] < 0:
                first, then = (i, j) if a[i, j] < 0 else (j, i)
                found.append((str(tasks[first]), str(tasks[then]), small, large))
    return found, trials


def swapped(runs, share=1.0, persistence=2):
    """Swaps, of the pairs whose order is certain at both sizes."""
    found, trials = swaps(runs, share, persistence)
    if not trials:
        raise Undefined("no pair of tasks has a certain order at two sizes")
    return Count(len(found), trials)


same_order = Hypothesis(
    claim=Claim("Tasks are acquired in the same order at every size."),
    needs=Needs(measures=["accuracy"]),
    predictions=[
        Prediction("pairs that swap", swapped, Region.at_most(0.1), Share(), unit="seed"),
    ],
    multiverse={"share": [0.5, 1.0], "persistence": [1, 2, 3]},
)
