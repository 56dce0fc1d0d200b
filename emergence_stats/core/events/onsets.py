"""When a trace changes most, and how well that is known: onsets that carry measurement error.

Measures as unlike as a rank, an eigenvalue and a Monte-Carlo estimate can be put in order of time
only if "it moved" means the same for each. Here it means the trace's main change, up or down, dated
relative to the change itself. There are two definitions:

sigmoid    the midpoint of the sigmoid in log time that fits the trace best, by least squares. All
           checkpoints take part, so one that is off its path, or noise, does not move it far
half-way   the first crossing of the middle of the largest change between two checkpoints

A threshold that is absolute, or in units of the trace's own noise, would date the cleaner trace
first. Time is the natural logarithm of the optimiser step; the initialisation counts as step 1.

An onset is known less well than the checkpoints would allow where the trace is noisy or its values
have standard errors; its interval, from a checkpoint to a checkpoint, holds what these leave open. A
change that noise could have made is none, and its onset is unknown, ``(-inf, inf]``: not late, and
not absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emergence_stats.core.events.definitions import Events
from emergence_stats.core.events.sigmoids import BETWEEN, fits, window
from emergence_stats.core.runs import TraceSet, Undefined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEVEL = 0.95  # confidence of an interval that errors widen

# The range of 30 values of independent normal noise stays below so many standard errors of a difference in 99%.
_CLEAR_RANGE = 4.2


def logarithm(traces: TraceSet) -> TraceSet:
    """Natural logarithms of the values, with errors by the delta method.

    For measures that live on a ratio scale, as ranks and eigenvalues do. Raises `Undefined` where a
    value is not positive.
    """
    if (traces.values <= 0).any():
        raise Undefined(f"{traces.measure!r} has values that are not positive, so no logarithm")
    values = np.log(traces.values)
    return replace(traces, values=values, stderr=traces.stderr / traces.values)


def _events(traces: TraceSet, known: Bools, lo: Floats, hi: Floats) -> Events:
    return Events(
        traces.task,
        traces.level,
        traces.layer,
        np.where(known, lo, -np.inf),
        np.where(known, hi, np.inf),
    )


def sigmoid(traces: TraceSet, *, after: Floats | None = None, least: float = 0.0) -> Events:
    """Midpoint of the best-fitting sigmoid of each trace.

    `after` (n,): only checkpoints at or after this step count. `least`: a change of less than this is
    none. The interval is that of the profile likelihood of the midpoint, widened to the checkpoints
    around it.
    """
    from scipy.special import stdtrit

    begin, _ = window(traces, after)
    n = len(traces)
    known, lo, hi = np.zeros(n, bool), np.zeros(n, np.int64), np.zeros(n, np.int64)
    for i, fit in enumerate(fits(traces, after=after)):
        if fit is None or not fit.clear or abs(fit.size[fit.share.argmax()]) < least:
            continue
        last = int(traces.length[i] - begin[i]) - 1
        loss = (fit.share.max() - fit.share) * fit.total / fit.residual
        left_open = np.flatnonzero(loss <= stdtrit(last - 3, 0.5 + LEVEL / 2) ** 2)
        # Midpoints between those that were tried are open too.
        first_open = 1 + (left_open[0] - 1) // BETWEEN
        last_open = 1 - (-(left_open[-1] + 1) // BETWEEN)
        known[i], lo[i], hi[i] = True, max(first_open, 0), min(last_open, last)
    rows = np.arange(n)
    steps = traces.steps.astype(float)
    return _events(traces, known, steps[rows, begin + lo], steps[rows, begin + hi])


# --- half-way of the largest change -----------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """The largest change of each of n traces, from checkpoint `first` to `last` (n,).

    `rise` (n, k): the values as distances from that at `first`, in the direction of the change;
    `stderr` (n, k): their errors, 0 where the trace has none. `size` (n,), 0 or positive.
    """

    traces: TraceSet
    first: Ints
    last: Ints
    rise: Floats
    stderr: Floats

    @property
    def size(self) -> Floats:
        return self.rise[np.arange(len(self.traces)), self.last]


def largest_change(traces: TraceSet, *, after: Floats | None = None) -> Change:
    """The largest change of each trace between two checkpoints, up or down.

    A single checkpoint may be off its path, so each value but the first and the last is replaced by
    the median of itself and its neighbours, which leaves a step where it is. Of changes of one size the first counts.
    """
    n, k = traces.values.shape
    column = np.arange(k)
    begin, end = window(traces, after)
    counts = (column >= begin[:, None]) & (column <= end[:, None])
    before = traces.values[:, np.maximum(column - 1, 0)]
    later = traces.values[:, np.minimum(column + 1, k - 1)]
    inner = (column > begin[:, None]) & (column < end[:, None])
    smoothed = np.median([before, traces.values, later], axis=0)
    values = np.where(inner, smoothed, traces.values)
    first_up, last_up, up = _largest_rise(values, counts)
    first_down, last_down, down = _largest_rise(-values, counts)
    # Of a rise and a fall of one size the first counts, whatever the sign of the measure.
    rises = (up > down) | ((up == down) & (last_up <= last_down))
    first = np.where(rises, first_up, first_down)
    sign = np.where(rises, 1.0, -1.0)
    return Change(
        traces,
        first,
        np.where(rises, last_up, last_down),
        sign[:, None] * (values - values[np.arange(n), first][:, None]),
        np.nan_to_num(traces.stderr, nan=0.0),
    )


def _largest_rise(values: Floats, counts: Bools) -> tuple[Ints, Ints, Floats]:
    """Where the largest rise of each row begins and ends (n,), and its size, at least 0."""
    rows = np.arange(len(values))
    lowest = np.minimum.accumulate(np.where(counts, values, np.inf), axis=1)
    with np.errstate(invalid="ignore"):
        rise = np.where(counts, values - lowest, -np.inf)
    last = rise.argmax(1)
    # The lowest point before it; the latest one, where several are as low.
    here = (values == lowest[rows, last][:, None]) & counts
    here &= np.arange(values.shape[1]) <= last[:, None]
    first = values.shape[1] - 1 - here[:, ::-1].argmax(1)
    return first, last, np.maximum(rise[rows, last], 0.0)


def half_way(
    traces: TraceSet, *, after: Floats | None = None, least: float = 0.0, fraction: float = 0.5
) -> Events:
    """When each trace has made `fraction` of its largest change.

    The interval begins before the first checkpoint that is perhaps above that level, and ends at the
    first that is for certain: by more standard errors than `LEVEL` asks for.
    `after` and `least` as in `sigmoid`.
    """
    from scipy.special import ndtri

    change = largest_change(traces, after=after)
    rows, column = np.arange(len(traces)), np.arange(change.rise.shape[1])
    margin = float(ndtri(0.5 + LEVEL / 2)) * change.stderr
    level = fraction * change.size[:, None]
    within = (column >= change.first[:, None]) & (column <= change.last[:, None])
    above = within & (change.rise - margin >= level)
    above[rows, change.last] = True
    hi = above.argmax(1)
    perhaps = within & (change.rise + margin >= level)
    perhaps[rows, change.last] = True
    lo = np.maximum(perhaps.argmax(1) - 1, change.first)
    error = np.hypot(change.stderr[rows, change.first], change.stderr[rows, change.last])
    known = (change.size > _CLEAR_RANGE * error) & (change.size >= least)
    steps = traces.steps.astype(float)
    return _events(traces, known, steps[rows, lo], steps[rows, hi])


ONSETS: dict[str, Callable[..., Events]] = {"sigmoid": sigmoid, "half-way": half_way}


# --- what an interval says --------------------------------------------------------------------


def middle(events: Events) -> Floats:
    """Natural logarithm of the geometric middle of each interval (n,), NaN where one has no end."""
    closed = np.isfinite(events.lo) & np.isfinite(events.hi)
    lo, hi = (np.log(np.maximum(np.where(closed, x, 1.0), 1.0)) for x in (events.lo, events.hi))
    return np.where(closed, (lo + hi) / 2, np.nan)


def width(events: Events) -> Floats:
    """Ratio of each interval's ends (n,), infinite where one has no end."""
    closed = np.isfinite(events.lo) & np.isfinite(events.hi)
    lo, hi = (np.maximum(np.where(closed, x, 1.0), 1.0) for x in (events.lo, events.hi))
    return np.where(closed, hi / lo, np.inf)
