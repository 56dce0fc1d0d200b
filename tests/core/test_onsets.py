"""Onsets of traces: the moment of the main change, and how measurement error widens it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from emergence_stats.core.events import noise, onsets, sigmoids
from emergence_stats.core.runs import TraceSet, Undefined

STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64])
GRID = np.unique(np.geomspace(30, 4000, 28).round().astype(int))
LOG = np.log(GRID)
BOTH = pytest.mark.parametrize("onset", onsets.ONSETS.values(), ids=onsets.ONSETS)


def traces(values, steps=STEPS, stderr=None, measure="llc"):
    values = np.atleast_2d(np.array(values, float))
    n, k = values.shape
    return TraceSet(
        measure,
        np.array(["add"] * n),
        np.arange(n),
        np.full(n, -1),
        np.tile(steps[:k], (n, 1)),
        values,
        np.full((n, k), np.nan) if stderr is None else np.broadcast_to(stderr, (n, k)).copy(),
        np.full(n, k),
    )


def intervals(found):
    return list(zip(found.lo.tolist(), found.hi.tolist(), strict=True))


def curves(midpoints, width=0.15, t=LOG):
    return 1 / (1 + np.exp(-(t - np.log(midpoints)[:, None]) / width))


def random_midpoints(rng, n):
    return np.exp(rng.uniform(np.log(150), np.log(1500), n))


# --- half-way ---------------------------------------------------------------------------------


def test_half_way_is_the_first_crossing_of_the_middle():
    assert intervals(onsets.half_way(traces([1, 1, 1, 2, 8, 9, 9, 9]))) == [(4, 8)]


def test_the_largest_change_is_not_from_the_first_value():
    # A dip and then a larger rise: the rise is what counts, from where it begins.
    t = traces([3, 3, 1, 1, 1, 9, 9, 9])
    change = onsets.largest_change(t)
    assert (change.first.item(), change.last.item()) == (4, 5)
    assert intervals(onsets.half_way(t)) == [(8, 16)]


def test_only_checkpoints_after_a_step_count():
    t = traces([9, 9, 0, 0, 0, 0, 3, 3])
    assert intervals(onsets.half_way(t, after=np.array([2.0]))) == [(16, 32)]
    assert intervals(onsets.half_way(t)) == [(1, 2)]


def test_a_single_checkpoint_off_its_path_is_no_change():
    assert intervals(onsets.half_way(traces([0, 0, 50, 0, 0, 4, 4, 4]))) == [(8, 16)]


def test_errors_widen_the_interval():
    values = [0, 0, 1, 4, 6, 9, 10, 10]
    assert intervals(onsets.half_way(traces(values))) == [(4, 8)]
    # 4 and 6 may lie on either side of 5
    assert intervals(onsets.half_way(traces(values, stderr=1.0))) == [(2, 16)]


@given(st.lists(st.floats(-100, 100), min_size=8, max_size=8), st.floats(0, 5))
def test_more_error_never_narrows_an_interval(values, error):
    sure = onsets.half_way(traces(values))
    unsure = onsets.half_way(traces(values, stderr=error))
    assert unsure.lo <= sure.lo
    assert unsure.hi >= sure.hi


# --- the sigmoid ------------------------------------------------------------------------------


def test_the_midpoint_of_a_sigmoid_lies_in_its_interval():
    at = random_midpoints(np.random.default_rng(0), 200)
    found = onsets.sigmoid(traces(curves(at), GRID))
    # Midpoints are searched on a grid, so near a checkpoint either side may be found.
    assert (found.lo <= 1.01 * at).all()
    assert (at <= 1.01 * found.hi).all()
    assert (onsets.width(found) < 1.45).all()  # at most two grid steps of 1.2


def test_a_step_lies_between_its_two_checkpoints():
    values = np.where(np.arange(len(GRID)) < 12, 0.0, 1.0)
    assert intervals(onsets.sigmoid(traces(values, GRID))) == [(GRID[11], GRID[12])]


def test_the_fit_is_that_of_least_squares():
    """scipy's nonlinear least squares finds the same midpoint, between the same checkpoints."""
    rng = np.random.default_rng(1)
    at = random_midpoints(rng, 40)
    values = 3 + 2 * curves(at, 0.2) + rng.normal(0, 0.1, (40, len(GRID)))
    found = onsets.sigmoid(traces(values, GRID))
    for i in range(len(at)):
        (m, *_), _ = curve_fit(
            lambda t, m, w, a, c: a + c / (1 + np.exp(-(t - m) / w)),
            LOG, values[i], p0=[np.log(at[i]), 0.2, 3, 2],
        )  # fmt: skip
        assert found.lo[i] * 0.98 <= np.exp(m) <= found.hi[i] * 1.02


@pytest.mark.parametrize("stated", [None, 0.2])
def test_intervals_of_noisy_sigmoids_hold_the_truth_as_often_as_they_say(stated):
    rng = np.random.default_rng(2)
    at = random_midpoints(rng, 1500)
    values = curves(at) + rng.normal(0, 0.2, (len(at), len(GRID)))
    found = onsets.sigmoid(traces(values, GRID, stderr=stated))
    known = np.isfinite(found.hi)
    holds = (found.lo <= at) & (at <= found.hi)
    assert known.mean() > 0.9
    assert holds[known].mean() > onsets.LEVEL


def test_traces_that_are_fitted_together_are_fitted_as_alone():
    """One lacks an early checkpoint, so that the same steps stand at other places in it."""
    rng = np.random.default_rng(2)
    values = curves(random_midpoints(rng, 4)) + rng.normal(0, 0.05, (4, len(GRID)))
    errors = np.where(np.arange(4)[:, None] < 2, 0.05, np.nan) * rng.uniform(0.2, 2, (4, len(GRID)))
    whole = traces(values, GRID, errors)
    for x in (whole.steps, whole.values, whole.stderr):
        x[2] = [*x[2, 1:], x[2, -1]]
    whole.length[2] -= 1
    after = np.full(4, GRID[3])
    together = sigmoids.fits(whole, after=after)
    for i, fit in enumerate(together):
        (alone,) = sigmoids.fits(whole.select(np.arange(4) == i), after=after[:1])
        assert fit.share == pytest.approx(alone.share, abs=1e-12)
        assert fit.residual == pytest.approx(alone.residual)
    assert len({fit.share.tobytes() for fit in together}) == 4


def test_errors_that_are_stated_widen_the_interval_of_a_smooth_trace():
    values = curves(np.array([400.0]))
    sure, unsure = (onsets.sigmoid(traces(values, GRID, stderr=se)) for se in (None, 0.2))
    assert onsets.width(unsure) > onsets.width(sure)


def test_checkpoints_with_large_errors_weigh_little():
    values = curves(np.array([300.0]), 0.05)
    stderr = np.full(len(GRID), 0.02)
    values[0, -6:] += 3.0  # a second, larger step, of which the errors say that it is nothing
    stderr[-6:] = 5.0
    assert intervals(onsets.sigmoid(traces(values, GRID, stderr=stderr))) == intervals(
        onsets.sigmoid(traces(curves(np.array([300.0]), 0.05), GRID))
    )


def test_too_few_checkpoints_for_a_sigmoid_leave_it_open():
    found = onsets.sigmoid(traces(curves(np.array([400.0])), GRID), after=np.array([1000.0]))
    assert intervals(found) == [(-np.inf, np.inf)]


# --- both -------------------------------------------------------------------------------------


@BOTH
def test_a_fall_is_a_change_as_a_rise_is(onset):
    values = curves(np.array([400.0])) ** 2
    assert intervals(onset(traces(values, GRID))) == intervals(onset(traces(-values, GRID)))


@BOTH
def test_a_trace_that_does_not_change_has_no_onset(onset):
    assert intervals(onset(traces(np.full(len(GRID), 5.0), GRID), least=0.1)) == [(-np.inf, np.inf)]
    small = traces(0.05 * curves(np.array([400.0])), GRID)
    assert intervals(onset(small, least=0.1)) == [(-np.inf, np.inf)]
    assert np.isfinite(onset(small).hi).all()


@BOTH
def test_noise_alone_hardly_ever_has_an_onset(onset):
    noise = np.random.default_rng(3).standard_normal((2000, len(GRID)))
    assert np.isfinite(onset(traces(noise, GRID, stderr=1.0)).hi).mean() < 0.01


def test_noise_alone_hardly_ever_fits_a_sigmoid_where_no_error_is_stated():
    rng = np.random.default_rng(4)
    for n in (12, 28, 84):
        steps = np.geomspace(30, 4000, n).round().astype(int)
        found = onsets.sigmoid(traces(rng.standard_normal((1000, n)), steps))
        assert np.isfinite(found.hi).mean() < 0.02


@BOTH
def test_a_noisier_measure_does_not_come_later(onset):
    rng = np.random.default_rng(5)
    at = random_midpoints(rng, 1500)
    lag = {}
    for sd in (0.02, 0.10):
        values = curves(at) + rng.normal(0, sd, (len(at), len(GRID)))
        found = onset(traces(values, GRID, stderr=sd))
        lag[sd] = np.nanmean(onsets.middle(found) - np.log(at))
    assert abs(lag[0.10] - lag[0.02]) < 0.04  # checkpoints are 0.18 apart


@BOTH
def test_a_planted_lead_is_found(onset):
    """Positive control: a lead by a factor of 1.5, under noise as that of a real LLC."""
    rng = np.random.default_rng(6)
    at = random_midpoints(rng, 500)
    values = curves(at / 1.5) + rng.normal(0, 0.1, (len(at), len(GRID)))
    found = onset(traces(values, GRID, stderr=0.1))
    assert np.nanmean(onsets.middle(found) - np.log(at)) == pytest.approx(-np.log(1.5), abs=0.05)


@pytest.mark.parametrize("sign", [1, -1])
def test_of_a_rise_and_a_fall_of_one_size_the_first_counts(sign):
    values = [0, 0, 0, 2, 2, 2, 0, 0, 0]
    found = onsets.half_way(traces([sign * v for v in values], np.arange(9) + 1, stderr=0.01))
    assert intervals(found) == [(3.0, 4.0)]


@BOTH
@given(data=st.data())
def test_onsets_do_not_depend_on_units(onset, data):
    """Exactly so where a unit is a power of two, which no rounding touches."""
    seed = data.draw(st.integers(0, 10_000))
    scale = 2.0 ** data.draw(st.integers(-8, 8))
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(0, 1, (3, len(GRID))).cumsum(1), 3)
    stderr = np.abs(rng.normal(0, 0.1, values.shape))
    ours = onset(traces(values, GRID, stderr))
    theirs = onset(traces(-scale * values, GRID, scale * stderr))
    assert intervals(ours) == intervals(theirs)


# --- tools ------------------------------------------------------------------------------------


def test_logarithms_and_their_errors():
    found = onsets.logarithm(traces([1, np.e, 4, 8], stderr=0.5))
    assert found.values[0] == pytest.approx([0, 1, np.log(4), np.log(8)])
    assert found.stderr[0] == pytest.approx([0.5, 0.5 / np.e, 0.125, 0.0625])
    with pytest.raises(Undefined, match="not positive"):
        onsets.logarithm(traces([1, 0, 4]))


def test_equally_noisy_traces_are_so():
    rng = np.random.default_rng(7)
    at = np.full(300, 400.0)
    clean, rough = (
        traces(curves(at) + rng.normal(0, sd, (300, len(GRID))), GRID) for sd in (0.01, 0.08)
    )
    first, second = noise.equally_noisy([clean, rough], seed=0)
    means = [noise.roughness(t).mean() for t in (first, second)]
    assert means[0] == pytest.approx(means[1], rel=0.1)
    assert np.array_equal(first.values, noise.equally_noisy([clean, rough], seed=0)[0].values)


def test_traces_at_chosen_steps():
    some = noise.at_steps(traces([5, 6, 7, 8, 9, 10, 11, 12]), np.array([1, 8, 64]))
    assert some.values.tolist() == [[6, 9, 12]]
    with pytest.raises(Undefined, match="not measured"):
        noise.at_steps(traces([5, 6, 7]), np.array([1, 64]))


def test_the_middle_and_width_of_open_intervals():
    noise = onsets.half_way(traces([0, 1, 0, 1, 2, 1, 2, 2], stderr=1.0))
    assert np.isnan(onsets.middle(noise)).all()
    assert np.isinf(onsets.width(noise)).all()
