"""Larger models acquire a task at an earlier step.

Estimand, one value a ladder of sizes: Kendall's tau-b between a model's size and the step at which it
acquires a task, mean over tasks. Steps are known only to lie between two checkpoints, and checkpoints are
far apart: models that acquire a task between the same two are tied, and one that never does is later than
all that do. Supported if the mean tau-b is at most -0.5.
"""

import numpy as np

from emergence_stats import Claim, Hypothesis, Mean, Needs, Prediction, Region, Undefined
from emergence_stats.core.events.definitions import kendall_tau_b

from ._pythia import acquisitions


def size_order(runs, share=1.0, persistence=2):
    """Mean over tasks of tau-b between parameters and acquisition, in one ladder of sizes."""
    if len(runs) < 3:
        raise Undefined(f"{len(runs)} sizes show no order")
    events = [acquisitions(run, share, persistence) for run in runs]
    tasks = events[0].task_levels()
    times = [some.at(tasks) for some in events]
    size = np.array([run.n_params for run in runs])
    lo, hi = (np.array([getattr(t, end) for t in times]).T for end in ("lo", "hi"))
    return kendall_tau_b(np.broadcast_to(size, lo.shape), lo, hi).mean()


larger_earlier = Hypothesis(
    claim=Claim("Larger models acquire a task at an earlier step.", paper="arXiv:2304.01373"),
    needs=Needs(measures=["accuracy"]),
    predictions=[
        Prediction(
            "tau-b of size and acquisition",
            size_order,
            Region.at_most(-0.5),
            Mean(bounds=(-1.0, 1.0)),
            unit="seed",
        )
    ],
    multiverse={"share": [0.5, 1.0], "persistence": [1, 2, 3]},
)
