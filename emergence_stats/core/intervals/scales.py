"""What holds at every scale, and what holds on average.

A mean over scales that contradict one another lies between them and describes none. So a prediction says whether it is
about every scale or about the average, and the average of scales of which one lies outside for certain supports
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from emergence_stats.core.intervals.contrasts import Array, Contrast, codes, contrast
from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict, decide

Interval = tuple[float, float]


@dataclass(frozen=True)
class Scales:
    """Intervals of each scale's own mean.

    `alone`: at the level of the prediction, for what has to hold at every scale; `together`: simultaneous over scales
    (Bonferroni), for what holds at some scale. None where a scale's runs give no interval.
    """

    alone: Mapping[Hashable, Interval | None]
    together: Mapping[Hashable, Interval | None]

    def outside(self, region: Region) -> list[Hashable]:
        """Scales that lie outside a region for certain."""
        return [s for s, ends in self.together.items() if ends and region.misses_interval(*ends)]


def by_scale(
    values: Array,
    strata: Sequence[Hashable],
    level: float,
    interval_of: Callable[[Contrast, float], Interval | None],
) -> Scales:
    """Intervals scale by scale; `values` and `strata` (n_runs,).

    `interval_of`: the interval of a contrast at a level. A scale with one run borrows the variance within the others.
    """
    stratum, names = codes(strata), list(dict.fromkeys(strata))
    contrasts = {
        name: contrast(values, stratum, np.eye(len(names))[number])
        for number, name in enumerate(names)
    }
    simultaneous = 1 - (1 - level) / len(names)
    return Scales(
        {name: interval_of(its, level) for name, its in contrasts.items()},
        {name: interval_of(its, simultaneous) for name, its in contrasts.items()},
    )


def every_scale(found: Scales, region: Region) -> Verdict:
    """Intersection-union (Berger 1982): supported where every scale's own interval lies inside, without correction,
    since all of them have to; refuted where one lies outside by the simultaneous interval.
    """
    if found.outside(region):
        return Verdict.REFUTED
    if all(ends and region.contains_interval(*ends) for ends in found.alone.values()):
        return Verdict.SUPPORTED
    return Verdict.INCONCLUSIVE


def average(
    ends: Interval | None, contradicting: list[Hashable], region: Region
) -> tuple[Verdict, list[Hashable]]:
    """The verdict on the mean over scales, which supports nothing while scales contradict it, and these scales; none
    where it is refuted.
    """
    if ends is None:
        return Verdict.INCONCLUSIVE, contradicting
    verdict = decide(ends, region)
    if verdict is Verdict.REFUTED:
        return verdict, []
    return (Verdict.INCONCLUSIVE if contradicting else verdict), contradicting


@dataclass(frozen=True)
class Spread:
    """The largest difference between the means of two scales.

    `interval`: the upper end holds for every pair at once without correction (intersection-union), the lower end is of
    the pair that differs most, simultaneous over all pairs and both directions (Bonferroni). `pair`: the two, the
    larger mean first.
    """

    value: float
    interval: Interval | None
    pair: tuple[Hashable, Hashable]


def largest_difference(values: Array, strata: Sequence[Hashable], level: float) -> Spread:
    """How far apart two scales are at most: invariance over scales is about this, and not about a slope, which is 0
    where values fall and rise again. `values` and `strata` (n_runs,), of two scales at least.
    """
    stratum, names = codes(strata), list(dict.fromkeys(strata))
    if len(names) < 2:
        raise ValueError("a difference between scales needs two scales")
    pairs = pair_contrasts(values, stratum)
    (one, other), widest = max(pairs, key=lambda pair: abs(pair[1].value))
    if widest.value < 0:
        one, other = other, one
    value, pair = abs(widest.value), (names[one], names[other])
    contrasts = [found for _, found in pairs]
    if any(c.variance is None or c.variance == 0 for c in contrasts):
        return Spread(value, None, pair)
    tail = (1 - level) / 2
    upper = max(abs(c.value) + _half(c, tail) for c in contrasts)
    lower = max(abs(c.value) - _half(c, tail / (2 * len(pairs))) for c in contrasts)
    return Spread(value, (max(lower, 0.0), upper), pair)


def pair_contrasts(
    values: Array, stratum: NDArray[np.int64]
) -> list[tuple[tuple[int, int], Contrast]]:
    """The difference of each pair of scales, by their codes."""
    n = int(stratum.max()) + 1
    found = []
    for one, other in combinations(range(n), 2):
        weights = np.zeros(n)
        weights[one], weights[other] = 1.0, -1.0
        found.append(((one, other), contrast(values, stratum, weights)))
    return found


def _half(found: Contrast, tail: float) -> float:
    assert found.variance is not None
    return float(stdtrit(found.df, 1 - tail)) * math.sqrt(found.variance)
