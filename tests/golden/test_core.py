"""The core beside what R printed (core.R), and Holm's p-values beside statsmodels."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emergence_stats.claims.project import Project
from emergence_stats.core.analyses import Mean, Slope
from emergence_stats.core.intervals.contrasts import codes
from emergence_stats.core.intervals.estimates import Estimate, ScaleEstimate
from emergence_stats.core.intervals.medians import median_interval, median_p
from emergence_stats.core.intervals.scales import largest_difference
from emergence_stats.core.intervals.spreads import spread_estimate
from emergence_stats.core.plan import Prediction
from emergence_stats.core.regions import Region
from emergence_stats.core.reported import Reported
from emergence_stats.core.runs import Undefined
from emergence_stats.core.settle import Sample, settle
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.opinions.by_statsmodels import heterogeneity_of
from emergence_stats.evaluation.results import PredictionResult

Y = np.array([0.62, 0.71, 0.55, 0.66, 0.83, 0.79, 0.91, 0.40])
S = ["a"] * 4 + ["b"] * 3 + ["c"]


def golden():
    lines = (Path(__file__).parent / "core.csv").read_text().splitlines()[1:]
    rows = (line.split(",") for line in lines)
    return {name: [float(x) for x in values] for name, *values in rows}


GOLDEN = golden()


def plan(region, analysis, scope=None):
    return Prediction("p", float, region, analysis, "run", scope)


def test_a_scale_with_one_run_borrows_as_a_linear_model_does():
    some = Sample(Y, S, np.repeat([4.0, 5.0, 6.0], [4, 3, 1]))
    settled = settle(plan(Region.at_least(0), Mean(), "every scale"), some, 0.95)
    # The pooled variance is R's; its degrees of freedom are Satterthwaite's, no more than R's 5.
    lo, hi = settled.estimate.scales[2].interval
    assert (lo, hi) == pytest.approx(GOLDEN["borrowed"], rel=0.01)
    assert lo <= GOLDEN["borrowed"][0]
    assert hi >= GOLDEN["borrowed"][1]


def test_the_difference_of_two_scales_is_welchs():
    values, strata = Y[:7], S[:7]
    found = largest_difference(values, strata, 0.95)
    assert found.pair == ("b", "a")
    assert found.interval == pytest.approx(GOLDEN["difference"], rel=1e-9)
    estimate = spread_estimate(values, strata, Region.at_most(0.4), 0.95)
    assert estimate.p_value == pytest.approx(GOLDEN["difference_p"][0], rel=1e-9)
    assert codes(strata).max() == 1


def test_a_slope_has_its_error_from_runs_within_scales():
    values = np.r_[Y[:7], 0.92, 1.01, 0.88]
    some = Sample(values, [*S[:7], "c", "c", "c"], np.repeat([4.0, 5.0, 6.5], [4, 3, 3]))
    settled = settle(plan(Region.above(0), Slope(10)), some, 0.95)
    assert settled.estimate.interval == pytest.approx(GOLDEN["slope"], rel=1e-9)


def test_how_scales_differ_is_as_metafor_has_it():
    effects, stderr = [1.2, 1.9, 3.1, 2.4, 2.0], [0.3, 0.4, 0.35, 0.5, 0.45]
    scales = tuple(
        ScaleEstimate(f"s{i}", e, 5, None, None, s)
        for i, (e, s) in enumerate(zip(effects, stderr, strict=True))
    )
    estimate = Estimate(2.0, None, 0.95, None, None, 25, "x", scales=scales)
    region = Region.at_least(0)
    found = heterogeneity_of(
        PredictionResult("p", estimate, region, Verdict.INCONCLUSIVE, "", "run", 25, ())
    )
    q, p, tau2, mean, se = GOLDEN["random_effects"]
    assert found["q"] == pytest.approx(q, rel=1e-9)
    assert found["p"] == pytest.approx(p, rel=1e-9)
    assert found["i2"] == pytest.approx((q - 4) / q)
    assert found["prediction_interval"] == pytest.approx(GOLDEN["prediction_interval"], rel=1e-4)
    assert tau2 > 0
    assert mean > se


def test_a_median_is_that_of_the_sign_test():
    z = np.array([0.3, 1.9, 0.7, 2.8, 1.1, 0.2, 5.6, 0.9, 1.4, 3.3, 0.6])
    assert median_interval(z, 0.95) == pytest.approx(GOLDEN["median"])
    assert median_p(z, 0.5, -1) == pytest.approx(GOLDEN["median_p"][0])


def test_a_reported_count_has_the_exact_interval():
    assert Reported(28, 32).interval(0.95) == pytest.approx(GOLDEN["reported"], rel=1e-9)


class Times:
    """When each of four tasks emerged or recovered, as `swaps_that_agree` asks for it."""

    def __init__(self, times):
        self.lo = self.hi = np.asarray(times, float)

    def task_levels(self):
        return [(task, 0) for task in "abcd"]

    def at(self, _):
        return self


def test_geometry_that_knows_nothing_has_half_of_the_swaps_as_all_permutations_in_r(monkeypatch):
    estimate = Project().load("order_reversal").module.swaps_that_agree
    emerged = {1: Times([1, 2, 3, 4]), 2: Times([4, 3, 3, 1])}
    runs = [SimpleNamespace(scale=str(n), n_params=n) for n in emerged]
    moved = {}
    monkeypatch.setitem(estimate.__globals__, "emergences", lambda run: emerged[run.n_params])
    monkeypatch.setitem(estimate.__globals__, "recoveries", lambda run, *_: moved[run.n_params])
    shares = []
    orders = list(itertools.permutations([1, 2, 3, 3]))
    for one, other in itertools.product(orders, orders):
        moved.update({1: Times(one), 2: Times(other)})
        try:
            shares.append(estimate(runs))
        except Undefined:
            continue
    found = (len(shares), np.mean(shares), np.var(shares))
    assert found == pytest.approx(GOLDEN["conditional_permutation"], rel=1e-12)
