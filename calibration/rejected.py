"""Methods that papers use and that are not used here: what they would do in the same situations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from calibration import values
from calibration.values import Cell, Design
from emergence_stats.core.regions import Region
from emergence_stats.inference import Estimate, clopper_pearson


class Bootstrap:
    """Percentile bootstrap over runs, 400 resamples."""

    def estimate(
        self,
        some: Sequence[Any],
        strata: Sequence[str],
        log10_params: Sequence[float],
        region: Region | None,
        level: float,
    ) -> Estimate:
        rng = np.random.default_rng(0)
        x = np.array(some, float)
        means = x[rng.integers(0, len(x), (400, len(x)))].mean(1)
        lo, hi = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        return _estimate(x.mean(), lo, hi, level, len(x))


class TasksAsUnits:
    """Exact interval of all task-levels of all runs, as if they were independent."""

    def estimate(
        self,
        some: Sequence[Any],
        strata: Sequence[str],
        log10_params: Sequence[float],
        region: Region | None,
        level: float,
    ) -> Estimate:
        k, n = (sum(column) for column in zip(*some, strict=True))
        return _estimate(k / n, *clopper_pearson(k, n, level), level, len(some))


class Student:
    """Student's t over runs, whatever the bounds."""

    def estimate(
        self,
        some: Sequence[Any],
        strata: Sequence[str],
        log10_params: Sequence[float],
        region: Region | None,
        level: float,
    ) -> Estimate:
        x = np.array([v[0] / v[1] if isinstance(v, tuple) else v for v in some], float)
        half = stats.t.ppf(0.5 + level / 2, len(x) - 1) * x.std(ddof=1) / len(x) ** 0.5
        return _estimate(x.mean(), x.mean() - half, x.mean() + half, level, len(x))


class WithoutDoubt:
    """Korn and Graubard's interval as published, runs as clusters."""

    def estimate(
        self,
        some: Sequence[Any],
        strata: Sequence[str],
        log10_params: Sequence[float],
        region: Region | None,
        level: float,
    ) -> Estimate:
        k, n = np.array(some, float).T
        x, runs = k / n, len(some)
        p, size = x.mean(), float(runs)
        if np.ptp(x) > 0:
            narrow, wide = (stats.t.ppf(0.5 + level / 2, df) for df in (n.sum() - 1, runs - 1))
            size = min(p * (1 - p) / (x.var(ddof=1) / runs) * (narrow / wide) ** 2, n.sum())
        return _estimate(p, *clopper_pearson(p * size, size, level), level, runs)


def _estimate(value: float, lo: float, hi: float, level: float, n: int) -> Estimate:
    return Estimate(float(value), (float(lo), float(hi)), level, None, None, n, "rejected")


def instead(cell: Cell, method: Any) -> Cell:
    """The same situation with this method."""
    name = f"{(type(method).__doc__ or '').rstrip('.')}: {cell.name}"
    return Cell(name, cell.design, method, cell.truth, cell.draw)


def cells() -> list[Cell]:
    """Each where it does worst among the situations of the study."""
    few, plan = Design(1, 5), Design(1, 25)
    return [
        instead(values.normal_mean(few, 0.8), Bootstrap()),
        instead(values.share(plan, 0.75, 0.2), TasksAsUnits()),
        instead(values.share(plan, 0.75, 0.5), TasksAsUnits()),
        instead(values.share(plan, 0.97, 0.5), Student()),
        instead(values.bounded_mean(plan, 0.97, 0.2), Student()),
        instead(values.share(plan, 0.97, 0.5), WithoutDoubt()),
    ]
