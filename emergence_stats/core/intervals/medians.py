"""The median of units at a scale, by the sign test: right for values of any distribution, with or without bounds.

Its interval runs from one order statistic to another (David and Nagaraja 2003, section 7.1), so that it needs some units:
six of them for 95%. What a few units do by far does not move it; in return it says nothing of the mean.
"""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr

from emergence_stats.core.intervals.contrasts import Array

Interval = tuple[float, float]


def median_interval(values: Array, level: float) -> Interval | None:
    """Of the units of one scale (n,); None if they are too few for any interval at this level."""
    x, n = np.sort(values), len(values)
    tail = (1 - level) / 2
    # The k-th smallest is above the median in at most `tail` of studies while fewer than k of n fall below it are as rare.
    below = bdtr(np.arange(n), n, 0.5)
    k = int((below <= tail).sum())
    return None if k == 0 else (float(x[k - 1]), float(x[n - k]))


def median_p(values: Array, at: float, side: int, is_open: bool = True) -> float:
    """One-sided sign test: `side` -1 against a median of at most `at`, 1 against one of at least `at`.

    Values at `at` count against, unless `at` itself is allowed (`is_open` False): at most (1 - level) / 2 where and only
    where the interval at `level` lies on the other side of `at`.
    """
    n = len(values)
    beyond = values < at if side < 0 else values > at
    against = int((beyond | (values == at)).sum() if is_open else beyond.sum())
    return float(bdtr(against, n, 0.5))
