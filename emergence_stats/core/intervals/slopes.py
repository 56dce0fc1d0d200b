"""The least-squares slope of values on a covariate of their scale.

Every scale counts alike. Where scales have runs to compare, the error comes from these alone, so that curvature over
scales does not pass for noise. Where no scale has two runs, it comes from the residuals of the line, which are then all
there is; that takes three scales, and residuals that are more than rounding.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from emergence_stats.core.intervals.contrasts import (
    Array,
    Contrast,
    agree,
    codes,
    contrast,
    rounding,
)


def slope_contrast(values: Array, covariate: Array, strata: Sequence[Hashable]) -> Contrast:
    """The slope as a contrast; `values`, `covariate`, `strata` (n_runs,). One covariate a scale, its mean.

    `variance` None: nothing tells the error. Raises `ValueError` if all scales have one covariate.
    """
    stratum = codes(strata)
    counts = np.bincount(stratum)
    at = np.bincount(stratum, covariate) / counts
    centred = at - at.mean()
    if agree(at):
        raise ValueError("all scales have one covariate, so that there is no slope")
    of_scales = centred / (centred @ centred)
    found = contrast(values, stratum, of_scales)
    if found.variance is not None:
        return found
    means = np.bincount(stratum, values) / counts
    residuals = means - means.mean() - found.value * centred
    residuals[np.abs(residuals) <= rounding(means)] = 0.0
    df = len(means) - 2
    if df < 1:
        return Contrast(found.value, None, math.nan, found.weights)
    variance = float(residuals @ residuals) / df / float(centred @ centred)
    return Contrast(found.value, variance, float(df), found.weights)
