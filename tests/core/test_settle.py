"""One procedure for estimate, interval, p-value and verdict; and worlds in which a mean alone is deceived."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emergence_stats.core.analyses import LargestDifference, Mean, Median, Share, Slope
from emergence_stats.core.looks import settle_looks
from emergence_stats.core.plan import Design, Prediction
from emergence_stats.core.regions import Region
from emergence_stats.core.settle import Sample, settle
from emergence_stats.core.verdicts import Verdict

LEVEL = 0.95
MEAN = Mean()
NAMES = ("a", "b", "c", "d", "e")
SIZES = dict(zip(NAMES, (4.0, 4.6, 5.2, 5.8, 6.2), strict=True))


def prediction(region, analysis=MEAN, scope=None, unit="run"):
    return Prediction("p", lambda run: 0.0, region, analysis, unit, scope)


def sample(by_scale, trials=None):
    values = np.concatenate([np.asarray(v, float) for v in by_scale.values()])
    strata = [name for name, v in by_scale.items() for _ in v]
    sizes = np.array([SIZES[name] for name in strata])
    return Sample(values, strata, sizes, None if trials is None else np.full(len(values), trials))


def drawn(means, runs=8, spread=0.05, seed=0):
    rng = np.random.default_rng(seed)
    return sample({n: rng.normal(m, spread, runs) for n, m in zip(NAMES, means, strict=False)})


@st.composite
def samples(draw):
    """Values of some runs at some scales, one at some of them, with runs that agree."""
    few = draw(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=3))
    by_scale = {}
    for name in NAMES[: draw(st.integers(2, 4))]:
        runs = draw(st.integers(1, 6))
        some = st.sampled_from([*few, 0.0, 1.0, 0.5])
        by_scale[name] = draw(st.lists(some, min_size=runs, max_size=runs))
    return sample(by_scale)


ANALYSES = [Mean(), Mean((0.0, 1.0)), Slope(10), LargestDifference()]


@given(
    samples(),
    st.sampled_from(ANALYSES),
    st.floats(0.05, 0.95),
    st.sampled_from(["average", "every scale"]),
)
@settings(max_examples=300)
def test_p_and_interval_say_the_same(some, analysis, at, scope):
    scope = scope if isinstance(analysis, Mean) else None
    for region in (Region.at_most(at), Region.between(at / 2, at), Region.at_least(at)):
        settled = settle(prediction(region, analysis, scope), some, LEVEL)
        e = settled.estimate
        if e.interval is None:
            assert e.p_value is None
            # One scale may refute what is claimed of all, though another tells nothing.
            assert settled.verdict is Verdict.INCONCLUSIVE or settled.mixed
            assert settled.verdict is not Verdict.SUPPORTED
            continue
        inside = region.contains_interval(*e.interval)
        edge = min(abs(x - y) for x in e.interval for y in (region.lo, region.hi) if y is not None)
        if edge > 1e-9:
            assert (e.p_value <= (1 - LEVEL) / 2) == inside
        if settled.verdict is Verdict.SUPPORTED:
            assert inside


@given(samples(), st.sampled_from(ANALYSES), st.integers(0, 2**32 - 1))
@settings(max_examples=200)
def test_values_moved_by_a_hair_move_the_ends_by_little(some, analysis, seed):
    moved = np.clip(some.values + np.random.default_rng(seed).uniform(-1e-9, 1e-9, len(some)), 0, 1)
    other = Sample(moved, some.strata, some.log10_params)
    for scope in ("average", "every scale") if isinstance(analysis, Mean) else (None,):
        plan = prediction(Region.at_least(0.5), analysis, scope)
        before, after = (settle(plan, x, LEVEL).estimate for x in (some, other))
        assert (before.interval is None) == (after.interval is None)
        if before.interval is not None:
            assert before.interval == pytest.approx(after.interval, abs=1e-6)


# --- worlds that deceive a mean ---------------------------------------------------------------


def test_opposite_lags_are_mixed_and_name_their_scales():
    lags = drawn([-0.45, 0.50], runs=41, spread=0.3)
    settled = settle(prediction(Region.between(-0.22, 0.22)), lags, LEVEL)
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert settled.mixed == ("a", "b")
    every = settle(prediction(Region.between(-0.22, 0.22), scope="every scale"), lags, LEVEL)
    assert every.verdict is Verdict.REFUTED


def test_floors_that_fall_and_rise_again_are_not_invariant():
    """A slope of 0 is certain of them; the largest difference is not."""
    floors = drawn([0.7, 0.35, 0.0, 0.35, 0.7], runs=10)
    region = Region.at_most(math.log(1.25))
    symmetric = Sample(floors.values, floors.strata, np.repeat([4.0, 4.5, 5.0, 5.5, 6.0], 10))
    slope = settle(prediction(Region.between(-0.22, 0.22), Slope(100)), symmetric, LEVEL)
    assert Region.between(-0.22, 0.22).contains_interval(*slope.estimate.interval)
    assert slope.verdict is Verdict.INCONCLUSIVE
    assert "a to c" in slope.mixed
    line = Sample(
        symmetric.log10_params + floors.values * 0.01, floors.strata, symmetric.log10_params
    )
    straight = settle(prediction(Region.between(0.9, 1.1), Slope(10)), line, LEVEL)
    assert straight.verdict is Verdict.SUPPORTED
    settled = settle(prediction(region, LargestDifference()), symmetric, LEVEL)
    assert settled.verdict is Verdict.REFUTED
    assert set(settled.estimate.pair) <= {"a", "c", "e"}
    same = drawn([0.3] * 5, runs=10)
    assert settle(prediction(region, LargestDifference()), same, LEVEL).verdict is Verdict.SUPPORTED


def test_an_order_that_turns_round_at_one_scale_is_not_universal():
    order = drawn([-0.9, -0.9, 0.8, -0.9, -0.9], spread=0.05)
    average = settle(prediction(Region.at_most(-0.3)), order, LEVEL)
    assert average.verdict is Verdict.INCONCLUSIVE
    assert average.mixed == ("c",)
    every = settle(prediction(Region.at_most(-0.3), scope="every scale"), order, LEVEL)
    assert every.verdict is Verdict.REFUTED
    assert every.mixed == ("c",)


def test_every_scale_is_the_hull_of_the_scales():
    settled = settle(
        prediction(Region.at_least(0.5), scope="every scale"), drawn([0.8, 0.9]), LEVEL
    )
    own = [s.interval for s in settled.estimate.scales]
    assert settled.estimate.interval == (min(e[0] for e in own), max(e[1] for e in own))
    assert settled.deciding == "a"
    assert settled.verdict is Verdict.SUPPORTED


def test_one_run_in_a_scale_borrows_and_runs_alone_tell_nothing():
    borrowed = settle(
        prediction(Region.at_least(0.5), scope="every scale"),
        sample({"a": [0.8, 0.9, 0.85], "b": [0.9]}),
        LEVEL,
    )
    wide = borrowed.estimate.scales[1].interval
    assert wide[1] - wide[0] > 0.3  # two degrees of freedom, of the other scale
    alone = settle(prediction(Region.at_least(0.5)), sample({"a": [0.9], "b": [0.9]}), LEVEL)
    assert alone.verdict is Verdict.INCONCLUSIVE
    assert "nothing tells the error" in alone.estimate.why_no_interval


@pytest.mark.parametrize("value", [0.1, 2.3, 1e-12, 1e9])
def test_runs_that_agree_give_no_slope(value):
    """0.1 less the mean of three of it is 1e-17, which is rounding and no error."""
    flat = sample({"a": [value], "b": [value], "c": [value]})
    settled = settle(prediction(Region.between(-0.05, 0.05), Slope(10)), flat, LEVEL)
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert settled.estimate.p_value is None


def test_a_share_is_no_more_certain_than_its_cases():
    few = sample({"a": [1.0] * 20, "b": [1.0] * 20}, trials=1)
    settled = settle(prediction(Region.at_least(0.9), Share()), few, LEVEL)
    lo = settled.estimate.interval[0]
    assert lo == pytest.approx(0.025 ** (1 / 40), abs=1e-9)  # Clopper and Pearson of 40 of 40
    assert settled.verdict is Verdict.SUPPORTED


def test_a_bounded_mean_has_an_interval_that_assumes_nothing():
    rng = np.random.default_rng(1)
    some = sample({"a": rng.uniform(0.5, 1, 12), "b": rng.uniform(0.5, 1, 12)})
    e = settle(prediction(Region.at_least(0.5), Mean((0.0, 1.0))), some, LEVEL).estimate
    assert e.free_interval[0] < e.interval[0]
    assert e.interval[1] < e.free_interval[1]
    assert settle(prediction(Region.at_least(0.5)), some, LEVEL).estimate.free_interval is None


def test_a_median_is_that_of_the_sign_test():
    """R: wilcox-free, BSDA::SIGN.test; here by the binomial distribution of scipy."""
    from scipy.stats import binomtest

    rng = np.random.default_rng(2)
    some = sample({"a": rng.lognormal(size=12), "b": rng.lognormal(size=9)})
    plan = prediction(Region.at_least(0.1), Median(), "every scale")
    settled = settle(plan, some, LEVEL)
    for one in settled.estimate.scales:
        x = some.values[np.array(some.strata) == one.scale]
        for end in one.interval:
            assert end in x
        outside = np.nextafter(one.interval[0], -np.inf)
        assert binomtest(int((x > outside).sum()), len(x), 0.5, "greater").pvalue <= 0.025
        inside = np.nextafter(one.interval[0], np.inf)
        assert binomtest(int((x > inside).sum()), len(x), 0.5, "greater").pvalue > 0.025
    few = settle(plan, sample({"a": [1.0] * 5, "b": [1.0] * 9}), LEVEL)
    assert few.verdict is Verdict.INCONCLUSIVE
    assert "too few units" in few.estimate.why_no_interval


@given(samples(), st.floats(0.05, 0.95))
@settings(max_examples=200)
def test_the_sign_test_and_its_interval_say_the_same(some, at):
    many = Sample(np.tile(some.values, 8), list(some.strata) * 8, np.tile(some.log10_params, 8))
    for region in (Region.above(at), Region.below(at)):
        settled = settle(prediction(region, Median(), "every scale"), many, LEVEL)
        e = settled.estimate
        assert (e.p_value <= (1 - LEVEL) / 2) == region.contains_interval(*e.interval)


# --- looking early ----------------------------------------------------------------------------

DESIGN = Design("s", ["a", "b"], range(10, 22), sequential=True, looks=[4, 8, 12])


def looked(values, made):
    """`values` by scale and seed."""
    units = [[key] for key in values]
    some = Sample(
        np.array(list(values.values())),
        [s for s, _ in values],
        np.array([SIZES[s] for s, _ in values]),
    )
    return settle_looks(prediction(Region.above(0.0)), some, units, DESIGN, 0.98, 1, made=made)


def some_runs(seeds, mean, spread=0.3):
    rng = np.random.default_rng(5)
    return {(s, seed): float(rng.normal(mean, spread)) for seed in seeds for s in ("a", "b")}


def test_the_first_look_that_decides_stands():
    clear = some_runs(range(10, 14), 2.0) | {
        (s, seed): -5.0 for seed in range(14, 18) for s in ("a", "b")
    }
    settled = looked(clear, clear)
    assert settled.verdict is Verdict.SUPPORTED
    assert settled.estimate.n_runs == 8
    assert "look 1 of 3 (4 seeds)" in settled.estimate.method


def test_runs_beyond_a_look_wait_for_the_next():
    values = some_runs(range(10, 17), 0.0)
    assert looked(values, values).estimate.n_runs == 8  # 7 seeds: the second look is at 8
    values = some_runs(range(10, 13), 2.0)
    settled = looked(values, values)
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert "first look is at 4 seeds" in settled.estimate.why_no_interval


def test_a_look_needs_every_run_to_have_been_made():
    """Seeds cannot be picked: one that is missing keeps its look from being reached; one that gave no value does not."""
    made = some_runs(range(10, 18), 0.1)
    values = {key: v for key, v in made.items() if key != ("a", 12)}
    assert looked(values, values).estimate.interval is None
    assert looked(values, made).estimate.interval is not None


def test_stopping_when_it_looks_good_is_no_more_often_wrong():
    """With a true mean of 0, any of three looks supports "above 0" in no more than 2.5% of studies."""
    rng = np.random.default_rng(11)
    wrong, studies = 0, 2000
    seeds = list(DESIGN.seeds)
    units = [[(s, seed)] for seed in seeds for s in ("a", "b")]
    keys = [unit[0] for unit in units]
    plan = prediction(Region.above(0.0))
    for _ in range(studies):
        some = Sample(rng.standard_normal(len(keys)), [s for s, _ in keys], np.ones(len(keys)))
        found = settle_looks(
            plan, some, units, DESIGN, 1 - 0.05 / 3, 1, made=frozenset(keys), test=False
        )
        wrong += found.verdict is Verdict.SUPPORTED
    assert wrong / studies <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / studies)


# --- why there is no interval -----------------------------------------------------------------


def test_a_scale_whose_runs_agree_is_named():
    some = sample({"a": [1.0, 1.0, 1.0], "b": [1.0, 1.2, 1.1]})
    settled = settle(prediction(Region.above(0.0), scope="every scale"), some, LEVEL)
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert settled.estimate.why_no_interval.startswith("all units of a agree")


def test_scales_whose_difference_has_no_error_are_named():
    some = sample({"a": [1.0, 1.0, 1.0], "b": [2.0, 2.0, 2.0], "c": [9.0, 9.1, 8.9]})
    settled = settle(prediction(Region.at_most(0.5), LargestDifference()), some, LEVEL)
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert settled.estimate.why_no_interval.startswith("all units of a and b agree")
