"""Worlds that once earned a verdict they should not have, or a clean one where a reader would have been misled."""

import math

import numpy as np
import pytest
from scipy import stats

from emergence_stats import Claim, Design, Hypothesis, Needs, Prediction, Region
from emergence_stats.core.analyses import LargestDifference, Mean, Median, Share
from emergence_stats.core.intervals import bounded
from emergence_stats.core.intervals.contrasts import mean_contrast
from emergence_stats.core.settle import settle
from emergence_stats.core.verdicts import Verdict
from emergence_stats.errors import HypothesisError
from tests.core.test_settle import prediction, sample
from tests.evaluation.test_judging import add, claim, fill, kinds
from tests.support import edit, es, failed, result_of

DESIGN = "design=es.Design('s', ['small', 'large'], range(8)),"


def result(project, *options):
    return result_of(es("test", "planted", "--json", *options, cwd=project))


# --- runs that are lost -----------------------------------------------------------------------


def test_a_seed_that_lost_the_run_of_a_scale_is_not_whole(project):
    """The mean over a seed's runs was that of the scales that were left."""
    path = claim(project, scope="None", analysis="es.Mean((0.0, 1.0))", further=DESIGN)
    edit(path, "scope=None", "unit='seed'")
    edit(
        path,
        "return float(run.traces(of).values[0, -1])",
        "return sum(float(r.traces(of).values[0, -1]) for r in run) / len(run)",
    )
    for seed in range(8):
        add(project, "large", seed, 0.9)
        if seed == 0:
            add(project, "small", seed, 0.02)
    found = result(project)
    assert "incomplete" in kinds(found)
    text = next(q["text"] for q in found["qualifiers"] if q["kind"] == "incomplete")
    assert "7 planned units" in text
    assert "inconclusive" in text or "refuted" in text


def test_the_same_runs_twice_are_not_confirmatory(project):
    claim(project, further=DESIGN)
    assert es("register", "planted", cwd=project).returncode == 0
    fill(project)
    assert result(project)["confirmatory"]
    add(project, "small", 1, 0.81, name="another")
    found = result(project)
    assert not found["confirmatory"]
    assert any("so the result is exploratory" in line for line in found["deviations"])


def test_every_scale_of_a_design_is_not_some_of_them(project):
    claim(project, scope="'every scale'", further=DESIGN)
    for seed in range(8):
        add(project, "small", seed, 0.9 + 0.01 * seed)
    found = result(project)
    assert found["verdict"] == "inconclusive"
    assert "no value at large" in found["reason"]


# --- controls ---------------------------------------------------------------------------------

OTHER = "es.with_options('another', 'x', measures=['other'], of='other'{})"


def test_a_control_that_was_not_compared_clears_nothing(project):
    claim(project, further="controls=[es.Control('shuffled', 'x', suite='absent')],")
    fill(project)
    found = result(project)
    assert kinds(found) == ["not specific"]
    assert "was not compared" in found["qualifiers"][0]["text"]
    claim(project, further=f"controls=[{OTHER.format('')}],")
    assert kinds(result(project)) == ["not specific"]  # undefined in every run
    left_out = result(project, "--no-controls")
    assert "was not looked at" in left_out["qualifiers"][0]["text"]


def test_a_control_that_is_undefined_where_it_is_high_clears_nothing(project):
    claim(project, further=f"controls=[{OTHER.format('')}],")
    for seed in range(10):
        for scale in ("small", "large"):
            value = 0.7 + 0.02 * seed
            add(
                project,
                scale,
                seed,
                value,
                **({"other": 0.3 + 0.01 * (seed % 3)} if seed < 7 else {}),
            )
    found = result(project)
    assert found["controls"][0]["differences"][0]["exceeds"]
    assert kinds(found) == ["not specific"]


def test_what_is_claimed_of_every_scale_exceeds_its_control_at_every_scale(project):
    claim(project, scope="'every scale'", further=DESIGN + f"controls=[{OTHER.format('')}],")
    for seed in range(8):
        add(project, "small", seed, 0.8 + 0.01 * seed, other=0.8 + 0.01 * (7 - seed))
        add(project, "large", seed, 0.9 + 0.01 * seed, other=0.1 + 0.01 * (7 - seed))
    found = result(project)
    assert not found["controls"][0]["differences"][0]["exceeds"]
    assert kinds(found) == ["not specific"]


def test_a_control_on_the_other_side_of_the_middle_shows_as_much(project):
    path = claim(project, further=f"controls=[{OTHER.format('')}],")
    edit(path, "es.Region.at_least(0.5)", "es.Region.between(-0.2, 0.2)")
    for seed in range(8):
        for scale in ("small", "large"):
            add(project, scale, seed, 0.1 + 0.001 * seed, other=-0.1 - 0.001 * seed)
    found = result(project)
    assert found["controls"][0]["differences"][0]["judgement"] == "differs"
    assert kinds(found) == ["not specific"]


def test_differences_of_shares_that_exclude_each_other_are_not_too_short(project):
    """One is what the other leaves, so that their own intervals alone are too short."""
    claim(project, analysis="es.Mean((0.0, 1.0))", further=f"controls=[{OTHER.format('')}],")
    rng = np.random.default_rng(0)
    for seed in range(12):
        for scale in ("small", "large"):
            value = float(rng.uniform(0.4, 0.9))
            add(project, scale, seed, value, other=1 - value)
    difference = result(project)["controls"][0]["differences"][0]
    values = np.array([v["value"] for v in result(project)["predictions"][0]["values"]])
    paired = stats.ttest_1samp(2 * values - 1, 0).confidence_interval(0.95)
    lo, hi = difference["interval"]
    assert hi - lo >= (paired.high - paired.low) * 0.97


# --- one run at a scale, looks, the paper -----------------------------------------------------


def test_a_scale_with_one_run_is_a_reservation(project):
    claim(project)
    for seed in range(5):
        add(project, "large", seed, 0.9 + 0.01 * seed)
    add(project, "small", 0, 0.9)
    found = result(project)
    assert kinds(found) == ["guarantee differs"]
    assert (
        "small has one run, whose error is taken from the others" in found["qualifiers"][0]["text"]
    )


def test_the_look_that_decided_is_named(project):
    claim(
        project,
        further="design=es.Design('s', ['small', 'large'], range(8), sequential=True, looks=[3, 8]),",
    )
    for seed in range(8):
        for scale in ("small", "large"):
            add(project, scale, seed, 0.9 + 0.01 * seed if seed < 3 else 0.1)
    reason = result(project)["reason"]
    assert "decided by look 1 of 2, and what was made after it is not looked at" in reason


def test_an_estimate_without_an_error_agrees_with_nothing(project):
    path = claim(project, scope="'every scale'", analysis="es.Median()", further=DESIGN)
    edit(path, "reported={}", "reported={'v1': es.Reported(estimate=0.1, stderr=0.05)}")
    fill(project)
    assert result(project)["comparisons"][0]["agrees"] is None


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("analysis", "value", "words"),
    [
        ("es.Mean((0.0, 1.0))", 5.0, "outside the bounds [0, 1]"),
        ("es.Mean()", -1e155, "too large to compute with"),
    ],
)
def test_values_that_no_interval_is_right_for_are_errors(project, analysis, value, words):
    claim(project, analysis=analysis)
    fill(project, small=value, large=value)
    failed(es("test", "planted", cwd=project), "planted, prediction 'value'", words)


@pytest.mark.parametrize(
    "count", ["('1', '2')", "(None, 2)", "(1, float('inf'))", "(3, 2)", "(10**400, 10**400)", "5"]
)
def test_what_is_no_count_is_an_error(project, count):
    path = claim(project, analysis="es.Share()")
    edit(path, "return float(run.traces(of).values[0, -1])", f"return {count}")
    fill(project)
    failed(es("test", "planted", cwd=project), "planted, prediction 'value'")


@pytest.mark.parametrize("gives", ["None", "'x'"])
def test_a_pooled_count_that_is_none_is_an_error(project, gives):
    claim(project, further=f"pooled=es.Pooled('all', lambda run: {gives}),")
    fill(project)
    failed(
        es("test", "planted", cwd=project), "as the paper counts", "neither a Count nor a number"
    )


def test_no_number_lies_in_no_region():
    region = Region.at_least(0)
    assert not region.contains(math.nan)
    assert not region.contains_interval(math.nan, math.nan)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Needs(["m"], min_scales="2"), "min_scales is '2'"),
        (lambda: Needs(["m"], min_layers=None), "min_layers is None"),
        (lambda: Needs([5]), "holds what is no name"),
        (lambda: Needs("m"), "not a list of names"),
        (lambda: Prediction(3, float, Region.above(0)), "name is 3"),
        (lambda: Prediction(" ", float, Region.above(0)), "not text"),
        (lambda: Mean((0.0, 1e308)), "too far from 0"),
        (lambda: Design(None, ["a"], [1]), "suite is None"),
        (lambda: Design("s", ["a"], [1], sequential="no"), "sequential is 'no'"),
        (lambda: Prediction("p", float, Region.at_least(0), Mean((0.0, 1.0))), "holds all"),
        (lambda: Prediction("p", float, Region.between(0, 1), Share()), "holds all"),
        (lambda: Prediction("p", float, Region.above(1), Share()), "holds none"),
        (
            lambda: Hypothesis(Claim("c"), Needs(["m"]), [Prediction("p", float, Region.above(0))], design="s"),
            "design is 's', not a Design",
        ),
        (
            lambda: Hypothesis(Claim("c"), Needs(["m"]), [Prediction("p", float, Region.above(0))], level=1 - 1e-15),
            "a confidence is between",
        ),
    ],
)  # fmt: skip
def test_a_declaration_that_would_fail_later_fails_at_once(make, words):
    with pytest.raises(HypothesisError, match=words):
        make()


# --- error rates ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [10, 25, 100])
def test_runs_of_two_kinds_are_seldom_misjudged(n):
    """By enumeration: a share q of runs at the bound and the others at one value; one-sided, at most .05."""
    worst = 0.0
    for at in (0.0, 0.5, 0.8, 0.9):
        for q in np.geomspace(0.01, 0.8, 25):
            truth, wrong = at + (1 - at) * q, 0.0
            for k in range(n + 1):
                values = np.r_[np.full(n - k, at), np.ones(k)]
                hi = bounded.interval(mean_contrast(values, [""] * n), (0.0, 1.0), 0.95)[1]
                wrong += stats.binom.pmf(k, n, q) if hi < truth - 1e-12 else 0.0
            worst = max(worst, wrong)
    assert worst <= 0.05


def test_scales_that_do_not_differ_are_seldom_said_to():
    rng, wrong, studies = np.random.default_rng(3), 0, 1500
    plan = prediction(Region.above(0), LargestDifference())
    for _ in range(studies):
        some = sample({"a": rng.standard_normal(8), "b": rng.standard_normal(8)})
        settled = settle(plan, some, 0.95)
        wrong += settled.verdict is Verdict.SUPPORTED
        assert (settled.estimate.p_value <= 0.025) == (settled.verdict is Verdict.SUPPORTED)
    assert wrong / studies <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / studies)


def test_a_closed_end_at_the_bound_counts_as_inside():
    many = sample({"a": [1.0] * 100, "b": [1.0] * 100}, trials=1)
    settled = settle(prediction(Region.between(0.9, 1.0), Share()), many, 0.95)
    assert settled.verdict is Verdict.SUPPORTED
    assert settled.estimate.p_value <= 0.025
    flat = sample({"a": [0.5] * 8, "b": [0.5] * 8})
    settled = settle(prediction(Region.at_least(0.5), Median(), "every scale"), flat, 0.95)
    assert settled.verdict is Verdict.SUPPORTED
    assert settled.estimate.p_value <= 0.025


def test_rounding_is_of_a_whole_scale_or_of_none_of_it():
    """Zeros among errors that are hardly more than rounding made them too small."""
    rng, wrong, studies = np.random.default_rng(5), 0, 1500
    plan = prediction(Region.at_least(1e6))
    for _ in range(studies):
        settled = settle(plan, sample({"a": 1e6 + 0.7 * rng.standard_normal(30)}), 0.95, test=False)
        wrong += settled.verdict is Verdict.SUPPORTED
    assert wrong / studies <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / studies)


# --- what a newcomer met ----------------------------------------------------------------------


def test_a_plan_that_looks_early_and_cannot_decide_says_how_many_seeds_could(project):
    path = claim(
        project,
        scope="'every scale'",
        analysis="es.Mean((0.0, 1.0))",
        further="design=es.Design('s', ['small', 'large'], range(12), sequential=True, looks=[4, 8, 12]),",
    )
    edit(path, "at_least(0.5)", "at_least(0.9)")
    failed(
        es("register", "planted", cwd=project),
        "24 runs cannot support 'value'",
        "seeds a scale could",
    )


@pytest.mark.parametrize(
    ("analysis", "scope", "seeds"),
    [
        ("es.Median()", "'every scale'", 4),
        ("es.Mean()", "'every scale'", 1),
        ("es.LargestDifference()", "None", 1),
    ],
)
def test_a_plan_whose_runs_give_no_interval_is_not_registered(project, analysis, scope, seeds):
    path = claim(
        project,
        scope=scope,
        analysis=analysis,
        further=f"design=es.Design('s', ['small', 'large'], range({seeds})),",
    )
    edit(path, "at_least(0.5)", "at_most(0.5)")
    failed(es("register", "planted", cwd=project), "cannot support 'value'")


def test_a_plant_that_is_the_same_in_every_run_is_found_by_its_value(project):
    path = claim(
        project,
        further="controls=[es.with_options('planted', 'nothing', measures=['other'], finds='refuted', of='other')],",
    )
    edit(path, "es.Region.at_least(0.5)", "es.Region.at_most(1.0)")
    fill(project, other=5.0)
    found = result(project)
    assert (found["verdict"], found["controls"][0]["found"]) == ("supported", True)


def test_a_look_is_shown_with_the_runs_that_it_is_of(project):
    claim(
        project,
        further="design=es.Design('s', ['small', 'large'], range(8), sequential=True, looks=[3, 8]),",
    )
    fill(project, seeds=range(5))
    shown = result(project)["predictions"][0]
    assert (shown["n_runs"], shown["n_units"], len(shown["values"])) == (6, 6, 6)


def test_an_estimate_that_fails_in_a_control_names_the_control(project):
    claim(
        project,
        analysis="es.Mean((0.0, 1.0))",
        further="controls=[es.with_options('another', 'x', measures=['other'], of='other')],",
    )
    fill(project, small=0.8, large=0.8, other=7.0)
    failed(es("test", "planted", cwd=project), "control 'another'", "outside the bounds")


def test_a_count_is_not_compared_with_what_is_no_share(project):
    path = claim(project)
    edit(path, "reported={}", "reported={'v1': es.Reported(24, 24)}")
    fill(project)
    comparison = result(project)["comparisons"][0]
    assert comparison["agrees"] is None
    assert "ours is no share" in comparison["why"]


def test_a_plan_for_a_suite_that_is_not_there_says_which(project):
    claim(project, further="design=es.Design('typo', ['small', 'large'], range(8)),")
    fill(project)
    fill(project, suite="t")
    reason = result(project)["reason"]
    assert "the plan is for suite 'typo'" in reason
