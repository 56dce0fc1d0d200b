"""What the claims share that put measures in order of time: LLC, Hessian, RankMe and behaviour.

The paper's definition of "moves" is not known to us. Here a measure moves when it makes its main
change, up or down, and the moment is relative to that change itself, in the same way for every
measure and for behaviour (`emergence_stats/onsets.py`): the midpoint of the best-fitting sigmoid, and
as a second definition the half-way of the largest change.

All are looked at from the floor of RankMe on (last block, before emergence). What happens before is
the collapse, which all task-levels share.

Choices were fixed on pilot runs of suite pocket_deep (seeds 0 and 1), before any confirmatory run of
that suite existed.
"""

import math
from dataclasses import replace

import numpy as np

from emergence_stats import Count, Design, Events, Run, TraceSet, Undefined, precedence
from emergence_stats.onsets import ONSETS, at_steps, equally_noisy, logarithm, middle, width

from ._paper import CHANCE, emergences, floors

DEEP = Design("pocket_deep", ("d24L4", "d48L4"), tuple(range(20, 28)))

RATIO_SCALE = ("rankme", "hessian_top")  # measures that live on a ratio scale: their logarithm
LEAST = math.log(1.25)  # a smaller change of these is none

# Fewer task-levels than this, known or not, say nothing of a run.
FEWEST = 6
# An onset known more coarsely than this, together with that of behaviour, could not show a lead by
# a factor of two, the smallest that we call one, so it tells nothing about leads.
COARSEST = 2.0


def learned(run: Run) -> list[tuple[str, int]]:
    """Task-levels that emerge. The others have no moment that a measure could lead or follow, and
    measures of a task that is still being learned have not made their change yet.
    """
    events = emergences(run)
    keys = events.select(events.observed).task_levels()
    if len(keys) < FEWEST:
        raise Undefined(f"{len(keys)} task-levels emerge, and fewer than {FEWEST} say nothing")
    return keys


def traces_of(run: Run, measure: str) -> TraceSet:
    """Traces of a measure of each learned task-level, in their order, as onsets are read off them.

    `accuracy` is that beyond the best constant answer: learning which answers are frequent is not
    learning the task.
    """

    def find() -> TraceSet:
        whole = run.traces(measure, tasks=True, layers="final" if measure == "rankme" else None)
        keys = [(str(t), int(v)) for t, v in zip(whole.task, whole.level, strict=True)]
        where = {key: i for i, key in enumerate(keys)}
        absent = [f"{t} level {v}" for t, v in learned(run) if (t, v) not in where]
        if absent:
            raise Undefined(f"no {measure!r} of {', '.join(absent)}")
        traces = whole.select(np.array([where[key] for key in learned(run)]))
        if measure in RATIO_SCALE:
            return logarithm(traces)
        if measure == "accuracy":
            chance = np.array([[CHANCE.get(key, 0.0)] for key in learned(run)])
            return replace(traces, values=np.maximum(traces.values, chance) - chance)
        return traces

    return run.cached(("traces of learned task-levels", measure), find)


def floor_steps(run: Run):
    """Step of RankMe's floor of each learned task-level (n,)."""
    lowest = floors(run)
    keys = zip(lowest.traces.task, lowest.traces.level, strict=True)
    step = {(str(t), int(v)): int(s) for (t, v), s in zip(keys, lowest.step, strict=True)}
    return np.array([step[key] for key in learned(run)])


def onsets(run: Run, measure: str, onset: str) -> Events:
    """When a measure of each learned task-level moves, by the definition `onset`."""

    def find() -> Events:
        least = LEAST if measure in RATIO_SCALE else 0.0
        return ONSETS[onset](traces_of(run, measure), after=floor_steps(run), least=least)

    return run.cached(("onsets", measure, onset), find)


def same_noise(run: Run, measures: tuple[str, ...], onset: str) -> list[Events]:
    """Onsets of several measures at the checkpoints that all of them have, with noise added until all
    are as noisy as the noisiest. The noise is fixed by the run's seed.
    """
    whole = [traces_of(run, measure) for measure in measures]
    real = [set(row[:n]) for t in whole for row, n in zip(t.steps, t.length, strict=True)]
    steps = np.array(sorted(set.intersection(*real)), np.int64)
    after = floor_steps(run)
    noisy = equally_noisy([at_steps(t, steps) for t in whole], run.seed, after=after)
    return [ONSETS[onset](t, after=after) for t in noisy]


def lags(run: Run, measure: str, onset: str, behaviour: str):
    """Log step at which a measure moves less that of behaviour, of each learned task-level (n,).

    NaN where the measure's error leaves its onset open.
    """
    return middle(onsets(run, measure, onset)) - middle(onsets(run, behaviour, onset))


def median_lag(run: Run, measure: str, onset: str, behaviour: str) -> float:
    """Median over the learned task-levels whose onsets are known."""
    found = lags(run, measure, onset, behaviour)
    known = found[~np.isnan(found)]
    if len(known) < FEWEST:
        raise Undefined(
            f"the onset of {measure!r} is known for {len(known)} of {len(found)} learned "
            f"task-levels, and fewer than {FEWEST} say nothing"
        )
    return float(np.median(known))


def matched_minus_mismatched(run: Run, measure: str, onset: str, behaviour: str) -> float:
    """Mean distance in log steps between a measure's onset and behaviour's of the same task-level,
    less that between the measure's and behaviour's of other tasks, over the onsets that are known.
    """
    first, second = onsets(run, measure, onset), onsets(run, behaviour, onset)
    x, y = middle(first), middle(second)
    known = ~np.isnan(x) & ~np.isnan(y)
    distance = np.abs(x[known, None] - y[None, known])
    task = first.task[known]
    other = task[:, None] != task[None, :]
    if known.sum() < FEWEST or not other.any():
        raise Undefined(f"the onset of {measure!r} is known for {known.sum()} learned task-levels")
    return float(np.diag(distance).mean() - distance[other].mean())


def share_leading(run: Run, measure: str, onset: str, behaviour: str) -> Count:
    """Learned task-levels in which a measure moves before behaviour for certain.

    Of those in which a lead by a factor of `COARSEST` would show: an onset that noise leaves open
    leads nothing, and must not count as evidence that it does not lead.
    """
    first, second = onsets(run, measure, onset), onsets(run, behaviour, onset)
    telling = width(first) * width(second) <= COARSEST
    if telling.sum() < FEWEST:
        raise Undefined(
            f"a lead of {measure!r} would show in {telling.sum()} of {len(first)} learned "
            f"task-levels, and fewer than {FEWEST} say nothing"
        )
    return Count(int(((precedence(first, second) > 0) & telling).sum()), int(telling.sum()))
