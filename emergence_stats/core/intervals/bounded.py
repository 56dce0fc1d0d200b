"""The mean of values on a bounded range: shares, rank correlations, concordance.

Two doubts, and an end of the interval lies as far from the mean as both together (the root of their squares):

- that of Korn and Graubard (1998): Clopper and Pearson's at the effective sample size p(1 - p) / variance, adjusted for
  the degrees of freedom of the variance. It lies to the sides of p as a rate's does, and in the middle of the range it
  is Student's t.
- what runs that were not seen could add. A share e of runs at a bound goes unseen by n runs with probability (1 - e)^n,
  so up to e = 1 - alpha^(1/n) of them cannot be ruled out, and the mean could be nearer to that bound by as much. Where
  all runs agree on a bound, this is Clopper and Pearson's interval of n trials.

The first alone is certain of something false where runs agree, or where few deviate and none was seen
(docs/calibration_core.md). The longer of the two is not enough where a share of runs lies at a bound that is about as rare as what goes unseen;
together they miss in 4.2% on one side at worst (docs/calibration_core.md). Both vary continuously with the values.
"""

from __future__ import annotations

import math

from scipy.special import betainccinv, betaincinv, ndtri, stdtrit

from emergence_stats.core.intervals.contrasts import Contrast

_MOST = 1e12  # effective sample size, as far as the beta distribution can be inverted
_HALVINGS = 80
_SMALLEST = -600.0  # its logarithm, as far as quantiles go
_LARGEST = 0.499  # alpha of a p-value that is not called 1: at a half, quantiles are 0


def interval(
    found: Contrast, bounds: tuple[float, float], level: float, trials: float = math.inf
) -> tuple[float, float]:
    """Confidence interval of a mean within `bounds`; `trials`: the most that the runs can tell, as of a share.

    The contrast is of the values themselves, and has a variance.
    """
    alpha = (1 - level) / 2
    return _end(found, bounds, alpha, trials, -1), _end(found, bounds, alpha, trials, 1)


def p_value(
    found: Contrast, bounds: tuple[float, float], at: float, side: int, trials: float = math.inf
) -> float:
    """The smallest alpha with which the end of the interval on that side excludes `at`, 1 if it is near 1/2.

    `side` 1: against a mean of at least `at`; -1: against one of at most `at`. So p is at most (1 - level) / 2 exactly
    where the interval at `level` excludes `at`.
    """
    if not _excludes(found, bounds, at, side, trials, _LARGEST):
        return 1.0
    log_low, log_high = _SMALLEST, math.log(_LARGEST)
    for _ in range(_HALVINGS):
        middle = (log_low + log_high) / 2
        if _excludes(found, bounds, at, side, trials, math.exp(middle)):
            log_high = middle
        else:
            log_low = middle
    return math.exp(log_high)


def _excludes(
    found: Contrast, bounds: tuple[float, float], at: float, side: int, trials: float, alpha: float
) -> bool:
    end = _end(found, bounds, alpha, trials, side)
    return end < at if side > 0 else end > at


def _end(
    found: Contrast, bounds: tuple[float, float], alpha: float, trials: float, side: int
) -> float:
    """One end of the interval, with error `alpha` on its side."""
    lo, width = bounds[0], bounds[1] - bounds[0]
    p = min(max((found.value - lo) / width, 0.0), 1.0)
    unseen = -math.expm1(math.log(alpha) / found.effective_runs) * (1 - p if side > 0 else p)
    seen = abs(_korn_graubard(p, found, width, alpha, trials, side) - p)
    end = p + side * math.hypot(seen, unseen)
    return lo + width * min(max(end, 0.0), 1.0)


def _korn_graubard(
    p: float, found: Contrast, width: float, alpha: float, trials: float, side: int
) -> float:
    assert found.variance is not None
    variance = found.variance / width**2
    if variance == 0:
        return p
    if not 0 < p < 1:  # with a variance that is borrowed: as what comes nearer to the bound has it
        return 1.0 if side > 0 else 0.0
    runs = found.effective_runs
    # One run alone has a variance that others lend it: then the size is that of many, adjusted for how well it is known.
    own = float(stdtrit(runs - 1, alpha)) if runs > 1.5 else float(ndtri(alpha))
    adjust = own / float(stdtrit(found.df, alpha))
    size = min(p * (1 - p) / variance * adjust**2, trials, _MOST)
    k = p * size
    if side > 0:
        return float(betainccinv(k + 1, size - k, alpha)) if size > k else 1.0
    return float(betaincinv(k, size - k + 1, alpha)) if k > 0 else 0.0
