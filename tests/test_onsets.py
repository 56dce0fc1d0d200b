"""Onsets of traces: the moment of the largest change, and how measurement error widens it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergence_stats import onsets
from emergence_stats.runs import TraceSet, Undefined

STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64])
GRID = np.unique(np.geomspace(30, 4000, 28).round().astype(int))


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


def sigmoids(midpoints, steps=GRID, width=0.15):
    return 1 / (1 + np.exp(-(np.log(steps) - np.log(midpoints)[:, None]) / width))


def test_half_way_is_the_first_crossing_of_the_middle():
    change = onsets.largest_change(traces([1, 1, 1, 2, 8, 9, 9, 9]))
    assert change.size.tolist() == [8.0]
    assert intervals(onsets.half_way(change)) == [(4, 8)]


def test_a_fall_is_a_change_as_a_rise_is():
    values = np.array([1, 1, 1, 2, 8, 9, 9, 9.0])
    up, down = (onsets.largest_change(traces(v)) for v in (values, 3 - values))
    for onset in onsets.ONSETS.values():
        assert intervals(onset(up)) == intervals(onset(down))


def test_the_largest_change_is_not_from_the_first_value():
    # A dip and then a larger rise: the rise is what counts, from where it begins.
    change = onsets.largest_change(traces([3, 3, 1, 1, 1, 9, 9, 9]))
    assert (change.first.item(), change.last.item()) == (4, 5)
    assert intervals(onsets.half_way(change)) == [(8, 16)]


def test_only_checkpoints_after_a_step_count():
    values = [9, 9, 0, 0, 0, 0, 3, 3]
    late = onsets.largest_change(traces(values), after=np.array([2.0]))
    assert intervals(onsets.half_way(late)) == [(16, 32)]
    assert intervals(onsets.half_way(onsets.largest_change(traces(values)))) == [(1, 2)]


def test_a_single_checkpoint_off_its_path_is_no_change():
    change = onsets.largest_change(traces([0, 0, 50, 0, 0, 4, 4, 4]))
    assert intervals(onsets.half_way(change)) == [(8, 16)]


def test_errors_widen_the_interval():
    values = [0, 0, 1, 4, 6, 9, 10, 10]
    sharp = onsets.half_way(onsets.largest_change(traces(values)))
    wide = onsets.half_way(onsets.largest_change(traces(values, stderr=1.0)))
    assert intervals(sharp) == [(4, 8)]
    assert intervals(wide) == [(2, 16)]  # 4 and 6 may lie on either side of 5


def test_a_change_that_errors_could_make_has_no_onset():
    change = onsets.largest_change(traces([0, 1, 0, 1, 2, 1, 2, 2], stderr=1.0))
    for onset in onsets.ONSETS.values():
        assert intervals(onset(change)) == [(-np.inf, np.inf)]


def test_a_constant_trace_has_no_onset():
    change = onsets.largest_change(traces([5] * 8))
    for onset in onsets.ONSETS.values():
        assert intervals(onset(change)) == [(-np.inf, np.inf)]


def test_the_centroid_of_a_symmetric_rise_is_its_middle():
    at = np.array([200.0, 500.0, 1000.0])
    found = onsets.centroid(onsets.largest_change(traces(sigmoids(at), GRID)))
    assert onsets.middle(found) == pytest.approx(np.log(at), abs=0.02)


def test_the_error_of_a_centroid_is_that_of_repeated_measurement():
    rng = np.random.default_rng(0)
    clean = sigmoids(np.full(400, 400.0))
    sd = 0.12
    noisy = traces(clean + rng.normal(0, sd, clean.shape), GRID, stderr=sd)
    change = onsets.largest_change(noisy, smooth=False)
    found = onsets.centroid(change, z=1.0)
    spread = onsets.middle(found).std()
    claimed = np.median(np.log(onsets.width(found)) / 2)
    assert claimed == pytest.approx(spread, rel=0.3)


def test_noise_alone_hardly_ever_has_an_onset():
    rng = np.random.default_rng(1)
    noise = traces(rng.standard_normal((2000, len(GRID))), GRID, stderr=1.0)
    assert onsets.largest_change(noise).clear.mean() < 0.01


def test_two_measures_that_change_together_are_in_no_order_whatever_their_noise():
    """Rule: a noisier trace must not seem to come later."""
    rng = np.random.default_rng(2)
    at = np.exp(rng.uniform(np.log(150), np.log(1500), 3000))
    lags = {}
    for sd in (0.02, 0.10):
        values = sigmoids(at) + rng.normal(0, sd, (len(at), len(GRID)))
        change = onsets.largest_change(traces(values, GRID, stderr=sd))
        for name, onset in onsets.ONSETS.items():
            lags[name, sd] = np.nanmean(onsets.middle(onset(change)) - np.log(at))
    for name in onsets.ONSETS:
        assert abs(lags[name, 0.10] - lags[name, 0.02]) < 0.04  # of a grid step of 0.18


def test_a_planted_lead_is_found():
    """Positive control: a lead by a factor of 1.5, seen with the noise of a real LLC."""
    rng = np.random.default_rng(3)
    at = np.exp(rng.uniform(np.log(150), np.log(1500), 500))
    values = sigmoids(at / 1.5) + rng.normal(0, 0.1, (len(at), len(GRID)))
    change = onsets.largest_change(traces(values, GRID, stderr=0.1))
    lag = np.nanmean(onsets.middle(onsets.half_way(change)) - np.log(at))
    assert lag == pytest.approx(-np.log(1.5), abs=0.05)


@given(
    st.lists(st.floats(-100, 100), min_size=8, max_size=8),
    st.floats(0.1, 10),
    st.floats(-50, 50),
)
def test_onsets_do_not_depend_on_units(values, scale, shift):
    values = np.round(values, 3)
    ours = onsets.largest_change(traces(values))
    theirs = onsets.largest_change(traces(scale * values + shift))
    if (ours.first, ours.last) == (theirs.first, theirs.last) and ours.size > 1e-2:
        near = np.abs(ours.rise / ours.size - 0.5).min()
        if near > 1e-6:
            assert intervals(onsets.half_way(ours)) == intervals(onsets.half_way(theirs))
        both = onsets.centroid(ours), onsets.centroid(theirs)
        assert onsets.middle(both[0]) == pytest.approx(onsets.middle(both[1]), abs=1e-6)


@given(st.lists(st.floats(-100, 100), min_size=8, max_size=8), st.floats(0, 5))
def test_more_error_never_narrows_an_interval(values, error):
    sure = onsets.half_way(onsets.largest_change(traces(values)))
    unsure = onsets.half_way(onsets.largest_change(traces(values, stderr=error)))
    assert unsure.lo <= sure.lo
    assert unsure.hi >= sure.hi


def test_logarithms_and_their_errors():
    found = onsets.logarithm(traces([1, np.e, 4, 8], stderr=0.5))
    assert found.values[0] == pytest.approx([0, 1, np.log(4), np.log(8)])
    assert found.stderr[0] == pytest.approx([0.5, 0.5 / np.e, 0.125, 0.0625])
    with pytest.raises(Undefined, match="not positive"):
        onsets.logarithm(traces([1, 0, 4]))


def test_equally_noisy_traces_are_so():
    rng = np.random.default_rng(4)
    at = np.full(300, 400.0)
    clean, rough = (
        onsets.largest_change(traces(sigmoids(at) + rng.normal(0, sd, (300, len(GRID))), GRID))
        for sd in (0.01, 0.08)
    )
    first, second = onsets.equally_noisy([clean, rough], seed=0)
    of = [onsets.roughness(onsets.largest_change(t)).mean() for t in (first, second)]
    assert of[0] == pytest.approx(of[1], rel=0.1)
    again = onsets.equally_noisy([clean, rough], seed=0)
    assert np.array_equal(first.values, again[0].values)


def test_traces_at_chosen_steps():
    some = onsets.at_steps(traces([5, 6, 7, 8, 9, 10, 11, 12]), np.array([1, 8, 64]))
    assert some.values.tolist() == [[6, 9, 12]]
    with pytest.raises(Undefined, match="not measured"):
        onsets.at_steps(traces([5, 6, 7]), np.array([1, 64]))
