"""What holds at every scale, what holds on average, and how far scales are apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from emergence_stats.core.intervals import bounded, normal
from emergence_stats.core.intervals.contrasts import mean_contrast
from emergence_stats.core.intervals.scales import average, by_scale, every_scale, largest_difference
from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict

LEVEL = 0.95


def students(found, level):
    return normal.interval(found, level) if found.variance else None


def unit(found, level):
    return None if found.variance is None else bounded.interval(found, (0.0, 1.0), level)


def study(means, runs=8, spread=0.05, seed=0):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(mean, spread, runs) for mean in means])
    return values, [f"s{i}" for i in range(len(means)) for _ in range(runs)]


def test_the_interval_of_a_scale_is_that_of_its_runs_alone():
    values, strata = study([0.1, 0.7])
    found = by_scale(values, strata, LEVEL, students)
    for number, name in enumerate(("s0", "s1")):
        t = stats.ttest_1samp(values[8 * number : 8 * number + 8], 0)
        alone, together = t.confidence_interval(0.95), t.confidence_interval(0.975)
        assert found.alone[name] == pytest.approx((alone.low, alone.high))
        assert found.together[name] == pytest.approx((together.low, together.high))


def test_lags_that_contradict_one_another_are_not_synchronous_on_average():
    """-.45 at one scale and +.50 at the other: power by more seeds used to buy a false support."""
    region = Region.between(-0.2231, 0.2231)
    values, strata = study([-0.45, 0.50], runs=41, spread=0.3)
    ends = normal.interval(mean_contrast(values, strata), LEVEL)
    assert region.contains_interval(*ends)  # what the mean alone would say
    found = by_scale(values, strata, LEVEL, students)
    assert average(ends, found.outside(region), region) == (Verdict.INCONCLUSIVE, ["s0", "s1"])
    assert every_scale(found, region) is Verdict.REFUTED


@pytest.mark.parametrize(
    ("means", "every", "mean"),
    [
        ([0.8, 0.85, 0.9], Verdict.SUPPORTED, Verdict.SUPPORTED),
        ([0.2, 0.9, 0.9], Verdict.REFUTED, Verdict.INCONCLUSIVE),
        ([0.505, 0.9, 0.9], Verdict.INCONCLUSIVE, Verdict.SUPPORTED),
        ([0.2, 0.3, 0.1], Verdict.REFUTED, Verdict.REFUTED),
    ],
)
def test_every_scale_and_the_average(means, every, mean):
    values, strata = study(means)
    region = Region.at_least(0.5)
    found = by_scale(values, strata, LEVEL, students)
    assert every_scale(found, region) is every
    ends = normal.interval(mean_contrast(values, strata), LEVEL)
    assert average(ends, found.outside(region), region)[0] is mean


def test_a_scale_without_an_interval_supports_nothing():
    values, strata = np.array([0.9, 0.9, 0.91]), ["a", "b", "c"]
    found = by_scale(values, strata, LEVEL, unit)
    assert every_scale(found, Region.at_least(0.5)) is Verdict.INCONCLUSIVE
    assert found.outside(Region.at_least(0.95)) == []


@given(st.lists(st.floats(0, 1), min_size=2, max_size=5), st.floats(0.05, 0.95))
@settings(max_examples=100)
def test_support_at_every_scale_is_never_mixed(means, least):
    values, strata = study(means, runs=5, spread=0.1)
    values = values.clip(0, 1)
    region = Region.at_least(least)
    found = by_scale(values, strata, LEVEL, unit)
    if every_scale(found, region) is Verdict.SUPPORTED:
        assert found.outside(region) == []
        ends = bounded.interval(mean_contrast(values, strata), (0.0, 1.0), LEVEL)
        assert average(ends, found.outside(region), region)[0] is not Verdict.REFUTED


def test_floors_that_fall_and_rise_again_are_not_invariant():
    """Their slope is 0."""
    values, strata = study([0.0, -0.7, 0.0], spread=0.1)
    found = largest_difference(values, strata, LEVEL)
    assert found.pair in (("s0", "s1"), ("s2", "s1"))
    assert found.value == pytest.approx(0.7, abs=0.15)
    assert found.interval[0] > np.log(1.25)


def test_two_scales_differ_by_welchs_interval():
    """That they differ may come out either way, so that each has half of the error; that they do not needs both."""
    values, strata = study([0.1, 0.7])
    found = largest_difference(values, strata, LEVEL)
    welch = stats.ttest_ind(values[8:], values[:8], equal_var=False).confidence_interval(LEVEL)
    wider = stats.ttest_ind(values[8:], values[:8], equal_var=False).confidence_interval(0.975)
    assert found.interval == pytest.approx((wider.low, welch.high))


def test_the_upper_end_covers_the_largest_of_many_equal_differences():
    """Simulated: with ten scales that do not differ by more than a tenth, the upper end misses in few studies."""
    rng = np.random.default_rng(1)
    true = np.array([0.0, 0.1] * 5)
    strata = [s for s in range(10) for _ in range(5)]
    missed = 0
    for _ in range(300):
        values = np.repeat(true, 5) + rng.normal(0, 0.05, 50)
        lo, hi = largest_difference(values, strata, LEVEL).interval
        missed += hi < 0.1 or lo > 0.1
    assert missed <= 15 + 3 * np.sqrt(15)


def test_rounding_gives_no_interval_of_a_difference():
    values, strata = np.full(6, 0.1), ["a", "b", "c"] * 2
    assert largest_difference(values, strata, LEVEL).interval is None


def test_one_scale_has_no_difference():
    with pytest.raises(ValueError, match="two scales"):
        largest_difference(np.array([0.1, 0.2]), ["a", "a"], LEVEL)
