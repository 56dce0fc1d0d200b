"""Orders and concordance against R's (`tests/golden/golden.R`), scipy's, statsmodels' and lifelines'."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from emergence_stats.claims.project import Project
from emergence_stats.core.events.definitions import Events, kendall_tau_b, precedence
from tests.support import ROOT

HERE = Path(__file__).parent
R = {
    line.split(",")[0]: [float(value) for value in line.split(",")[1:]]
    for line in (HERE / "golden.csv").read_text().splitlines()
    if not line.startswith("#")
}


def test_kendalls_tau_b():
    layer, step = np.arange(1, 7), np.array([30.0, 30, 20, 12, 12, 9])
    assert kendall_tau_b(layer, step, step) == pytest.approx(R["kendall_tau_b"][0])


# --- the estimates of claims, with events given ------------------------------------------------


def events(times, seen, task=None):
    times, seen = np.array(times, float), np.array(seen, bool)
    n = len(times)
    tasks = np.array(task or [f"t{i}" for i in range(n)])
    hi = np.where(seen, times, np.inf)
    return Events(tasks, np.zeros(n, np.int64), np.full(n, -1), times, hi)


def test_concordance_with_ties_and_censoring(monkeypatch):
    """survival::concordance: ties of geometry count half, ties of emergence and early censoring none."""
    module = Project(ROOT).load("concordance_limits").module
    geometry = [10, 20, 20, 35, 50, 80, 15, 60]
    emerged = [100, 240, 180, 300, 700, 400, 400, 900]
    seen = [1, 1, 1, 1, 0, 1, 1, 0]
    tasks = ["copy", "reverse", "sort", "compare", "c4", "c5", "c6", "c7"]
    monkeypatch.setattr(module, "recoveries", lambda *a, **k: events(geometry, [1] * 8, tasks))
    monkeypatch.setattr(module, "emergences", lambda *a, **k: events(emerged, seen, tasks))
    assert module.concordance(None, tasks=tasks) == pytest.approx(R["concordance"][0])


def test_concordance_is_lifelines():
    lifelines = pytest.importorskip("lifelines.utils")
    geometry = [10, 20, 20, 35, 50, 80, 15, 60]
    emerged = [100, 240, 180, 300, 700, 400, 400, 900]
    found = lifelines.concordance_index(emerged, geometry, [1, 1, 1, 1, 0, 1, 1, 0])
    assert found == pytest.approx(R["concordance"][0], abs=0.02)  # it counts tied event times


def test_precedence_of_intervals_is_the_order_of_all_times_in_them():
    """Whatever the true times, before means before: tried on all whole times of small intervals."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        a, c = np.sort(rng.integers(0, 9, 2)), np.sort(rng.integers(0, 9, 2))
        if a[0] == a[1] or c[0] == c[1]:
            continue
        first = [t for t in np.arange(a[0], a[1] + 0.5, 0.5) if t > a[0]]  # (lo, hi]
        second = [t for t in np.arange(c[0], c[1] + 0.5, 0.5) if t > c[0]]
        orders = {np.sign(s - f) for f in first for s in second}
        one, two = (Events(*[np.array([x]) for x in ("t", 0, -1, *map(float, i))]) for i in (a, c))
        found = precedence(one, two)[0]
        assert found == (1 if orders == {1.0} else -1 if orders == {-1.0} else 0)


# --- many claims ------------------------------------------------------------------------------

P = np.array([0.0002, 0.04, 0.0101, 0.3, 0.04, 0.9, 0.0004])


def test_holm():
    assert multipletests(P, method="holm")[1] == pytest.approx(R["holm"])


def test_false_discovery_rate():
    assert stats.false_discovery_control(P) == pytest.approx(R["benjamini_hochberg"])
