"""Fixed linear contrasts of scale means: scales are fixed, seeds are random.

The error of a contrast comes from the differences of runs within a scale, and from nothing else: differences between
scales are what it measures, or no part of it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Values nearer to one another than this share of their size agree, and so do those nearer than `_SMALLEST`: what differs
# is the order of a sum, in numbers of four bytes. Values that are all as small as that need a larger unit.
RESOLUTION = 1e-6
_SMALLEST = 1e-8


@dataclass(frozen=True)
class Contrast:
    """``sum(weights * values)`` and its error.

    `weights` (n_runs,). `variance`: of the estimate; None where no scale has two runs, so that nothing tells it; 0 where
    all runs agree within their scales. `df`: of the variance (Satterthwaite 1946).
    """

    value: float
    variance: float | None
    df: float
    weights: Array

    @property
    def stderr(self) -> float | None:
        return None if self.variance is None else math.sqrt(self.variance)

    @property
    def effective_runs(self) -> float:
        """Runs of equal weight that would have as large a share each (Kish 1965), for a contrast that is a mean."""
        return 1.0 / float(np.square(self.weights).sum())


def codes(strata: Sequence[Hashable]) -> NDArray[np.int64]:
    """(n_runs,) numbers of strata, in the order in which they first appear."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(stratum, len(known)) for stratum in strata], dtype=np.int64)


def mean_contrast(values: Array, strata: Sequence[Hashable]) -> Contrast:
    """The mean over scales of the means over runs; `values` and `strata` (n_runs,)."""
    stratum = codes(strata)
    return contrast(values, stratum, np.full(stratum.max() + 1, 1 / (stratum.max() + 1)))


def contrast(values: Array, stratum: NDArray[np.int64], of_scales: Array) -> Contrast:
    """``sum_s of_scales[s] * mean_s``, for codes `stratum` (n_runs,) and weights `of_scales` (n_scales,).

    Variances are those within scales. A scale with one run borrows the variance pooled over the others, with its
    degrees of freedom.
    """
    counts = np.bincount(stratum)
    weights = (of_scales / counts)[stratum]
    means = np.bincount(stratum, values) / counts
    value = float(of_scales @ means)
    if counts.max() < 2:
        return Contrast(value, None, math.nan, weights)
    residuals = values - means[stratum]
    # All of a scale, or none: zeros among others would make these too small.
    largest = np.zeros(len(counts))
    np.maximum.at(largest, stratum, np.abs(residuals))
    residuals[(largest <= rounding(values))[stratum]] = 0.0
    squares = np.bincount(stratum, residuals**2)
    single, its_df = counts < 2, counts - 1.0
    share = its_df / its_df.sum()  # of each scale in the pooled variance that single runs borrow
    factors = np.where(single, 0.0, of_scales**2 / counts) + (of_scales[single] ** 2).sum() * share
    parts = (factors * squares / np.where(single, 1.0, its_df))[~single]
    variance = float(parts.sum())
    df = float(its_df.sum())
    if variance > 0:
        df = 1 / float(((parts / variance) ** 2 / its_df[~single]).sum())
    return Contrast(value, variance, df, weights)


def agree(values: Array) -> bool:
    """Whether all values are the same, as far as numbers can tell."""
    return bool(np.ptp(values) <= rounding(values))


def rounding(values: Array) -> float:
    """How far values may differ by rounding alone."""
    return max(RESOLUTION * float(np.abs(values).max()), _SMALLEST)
