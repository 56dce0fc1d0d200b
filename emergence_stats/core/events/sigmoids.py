"""Sigmoids in log time, fitted to traces by least squares: how well each midpoint explains a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emergence_stats.core.runs import TraceSet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# In log steps, from a step between two checkpoints to a change that takes (from a tenth to nine
# tenths of it) 4.4 widths: a factor of six in steps.
WIDTHS = (0.05, 0.1, 0.2, 0.4)
BETWEEN = 10  # midpoints that are tried from one checkpoint to the next
_FEWEST = 12  # checkpoints, for the four parameters of a sigmoid and what is left over
# What the best of all midpoints and widths explains of independent normal noise, in units of its
# variance, stays below this in 99% of traces (tests/test_onsets.py).
_CLEAR_FIT = 15.0


def log_steps_of(traces: TraceSet) -> Floats:
    return np.log(np.maximum(traces.steps, 1))


def window(traces: TraceSet, after: Floats | None) -> tuple[Ints, Ints]:
    """Index of the first and the last checkpoint that count, of each trace (n,)."""
    end = traces.length - 1
    if after is None:
        return np.zeros(len(traces), np.int64), end
    begin = (traces.steps < np.asarray(after)[:, None]).sum(1)
    return np.minimum(begin, end), end


@dataclass(frozen=True)
class Fit:
    """How well sigmoids fit one trace of n checkpoints, by their midpoint (m,): a profile over widths.

    `midpoints` (m,), in log steps, at each checkpoint but the first and the last, since a change has a
    before and an after, and at `BETWEEN` - 1 places between each two. `share` (m,): the share of the
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
    begin, end = window(traces, after)
    log_steps = log_steps_of(traces)
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
        at = 1 + np.arange(BETWEEN * (len(t) - 3) + 1) / BETWEEN
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
