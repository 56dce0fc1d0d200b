"""Slopes over scales: errors from seeds, or from residuals where there are none, and never from rounding."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from emergence_stats.core.intervals import normal
from emergence_stats.core.intervals.slopes import slope_contrast

SIZES = np.array([4.0, 5.0, 5.7, 6.2])


def test_without_seeds_it_is_the_line_of_least_squares():
    values = np.array([1.0, 1.4, 1.2, 2.0])
    found = slope_contrast(values, SIZES, list("abcd"))
    fit = sm.OLS(values, sm.add_constant(SIZES)).fit()
    assert found.value == pytest.approx(fit.params[1])
    assert normal.interval(found, 0.95) == pytest.approx(tuple(fit.conf_int()[1]))


def test_with_seeds_curvature_is_no_noise():
    bend = np.array([0.0, 1.0, 1.0, 0.0])
    noise = np.tile([-0.01, 0.01], 4)
    values = np.repeat(bend, 2) + noise
    found = slope_contrast(values, np.repeat(SIZES, 2), list("aabbccdd"))
    centred = SIZES - SIZES.mean()
    within = 2 * 0.01**2 / 2  # variance of the mean of two
    assert found.variance == pytest.approx(within / (centred @ centred))
    parts = centred**2  # each scale's share of the variance, with one degree of freedom
    assert found.df == pytest.approx(parts.sum() ** 2 / (parts**2).sum())
    line = sm.OLS(values, sm.add_constant(np.repeat(SIZES, 2))).fit()
    assert found.stderr < line.bse[1] / 10


@pytest.mark.parametrize("value", [0.1, 0.3, 1e-8, 12345.678])
def test_three_runs_that_agree_at_three_scales_give_no_error(value):
    """Their residuals are those of the last digits; p < .0001 was made of them."""
    found = slope_contrast(np.full(3, value), SIZES[:3], list("abc"))
    assert found.value == pytest.approx(0.0, abs=1e-9 * value)
    assert found.variance == 0.0


@given(st.floats(-10, 10), st.floats(0.1, 10))
def test_points_on_a_line_give_no_error(start, rise):
    """Neither does a line that is met to the last digit."""
    assert slope_contrast(start + rise * SIZES, SIZES, list("abcd")).variance == pytest.approx(
        0.0, abs=1e-18 * rise**2
    )


def test_two_runs_at_two_scales_have_no_error_to_judge_by():
    assert slope_contrast(np.array([1.0, 2.0]), SIZES[:2], list("ab")).variance is None


def test_one_scale_has_no_slope():
    with pytest.raises(ValueError, match="no slope"):
        slope_contrast(np.array([1.0, 2.0]), np.array([4.0, 4.0]), list("aa"))


def test_a_scale_with_one_run_borrows_the_variance_of_the_others():
    values = np.array([1.0, 1.2, 2.0, 3.1, 3.0])
    found = slope_contrast(values, np.array([4, 4, 5, 6, 6.0]), list("aabcc"))
    pooled = (2 * 0.1**2 + 2 * 0.05**2) / 2
    weights = np.array([-1.0, 0.0, 1.0]) / 2
    assert found.value == pytest.approx(weights @ [1.1, 2.0, 3.05])
    assert 0 < found.variance < pooled
