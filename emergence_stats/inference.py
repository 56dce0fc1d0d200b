"""From one value a run to an estimate with an interval: the run is the unit of replication.

Scales are fixed and seeds are random, so runs are stratified by scale: the estimate is a fixed
linear contrast of the scales' means, and its error comes from the seeds within each scale.
Nothing here knows of tasks or layers: what varies inside a run was reduced before.

How often each interval misses, in which situations, is simulated by `python -m calibration` and
tabled in docs/calibration.md.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emergence_stats.regions import Region
from emergence_stats.verdicts import Verdict, decide

Array = NDArray[np.float64]

EXACT_FLIPS_UP_TO = 30  # 2**15 sums a half: milliseconds
_MONTE_CARLO_FLIPS = 99_999
_FLIPS_AT_ONCE = 999  # memory stays small where runs are thousands
_SEED = 20260217
# Values that differ by less than this share of their size differ by the order of a sum, and agree.
_ROUNDING = 1e-12
_LARGEST_SIZE = 1e12  # of a sample, as far as the beta distribution can be inverted
AT_BOUND = 0.01  # of the range of possible values: nearer to a bound is at it


@dataclass(frozen=True)
class Estimate:
    """An estimate over runs.

    `interval` has confidence `level` (two-sided). `p_value` is one-sided, of the null hypothesis
    that the estimand lies at the boundary of the region or outside (for a region with two ends
    the larger of the two: TOST); without a region there is none, and no `effect_size`. `method` names interval and test. `agreed_on`: where all units
    agree, the range of possible values on which the interval is that of a rate.
    """

    value: float
    interval: tuple[float, float] | None
    level: float
    p_value: float | None
    effect_size: float | None
    n_runs: int
    method: str
    why_no_interval: str | None = None
    stderr: float | None = None
    df: float | None = None
    agreed_on: tuple[float, float] | None = None


def t_quantile(p: float, df: float) -> float:
    from scipy.special import stdtrit  # a tenth of the import time of scipy.stats

    return float(stdtrit(df, p))


def t_upper_tail(t: float, df: float) -> float:
    from scipy.special import stdtr

    return float(stdtr(df, -t))


# --- contrasts of scale means -----------------------------------------------------------------


@dataclass(frozen=True)
class _Contrast:
    value: float
    stderr: float
    df: float
    weights: Array  # (n_runs,): the estimate is sum(weights * values)


def _strata(labels: Sequence[object]) -> tuple[NDArray[np.int64], int]:
    codes: dict[object, int] = {}
    index = np.array([codes.setdefault(label, len(codes)) for label in labels], dtype=np.int64)
    return index, len(codes)


def _stratified(values: Array, strata: Sequence[object], scale_weights: Array) -> _Contrast:
    """sum_s w_s mean_s, variance sum_s w_s^2 var_s / n_s, Satterthwaite's degrees of freedom.

    `scale_weights` (n_strata,), in the order in which strata first appear. Every stratum needs
    two runs. Means are taken of the differences from the stratum's first run, so that runs that
    agree have a variance of zero and not one of rounding.
    """
    index, n_strata = _strata(strata)
    counts = np.bincount(index, minlength=n_strata)
    first = values[np.unique(index, return_index=True)[1]]
    difference = values - first[index]
    difference[np.abs(difference) <= _ROUNDING * np.abs(values).max()] = 0.0
    mean_difference = np.bincount(index, difference, n_strata) / counts
    means = first + mean_difference
    squares = np.bincount(index, (difference - mean_difference[index]) ** 2, n_strata)
    parts = scale_weights**2 * squares / (counts - 1) / counts
    variance = parts.sum()
    df = float(len(values))
    if variance > 0:
        df = 1 / ((parts / variance) ** 2 / (counts - 1)).sum()
    weights = (scale_weights / counts)[index]
    return _Contrast(float(scale_weights @ means), math.sqrt(variance), float(df), weights)


def _mean_contrast(values: Array, strata: Sequence[object]) -> _Contrast:
    """Mean over scales of the mean over seeds.

    Where some scale has one run only, its seed error is unknown, and all runs are taken as one
    sample: differences between scales then count as error, which errs to the wide side.
    """
    index, n_strata = _strata(strata)
    if np.bincount(index).min() >= 2:
        return _stratified(values, strata, np.full(n_strata, 1 / n_strata))
    return _one_sample(values)


def _one_sample(values: Array) -> _Contrast:
    return _stratified(values, [""] * len(values), np.ones(1))


def _agree(values: Array) -> bool:
    # The same as `_stratified` asks of differences: values that do not agree have a variance.
    return bool(np.abs(values - values[0]).max() <= _ROUNDING * np.abs(values).max())


def mean(
    values: Sequence[float],
    strata: Sequence[object],
    region: Region | None,
    level: float,
    bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Mean over runs of one value a run.

    `values` (n_runs,), `strata` (n_runs,): the scale of each run. `bounds`: the range of possible
    values, if there is one. Without bounds: Student's t interval, and the exact sign-flip test over
    runs of the distance from the region's boundary; where all runs agree to the last digit there is
    no interval, since that says nothing of the next run. With bounds: as `share`, on that range, with
    no limit to what one run tells; a value beyond them makes them no bounds.
    """
    x = np.asarray(values, float)
    few = _too_few(x, level)
    if few is not None:
        return few
    if bounds is not None and bounds[0] <= x.min() and x.max() <= bounds[1]:
        return _bounded(x, strata, region, level, bounds, math.inf, _standardised_effect(x, region))
    contrast = _mean_contrast(x, strata)
    if contrast.stderr == 0:
        # Seeds agree to the last digit within each scale: only scales tell how wrong we may be.
        contrast = _one_sample(x)
    if contrast.stderr == 0:
        why = "all runs give the same value to the last digit, so their error is unknown"
        return Estimate(float(x[0]), None, level, None, None, len(x), "none", why_no_interval=why)
    half = t_quantile(0.5 + level / 2, contrast.df) * contrast.stderr
    return Estimate(
        value=contrast.value,
        interval=(contrast.value - half, contrast.value + half),
        level=level,
        p_value=_region_p(lambda at, sign: sign_flip_p(sign * contrast.weights * (x - at)), region),
        effect_size=_standardised_effect(x, region)(contrast.value),
        n_runs=len(x),
        method="t interval over runs, stratified by scale; exact sign-flip test"
        if len(x) <= EXACT_FLIPS_UP_TO
        else "t interval over runs, stratified by scale; sign-flip test, 99,999 draws",
        stderr=contrast.stderr,
        df=contrast.df,
    )


def slope(
    values: Sequence[float],
    covariate: Sequence[float],
    strata: Sequence[object],
    region: Region | None,
    level: float,
) -> Estimate:
    """Least-squares slope of a value a run on a covariate of its scale (both (n_runs,)).

    Every scale counts alike. With two seeds or more a scale the slope is a contrast of scale
    means and its error comes from the seeds, so curvature over scales does not pass for noise;
    otherwise from the residuals of the line, with n - 2 degrees of freedom.
    """
    y, x = np.asarray(values, float), np.asarray(covariate, float)
    few = _too_few(y, level)
    if few is not None:
        return few
    index, n_strata = _strata(strata)
    counts = np.bincount(index)
    at = np.array([x[index == s].mean() for s in range(n_strata)])
    method = "slope over scale means, error from seeds (Welch-Satterthwaite t)"
    why = None
    if np.unique(at).size < 2:
        why = "all runs have one scale: a slope needs two"
    elif counts.min() < 2 and len(y) < 3:
        why = "a slope through two runs has no error to judge it by"
    if why is not None:
        return Estimate(math.nan, None, level, None, None, len(y), method, why_no_interval=why)
    if counts.min() >= 2:
        centred = at - at.mean()
        contrast = _stratified(y, strata, centred / (centred @ centred))
    else:
        method = "least-squares slope over runs, error from residuals (t)"
        centred = x - x.mean()
        weights = centred / (centred @ centred)
        value = float(weights @ y)
        residual = y - y.mean() - value * centred
        df = len(y) - 2.0
        stderr = math.sqrt(float(residual @ residual) / df / float(centred @ centred))
        contrast = _Contrast(value, stderr, df, weights)
    if contrast.stderr == 0:
        why = "all seeds agree to the last digit, so the error is unknown"
        return Estimate(contrast.value, None, level, None, None, len(y), method, why)
    half = t_quantile(0.5 + level / 2, contrast.df) * contrast.stderr

    def p_value(at: float, sign: float) -> float:
        return t_upper_tail(sign * (contrast.value - at) / contrast.stderr, contrast.df)

    return Estimate(
        value=contrast.value,
        interval=(contrast.value - half, contrast.value + half),
        level=level,
        p_value=_region_p(p_value, region),
        effect_size=None,
        n_runs=len(y),
        method=method,
        stderr=contrast.stderr,
        df=contrast.df,
    )


# --- rates ------------------------------------------------------------------------------------


def share(
    successes: Sequence[float],
    trials: Sequence[float],
    strata: Sequence[object],
    region: Region | None,
    level: float,
) -> Estimate:
    """Mean over runs of a share; `successes` and `trials` (n_runs,). For the interval see `_bounded`."""
    k, n = np.asarray(successes, float), np.asarray(trials, float)
    x = k / n
    few = _too_few(x, level)
    if few is not None:
        return few

    def effect(p: float) -> float | None:
        return None if region is None else _cohen_h(p, region.nearest_boundary(p), region)

    return _bounded(x, strata, region, level, (0.0, 1.0), float(n.sum()), effect)


def _bounded(
    x: Array,
    strata: Sequence[object],
    region: Region | None,
    level: float,
    bounds: tuple[float, float],
    trials: float,
    effect: Callable[[float], float | None],
) -> Estimate:
    """Mean of values with `bounds`, by the interval of Korn and Graubard (1998) with a doubt.

    On the range from one bound to the other, the exact interval of Clopper and Pearson at the
    effective sample size p(1-p)/variance, adjusted for the degrees of freedom of the variance, and
    never above `trials`. It lies to the sides of p as a rate's does, and in the middle of the range
    it is Student's t.

    **Runs that agree** to the last digit tell nothing of how much runs differ: they are one trial
    each. **The doubt**: where runs lie at a bound (within `AT_BOUND` of the range), what differs
    may be rare and not yet seen, and the variance of so few runs is too small more often than not.
    It is therefore averaged with the largest that a mean p allows, p(1-p) a run, which counts as
    f / (1 - f) degrees of freedom where a share f of the runs lie at a bound: nothing where none does,
    everything where all do.
    """
    lo, width = bounds[0], bounds[1] - bounds[0]
    rate = (x - lo) / width
    contrast = _mean_contrast(rate, strata)
    value = float(x[0]) if _agree(x) else lo + width * min(max(contrast.value, 0.0), 1.0)
    p = (value - lo) / width
    # Values whose mean is the bound itself agree on it, as far as numbers can tell.
    agree = _agree(rate) or min(p, 1 - p) <= _ROUNDING
    if contrast.stderr == 0 and not agree:
        contrast = _one_sample(rate)
        p = min(max(contrast.value, 0.0), 1.0)
    size, df = float(len(x)), contrast.df
    if not agree:
        at_bound = float(np.mean((rate <= AT_BOUND) | (rate >= 1 - AT_BOUND)))
        largest = p * (1 - p) * float(np.square(contrast.weights).sum())
        variance = contrast.stderr**2
        if at_bound < 1:
            doubt = at_bound / (1 - at_bound)
            variance = (df * variance + doubt * largest) / (df + doubt)
            df += doubt
        else:
            variance, df = largest, math.inf
        adjust = t_quantile(0.5 + level / 2, trials - 1) / t_quantile(0.5 + level / 2, df)
        size = min(p * (1 - p) / variance * adjust**2, trials, _LARGEST_SIZE)
    ends = clopper_pearson(p * size, size, level)
    shown = "" if bounds == (0.0, 1.0) else f" on [{lo:g}, {bounds[1]:g}]"
    return Estimate(
        value=value,
        interval=(lo + width * ends[0], lo + width * ends[1]),
        level=level,
        p_value=_region_p(lambda at, sign: _binomial_p(p, size, (at - lo) / width, sign), region),
        effect_size=effect(value),
        n_runs=len(x),
        method=f"Korn-Graubard interval of a rate{shown}, effective sample size {size:.1f}; "
        "binomial test at that size",
        stderr=width * contrast.stderr,
        df=contrast.df,
        agreed_on=bounds if agree else None,
    )


def clopper_pearson(successes: float, trials: float, level: float) -> tuple[float, float]:
    """Exact interval of a rate; `successes` and `trials` need not be whole numbers."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    failures = trials - successes
    lo = 0.0 if successes <= 0 else float(betaincinv(successes, failures + 1, tail))
    hi = 1.0 if failures <= 0 else float(betaincinv(successes + 1, failures, 1 - tail))
    return lo, hi


def _binomial_p(p: float, trials: float, at: float, sign: float) -> float:
    """P(at least / at most as many successes as seen) when the rate is `at`: Clopper-Pearson's."""
    from scipy.special import betainc

    if not 0 < at < 1:
        return 1.0
    k = p * trials
    if sign > 0:
        return 1.0 if k <= 0 else float(betainc(k, trials - k + 1, at))
    return 1.0 if k >= trials else float(1 - betainc(k + 1, trials - k, at))


def _rate_interval(
    value: float, n: float, level: float, bounds: tuple[float, float]
) -> tuple[float, float]:
    """Clopper-Pearson's interval of a rate of `n` trials, on a scale from one bound to the other."""
    lo, width = bounds[0], bounds[1] - bounds[0]
    ends = clopper_pearson((value - lo) / width * n, n, level)
    return lo + width * ends[0], lo + width * ends[1]


# --- tests ------------------------------------------------------------------------------------


def sign_flip_p(x: Array) -> float:
    """One-sided p-value that the mean of `x` (n,) is above zero, by flipping signs.

    Exact for up to `EXACT_FLIPS_UP_TO` values, by meeting in the middle: all signed sums of each
    half, then how many pairs reach the observed sum. Beyond, a Monte-Carlo test with a fixed seed
    that counts the observed one (Phipson and Smyth 2010).
    """
    x = np.asarray(x, float)
    x = x[x != 0]  # a zero is the same with either sign
    if x.size == 0:
        return 1.0
    observed = x.sum()
    slack = 1e-12 * np.abs(x).sum()  # sums of the same values in another order are ties
    if x.size > EXACT_FLIPS_UP_TO:
        rng = np.random.default_rng(_SEED)
        reached = 0
        for left in range(_MONTE_CARLO_FLIPS, 0, -_FLIPS_AT_ONCE):
            signs = rng.integers(0, 2, (min(left, _FLIPS_AT_ONCE), x.size), dtype=np.int8)
            reached += int(((signs * 2.0 - 1.0) @ x >= observed - slack).sum())
        return (reached + 1) / (_MONTE_CARLO_FLIPS + 1)
    first, second = _signed_sums(x[: x.size // 2]), np.sort(_signed_sums(x[x.size // 2 :]))
    below = np.searchsorted(second, observed - slack - first, side="left")
    return float((second.size - below).sum() / 2.0**x.size)


def _signed_sums(x: Array) -> Array:
    sums = np.zeros(1)
    for value in x:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def _region_p(p_at, region: Region | None) -> float | None:
    """p-value that the estimand is in the region: the larger of the one-sided tests at its ends."""
    if region is None:
        return None
    tests = []
    if region.lo is not None:
        tests.append(p_at(region.lo, 1.0))
    if region.hi is not None:
        tests.append(p_at(region.hi, -1.0))
    return float(max(tests))


# --- effect sizes and planning ----------------------------------------------------------------


def _standardised_effect(x: Array, region: Region | None) -> Callable[[float], float | None]:
    """Distance into the region from its nearest boundary, in standard deviations over runs (n,)."""
    sd = 0.0 if _agree(x) else float(x.std(ddof=1))

    def effect(value: float) -> float | None:
        if sd == 0 or region is None:
            return None
        distance = abs(value - region.nearest_boundary(value))
        return (distance if region.contains(value) else -distance) / sd

    return effect


def _cohen_h(p: float, boundary: float, region: Region) -> float | None:
    """Cohen's h between the share and the nearest boundary, positive inside the region."""
    if not 0 <= boundary <= 1:
        return None
    h = abs(2 * math.asin(math.sqrt(p)) - 2 * math.asin(math.sqrt(boundary)))
    return h if region.contains(p) else -h


def runs_needed(estimate: Estimate, region: Region) -> int | None:
    """How many units in all would settle it if the estimate and the spread stayed as they are.

    Where all agree the interval shrinks as that of a rate does, otherwise with the square root.
    None when the estimate lies on the boundary, or more than 10,000 would be needed.
    """
    if estimate.interval is None:
        return None
    distance = abs(estimate.value - region.nearest_boundary(estimate.value))
    if distance == 0:
        return None
    if estimate.agreed_on is not None:
        more = range(estimate.n_runs + 1, 10_001)

        def settled(n: int) -> bool:
            assert estimate.agreed_on is not None
            interval = _rate_interval(estimate.value, n, estimate.level, estimate.agreed_on)
            return decide(interval, region) is not Verdict.INCONCLUSIVE

        at = bisect_left(more, True, key=settled)
        return more[at] if at < len(more) else None
    half = max(estimate.value - estimate.interval[0], estimate.interval[1] - estimate.value)
    n = math.ceil(estimate.n_runs * (half / distance) ** 2)
    return None if n > 10_000 else max(n, estimate.n_runs + 1)


def _too_few(x: Array, level: float) -> Estimate | None:
    if len(x) >= 2:
        return None
    value = float(x[0]) if len(x) else math.nan
    why = f"{len(x)} unit{'s' if len(x) != 1 else ''} of replication: an interval needs two"
    return Estimate(value, None, level, None, None, len(x), "none", why_no_interval=why)
