"""What the claims share that put measures in order of time: LLC, Hessian, RankMe and behaviour.

The paper's definition of "moves" is not known to us. On the pilots single traces of the LLC and of the
Hessian seldom tell when they change: training itself moves them from checkpoint to checkpoint. So the
estimand of a run is the lag that its task-levels have in common (`emergence_stats/lags.py`), by two
definitions that treat the measure and behaviour alike:

sigmoid   behaviour at the midpoint of the best-fitting sigmoid, the measure by sigmoids of any width
step      behaviour when accuracy is half-way of its largest change, the measure by steps

Task-levels take part that emerge, and whose checkpoints would show a change of the measure at any lag
within a factor of two either way: a lag is a lag behind something, and traces that end, or begin, too
near to emergence would speak against lags that they cannot show. Lags are searched in that range, so
an estimate at its end means a factor of two or more.

All traces are looked at from the floor of RankMe on (last block, before emergence), which leaves out
the collapse that all task-levels share; window "start" lets it in.

A change that all task-levels make at one time may be near their emergence, or after it, by chance. The
control "mismatched tasks" measures each lag from the behaviour of another task of the same run.

Choices were fixed on pilot runs of suite pocket_deep (seed 0), before any confirmatory run of that suite
existed. Registered anew later: the first confirmatory set was seeds 20 to 27; then the interval of bounded
means was changed (docs/registrations.md), and controls were added.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from emergence_stats import Count, Design, Events, Run, TraceSet, Undefined, precedence, varied
from emergence_stats.lags import CommonLag, common_lag, explained_at, lags_between, within_reach
from emergence_stats.onsets import (
    WIDTHS,
    Fit,
    at_steps,
    equally_noisy,
    fits,
    half_way,
    logarithm,
    middle,
    sigmoid,
)

from ._paper import CHANCE, emergences, floors

DEEP = Design("pocket_deep", ("d24L4", "d48L4"), tuple(range(40, 48)))

RATIO_SCALE = ("rankme", "hessian_top")  # measures that live on a ratio scale: their logarithm
LAGS = lags_between(-math.log(2), math.log(2))
FEWEST = 6  # fewer task-levels than this say nothing of a run

ONSET_OF_BEHAVIOUR = {"sigmoid": sigmoid, "step": half_way}
WIDTHS_OF_MEASURE = {"sigmoid": WIDTHS, "step": WIDTHS[:1]}


@dataclass(frozen=True)
class How:
    """The choices of an analysis: definition of a change, measure of behaviour, and where traces begin."""

    onset: str = "sigmoid"
    behaviour: str = "accuracy"
    window: str = "floor"


# --- the traces -------------------------------------------------------------------------------


def learned(run: Run) -> list[tuple[str, int]]:
    """Task-levels that emerge."""
    events = emergences(run)
    keys = events.select(events.observed).task_levels()
    if len(keys) < FEWEST:
        raise Undefined(f"{len(keys)} task-levels emerge, and fewer than {FEWEST} say nothing")
    return keys


def traces_of(run: Run, measure: str) -> TraceSet:
    """Traces of a measure of each learned task-level, in their order, as changes are read off them.

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


def first_steps(run: Run, window: str = "floor"):
    """From which step on each learned task-level is looked at (n,): RankMe's floor, or after the
    initialisation.
    """
    if window == "start":
        return np.ones(len(learned(run)), np.int64)
    lowest = floors(run)
    keys = zip(lowest.traces.task, lowest.traces.level, strict=True)
    step = {(str(t), int(v)): int(s) for (t, v), s in zip(keys, lowest.step, strict=True)}
    return np.array([step[key] for key in learned(run)])


def same_noise(run: Run, measures: tuple[str, ...]) -> list[TraceSet]:
    """Traces of several measures at the checkpoints that all of them have, with noise added until all
    are as noisy as the noisiest. The noise is fixed by the run's seed and size.
    """
    whole = [traces_of(run, measure) for measure in measures]
    real = [set(row[:n]) for t in whole for row, n in zip(t.steps, t.length, strict=True)]
    steps = np.array(sorted(set.intersection(*real)), np.int64)
    common = [at_steps(traces, steps) for traces in whole]
    seed = 1_000_003 * run.n_params + run.seed
    return equally_noisy(common, seed, after=first_steps(run))


# --- lags -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Aligned:
    """Task-levels that take part: their keys, the fits of a measure, and behaviour's log steps."""

    keys: list[tuple[str, int]]
    fits: list[Fit]
    behaviour: list[float]

    def lag(self) -> CommonLag:
        return common_lag(self.fits, self.behaviour, LAGS)


def behaviour_of(run: Run, how: How) -> Events:
    """When behaviour of each learned task-level changes."""

    def find() -> Events:
        after = first_steps(run, how.window)
        return ONSET_OF_BEHAVIOUR[how.onset](traces_of(run, how.behaviour), after=after)

    return run.cached(("change of behaviour", how), find)


def fits_of(run: Run, measure: str, how: How) -> list[Fit | None]:
    """Fits of a measure of each learned task-level."""

    def find() -> list[Fit | None]:
        after, widths = first_steps(run, how.window), WIDTHS_OF_MEASURE[how.onset]
        return fits(traces_of(run, measure), after=after, widths=widths)

    return run.cached(("fits", measure, how), find)


def aligned(keys, found, behaviour, measure: str) -> Aligned:
    """Those of the task-levels whose traces would show a change at any lag. `Undefined` where few do."""
    takes_part = [
        (key, fit, at)
        for key, fit, at in zip(keys, found, behaviour, strict=True)
        if within_reach(fit, at, LAGS)
    ]
    if len(takes_part) < FEWEST:
        raise Undefined(
            f"{len(takes_part)} of {len(keys)} learned task-levels would show a lag of {measure!r} "
            f"by a factor of two, and fewer than {FEWEST} say nothing"
        )
    return Aligned(*map(list, zip(*takes_part, strict=True)))


def align(run: Run, measure: str, how: How, traces: TraceSet | None = None) -> Aligned:
    """Fits of a measure (of `traces` in its place) beside the behaviour of the same task-level."""
    found = fits_of(run, measure, how)
    if traces is not None:
        after, widths = first_steps(run, how.window), WIDTHS_OF_MEASURE[how.onset]
        found = fits(traces, after=after, widths=widths)
    return aligned(learned(run), found, middle(behaviour_of(run, how)).tolist(), measure)


def mismatched(run: Run, measure: str, how: How) -> list[Aligned]:
    """Fits of a measure beside the behaviour of another task, level by level: with the next task, the
    one after it, and so on around, where enough task-levels take part.
    """
    keys, y = learned(run), middle(behaviour_of(run, how)).tolist()
    fit, at = (dict(zip(keys, x, strict=True)) for x in (fits_of(run, measure, how), y))
    tasks = sorted({task for task, _ in keys})
    found = []
    for shift in range(1, len(tasks)):
        other = {task: tasks[(i + shift) % len(tasks)] for i, task in enumerate(tasks)}
        paired = [(t, v) for t, v in keys if (other[t], v) in at]
        behaviour = [at[other[t], v] for t, v in paired]
        try:
            found.append(aligned(paired, [fit[key] for key in paired], behaviour, measure))
        except Undefined:
            continue
    if not found:
        raise Undefined("too few task-levels emerge to pair them with others")
    return found


def lag_behind(run: Run, measure: str, how: How, pairing: str = "matched") -> float:
    """Log steps by which the measure's change comes after that of behaviour; with `pairing`
    "mismatched" after that of other tasks, on average.
    """
    if pairing == "mismatched":
        return float(np.mean([some.lag().lag for some in mismatched(run, measure, how)]))
    return align(run, measure, how).lag().lag


def matched_minus_mismatched(run: Run, measure: str, how: How) -> float:
    """Mean share of a measure's variance that a change at its own task's behaviour explains, less the
    same with the behaviour of other tasks, over the task-levels that emerge.

    A change that all task-levels make at one time is as near to one task's behaviour as to another's.
    """
    found = fits_of(run, measure, how)
    y = middle(behaviour_of(run, how))
    usable = [i for i, fit in enumerate(found) if fit is not None and np.isfinite(y[i])]
    task = np.array([learned(run)[i][0] for i in usable])
    other = task[:, None] != task[None, :]
    if len(usable) < FEWEST or not other.any():
        raise Undefined(f"{len(usable)} task-levels to pair with others, and {FEWEST} are needed")
    explained = np.array([explained_at(fit, 0.0, y[usable]) for i in usable if (fit := found[i])])
    return float(np.diag(explained).mean() - explained[other].mean())


def certainly_before(run: Run, measure: str, how: How) -> Count:
    """Learned task-levels whose measure certainly changes before behaviour, of those where both are
    known.
    """
    after = first_steps(run, how.window)
    first = ONSET_OF_BEHAVIOUR[how.onset](traces_of(run, measure), after=after)
    second = behaviour_of(run, how)
    known = np.isfinite(first.hi) & np.isfinite(second.hi)
    if not known.any():
        raise Undefined(f"no onset of {measure!r} is known")
    return Count(int(((precedence(first, second) > 0) & known).sum()), int(known.sum()))


MISMATCHED = varied(
    "mismatched tasks",
    "the measure moves as much after the emergence of other tasks",
    pairing="mismatched",
)
