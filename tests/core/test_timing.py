"""Precursors and lags: what is said of events, what of task-levels without one, and what of schedules."""

import math

import numpy as np
import pytest
from scipy import stats

from emergence_stats import (
    Events,
    Undefined,
    class_contrast,
    cross_correlation_lag,
    event_lags,
    false_alarms,
    leads,
    specificity,
)

INF = np.inf


def events(lo, hi):
    n = len(lo)
    return Events(
        np.array(["t"] * n), np.arange(n), np.full(n, -1), np.array(lo, float), np.array(hi, float)
    )


def test_task_levels_that_never_emerge_are_no_successes():
    """All signs early, no event: a share over all would be 1."""
    sign = events([5] * 4, [6] * 4)
    never = events([100] * 4, [INF] * 4)
    with pytest.raises(Undefined, match="no event was seen"):
        leads(sign, never)
    assert false_alarms(sign, never) == (4, 4)


def test_a_sign_that_is_always_there_knows_nothing():
    sign = events([5] * 6, [6] * 6)
    event = events([50, 50, 50, 100, 100, 100], [60, 60, 60, INF, INF, INF])
    assert leads(sign, event) == (3, 3)
    assert false_alarms(sign, event) == (3, 3)
    assert specificity(sign, event) == 0


def test_a_sign_of_events_alone_is_specific():
    sign = events([5, 5, 55, 100], [6, 6, 65, INF])
    event = events([50, 6, 50, 100], [60, 7, 60, INF])
    assert leads(sign, event) == (2, 3)  # the third overlaps its event, which is not before
    assert false_alarms(sign, event) == (0, 1)
    assert specificity(sign, event) == pytest.approx(2 / 3)
    with pytest.raises(Undefined, match="falsely alarmed"):
        specificity(sign.select(np.arange(3)), event.select(np.arange(3)))


def test_classes_are_contrasted_given_their_events():
    sign = events([5, 5, 55, 55], [6, 6, 65, 65])
    event = events([50] * 4, [54] * 4)
    hard = np.array([True, True, False, False])
    assert class_contrast(sign, event, hard) == 1.0
    assert class_contrast(sign, event, ~hard) == -1.0
    with pytest.raises(Undefined, match="an event in each"):
        class_contrast(sign, event, np.ones(4, bool))


def test_signs_and_events_have_to_match():
    with pytest.raises(ValueError, match="3 signs and 2 events"):
        leads(events([1] * 3, [2] * 3), events([1] * 2, [2] * 2))


# --- lags -------------------------------------------------------------------------------------


def at(steps, width=1.05):
    steps = np.asarray(steps, float)
    return events(steps / width, steps * width)


EMERGES = np.geomspace(200, 2000, 12)


def test_a_measure_that_follows_each_event_has_slope_one():
    lags = event_lags(at(EMERGES * 1.5), at(EMERGES), 1, 1e5)
    assert lags.median() == pytest.approx(math.log(1.5))
    assert lags.slope() == pytest.approx(1.0)
    assert lags.resolved() == (0, 12)


def test_a_schedule_has_a_lag_and_no_slope():
    """It changes at step 1,900 whatever emerges: on average after emergence, and about nothing."""
    schedule = at(np.full(12, 1900.0))
    lags = event_lags(schedule, at(EMERGES), 1, 1e5)
    assert lags.median() > math.log(2)
    assert lags.slope() == pytest.approx(0.0, abs=1e-12)


def test_the_slope_is_that_of_least_squares():
    rng = np.random.default_rng(3)
    onset = EMERGES * np.exp(rng.normal(0.2, 0.4, 12))
    found = event_lags(at(onset), at(EMERGES), 1, 1e5)
    line = stats.linregress(np.log(EMERGES), np.log(onset))
    assert found.slope() == pytest.approx(line.slope)


def test_a_change_at_an_end_of_its_trace_is_undefined():
    onset = at(EMERGES * 1.2)
    lags = event_lags(onset, at(EMERGES), 1, 2400)
    assert len(lags) == 11
    assert lags.left_out == {"with a change at an end of the trace": 1}


def test_what_has_no_event_or_no_change_is_counted_and_left_out():
    event, onset = at(EMERGES), at(EMERGES * 1.2)
    event.hi[:2] = INF
    onset.hi[2:4] = INF
    lags = event_lags(onset, event, 1, 1e5)
    assert len(lags) == 8
    assert lags.left_out == {"without an event": 2, "without a change": 2}
    with pytest.raises(Undefined, match="2 without an event"):
        lags.median(fewest=9)


def test_only_traces_that_would_show_a_lag_speak_about_it():
    """Where traces end soon after late events, late lags cannot be seen, and early ones would win."""
    lags = event_lags(at(EMERGES * 0.9), at(EMERGES), 1, 3000, reach=math.log(4))
    assert lags.event.max() < math.log(3000 / 4) + 0.1
    assert lags.left_out["whose trace would not show such lags"] > 3


def test_events_near_one_another_give_no_slope():
    near = np.geomspace(1000, 1500, 12)
    with pytest.raises(Undefined, match="too near"):
        event_lags(at(near), at(near), 1, 1e5).slope()


def rise(steps, midpoint, sign=1.0):
    return sign / (1 + np.exp(-6 * (np.log1p(steps) - math.log(midpoint))))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("factor", [0.6, 1.0, 1.8])
def test_cross_correlation_finds_the_lag(sign, factor):
    steps = np.unique(np.round(np.geomspace(1, 20000, 120)))
    lag = cross_correlation_lag(
        steps, rise(steps, 600 * factor, sign), steps, rise(steps, 600), reach=math.log(4)
    )
    assert lag == pytest.approx(math.log(factor), abs=0.03)


def test_cross_correlation_knows_when_it_found_nothing():
    steps = np.unique(np.round(np.geomspace(1, 20000, 120)))
    with pytest.raises(Undefined, match="does not change"):
        cross_correlation_lag(steps, np.ones(len(steps)), steps, rise(steps, 600), math.log(4))
    with pytest.raises(Undefined, match="at an end"):
        cross_correlation_lag(steps, rise(steps, 9000), steps, rise(steps, 600), math.log(4))
    with pytest.raises(Undefined, match="too little in common"):
        cross_correlation_lag(steps[:20], rise(steps[:20], 5), steps[:20], rise(steps[:20], 5), 4)
