"""Lags of a measure behind behaviour, event by event, for the claims that put measures in order of time.

The onset of each is its largest step (`es.largest_step`), with the interval of its own error, from step 92 on, where deep measures
begin: the same for every task-level, since a window that begins with the task would know of it. Of the definitions tried on pilots it
dates log-probability, which has to move with accuracy, nearest to accuracy (`python examples/onsets.py`); the others are in the
multiverse. Behaviour counts beyond chance. Task-levels take part that emerge and whose traces would show a lag of a factor of two
either way.
"""

import math
from dataclasses import replace

import numpy as np

from emergence_stats import (
    EventLags,
    Run,
    Undefined,
    event_lags,
    half_way,
    largest_step,
    logarithm,
    sigmoid,
)

from .._tasks import CHANCE, emergences

REACH = math.log(2)
BEGIN = 92.0
RATIO_SCALE = ("rankme", "hessian_top", "weight_norm", "learning_rate")
ONSETS = {"step": largest_step, "sigmoid": sigmoid, "half-way": half_way}


def learned(run: Run) -> list[tuple[str, int]]:
    """Task-levels that emerge."""
    events = emergences(run)
    keys = events.select(events.observed).task_levels()
    if not keys:
        raise Undefined("no task-level emerges")
    return keys


def traces_of(run: Run, measure: str, keys):
    """Traces of a measure of these task-levels, in their order; one of the whole model stands for all."""
    if measure == "rankme":
        whole = run.traces(measure, tasks=True, layers="final")
    else:
        try:
            whole = run.traces(measure, tasks=True)
        except Undefined:
            model = run.traces(measure, tasks=False)
            whole = model.select(np.zeros(len(keys), int))
            whole = replace(
                whole, task=np.array([t for t, _ in keys]), level=np.array([v for _, v in keys])
            )
    where = {
        (str(t), int(v)): i for i, (t, v) in enumerate(zip(whole.task, whole.level, strict=True))
    }
    if any(key not in where for key in keys):
        raise Undefined(f"{measure!r} is not measured of every task-level that emerges")
    traces = whole.select(np.array([where[key] for key in keys]))
    if measure in RATIO_SCALE:
        return logarithm(traces)
    if measure == "accuracy":
        chance = np.array([[CHANCE.get(key, 0.0)] for key in keys])
        return replace(traces, values=np.maximum(traces.values, chance) - chance)
    return traces


def lags_of(run: Run, measure: str, onset="step", behaviour="accuracy", reach=REACH) -> EventLags:
    """Lag of the measure's change behind that of behaviour, of each task-level that can show one."""

    def find() -> EventLags:
        keys, find_onset = learned(run), ONSETS[onset]
        changed = traces_of(run, measure, keys)
        after = np.full(len(keys), BEGIN)
        first = find_onset(changed, after=after)
        second = find_onset(traces_of(run, behaviour, keys), after=after)
        last = changed.steps[np.arange(len(keys)), changed.length - 1]
        return event_lags(first, second, after, last, reach)

    return run.cached(("lags by event", measure, onset, behaviour, reach), find)


def median_lag(run, measure, onset="step", behaviour="accuracy", reach=REACH):
    """Median over task-levels of the lag behind behaviour, in log steps."""
    return lags_of(run, measure, onset, behaviour, reach).median()


def slope_on_emergence(run, measure, onset="step", behaviour="accuracy", reach=REACH):
    """Slope of the measure's onset on emergence within the run: 1 if it follows each task, 0 if it knows none."""
    return lags_of(run, measure, onset, behaviour, reach).slope()
