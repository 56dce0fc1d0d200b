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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emergence_stats.events import Events
from emergence_stats.runs import TraceSet, Undefined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEVEL = 0.95  # confidence of an interval that errors widen

# In log steps, from a step between two checkpoints to a change that takes (from a tenth to nine
# tenths of it) 4.4 widths: a factor of six in steps.
WIDTHS = (0.05, 0.1, 0.2, 0.4)
_BETWEEN = 10  # midpoints that are tried from one checkpoint to the next
_FEWEST = 12  # checkpoints, for the four parameters of a sigmoid and what is left over
# What the best of all midpoints and widths explains of independent normal noise, in units of its
# variance, stays below this in 99% of traces (tests/test_onsets.py).
_CLEAR_FIT = 15.0
# The range of 30 such values stays below so many standard errors of a difference in 99%.
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


def _log_steps(traces: TraceSet) -> Floats:
    return np.log(np.maximum(traces.steps, 1))


def _window(traces: TraceSet, after: Floats | None) -> tuple[Ints, Ints]:
    """Index of the first and the last checkpoint that count, of each trace (n,)."""
    end = traces.length - 1
    if after is None:
        return np.zeros(len(traces), np.int64), end
    begin = (traces.steps < np.asarray(after)[:, None]).sum(1)
    return np.minimum(begin, end), end


def _events(traces: TraceSet, known: Bools, lo: Floats, hi: Floats) -> Events:
    return Events(
        traces.task,
        traces.level,
        traces.layer,
        np.where(known, lo, -np.inf),
        np.where(known, hi, np.inf),
    )


# --- sigmoids ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """How well sigmoids fit one trace of n checkpoints, by their midpoint (m,): a profile over widths.

    `midpoints` (m,), in log steps, at each checkpoint but the first and the last, since a change has a
    before and an after, and at `_BETWEEN` - 1 places between each two. `share` (m,): the share of the
    trace's variance that the best sigmoid with that midpoint explains. `size` (m,): how far that
    one rises, negative where it falls. `residual`: variance that the best of all leaves, per checkpoint;
    `total`: sum of squares about the mean. Both are in units of the stated errors, where there are any,
    and then `residual` is at least 1.
    """

    midpoints: Floats
    share: Floats
    size: Floats
    residual: float
    total: float

    @property
    def clear(self) -> bool:
        """Whether more is explained than any sigmoid would explain of noise."""
        return bool(self.share.max() * self.total > _CLEAR_FIT * self.residual)


def fits(
    traces: TraceSet, *, after: Floats | None = None, widths: Sequence[float] = WIDTHS
) -> list[Fit | None]:
    """Sigmoids a + c / (1 + exp((m - t) / w)) of each trace, None where checkpoints are too few.

    t is the log step; a and c follow from least squares, weighted by the stated errors and by what
    the residuals show beyond them; m and w (`widths`, in log steps) are searched on a grid. `after`
    (n,): only checkpoints at or after this step count.
    """
    begin, end = _window(traces, after)
    log_steps = _log_steps(traces)
    found: list[Fit | None] = [None] * len(traces)
    # Traces of the same checkpoints are fitted together: products of matrices.
    together: dict[bytes, list[int]] = {}
    for i, (b, e) in enumerate(zip(begin, end, strict=True)):
        if e + 1 - b >= _FEWEST:
            together.setdefault(log_steps[i, b : e + 1].tobytes(), []).append(i)
    for rows in together.values():
        # Where a checkpoint is missing in one trace alone, the same steps stand at other places.
        steps, values, stderr = (
            np.array([x[i, begin[i] : end[i] + 1] for i in rows])
            for x in (log_steps, traces.values, traces.stderr)
        )
        fitted = _fit(_Sigmoids.at(tuple(steps[0]), tuple(widths)), values, stderr)
        for row, fit in zip(rows, fitted, strict=True):
            found[row] = fit
    return found


def _fit(curves: _Sigmoids, values: Floats, stderr: Floats) -> list[Fit]:
    """Fits of r traces of the same n checkpoints, `values` and `stderr` (r, n)."""
    n = values.shape[1]
    variance = np.nan_to_num(stderr, nan=0.0) ** 2
    stated = variance.any(1)
    gain, total, size = curves.explained(values)
    for i in np.flatnonzero(stated):
        # What the residuals show beyond the stated errors is there at all checkpoints alike.
        beyond = max((total[i] - gain[i].max()) / (n - 4) - variance[i].mean(), 0.0)
        weights = 1 / np.maximum(variance[i] + beyond, 1e-12 * variance[i].max())
        gain[i], total[i], size[i] = curves.explained_by_weight(values[i], weights)
    least = np.maximum(np.where(stated, 1.0, 0.0), 1e-20 * total)
    residual = np.maximum((total - gain.max((1, 2))) / (n - 4), least)
    best = gain.argmax(2)[..., None]  # width
    gain, size = (np.take_along_axis(x, best, 2)[..., 0] for x in (gain, size))
    return [
        Fit(
            curves.midpoints,
            gain[i] / total[i] if total[i] > 0 else np.zeros_like(gain[i]),
            size[i],
            float(residual[i]),
            float(total[i]),
        )
        for i in range(len(values))
    ]


@dataclass(frozen=True)
class _Sigmoids:
    """Sigmoids of m midpoints and w widths at n checkpoints: `basis` (m * w, n), each less its mean."""

    midpoints: Floats
    basis: Floats

    @classmethod
    @lru_cache(maxsize=64)  # the checkpoints of a suite are those of all its runs
    def at(cls, log_steps: tuple[float, ...], widths: tuple[float, ...]) -> _Sigmoids:
        t = np.array(log_steps)
        at = 1 + np.arange(_BETWEEN * (len(t) - 3) + 1) / _BETWEEN
        midpoints = np.interp(at, np.arange(len(t)), t)
        basis = 1 / (1 + np.exp((midpoints[:, None, None] - t) / np.array(widths)[:, None]))
        basis = (basis - basis.mean(-1, keepdims=True)).reshape(-1, len(t))
        return cls(midpoints, basis)

    def explained(self, values: Floats) -> tuple[Floats, Floats, Floats]:
        """Of r traces (r, n), by least squares: the sum of squares that each sigmoid explains beyond a
        constant (r, m, w), the whole sum of squares (r,), and the size of the change (r, m, w).
        """
        values = values - values.mean(1, keepdims=True)
        square = np.maximum((self.basis**2).sum(1), 1e-12 * values.shape[1])
        product = values @ self.basis.T
        shape = (len(values), len(self.midpoints), -1)
        gain, size = (x.reshape(shape) for x in (product**2 / square, product / square))
        return gain, (values**2).sum(1), size

    def explained_by_weight(self, values: Floats, weights: Floats) -> tuple[Floats, float, Floats]:
        """The same of one trace (n,) by weighted least squares: (m, w), a number, (m, w)."""
        share = weights / weights.sum()
        values = values - share @ values
        # Not by sums of squares less squares of sums: weights may differ by many orders.
        basis = self.basis - (self.basis @ share)[:, None]
        square = np.maximum(basis**2 @ weights, 1e-12 * weights.sum())
        product = basis @ (weights * values)
        shape = (len(self.midpoints), -1)
        gain, size = (x.reshape(shape) for x in (product**2 / square, product / square))
        return gain, float(weights @ values**2), size


def sigmoid(traces: TraceSet, *, after: Floats | None = None, least: float = 0.0) -> Events:
    """Midpoint of the best-fitting sigmoid of each trace.

    `after` (n,): only checkpoints at or after this step count. `least`: a change of less than this is
    none. The interval is that of the profile likelihood of the midpoint, widened to the checkpoints
    around it.
    """
    from scipy.special import stdtrit

    begin, _ = _window(traces, after)
    n = len(traces)
    known, lo, hi = np.zeros(n, bool), np.zeros(n, np.int64), np.zeros(n, np.int64)
    for i, fit in enumerate(fits(traces, after=after)):
        if fit is None or not fit.clear or abs(fit.size[fit.share.argmax()]) < least:
            continue
        last = int(traces.length[i] - begin[i]) - 1
        loss = (fit.share.max() - fit.share) * fit.total / fit.residual
        left_open = np.flatnonzero(loss <= stdtrit(last - 3, 0.5 + LEVEL / 2) ** 2)
        # Midpoints between those that were tried are open too.
        first_open = 1 + (left_open[0] - 1) // _BETWEEN
        last_open = 1 - (-(left_open[-1] + 1) // _BETWEEN)
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
    the median of itself and its neighbours, which leaves a step where it is.
    """
    n, k = traces.values.shape
    column = np.arange(k)
    begin, end = _window(traces, after)
    counts = (column >= begin[:, None]) & (column <= end[:, None])
    before = traces.values[:, np.maximum(column - 1, 0)]
    later = traces.values[:, np.minimum(column + 1, k - 1)]
    inner = (column > begin[:, None]) & (column < end[:, None])
    smoothed = np.median([before, traces.values, later], axis=0)
    values = np.where(inner, smoothed, traces.values)
    first_up, last_up, up = _largest_rise(values, counts)
    first_down, last_down, down = _largest_rise(-values, counts)
    rises = up >= down
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


# --- equal noise ------------------------------------------------------------------------------


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


def roughness(traces: TraceSet) -> Floats:
    """Standard deviation of what is not smooth in each trace from checkpoint to checkpoint (n,).

    From the median size of second differences, which for independent errors of standard deviation s
    have standard deviation s sqrt(6); the median does not see a change that takes a few checkpoints.
    """
    values = traces.values
    second = np.abs(values[:, 2:] - 2 * values[:, 1:-1] + values[:, :-2])
    return np.median(second, axis=1) / 0.6745 / np.sqrt(6.0)


def equally_noisy(
    measures: Sequence[TraceSet], seed: int, *, after: Floats | None = None
) -> list[TraceSet]:
    """The traces of several measures, with noise added until all are as noisy as the noisiest.

    Trace i of each belongs together; its noise is taken relative to the size of its largest change
    from `after` (n,) on. What is added is recorded in `stderr`. The same `seed` adds the same noise.
    """
    sizes = np.array([largest_change(traces, after=after).size for traces in measures])
    sizes = np.maximum(sizes, np.finfo(float).tiny)
    own = np.array([roughness(traces) for traces in measures]) / sizes
    added = sizes * np.sqrt(np.maximum(own.max(0) ** 2 - own**2, 0.0))
    rng = np.random.default_rng(seed)
    return [
        replace(
            traces,
            values=traces.values + rng.standard_normal(traces.values.shape) * sd[:, None],
            stderr=np.hypot(np.nan_to_num(traces.stderr, nan=0.0), sd[:, None]),
        )
        for traces, sd in zip(measures, added, strict=True)
    ]
