"""The largest difference between the means of two scales, as an estimate with an interval and a p-value."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import stdtr

from emergence_stats.core.intervals.contrasts import Array, Contrast, codes
from emergence_stats.core.intervals.estimates import Estimate
from emergence_stats.core.intervals.scales import largest_difference, pair_contrasts
from emergence_stats.core.regions import Region

_METHOD = "largest difference of {} scale means, Student's t of each pair"


def spread_estimate(
    values: Array, strata: Sequence[str], region: Region | None, level: float
) -> Estimate:
    """`values` and `strata` (n_units,), of two scales or more; without a region there is no p-value."""
    found = largest_difference(values, strata, level)
    n = len(dict.fromkeys(strata))
    p = None
    if region is not None and found.interval is not None:
        p = _p_value([c for _, c in pair_contrasts(values, codes(strata))], region)
    return Estimate(
        found.value,
        found.interval,
        level,
        p,
        None,
        len(values),
        _METHOD.format(n),
        pair=(str(found.pair[0]), str(found.pair[1])),
    )


def _p_value(pairs: Sequence[Contrast], region: Region) -> float:
    """Of the null hypothesis that the largest difference lies outside the region.

    That all are below an end: the largest p of the pairs (intersection-union). That some is above one: the smallest,
    times their number and two directions (Bonferroni).
    """
    tests = []
    if region.hi is not None:
        end = region.hi
        tests.append(max(_tail(c, end) for c in pairs))
    if region.lo is not None and (region.lo > 0 or (region.lo == 0 and region.lo_open)):
        end = region.lo
        tests.append(min(1.0, 2 * len(pairs) * min(_above(c, end) for c in pairs)))
    return max(tests) if tests else 0.0


def _tail(found: Contrast, end: float) -> float:
    """p of |difference| >= end: the larger of the two one-sided tests."""
    assert found.variance is not None
    return float(stdtr(found.df, -(end - abs(found.value)) / math.sqrt(found.variance)))


def _above(found: Contrast, end: float) -> float:
    assert found.variance is not None
    return float(stdtr(found.df, -(abs(found.value) - end) / math.sqrt(found.variance)))
