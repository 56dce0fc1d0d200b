"""What statsmodels says: how scales differ, a mixed model, and rates as if cases were independent."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import stdtrit

from emergence_stats.evaluation.opinions.units import Opinion, Units
from emergence_stats.evaluation.results import PredictionResult


def heterogeneity_of(prediction: PredictionResult) -> dict[str, Any] | None:
    """Cochran's Q, I2 and the prediction interval for a new scale (Higgins, Thompson and Spiegelhalter 2009), between
    the scales that have an error of their own; None if the prediction has no scales. `why`: why there is none.
    """
    from statsmodels.stats.meta_analysis import combine_effects

    scales = prediction.estimate.scales
    if not scales:
        return None
    known = [(s.value, s.stderr**2) for s in scales if s.stderr]
    nothing = {"q": None, "df": None, "p": None, "i2": None, "prediction_interval": None}
    if len(known) < 2:
        why = f"{len(known)} of {len(scales)} have runs that differ, and heterogeneity needs two"
        return {**nothing, "scales": len(known), "why": why}
    means, variances = (np.array(column) for column in zip(*known, strict=True))
    found = combine_effects(means, variances, method_re="pm")
    test = found.test_homogeneity()
    ends = None
    if len(known) > 2:
        spread = math.sqrt(float(found.tau2) + float(found.sd_eff_w_re) ** 2)
        half = float(stdtrit(len(known) - 2, 0.5 + prediction.estimate.level / 2)) * spread
        ends = [float(found.mean_effect_re) - half, float(found.mean_effect_re) + half]
    return {
        "q": float(test.statistic),
        "df": float(test.df),
        "p": float(test.pvalue),
        "i2": max(float(found.i2), 0.0),
        "prediction_interval": ends,
        "scales": len(known),
        "why": None,
    }


def opinions(units: Units) -> Iterator[Opinion]:
    """A mixed model where there are scales, and the rate of all cases where values are shares."""
    if units.n_scales > 1:
        yield from _mixed_model(units)
    if units.trials is not None:
        yield _rate(units)


def _mixed_model(units: Units) -> Iterator[Opinion]:
    from statsmodels.regression.mixed_linear_model import MixedLM

    p, by = units.prediction, "statsmodels MixedLM"
    model = MixedLM(units.values, np.ones((len(units.values), 1)), groups=np.array(units.scales))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance of scales that is 0 lies at its bound
        try:
            found = model.fit()
        except (np.linalg.LinAlgError, ValueError):
            return
    lo, hi = found.conf_int(alpha=1 - p.estimate.level)[0]
    if not (math.isfinite(lo) and math.isfinite(hi)):
        return
    value = float(found.params[0])
    said = f"sd over scales {math.sqrt(max(float(found.cov_re[0][0]), 0.0)):.3g}"
    yield Opinion(
        p.name,
        "mean, scales random",
        by,
        value,
        (float(lo), float(hi)),
        f"{_against(p, lo, hi)}; {said}",
    )


def _rate(units: Units) -> Opinion:
    from statsmodels.stats.proportion import proportion_confint

    assert units.trials is not None
    p, n = units.prediction, float(units.trials.sum())
    k = float((units.values * units.trials).sum())
    lo, hi = proportion_confint(k, n, alpha=1 - p.estimate.level, method="beta")
    return Opinion(
        p.name,
        "rate of all cases, as if independent",
        "statsmodels proportion_confint",
        k / n,
        (float(lo), float(hi)),
        f"{_against(p, lo, hi)}; {k:.6g} of {n:.6g}",
    )


def _against(prediction: PredictionResult, lo: float, hi: float) -> str:
    from emergence_stats.core.verdicts import decide

    return str(decide((float(lo), float(hi)), prediction.region))
