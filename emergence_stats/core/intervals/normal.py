"""The mean of values without bounds, by Student's t: interval and p-value of one procedure.

No interval of such a mean is right for every distribution (Bahadur and Savage 1956): one run in a hundred thousand may
carry the mean. Student's is too short where values are skewed or a few deviate by far; docs/calibration_core.md has by how
much.
"""

from __future__ import annotations

import math

from scipy.special import stdtr, stdtrit

from emergence_stats.core.intervals.contrasts import Contrast


def interval(found: Contrast, level: float) -> tuple[float, float]:
    """Confidence interval of a contrast that has a variance above 0."""
    half = float(stdtrit(found.df, 0.5 + level / 2)) * _stderr(found)
    return found.value - half, found.value + half


def p_value(found: Contrast, at: float, side: int) -> float:
    """One-sided: `side` 1 against an estimand of at least `at`, -1 against one of at most `at`.

    At most (1 - level) / 2 exactly where the interval at `level` excludes `at` on that side.
    """
    return float(stdtr(found.df, side * (found.value - at) / _stderr(found)))


def _stderr(found: Contrast) -> float:
    assert found.variance is not None
    assert found.variance > 0
    return math.sqrt(found.variance)
