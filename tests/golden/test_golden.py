"""Our numbers against R's (`tests/golden/golden.R`) and against scipy's, statsmodels' and pingouin's."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from emergence_stats import inference
from emergence_stats.claims.project import Project
from emergence_stats.events import Events, kendall_tau_b, precedence
from emergence_stats.regions import Region
from emergence_stats.verdicts import Verdict, decide
from tests.support import ROOT

HERE = Path(__file__).parent
R = {
    line.split(",")[0]: [float(value) for value in line.split(",")[1:]]
    for line in (HERE / "golden.csv").read_text().splitlines()
    if not line.startswith("#")
}
X = np.array([0.12, -0.05, 0.31, 0.08, 0.22, -0.11, 0.17, 0.02])
FLIPS = np.array([12, -5, 31, 8, 22, -11, 17, 2, 9, 14]) / 100
ANY = Region.at_least(0.0)


def one_scale(values, level=0.95, region=ANY, **options):
    return inference.mean(values, ["a"] * len(values), region, level, **options)


def test_students_interval():
    assert one_scale(X).interval == pytest.approx(R["t_interval"])


def test_equivalence_is_decided_as_two_one_sided_tests_decide_it():
    """An interval of 90% lies in the region exactly where both tests reject at 5% (Schuirmann 1987)."""
    interval = one_scale(X, 0.90).interval
    assert interval == pytest.approx(R["tost_90"])
    assert max(R["tost_p"]) < 0.05
    assert decide(interval, Region.between(-0.25, 0.25)) is Verdict.SUPPORTED
    for margin in np.linspace(0.05, 0.4, 36):
        lower = stats.ttest_1samp(X, -margin, alternative="greater").pvalue
        upper = stats.ttest_1samp(X, margin, alternative="less").pvalue
        equivalent = decide(interval, Region.between(-margin, margin)) is Verdict.SUPPORTED
        assert equivalent == (max(lower, upper) <= 0.05)


def test_equivalence_is_pingouins():
    pingouin = pytest.importorskip("pingouin")
    for margin in (0.1, 0.2, 0.25, 0.4):
        p = pingouin.tost(X, np.zeros(len(X)), bound=margin, paired=True)["pval"].iloc[0]
        found = decide(one_scale(X, 0.90).interval, Region.between(-margin, margin))
        assert (found is Verdict.SUPPORTED) == (p <= 0.05)


def test_welchs_interval():
    a, b = [1.0, 1.2, 0.7, 1.1, 0.95], [3.0, 4.5, 2.0]
    found = inference.mean([*a, *b], ["a"] * 5 + ["b"] * 3, ANY, 0.90)
    assert found.interval == pytest.approx(R["welch_90"])


def test_sign_flips():
    assert inference.sign_flip_p(FLIPS) == pytest.approx(R["sign_flip_greater"][0])
    assert inference.sign_flip_p(-FLIPS) == pytest.approx(R["sign_flip_less"][0])


@pytest.mark.parametrize(("k", "n", "level"), [(0, 5, 0.95), (7, 24, 0.975), (24, 24, 0.99)])
def test_clopper_pearson(k, n, level):
    assert inference.clopper_pearson(k, n, level) == pytest.approx(R[f"clopper_pearson_{k}_{n}"])


def test_the_binomial_test_of_runs_that_all_agree():
    found = inference.share([24] * 24, [24] * 24, ["a"] * 24, Region.at_least(0.6), 0.95)
    assert found.p_value == pytest.approx(0.6**24)
    # and of any count, at whole numbers
    assert inference._binomial_p(20 / 24, 24, 0.6, 1.0) == pytest.approx(R["binomial_greater"][0])


@pytest.mark.parametrize("level", [0.9, 0.95, 0.975])
def test_korn_and_graubard(level):
    """survey::svyciprop(method = "beta") with runs as clusters."""
    k = [20, 22, 18, 23, 15, 21]
    found = inference.share(k, [24] * 6, ["a"] * 6, ANY, level)
    assert found.interval == pytest.approx(R[f"korn_graubard_{level}"], rel=1e-9)


def test_the_slope_of_a_line():
    x, y = [4.0, 4.5, 5.1, 5.5, 6.2], [0.10, 0.02, 0.30, 0.21, 0.52]
    found = inference.slope(y, x, list("abcde"), ANY, 0.95)
    assert [found.value, *found.interval] == pytest.approx(R["slope"])


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
    monkeypatch.setattr(module, "EASY", tuple(tasks))
    monkeypatch.setattr(module, "recoveries", lambda *a, **k: events(geometry, [1] * 8, tasks))
    monkeypatch.setattr(module, "emergences", lambda *a, **k: events(emerged, seen, tasks))
    concordant, discordant, tied_x, *_ = R["concordance_counts"]
    found = module.concordant(None)
    assert found.trials == concordant + discordant + tied_x
    assert module.concordance(None) == pytest.approx(R["concordance"][0])


def test_concordance_is_lifelines():
    lifelines = pytest.importorskip("lifelines.utils")
    geometry = [10, 20, 20, 35, 50, 80, 15, 60]
    emerged = [100, 240, 180, 300, 700, 400, 400, 900]
    found = lifelines.concordance_index(emerged, geometry, [1, 1, 1, 1, 0, 1, 1, 0])
    assert found == pytest.approx(R["concordance"][0], abs=0.02)  # it counts tied event times


def test_spearmans_rho():
    module = Project(ROOT).load("coarse_difficulty").module
    x, y = np.array([3, 1, 4, 1, 5, 9, 2, 6.0]), np.array([2, 7, 1, 8, 2, 8, 1, 8.0])
    rho = np.corrcoef(module.ranks(x), module.ranks(y))[0, 1]
    assert rho == pytest.approx(R["spearman"][0])


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


def test_cohens_h():
    from statsmodels.stats.proportion import proportion_effectsize

    found = inference.share([20, 22, 18], [24] * 3, ["a"] * 3, Region.at_least(0.5), 0.95)
    assert found.effect_size == pytest.approx(proportion_effectsize(found.value, 0.5))
