"""Axes, strips and curves of the page: what they show is where it belongs."""

import math
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emergence_stats.core.intervals.estimates import Estimate, ScaleEstimate
from emergence_stats.core.plan import Needs
from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.results import PredictionResult
from emergence_stats.evaluation.watching.curves import Wanted, curves_of, median_of
from emergence_stats.evaluation.watching.look import Asked
from emergence_stats.reports.html.charts.strips import WIDTH, strip
from emergence_stats.reports.html.charts.svg import Axis, path
from emergence_stats.traces.store import Store
from tests.support import add_run

finite = st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(finite, finite, st.integers(2, 6))
def test_ticks_lie_between_the_ends_and_are_few(lo, hi, most):
    lo, hi = min(lo, hi), max(lo, hi)
    assume(hi - lo > 1e-9 * max(abs(lo), abs(hi)))
    axis = Axis(lo, hi, 0.0, 100.0)
    found = axis.ticks(most)
    room = 1e-6 * (hi - lo)
    assert len(found) <= most
    assert all(lo - room <= value <= hi + room for value, _ in found)
    steps = np.diff([value for value, _ in found])
    assert np.allclose(steps, steps[:1])


@given(st.floats(1e-6, 1e6), st.floats(1.5, 1e6), st.integers(2, 6))
def test_ticks_of_a_logarithm_too(lo, ratio, most):
    axis = Axis(lo, lo * ratio, 0.0, 100.0, log=True)
    found = axis.ticks(most)
    assert all(lo * (1 - 1e-6) <= value <= lo * ratio * (1 + 1e-6) for value, _ in found)
    assert len(found) <= max(most, 9)
    if ratio >= 10:
        assert len(found) >= 2


@given(st.lists(finite, min_size=2, max_size=6), st.booleans())
def test_larger_values_lie_farther_along(values, log):
    values = sorted(map(abs, values)) if log else sorted(values)
    axis = Axis(values[0], values[-1], 300.0, 20.0, log=log, shift=1.0)
    at = [axis(value) for value in values]
    assert all(a >= b for a, b in pairwise(at))
    assert all(20.0 <= x <= 300.0 for x in at)


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0, 400)), min_size=1, max_size=40))
def test_a_path_ends_where_its_points_do(points):
    """Relative moves are of rounded places, so that errors do not add up."""
    head, _, rest = path(points).removeprefix("M").partition("l")
    x, y = map(float, head.removesuffix("h0").split())
    moves = list(map(float, rest.split()))
    x, y = x + sum(moves[::2]), y + sum(moves[1::2])
    assert math.isclose(x, points[-1][0], abs_tol=0.051)
    assert math.isclose(y, points[-1][1], abs_tol=0.051)


def prediction(region, value, interval, scales=()):
    estimate = Estimate(
        value=value, interval=interval, p_value=None, effect_size=None, n_runs=5, level=0.95, method="", scales=scales
    )  # fmt: skip
    return PredictionResult(
        "p", estimate, region, Verdict.INCONCLUSIVE, "", "run", 5, (), True, "average"
    )


@pytest.mark.parametrize(
    ("region", "inside", "outside"),
    [
        (Region.at_least(0.5), 0.9, 0.2),
        (Region.at_most(0.5), 0.2, 0.9),
        (Region.below(0), -3.0, 7.0),
    ],
)
def test_the_claim_is_true_on_the_right_whatever_its_direction(region, inside, outside):
    for value, right in ((inside, True), (outside, False)):
        svg = ET.fromstring(strip(prediction(region, value, None)))
        mark = svg.find("rect[@class='mark inconclusive']")
        x = float(mark.get("x")) + float(mark.get("width")) / 2
        shaded = svg.find("rect[@class='region']")
        left = float(shaded.get("x"))
        assert (x > left) == right
        assert left + float(shaded.get("width")) == WIDTH


def test_a_region_with_two_ends_is_a_band_that_intervals_can_leave():
    svg = ET.fromstring(strip(prediction(Region.between(-0.1, 0.1), 0.5, (-0.05, 9.0))))
    band = svg.find("rect[@class='region']")
    left, right = float(band.get("x")), float(band.get("x")) + float(band.get("width"))
    assert 0 < left < WIDTH / 2 < right < WIDTH
    line = svg.find("path[@class='interval inconclusive']").get("d")
    start, end = (float(part.split()[0]) for part in line.removeprefix("M").split("L"))
    assert left < start < right < end <= WIDTH


def test_an_interval_without_an_end_reaches_the_edge():
    svg = ET.fromstring(strip(prediction(Region.at_least(0.5), 0.6, (0.1, math.inf))))
    line = svg.find("path[@class='interval inconclusive']").get("d")
    start, end = (float(part.split()[0]) for part in line.removeprefix("M").split("L"))
    assert 0 < start < end <= WIDTH


def test_each_scale_has_its_mark_and_says_its_value():
    scales = tuple(
        ScaleEstimate(scale=f"d{n}", value=0.1 * n, interval=None, together=None, stderr=None, n_units=3)
        for n in (1, 6, 9)
    )  # fmt: skip
    svg = ET.fromstring(strip(prediction(Region.at_least(0.5), 0.6, (0.1, 0.9), scales)))
    found = svg.findall("path[@class='scale']")
    assert [one.find("title").text for one in found] == ["d1: 0.1", "d6: 0.6", "d9: 0.9"]
    at = [float(one.get("d").removeprefix("M").split()[0]) for one in found]
    assert at == sorted(at)


# --- traces of all runs -------------------------------------------------------------------------


NEEDS = Needs(measures=["accuracy", "rankme"])
ACCURACY = Asked("accuracy", None, True)


def curves_in(path, tasks, scales=("d32",)):
    """A store of three runs at each of these scales, and the curves of their accuracy."""
    for scale in scales:
        for seed in range(3):
            add_run(path, seed, tasks=tasks, scale=scale)
    store = Store.open(path)
    ids = frozenset(run.manifest.run_id for run in store.runs)
    (found,) = curves_of(store, {"a": Wanted(NEEDS, (ACCURACY,), ids)})["a"]
    return store, found


def by_hand(store, run_id, tasks):
    (file,) = (run for run in store.runs if run.manifest.run_id == run_id)
    table = store.read(file, ["accuracy"], None).to_pandas()
    return table[table.task.astype(str).isin(tasks)].groupby("step")["value"].mean()


def test_a_line_is_the_mean_of_a_run_over_its_tasks(tmp_path):
    tasks = tuple("abcde")
    store, found = curves_in(tmp_path, tasks)
    assert [line.task for line in found.lines] == [""] * 3
    assert list(found.by_panel()) == ["d32"]
    first = found.lines[0]
    wanted = by_hand(store, first.run.run_id, tasks)
    assert first.steps.tolist() == wanted.index.tolist()
    assert first.values == pytest.approx(wanted.to_numpy())
    _, median = median_of(found.lines)
    assert median == pytest.approx(np.median([line.values for line in found.lines], axis=0))


def test_few_tasks_have_a_line_each(tmp_path):
    store, found = curves_in(tmp_path, ("add", "mod"), scales=("d32", "d40"))
    assert list(found.by_panel()) == ["d32, add", "d32, mod", "d40, add", "d40, mod"]
    assert found.n_runs == 6
    for line in found.lines:
        assert line.values == pytest.approx(by_hand(store, line.run.run_id, [line.task]).to_numpy())


def test_few_tasks_at_many_scales_are_too_many_panels(tmp_path):
    _, found = curves_in(tmp_path, ("add", "mod"), scales=[f"d{n}" for n in range(1, 8)])
    assert len(found.by_panel()) == 7


def test_the_same_of_the_same_runs_is_drawn_once_and_runs_without_it_are_counted(tmp_path):
    store, _ = curves_in(tmp_path, ("add", "mod"))
    ids = frozenset(run.manifest.run_id for run in store.runs)
    nowhere = Asked("accuracy", (99,), None)
    found = curves_of(
        store, {"a": Wanted(NEEDS, (ACCURACY,), ids), "b": Wanted(NEEDS, (ACCURACY, nowhere), ids)}
    )
    assert found["a"][0] is found["b"][0]
    assert (len(found["b"][1].lines), found["b"][1].lacking) == (0, 3)


def test_a_median_is_always_of_the_same_runs(tmp_path):
    class Line:
        def __init__(self, steps, values):
            self.steps, self.values = np.array(steps), np.array(values, float)

    steps, median = median_of([Line([0, 10, 20], [0, 1, 2]), Line([5, 15], [4, 4])])
    assert steps.tolist() == [5, 10, 15]
    assert median == pytest.approx([(0.5 + 4) / 2, (1 + 4) / 2, (1.5 + 4) / 2])
