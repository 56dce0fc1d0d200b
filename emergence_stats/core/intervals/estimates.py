"""What an analysis says of a prediction, in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

Interval = tuple[float, float]


@dataclass(frozen=True)
class ScaleEstimate:
    """The mean of one scale.

    `interval`: at the level of the prediction; `together`: simultaneous over scales; None where nothing tells the
    error. `stderr` is the error of the mean of its own runs, None if it has one run, 0 if all agree.
    """

    scale: str
    value: float
    n_units: int
    interval: Interval | None
    together: Interval | None
    stderr: float | None


@dataclass(frozen=True)
class Estimate:
    """An estimate over units.

    `interval` has confidence `level` (two-sided). Where a prediction is about every scale it is the hull of the scales'
    own intervals: inside a region if and only if all of them are. `p_value`: one-sided, of the null hypothesis that the
    estimand lies at the boundary of the region or outside, by the procedure of the interval: it is at most
    (1 - `level`) / 2 where and only where the interval lies inside. `free_interval`: of the same estimand, assuming
    nothing about the distribution of values on their range; None where they have none. `method` names the procedure.
    `stderr` and `df` are those of `value`. `scales`: each scale alone; none where the analysis compares scales.
    `pair`: of a largest difference.
    """

    value: float
    interval: Interval | None
    level: float
    p_value: float | None
    effect_size: float | None
    n_runs: int
    method: str
    why_no_interval: str | None = None
    stderr: float | None = None
    df: float | None = None
    free_interval: Interval | None = None
    scales: tuple[ScaleEstimate, ...] = ()
    pair: tuple[str, str] | None = None

    @property
    def has_value(self) -> bool:
        """Whether there is a number: not where no unit gives one, nor of a comparison of scales where there is one scale."""
        return math.isfinite(self.value)
