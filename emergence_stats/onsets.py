"""When a trace changes most, and how well that is known: onsets that carry measurement error.

Measures as unlike as a rank, an eigenvalue and a Monte-Carlo estimate can be put in order of time
only if "it moved" means the same for each. Here it means the trace's largest change, up or down,
between two of its checkpoints, and one of two moments relative to that change itself:

half-way   the first crossing of the middle between the two checkpoints
centroid   the mean time of the change, each step of time weighted by the share of the change that it
           holds (the delay of Elmore 1948); it uses every point between the two, so that noise
           averages out

A threshold that is absolute, or in units of the trace's own noise, would date the cleaner trace
first. Time is the logarithm of the optimiser step. A single checkpoint may be off its path, so each
value is first replaced by the median of itself and its two neighbours, which leaves a step where
it is.

Where values have standard errors an onset is known less well than the checkpoints would allow, and
its interval holds all that the errors leave open. A change that the errors could have made is none,
and its onset is unknown, ``(-inf, inf]``: not late, and not absent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emergence_stats.events import Events
from emergence_stats.runs import TraceSet, Undefined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Z = 1.645  # an interval of 90% for each value
# The range of 60 independent normal values stays below 6 standard deviations in 97% of cases, and is
# 4.2 standard errors of a difference of two.
CLEAR = 4.2

Onset = Callable[["Change"], Events]


@dataclass(frozen=True)
class Change:
    """The largest change of each of n traces, from checkpoint `first` to `last` (n,).

    `rise` (n, k): the smoothed values as distances from that at `first`, in the direction of the
    change; `stderr` (n, k): their errors, 0 where the trace has none. `size` (n,), positive or 0.
    `clear` (n,): whether the change is more than errors could make.
    """

    traces: TraceSet
    first: Ints
    last: Ints
    rise: Floats
    stderr: Floats

    @property
    def size(self) -> Floats:
        return self.rise[np.arange(len(self.traces)), self.last]

    @property
    def clear(self) -> NDArray[np.bool_]:
        rows = np.arange(len(self.traces))
        error = np.hypot(self.stderr[rows, self.first], self.stderr[rows, self.last])
        return self.size > CLEAR * error

    @property
    def log_steps(self) -> Floats:
        """Natural logarithm of the steps (n, k); the initialisation counts as step 1."""
        return np.log(np.maximum(self.traces.steps, 1))


def logarithm(traces: TraceSet) -> TraceSet:
    """Natural logarithms of the values, with errors by the delta method.

    For measures that live on a ratio scale, as ranks and eigenvalues do. Raises `Undefined` where a
    value is not positive.
    """
    if (traces.values <= 0).any():
        raise Undefined(f"{traces.measure!r} has values that are not positive, so no logarithm")
    values = np.log(traces.values)
    return replace(traces, values=values, stderr=traces.stderr / traces.values)


def largest_change(traces: TraceSet, *, after: Floats | None = None, smooth: bool = True) -> Change:
    """The largest change of each trace between two checkpoints, in either direction.

    `after` (n,): only checkpoints at or after this step count, and always the last two. `smooth`:
    medians of three.
    """
    values, stderr = traces.values, np.nan_to_num(traces.stderr, nan=0.0)
    n, k = values.shape
    column = np.arange(k)
    begin = np.zeros(n, np.int64)
    if after is not None:
        begin = (traces.steps < np.asarray(after)[:, None]).sum(1)
    end = traces.length - 1
    begin = np.clip(begin, 0, np.maximum(end - 1, 0))
    counts = (column >= begin[:, None]) & (column <= end[:, None])
    if smooth:
        values = _median_of_three(values, begin, end)
    first_up, last_up, up = _largest_rise(values, counts)
    first_down, last_down, down = _largest_rise(-values, counts)
    rises = up >= down
    first = np.where(rises, first_up, first_down)
    last = np.where(rises, last_up, last_down)
    sign = np.where(rises, 1.0, -1.0)
    rise = sign[:, None] * (values - values[np.arange(n), first][:, None])
    return Change(traces, first, last, rise, stderr)


def _median_of_three(values: Floats, begin: Ints, end: Ints) -> Floats:
    """Each value's median with its neighbours; the first and the last of a trace stay."""
    column = np.arange(values.shape[1])
    before = values[:, np.maximum(column - 1, 0)]
    after = values[:, np.minimum(column + 1, values.shape[1] - 1)]
    smoothed = np.median([before, values, after], axis=0)
    inner = (column > begin[:, None]) & (column < end[:, None])
    return np.where(inner, smoothed, values)


def _largest_rise(values: Floats, counts: NDArray[np.bool_]) -> tuple[Ints, Ints, Floats]:
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


def half_way(change: Change, fraction: float = 0.5, z: float = Z) -> Events:
    """When each trace has made `fraction` of its largest change.

    The interval ends at the first checkpoint that is above that level for certain, and begins at the
    last one before that is below for certain: by more than `z` standard errors.
    """
    rows, column = np.arange(len(change.traces)), np.arange(change.rise.shape[1])
    within = (column >= change.first[:, None]) & (column <= change.last[:, None])
    level = fraction * change.size[:, None]
    above = within & (change.rise - z * change.stderr >= level)
    above[rows, change.last] = True
    hi = above.argmax(1)
    below = within & (column < hi[:, None]) & (change.rise + z * change.stderr < level)
    below[rows, change.first] = True
    lo = column[-1] - below[:, ::-1].argmax(1)
    steps = change.traces.steps
    return _events(change, steps[rows, lo].astype(float), steps[rows, hi].astype(float))


def centroid(change: Change, z: float = Z) -> Events:
    """The mean log step of each trace's largest change, weighted by how much of it each step holds.

    With v the values from `first` to `last` and t the log steps, sum (v[i+1] - v[i]) (t[i+1] + t[i])
    / 2 over v[last] - v[first]: linear in the values, so its error is that of a weighted sum. The
    interval is `z` standard errors wide on each side, and at least half the spacing of checkpoints.
    """
    rows, column = np.arange(len(change.traces)), np.arange(change.rise.shape[1])
    t = change.log_steps
    step = (column[:-1] >= change.first[:, None]) & (column[:-1] < change.last[:, None])
    middle = np.where(step, (t[:, 1:] + t[:, :-1]) / 2, 0.0)
    spacing = np.where(step, np.diff(t, axis=1), 0.0)
    size = np.where(change.size > 0, change.size, 1.0)
    mean = (np.diff(change.rise, axis=1) * middle).sum(1) / size
    # Weight of each value: minus half the time between its neighbours, and at the two ends the
    # distance of the end from the mean.
    weight = np.zeros_like(change.rise)
    weight[:, :-1] -= spacing / 2
    weight[:, 1:] -= spacing / 2
    weight[rows, change.first] += mean - t[rows, change.first]
    weight[rows, change.last] += t[rows, change.last] - mean
    error = np.sqrt((weight**2 * change.stderr**2).sum(1)) / size
    near = np.abs(np.where(step, middle, np.inf) - mean[:, None]).argmin(1)
    half = np.maximum(z * error, spacing[rows, near] / 2)
    return _events(change, np.exp(mean - half), np.exp(mean + half))


ONSETS: dict[str, Onset] = {"half-way": half_way, "centroid": centroid}


def _events(change: Change, lo: Floats, hi: Floats) -> Events:
    known, traces = change.clear, change.traces
    return Events(
        traces.task,
        traces.level,
        traces.layer,
        np.where(known, lo, -np.inf),
        np.where(known, hi, np.inf),
    )


def middle(events: Events) -> Floats:
    """Natural logarithm of the geometric middle of each interval (n,), NaN where one has no end.

    The initialisation counts as step 1.
    """
    closed = np.isfinite(events.lo) & np.isfinite(events.hi)
    lo = np.log(np.maximum(np.where(closed, events.lo, 1.0), 1.0))
    hi = np.log(np.maximum(np.where(closed, events.hi, 1.0), 1.0))
    return np.where(closed, (lo + hi) / 2, np.nan)


def width(events: Events) -> Floats:
    """Ratio of each interval's ends (n,), infinite where one has no end."""
    closed = np.isfinite(events.lo) & np.isfinite(events.hi)
    lo = np.maximum(np.where(closed, events.lo, 1.0), 1.0)
    return np.where(closed, np.maximum(events.hi, 1.0) / lo, np.inf)


# --- noise ------------------------------------------------------------------------------------


def at_steps(traces: TraceSet, steps: NDArray[np.int64]) -> TraceSet:
    """The traces at these steps alone. Raises `Undefined` where one of them lacks some."""
    found = [np.isin(row[:n], steps) for row, n in zip(traces.steps, traces.length, strict=True)]
    if any(mask.sum() != len(steps) for mask in found):
        raise Undefined(f"{traces.measure!r} is not measured at all checkpoints of the others")
    index = np.array([np.flatnonzero(mask) for mask in found])
    rows = np.arange(len(traces))[:, None]
    return replace(
        traces,
        steps=traces.steps[rows, index],
        values=traces.values[rows, index],
        stderr=traces.stderr[rows, index],
        length=np.full(len(traces), len(steps)),
    )


def roughness(change: Change) -> Floats:
    """Standard deviation of what is not smooth in each trace between checkpoints (n,).

    From the median size of second differences, which for independent errors of standard deviation s
    have standard deviation s sqrt(6); the median does not see a rise that takes a few checkpoints.
    """
    values = change.traces.values
    second = np.abs(values[:, 2:] - 2 * values[:, 1:-1] + values[:, :-2])
    return np.median(second, axis=1) / 0.6745 / np.sqrt(6.0)


def equally_noisy(changes: Sequence[Change], seed: int) -> list[TraceSet]:
    """The traces of several measures, with noise added until all are as noisy as the noisiest.

    Noise is taken relative to the size of the change, trace by trace; trace i of each belongs
    together. What is added is recorded in `stderr`. The same `seed` adds the same noise.
    """
    sizes = [np.where(c.size > 0, c.size, np.inf) for c in changes]
    relative = np.array([roughness(c) / size for c, size in zip(changes, sizes, strict=True)])
    target = relative.max(0)
    rng = np.random.default_rng(seed)
    noisy = []
    for change, own in zip(changes, relative, strict=True):
        added = change.size * np.sqrt(np.maximum(target**2 - own**2, 0.0))
        traces = change.traces
        noise = rng.standard_normal(traces.values.shape) * added[:, None]
        error = np.hypot(np.nan_to_num(traces.stderr, nan=0.0), added[:, None])
        noisy.append(replace(traces, values=traces.values + noise, stderr=error))
    return noisy
