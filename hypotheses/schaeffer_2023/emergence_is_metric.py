"""Emergence is sharp in accuracy and smooth in log-probability: the metric makes it.

Estimands, one value a run, over task-levels with answers of two tokens or more that are learned: the log of how long the rise
takes in log-probability less that in exact-match accuracy (from a tenth to nine tenths of the way, in log steps, which begins
where only frequencies of answers are known); and the share of the rise of log-probability that came before accuracy emerged.
Supported if at every scale the rise in log-probability takes at least 1.5 times as many log steps, and more than half of it came
before (where each sample is known or not, a quarter does). One scale outside for certain refutes.

Reservations would mean: not specific, that token accuracy, which is linear in what each token knows, rises as sharply as exact
match, or that answers of one token, where the two metrics are alike, show the same. The paper is about sizes, and has tasks of
language models; here the axis is training, as it is in the claims about emergence.
"""

import math

import numpy as np

from emergence_stats import Claim, Hypothesis, Needs, Prediction, Region, Undefined, with_options

from .._tasks import CHANCE, IGNORANT, LONG, emergences

MANY = ("copy", "reverse", "sort", "add", "mod", "mul")  # answers of two tokens or more
ONE = ("compare", "parity")
LEAST = round(math.log(1.5), 4)


def learned(run, tasks):
    """Task-levels of these tasks that are solved nine times of ten at the end, on average of the last three checkpoints."""
    accuracy = run.traces("accuracy", tasks=True)
    rows = np.isin(accuracy.task, tasks) & (accuracy.values[:, -3:].mean(1) >= 0.9)
    if rows.sum() < 3:
        raise Undefined(f"{int(rows.sum())} task-levels are learned")
    return rows


def way(run, measure, rows):
    """Log steps, and how far each trace has come from knowing no more than which answers are frequent to its end (n, k)."""
    traces = run.traces(measure, tasks=True).select(rows)
    start = {
        "log_prob": {k: -v for k, v in IGNORANT.items()},
        "accuracy": CHANCE,
        "token_accuracy": {},
    }[measure]
    base = np.array([[start.get(key, 0.0)] for key in traces.task_levels()])
    if measure == "token_accuracy":
        base = traces.values[:, :1]
    end = traces.values[:, -3:].mean(1, keepdims=True)
    return np.log(np.maximum(traces.steps, 1.0)), np.clip(
        (traces.values - base) / (end - base), 0, None
    )


def duration(t, come, ends):
    """Log steps from the first time at `ends[0]` to the first time at `ends[1]` of the way (n,)."""
    highest = np.maximum.accumulate(come, axis=1)
    # Between checkpoints a rise is taken as straight, so that one that falls between two is not of no length.
    reached = [[np.interp(level, w, s) for w, s in zip(highest, t, strict=True)] for level in ends]
    return np.maximum(np.subtract(*reached[::-1]), 1e-3)


def smoother(run, tasks=MANY, ends=(0.1, 0.9), sharp="accuracy"):
    """Mean log of the duration of the rise in log-probability less that in accuracy."""
    rows = learned(run, tasks)
    smooth, steep = (duration(*way(run, m, rows), ends) for m in ("log_prob", sharp))
    return float((np.log(smooth) - np.log(steep)).mean())


def before_emergence(run, tasks=MANY, ends=(0.1, 0.9)):
    """Mean share of the rise of log-probability that came before accuracy emerged, from 0 to 1."""
    rows = learned(run, tasks)
    traces = run.traces("log_prob", tasks=True).select(rows)
    _, come = way(run, "log_prob", rows)
    events = emergences(run).at(traces.task_levels())
    before = np.maximum((traces.steps <= events.lo[:, None]).sum(1) - 1, 0)
    return float(np.clip(come[np.arange(len(before)), before], 0, 1).mean())


emergence_is_metric = Hypothesis(
    claim=Claim(
        "Emergence is sharp in accuracy and smooth in log-probability.",
        paper="arXiv:2304.15004",
        reported={"abstract": "continuous metrics give smooth, continuous and predictable changes"},
    ),
    needs=Needs(["accuracy", "log_prob"], layers="final", min_scales=3),
    predictions=[
        Prediction(
            "duration, log-probability to accuracy", smoother, Region.at_least(LEAST), scope="every scale"
        ),
        Prediction("share before emergence", before_emergence, Region.above(0.5), scope="every scale"),
    ],
    design=LONG,
    controls=[
        with_options("token accuracy", "a linear metric is as sharp", ["duration, log-probability to accuracy"],
               measures=["token_accuracy"], sharp="token_accuracy"),
        with_options("answers of one token", "it is there where the metrics are alike", ["duration, log-probability to accuracy"],
               tasks=ONE),
    ],
    multiverse={"ends": [(0.1, 0.9), (0.2, 0.8), (0.05, 0.95)]},
)  # fmt: skip
