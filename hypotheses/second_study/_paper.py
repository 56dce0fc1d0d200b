"""What the drafts of the second study share: tasks, classes, chance, and the choices that the paper leaves open.

Classes and chance are those of the first study, which were fixed on its pilots and on the tasks themselves. Every run of
the first study is a pilot here.
"""

import numpy as np

from emergence_stats import Design, Events, Run, emergence, first_lasting, floor
from emergence_stats import recovery as recovery_of

PAPER = "arXiv:2602.15997"
POOLINGS = {"mean": "rankme", "answer": "rankme_answer", "unit": "rankme_unit"}
OTHER_POOLINGS = ("rankme_answer", "rankme_unit")
# The pilots: all runs of the first study.
SCALES = ("d16L2", "d24L4", "d48L4", "d96L4", "d184L4")
POCKET = Design("pocket", SCALES, [*range(13), *range(30, 35)])
BLOCKS = Design("pocket", SCALES[1:], POCKET.seeds)  # sizes with four blocks
DEEP = Design("pocket_deep", ("d24L4", "d48L4"), [0, *range(20, 28), *range(40, 48)])
SHUFFLED = "pocket_shuffled"
SUITES = ("pocket", "pocket_slow", "pocket_fast")

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
# By what a task asks for: to move or compare tokens, or to compute.
EASY = ("copy", "reverse", "sort", "compare")
HARD = ("add", "mod", "mul", "parity")
# Difficulty from the task alone: tokens that have to be looked at or moved, and then how many have to be combined.
DIFFICULTY = {
    "copy": 1, "compare": 2, "reverse": 2, "sort": 3, "add": 4, "mod": 5, "parity": 6, "mul": 7,
}  # fmt: skip


def emergences(run: Run, rise=0.25, persistence=3, behaviour="accuracy") -> Events:
    """Emergence of each task-level: accuracy a quarter of the way from chance to 1, three checkpoints running."""
    return emergence(run, measure=behaviour, rise=rise, persistence=persistence, chance=CHANCE)


def floors(run: Run, layers="final", pooling="mean", within=None):
    """Floor of RankMe before the emergence of the same task-level, by default in the last block."""
    return floor(run, POOLINGS[pooling], layers=layers, within=within, before=emergences(run))


def recoveries(run: Run, regain=1.25, pooling="mean", within=None) -> Events:
    """Recovery of each task-level's RankMe: a quarter above its floor, three checkpoints running."""
    return recovery_of(floors(run, pooling=pooling, within=within), rise=regain)


def members(events: Events, tasks) -> np.ndarray:
    """Which task-levels are of these tasks (n,)."""
    return np.isin(events.task, tasks)


def loss_half_way(run: Run) -> Events:
    """When the loss of each task-level has fallen half-way: no geometry, for controls."""
    traces = run.traces("loss", tasks=True)
    low, start = traces.values.min(1, keepdims=True), traces.values[:, :1]
    return first_lasting(traces, traces.values <= (start + low) / 2, 1)


def planted(run: Run, task_levels, noise: float) -> Events:
    """Geometry that knows when each task-level emerges, up to normal noise in log steps; the same noise each time."""
    emerged = emergences(run).at(task_levels)
    at = np.log(np.where(np.isfinite(emerged.hi), emerged.hi, emerged.lo))
    step = np.exp(
        at + np.random.default_rng([run.n_params, run.seed, 2]).normal(0.0, noise, len(at))
    )
    return Events(emerged.task, emerged.level, emerged.layer, step * (1 - 1e-9), step)
