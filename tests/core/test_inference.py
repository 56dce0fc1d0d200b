"""Inference over runs, against scipy and statsmodels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from calibration.rejected import WithoutDoubt
from emergence_stats import inference
from emergence_stats.regions import Region
from emergence_stats.verdicts import Verdict, decide

ANY = Region.at_least(0.0)


def test_mean_of_one_scale_is_students_t():
    x = np.array([0.1, 0.4, -0.2, 0.6, 0.3, 0.5])
    found = inference.mean(x, ["a"] * 6, ANY, 0.95)
    expected = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert found.interval == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_two_scales_give_welchs_interval():
    a, b = np.array([1.0, 1.2, 0.7, 1.1]), np.array([3.0, 4.5, 2.0])
    found = inference.mean([*a, *b], ["a"] * 4 + ["b"] * 3, ANY, 0.9)
    # The mean of the two means is half of a - (-b), whose Welch interval scipy has.
    welch = stats.ttest_ind(a, -b, equal_var=False).confidence_interval(0.9)
    assert found.interval == pytest.approx((welch.low / 2, welch.high / 2), rel=1e-12)


def test_differences_between_scales_do_not_widen_the_interval():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=20)
    scales = list("abcd") * 5
    shift = np.array([{"a": 0, "b": 10, "c": 20, "d": 30}[s] for s in scales])
    flat = inference.mean(noise, scales, ANY, 0.95)
    steep = inference.mean(noise + shift, scales, ANY, 0.95)
    assert np.ptp(flat.interval) == pytest.approx(np.ptp(steep.interval))


@pytest.mark.parametrize("n", [3, 5, 8, 11])
def test_sign_flip_is_scipys_exact_permutation_test(n):
    x = np.random.default_rng(n).normal(0.3, 1, n)
    exact = stats.permutation_test(
        (x,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="greater"
    )
    assert inference.sign_flip_p(x) == pytest.approx(exact.pvalue, abs=1e-12)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=10))
def test_sign_flip_is_a_probability_and_sees_the_sign(values):
    x = np.array(values)
    up, down = inference.sign_flip_p(x), inference.sign_flip_p(-x)
    assert 0 < up <= 1
    assert up + down >= 1 - 1e-9  # both count the observed sum


def test_sign_flip_beyond_enumeration_repeats_to_the_last_digit():
    x = np.random.default_rng(1).normal(0.2, 1, 60)
    assert inference.sign_flip_p(x) == inference.sign_flip_p(x)
    assert inference.sign_flip_p(x) == pytest.approx(
        stats.ttest_1samp(x, 0, alternative="greater").pvalue, abs=0.01
    )


@given(st.integers(0, 30), st.integers(1, 30), st.sampled_from([0.9, 0.95, 0.99]))
def test_clopper_pearson_is_statsmodels(k, extra, level):
    n = k + extra
    expected = proportion_confint(k, n, 1 - level, method="beta")
    assert inference.clopper_pearson(k, n, level) == pytest.approx(expected, abs=1e-10)


def test_a_rate_on_which_all_runs_agree_has_the_width_of_the_number_of_runs():
    found = inference.share([0] * 5, [24] * 5, ["a"] * 5, Region.at_most(0.1), 0.95)
    assert found.interval == pytest.approx((0, stats.binomtest(0, 5).proportion_ci().high))
    assert found.interval[1] == pytest.approx(0.522, abs=1e-3)


@given(st.integers(0, 24), st.integers(1, 24), st.integers(2, 12), st.integers(1, 6), st.booleans())
def test_runs_that_agree_are_as_many_trials_whatever_the_rounding(k, extra, seeds, scales, flip):
    """The mean of equal doubles may differ from them, and that is no variance between runs."""
    trials = k + extra
    successes = trials - k if flip else k
    runs = seeds * scales
    strata = [scale for scale in range(scales) for _ in range(seeds)]
    found = inference.share([successes] * runs, [trials] * runs, strata, Region.at_least(0.5), 0.95)
    expected = inference.clopper_pearson(successes / trials * runs, runs, 0.95)
    assert found.interval == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("scales", [1, 2])
def test_values_that_differ_by_rounding_alone_agree(scales):
    values = [-0.1 - 0.2, -0.3, -0.3, -0.3, -0.1 - 0.2, -0.3]
    strata = [i % scales for i in range(6)]
    found = inference.mean(values, strata, Region.at_most(0.0), 0.95, bounds=(-1.0, 1.0))
    expected = inference.mean([-0.3] * 6, strata, Region.at_most(0.0), 0.95, bounds=(-1.0, 1.0))
    assert found.interval == pytest.approx(expected.interval)


@pytest.mark.parametrize("successes", [24, 23])
def test_as_many_runs_as_needed_settle_it_and_one_fewer_do_not(successes):
    region = Region.at_least(0.75)

    def verdict(runs):
        found = inference.share([successes] * runs, [24] * runs, ["a"] * runs, region, 0.95)
        return decide(found.interval, region)

    few = inference.share([successes] * 4, [24] * 4, ["a"] * 4, region, 0.95)
    needed = inference.runs_needed(few, region)
    assert verdict(needed) is Verdict.SUPPORTED
    assert verdict(needed - 1) is Verdict.INCONCLUSIVE


def test_korn_graubard_by_hand():
    k, n = np.array([20, 22, 18, 23, 15]), np.full(5, 24)
    found = inference.share(k, n, ["a"] * 5, Region.at_least(0.5), 0.95)
    x = k / n
    p, variance = x.mean(), x.var(ddof=1) / 5
    adjust = (stats.t.ppf(0.975, 119) / stats.t.ppf(0.975, 4)) ** 2
    size = p * (1 - p) / variance * adjust
    expected = (
        stats.beta.ppf(0.025, p * size, size - p * size + 1),
        stats.beta.ppf(0.975, p * size + 1, size - p * size),
    )
    assert found.interval == pytest.approx(expected, rel=1e-9)


def test_runs_at_a_bound_raise_a_doubt_by_hand():
    """One of five runs at the bound: the largest variance counts as a quarter of a degree of freedom."""
    k, n = np.array([20, 22, 18, 24, 15]), np.full(5, 24)
    found = inference.share(k, n, ["a"] * 5, Region.at_least(0.5), 0.95)
    x = k / n
    p = x.mean()
    variance = (4 * x.var(ddof=1) / 5 + 0.25 * p * (1 - p) / 5) / 4.25
    adjust = (stats.t.ppf(0.975, 119) / stats.t.ppf(0.975, 4.25)) ** 2
    size = p * (1 - p) / variance * adjust
    expected = (
        stats.beta.ppf(0.025, p * size, size - p * size + 1),
        stats.beta.ppf(0.975, p * size + 1, size - p * size),
    )
    assert found.interval == pytest.approx(expected, rel=1e-9)


@given(st.integers(2, 12), st.integers(0, 12), st.sampled_from([0.9, 0.95, 0.99]))
def test_runs_that_have_all_or_nothing_are_one_trial_each(n, k, level):
    k = min(k, n)
    found = inference.share([24] * k + [0] * (n - k), [24] * n, ["a"] * n, ANY, level)
    expected = inference.clopper_pearson(k, n, level)
    # beyond it only by the quantiles of t with 24 n - 1 degrees of freedom and of the normal
    assert found.interval == pytest.approx(expected, abs=0.02)


def test_a_run_that_differs_hardly_narrows_what_runs_that_agree_allow():
    agree = inference.share([24] * 25, [24] * 25, ["a"] * 25, ANY, 0.95).interval
    nearly = inference.share([24] * 24 + [23], [24] * 25, ["a"] * 25, ANY, 0.95).interval
    some = [(24.0, 24.0)] * 24 + [(23.0, 24.0)]
    without = WithoutDoubt().estimate(some, [""] * 25, [5.0] * 25, None, 0.95).interval
    assert agree[0] < nearly[0] < 0.93 < without[0]


def test_in_the_middle_of_its_bounds_a_mean_has_students_interval():
    x = np.random.default_rng(3).normal(0.5, 0.02, 12)
    bounded = inference.mean(x, ["a"] * 12, ANY, 0.95, bounds=(0.0, 1.0)).interval
    assert bounded == pytest.approx(inference.mean(x, ["a"] * 12, ANY, 0.95).interval, abs=0.002)


def test_a_bounded_mean_is_the_same_on_any_scale():
    x = np.random.default_rng(4).beta(8, 2, 10)
    on_unit = inference.mean(x, ["a"] * 10, Region.at_least(0.5), 0.95, bounds=(0.0, 1.0))
    wide = inference.mean(6 * x - 2, ["a"] * 10, Region.at_least(1.0), 0.95, bounds=(-2.0, 4.0))
    assert wide.interval == pytest.approx(6 * np.array(on_unit.interval) - 2)
    assert wide.p_value == pytest.approx(on_unit.p_value)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12), st.booleans(), st.integers(1, 3))
def test_an_interval_on_bounds_holds_the_mean_and_stays_within(values, near, scales):
    if near:  # nearer to a bound than numbers can tell of their mean
        values = [1 - abs(v) * 1e-12 for v in values]
    strata = [i % scales for i in range(len(values))]
    found = inference.mean(values, strata, Region.at_least(0.0), 0.95, bounds=(-1.0, 1.0))
    lo, hi = found.interval
    assert -1 <= lo <= found.value + 1e-9
    assert found.value - 1e-9 <= hi <= 1
    assert 0 <= found.p_value <= 1


def test_values_beyond_their_bounds_have_none():
    x = [0.1, 0.4, 1.2, 0.6]
    found = inference.mean(x, ["a"] * 4, ANY, 0.95, bounds=(0.0, 1.0))
    assert found.interval == inference.mean(x, ["a"] * 4, ANY, 0.95).interval


def test_mean_where_all_runs_agree_is_no_point():
    region = Region.at_most(-0.3)
    bounded = inference.mean([-1.0] * 6, ["a"] * 6, region, 0.95, bounds=(-1.0, 1.0))
    assert bounded.interval[0] == -1.0
    assert bounded.interval[1] == pytest.approx(2 * stats.binomtest(0, 6).proportion_ci().high - 1)
    unbounded = inference.mean([-1.0] * 6, ["a"] * 6, region, 0.95)
    assert unbounded.interval is None
    assert "last digit" in unbounded.why_no_interval


def test_slope_with_one_run_a_scale_is_linregress():
    x = np.array([4.0, 4.5, 5.0, 5.5, 6.0])
    y = np.array([0.1, 0.0, 0.3, 0.2, 0.5])
    found = inference.slope(y, x, list("abcde"), ANY, 0.95)
    line = stats.linregress(x, y)
    half = stats.t.ppf(0.975, 3) * line.stderr
    assert found.value == pytest.approx(line.slope)
    assert found.interval == pytest.approx((line.slope - half, line.slope + half))


def test_slope_with_seeds_takes_its_error_from_seeds_alone():
    x = np.repeat([4.0, 5.0, 6.0], 4)
    noise = np.tile([0.1, -0.1, 0.05, -0.05], 3)
    curved = np.repeat([0.0, 1.0, 0.0], 4) + noise  # no slope, much curvature
    found = inference.slope(curved, x, x, ANY, 0.95)
    assert found.value == pytest.approx(0, abs=1e-12)
    assert np.ptp(found.interval) < 0.3
    # A balanced design's slope is half the difference between the outer scales: Welch again.
    welch = stats.ttest_ind(curved[8:], curved[:4], equal_var=False).confidence_interval(0.95)
    assert found.interval == pytest.approx((welch.low / 2, welch.high / 2))


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_runs_have_no_interval(n):
    for found in (
        inference.mean([0.5] * n, ["a"] * n, ANY, 0.95),
        inference.share([1] * n, [2] * n, ["a"] * n, ANY, 0.95),
        inference.slope([1.0] * n, [1.0] * n, ["a"] * n, ANY, 0.95),
    ):
        assert found.interval is None
        assert "needs two" in found.why_no_interval


def test_tost_is_the_larger_of_two_one_sided_tests():
    x = np.random.default_rng(3).normal(0.05, 0.1, 9)
    region = Region.between(-0.2, 0.2)
    found = inference.mean(x, ["a"] * 9, region, 0.95)
    assert found.p_value == max(inference.sign_flip_p(x + 0.2), inference.sign_flip_p(0.2 - x))


def test_coverage_of_the_stratified_interval_with_five_scales_of_five():
    rng = np.random.default_rng(5)
    scales = np.repeat(np.arange(5), 5)
    covered = 0
    for _ in range(1000):
        x = scales * 0.5 + rng.normal(size=25) * (1 + scales) / 3
        lo, hi = inference.mean(x, scales.tolist(), ANY, 0.95).interval
        covered += lo <= 1.0 <= hi
    assert 927 <= covered <= 973  # 950 and four standard errors less a little
