"""What the claims of all papers share: the suites, the tasks, their chance and classes, and when a task-level emerges.

Fixed before the confirmatory runs: chance and classes follow from the tasks themselves (`training/tasks.py`), difficulty from
the runs of the first study (`python examples/difficulty.py`), which are pilots.
"""

from dataclasses import replace

import numpy as np

from emergence_stats import Design, Events, Run, emergence, first_lasting, floor
from emergence_stats import recovery as recovery_of

SCALES = ("d24L4", "d32L4", "d48L4", "d96L4", "d184L4")  # four blocks each: size is width alone
# 100 and 101 are pilots; medians of ten runs can come out either way at five sizes.
SEEDS = range(102, 112)
LONG = Design("pocket_long", SCALES, SEEDS)
DEEP = Design("pocket_long", SCALES[:3], SEEDS)  # sizes with deep measures
START = Design("pocket_start", SCALES, range(102, 140))
SHUFFLED, CONSTANT = "pocket_long_shuffled", "pocket_long_constant"
RATES = ("pocket_long", "pocket_long_slow", "pocket_long_fast")

POOLINGS = {
    "mean": "rankme",
    "answer": "rankme_answer",
    "unit": "rankme_unit",
    "mean, centred": "rankme_centred",
    "answer, centred": "rankme_answer_centred",
    "unit, centred": "rankme_unit_centred",
}
OTHER_POOLINGS = tuple(POOLINGS.values())[1:]

# Accuracy of the best constant answer: learning which answers are frequent is not learning the task.
CHANCE = {
    **{("compare", level): 0.5 for level in range(3)},
    **{("parity", level): 0.5 for level in range(3)},
    ("add", 0): 0.10,
    ("add", 1): 0.01,
    ("mod", 0): 1 / 5,
    ("mod", 1): 1 / 7,
    ("mod", 2): 1 / 11,
    ("mul", 0): 0.19,
    ("mul", 1): 0.109,
    ("mul", 2): 0.0199,
}
# Loss in nats per answer token of the best answer that ignores the question: knowing which answers are frequent, and no more.
IGNORANT = {
    **{(task, level): 2.303 for task in ("copy", "reverse") for level in range(3)},
    **{(task, level): 0.693 for task in ("compare", "parity") for level in range(3)},
    ("add", 0): 1.495, ("add", 1): 1.766, ("add", 2): 1.9, ("mod", 0): 0.805, ("mod", 1): 0.973, ("mod", 2): 1.289,
    ("sort", 0): 1.98, ("sort", 1): 1.878, ("sort", 2): 1.726, ("mul", 0): 1.911, ("mul", 1): 2.05, ("mul", 2): 2.141,
}  # fmt: skip
# Task-levels that nearly all runs of the first study learned, of tasks that move tokens and of tasks that compute.
LEARNED = {
    "easy": [
        *((task, level) for task in ("copy", "reverse") for level in range(3)),
        ("sort", 0),
        ("sort", 1),
    ],
    "hard": [("mod", 0), ("mod", 1), ("mul", 0), ("add", 0)],
}
# By what a task asks for: to move or compare tokens, or to compute.
EASY = ("copy", "reverse", "sort", "compare")
HARD = ("add", "mod", "mul", "parity")
# Median step of emergence of a task's levels in the runs of the first study, all sizes together.
DIFFICULTY = {
    "copy": 436, "reverse": 436, "sort": 436, "compare": 479, "mod": 1205, "parity": 1743, "add": 3032, "mul": 3326,
}  # fmt: skip


def emergences(run: Run, rise=0.25, persistence=3, behaviour="accuracy") -> Events:
    """Emergence of each task-level: accuracy a quarter of the way from chance to 1, three checkpoints running."""
    return emergence(run, measure=behaviour, rise=rise, persistence=persistence, chance=CHANCE)


def smoothed(values):
    """Each value but the ends as the median of itself and its neighbours (n, k): a lowest value is else that of the noise."""
    inner = np.median([values[:, :-2], values[:, 1:-1], values[:, 2:]], axis=0)
    return np.concatenate([values[:, :1], inner, values[:, -1:]], axis=1)


def floors(run: Run, layers="final", pooling="mean", within=300, shared=False):
    """Lowest RankMe of the first steps, smoothed, by default in the last block; the same steps for every task-level.

    A window that ended at the emergence of a task-level would give late tasks late floors. `shared`: every task-level has the
    geometric mean of all, so that its geometry knows of the run and not of the task.
    """

    def make() -> Run:
        traces = run.traces(POOLINGS[pooling], layers=layers, tasks=True)
        values = smoothed(traces.values)
        if shared:
            for layer in np.unique(traces.layer):
                mine = traces.layer == layer
                values[mine] = np.exp(np.log(values[mine]).mean(0))
        return run.replacing({POOLINGS[pooling]: replace(traces, values=values)})

    smooth = run.cached(("smoothed", layers, pooling, shared), make)
    return floor(smooth, POOLINGS[pooling], layers=layers, within=within)


def recoveries(run: Run, rise=1.25, pooling="mean", within=300, shared=False) -> Events:
    """Recovery of each task-level's RankMe: a quarter above its floor, three checkpoints running."""
    return recovery_of(floors(run, pooling=pooling, within=within, shared=shared), rise=rise)


def members(events: Events, tasks) -> np.ndarray:
    """Which task-levels are of these tasks (n,)."""
    return np.isin(events.task, tasks)


def log_middle(events: Events, late: float) -> np.ndarray:
    """Log of the geometric middle of each event (n,); `late` (a step) where it was not seen."""
    lo, hi = (
        np.log(np.maximum(x, 1.0))
        for x in (events.lo, np.where(np.isfinite(events.hi), events.hi, 1))
    )
    return np.where(np.isfinite(events.hi), (lo + hi) / 2, np.log(late))


def loss_half_way(run: Run) -> Events:
    """When the loss of each task-level has fallen half-way: no geometry, for controls."""
    traces = run.traces("loss", tasks=True)
    low, start = traces.values.min(1, keepdims=True), traces.values[:, :1]
    return first_lasting(traces, traces.values <= (start + low) / 2, 1)


def planted(run: Run, like: Events, noise: float) -> Events:
    """Geometry that knows when each task-level of `like` emerges, up to normal noise in log steps, the same each time.

    It is unknown where the geometry in `like` is: what cannot be seen is planted where it cannot be seen.
    """
    task_levels = like.task_levels()
    emerged = emergences(run).at(task_levels)
    at = np.log(np.where(np.isfinite(emerged.hi), emerged.hi, emerged.lo))
    step = np.exp(
        at + np.random.default_rng([run.n_params, run.seed, 2]).normal(0.0, noise, len(at))
    )
    lo, hi = (
        np.where(like.observed, x, like.lo if i == 0 else np.inf)
        for i, x in enumerate((step * (1 - 1e-9), step))
    )
    return Events(emerged.task, emerged.level, emerged.layer, lo, hi)
