"""The intervals of the first study (tag `first-study`, `emergence_stats/inference.py`), to compare the core's with.

They miss far more often than they say in situations that are common (docs/calibration_core.md). Each function gives the
ends of an interval, or None where there was none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

Floats = NDArray[np.float64]
Interval = tuple[float, float]
_ROUNDING = 1e-12
_AT_BOUND = 0.01  # of the range


def mean(
    values: Sequence[float], strata: Sequence[object], level: float, bounds: Interval | None = None
) -> Interval | None:
    """Mean over scales of the mean over seeds: Student's t, or with `bounds` Korn and Graubard's with a doubt at the ends."""
    x = np.asarray(values, float)
    if len(x) < 2:
        return None
    if bounds is not None and bounds[0] <= x.min() and x.max() <= bounds[1]:
        return _bounded(x, strata, level, bounds)
    value, stderr, df, _ = _mean_contrast(x, strata)
    if stderr == 0:
        value, stderr, df, _ = _stratified(x, [""] * len(x), np.ones(1))
    return None if stderr == 0 else _student(value, stderr, df, level)


def slope(
    values: Sequence[float], covariate: Sequence[float], strata: Sequence[object], level: float
) -> Interval | None:
    """Least-squares slope on a covariate of the scale, error from seeds, or from residuals where a scale has one run."""
    y, x = np.asarray(values, float), np.asarray(covariate, float)
    index, n_strata = _strata(strata)
    counts = np.bincount(index)
    at = np.array([x[index == s].mean() for s in range(n_strata)])
    if len(y) < 3 or np.unique(at).size < 2:
        return None
    if counts.min() >= 2:
        centred = at - at.mean()
        value, stderr, df, _ = _stratified(y, strata, centred / (centred @ centred))
    else:
        centred = x - x.mean()
        value = float(centred @ y / (centred @ centred))
        residual = y - y.mean() - value * centred
        df = len(y) - 2.0
        stderr = math.sqrt(float(residual @ residual) / df / float(centred @ centred))
    return None if stderr == 0 else _student(value, stderr, df, level)


def _student(value: float, stderr: float, df: float, level: float) -> Interval:
    half = float(stdtrit(df, 0.5 + level / 2)) * stderr
    return value - half, value + half


def _strata(labels: Sequence[object]) -> tuple[NDArray[np.int64], int]:
    codes: dict[object, int] = {}
    index = np.array([codes.setdefault(label, len(codes)) for label in labels], dtype=np.int64)
    return index, len(codes)


def _stratified(
    values: Floats, strata: Sequence[object], scale_weights: Floats
) -> tuple[float, float, float, Floats]:
    """A contrast of scale means, its standard error and degrees of freedom (Satterthwaite), and weights of runs."""
    index, n_strata = _strata(strata)
    counts = np.bincount(index, minlength=n_strata)
    first = values[np.unique(index, return_index=True)[1]]
    difference = values - first[index]
    difference[np.abs(difference) <= _ROUNDING * np.abs(values).max()] = 0.0
    offset = np.bincount(index, difference, n_strata) / counts
    squares = np.bincount(index, (difference - offset[index]) ** 2, n_strata)
    parts = scale_weights**2 * squares / (counts - 1) / counts
    variance = parts.sum()
    df = float(len(values))
    if variance > 0:
        df = float(1 / ((parts / variance) ** 2 / (counts - 1)).sum())
    value = float(scale_weights @ (first + offset))
    return value, math.sqrt(variance), df, (scale_weights / counts)[index]


def _mean_contrast(values: Floats, strata: Sequence[object]) -> tuple[float, float, float, Floats]:
    """Where some scale has one run, all runs are taken as one sample: the fault that study 2 names."""
    index, n_strata = _strata(strata)
    if np.bincount(index).min() >= 2:
        return _stratified(values, strata, np.full(n_strata, 1 / n_strata))
    return _stratified(values, [""] * len(values), np.ones(1))


def _bounded(x: Floats, strata: Sequence[object], level: float, bounds: Interval) -> Interval:
    lo, width = bounds[0], bounds[1] - bounds[0]
    rate = (x - lo) / width
    value, stderr, df, weights = _mean_contrast(rate, strata)
    p = min(max(value, 0.0), 1.0)
    alike = np.abs(rate - rate[0]).max() <= _ROUNDING * np.abs(rate).max()
    agree = bool(alike) or min(p, 1 - p) <= _ROUNDING
    if stderr == 0 and not agree:
        value, stderr, df, weights = _stratified(rate, [""] * len(rate), np.ones(1))
        p = min(max(value, 0.0), 1.0)
    size = float(len(x))
    if not agree:
        at_bound = float(np.mean((rate <= _AT_BOUND) | (rate >= 1 - _AT_BOUND)))
        largest = p * (1 - p) * float(np.square(weights).sum())
        variance = stderr**2
        if at_bound < 1:
            doubt = at_bound / (1 - at_bound)
            variance = (df * variance + doubt * largest) / (df + doubt)
            df += doubt
        else:
            variance, df = largest, math.inf
        adjust = stdtrit(math.inf, 0.5 + level / 2) / stdtrit(df, 0.5 + level / 2)
        size = min(p * (1 - p) / variance * float(adjust) ** 2, 1e12)
    tail = (1 - level) / 2
    below = p * size
    above = size - below
    ends = (
        0.0 if below <= 0 else float(betaincinv(below, above + 1, tail)),
        1.0 if above <= 0 else float(betaincinv(below + 1, above, 1 - tail)),
    )
    return lo + width * ends[0], lo + width * ends[1]
