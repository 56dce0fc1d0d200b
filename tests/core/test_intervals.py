"""Intervals of the core: no cliff, one procedure for interval and p, and what they do not know they do not say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from emergence_stats.core.intervals import betting, bounded, normal
from emergence_stats.core.intervals.contrasts import contrast, mean_contrast

UNIT = (0.0, 1.0)
numbers = st.floats(0, 1, allow_subnormal=False)


@st.composite
def studies(draw):
    """Values of two runs or more at each of some scales, with runs that agree and runs at a bound."""
    scales = draw(st.integers(1, 4))
    values, strata = [], []
    for scale in range(scales):
        runs = draw(st.integers(2, 6))
        some = draw(st.lists(numbers, min_size=1, max_size=3))
        values += draw(
            st.lists(st.sampled_from([*some, 0.0, 1.0, 0.5]), min_size=runs, max_size=runs)
        )
        strata += [scale] * runs
    return np.array(values), strata


def ends(values, strata, level=0.95, trials=math.inf):
    return bounded.interval(mean_contrast(values, strata), UNIT, level, trials)


# --- a bounded range --------------------------------------------------------------------------


@given(studies(), st.integers(0, 2**32 - 1))
@settings(max_examples=300)
def test_values_moved_by_a_hair_move_the_ends_by_little(study, seed):
    values, strata = study
    moved = values + np.random.default_rng(seed).uniform(-1e-9, 1e-9, len(values))
    moved = np.clip(moved, 0, 1)
    for before, after in zip(ends(values, strata), ends(moved, strata), strict=True):
        assert abs(before - after) < 1e-6
    weights = mean_contrast(values, strata).weights
    free = [betting.interval(x, weights, UNIT, 0.95) for x in (values, moved)]
    for before, after in zip(*free, strict=True):
        assert abs(before - after) < 1e-6


def test_runs_that_agree_have_the_interval_of_runs_that_nearly_do():
    """Twenty-five runs at exactly 0.5 had [.295, .705], and five of them moved by 1e-11 gave [.499999, .500001]."""
    exact = np.full(25, 0.5)
    near = exact.copy()
    near[:5] += 1e-11
    assert ends(near, [""] * 25) == pytest.approx(ends(exact, [""] * 25), abs=1e-9)
    lo, hi = ends(exact, [""] * 25)
    assert lo < 0.44
    assert hi > 0.56


@pytest.mark.parametrize("runs", [2, 5, 25])
def test_runs_that_agree_on_a_bound_have_the_exact_interval_of_as_many_trials(runs):
    lo, hi = ends(np.ones(runs), [""] * runs)
    exact = stats.binomtest(runs, runs).proportion_ci(0.95)
    assert (lo, hi) == pytest.approx((exact.low, 1.0), abs=1e-9)


def test_in_the_middle_of_the_range_it_is_students():
    values = np.random.default_rng(0).normal(0.5, 0.15, 400).clip(0, 1)
    t = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = ends(values, [""] * 400)
    assert found == pytest.approx((t.low, t.high), abs=2e-3)
    assert found[0] <= t.low  # and a little for runs that were not seen
    assert found[1] >= t.high


@given(studies(), numbers, st.sampled_from([1, -1]), st.sampled_from([0.8, 0.95, 0.99, 0.995]))
@settings(max_examples=300)
def test_p_is_small_exactly_where_the_interval_excludes(study, at, side, level):
    found = mean_contrast(*study)
    lo, hi = bounded.interval(found, UNIT, level)
    p = bounded.p_value(found, UNIT, at, side)
    if min(abs(lo - at), abs(hi - at)) > 1e-9:
        assert (p <= (1 - level) / 2) == (hi < at if side > 0 else lo > at)


@given(studies(), st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=200)
def test_a_higher_level_and_the_mirror_image(study, level):
    values, strata = study
    lo, hi = ends(values, strata, level)
    wider = ends(values, strata, 1 - (1 - level) / 2)
    assert wider[0] <= lo + 1e-9
    assert wider[1] >= hi - 1e-9
    mirrored = ends(1 - values, strata, level)
    assert mirrored == pytest.approx((1 - hi, 1 - lo), abs=1e-6)
    value = mean_contrast(values, strata).value
    assert lo - 1e-9 <= value <= hi + 1e-9


@given(studies(), st.floats(-5, 5), st.floats(0.1, 10))
@settings(max_examples=100)
def test_the_range_may_be_any(study, lo, width):
    values, strata = study
    shifted = bounded.interval(mean_contrast(lo + width * values, strata), (lo, lo + width), 0.95)
    expected = [lo + width * end for end in ends(values, strata)]
    assert shifted == pytest.approx(expected, abs=1e-6 * width)


def test_trials_limit_what_runs_tell():
    values = np.array([0.5, 0.5, 0.5, 0.5 + 1e-3])
    few = ends(values, [""] * 4, trials=4)
    many = ends(values, [""] * 4)
    exact = stats.binomtest(2, 4).proportion_ci(0.95)
    assert few[0] <= exact.low
    assert few[1] >= exact.high
    assert few[0] < many[0]


# --- nothing assumed --------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [0.05, 0.3, 0.5])
def test_betting_misses_no_more_than_it_says_on_coins(mean):
    """By enumeration: all outcomes of eight coins, each with its probability."""
    runs, weights = 8, np.full(8, 1 / 8)
    missed = 0.0
    for heads in range(runs + 1):
        values = np.array([1.0] * heads + [0.0] * (runs - heads))
        lo, hi = betting.interval(values, weights, UNIT, 0.95)
        if not lo <= mean <= hi:
            missed += stats.binom.pmf(heads, runs, mean)
    assert missed <= 0.05


def test_betting_holds_where_scales_have_unequal_means_and_numbers_of_runs():
    """Three runs at a scale whose coin falls on heads nine times in ten, six at one where it never does; by enumeration."""
    strata = [0] * 3 + [1] * 6
    missed = 0.0
    for heads in range(4):
        values = np.array([1.0] * heads + [0.0] * (9 - heads))
        lo, hi = betting.interval(values, mean_contrast(values, strata).weights, UNIT, 0.8)
        if not lo <= 0.45 <= hi:
            missed += stats.binom.pmf(heads, 3, 0.9)
    assert missed <= 0.2


@given(studies(), st.randoms())
@settings(max_examples=50)
def test_betting_knows_no_order(study, random):
    values, strata = study
    order = list(range(len(values)))
    random.shuffle(order)
    weights = mean_contrast(values, strata).weights
    shuffled = betting.interval(values[order], weights[order], UNIT, 0.95)
    assert shuffled == pytest.approx(betting.interval(values, weights, UNIT, 0.95), abs=1e-9)


# --- without bounds ---------------------------------------------------------------------------


@given(
    st.lists(st.floats(-100, 100), min_size=3, max_size=9).filter(lambda x: np.ptp(x) > 1e-3),
    st.floats(-100, 100),
    st.sampled_from([0.9, 0.95, 0.99]),
)
@settings(max_examples=200)
def test_students_interval_and_p_are_one(values, at, level):
    found = mean_contrast(np.array(values), [""] * len(values))
    test = stats.ttest_1samp(values, at)
    interval = test.confidence_interval(level)
    assert normal.interval(found, level) == pytest.approx((interval.low, interval.high))
    lo, hi = normal.interval(found, level)
    for side, p, excluded in (
        (1, normal.p_value(found, at, 1), hi < at),
        (-1, normal.p_value(found, at, -1), lo > at),
    ):
        alternative = "less" if side > 0 else "greater"
        assert p == pytest.approx(stats.ttest_1samp(values, at, alternative=alternative).pvalue)
        assert (p <= (1 - level) / 2) == excluded


# --- contrasts --------------------------------------------------------------------------------


def test_two_scales_are_welchs():
    one, two = [1.0, 2.0, 4.0], [3.0, 3.5, 5.0, 9.0]
    found = contrast(np.array(one + two), np.array([0] * 3 + [1] * 4), np.array([1.0, -1.0]))
    welch = stats.ttest_ind(one, two, equal_var=False).confidence_interval(0.95)
    assert normal.interval(found, 0.95) == pytest.approx((welch.low, welch.high))


def test_a_scale_with_one_run_borrows_the_variance_of_the_others():
    values = np.array([1.0, 2.0, 4.0, 10.0])
    found = mean_contrast(values, [0, 0, 0, 1])
    variance = np.var([1.0, 2.0, 4.0], ddof=1)
    assert found.value == pytest.approx((7 / 3 + 10) / 2)
    assert found.variance == pytest.approx((variance / 3 + variance) / 4)
    assert found.df == pytest.approx(2.0)  # both parts rest on the same two


def test_without_two_runs_at_any_scale_there_is_no_error():
    assert mean_contrast(np.array([0.1, 0.1, 0.1]), [0, 1, 2]).variance is None


@given(st.floats(1e-3, 1e3), st.integers(2, 5))
def test_rounding_is_no_error_estimate(value, runs):
    """The mean of equal doubles can differ from them in the last digit."""
    values = np.full(3 * runs, value)
    values[::2] = np.nextafter(value, 2 * value)
    assert mean_contrast(values, [0, 1, 2] * runs).variance == 0.0


def test_betting_holds_at_every_look():
    """Seeds added until it pleases: the interval of each look is right at all of them together. Simulated."""
    rng, runs = np.random.default_rng(3), 40
    looks = (3, 5, 8, 12, 20, 30, 40)
    missed = 0
    for _ in range(200):
        values = (rng.random(runs) < 0.3).astype(float)
        ends_at = [betting.interval(values[:n], np.full(n, 1 / n), UNIT, 0.8) for n in looks]
        missed += any(not lo <= 0.3 <= hi for lo, hi in ends_at)
    assert missed <= 200 * 0.2
