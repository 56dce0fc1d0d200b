"""Declarations: what makes no sense is one clear error, and what makes sense is written down whole."""

import pytest

from emergence_stats import (
    Claim,
    Control,
    Count,
    Design,
    Hypothesis,
    LargestDifference,
    Mean,
    Median,
    Needs,
    Prediction,
    Region,
    Reported,
    Share,
    Slope,
    with_options,
)
from emergence_stats.errors import HypothesisError

POSITIVE = Region.above(0)


def value(run, last=1):
    return 0.0


def declared(*predictions, **further):
    return Hypothesis(
        Claim("it is so"), Needs(["m"], **further.pop("needs", {})), predictions, **further
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Prediction("p", value, POSITIVE, scope="everywhere"),
            "'every scale' or 'average'",
        ),
        (
            lambda: Prediction("p", value, POSITIVE, Slope(10), scope="average"),
            "Slope compares scales",
        ),
        (
            lambda: Prediction("p", value, POSITIVE, unit="seed", scope="every scale"),
            "a seed has all",
        ),
        (lambda: Prediction("p", value, POSITIVE, Median()), "a Median is about every scale"),
        (lambda: Prediction("p", value, Region.at_least(0), LargestDifference()), "every size"),
        (lambda: Prediction("p", value, Region.at_most(-1), LargestDifference()), "no size"),
        (
            lambda: Prediction("p", value, POSITIVE, LargestDifference(), unit="seed"),
            "no largestdiff",
        ),
        (lambda: declared(Prediction("p", value, POSITIVE, scope="every scale")), "min_scales=2"),
        (
            lambda: declared(
                Prediction("p", value, POSITIVE, scope="every scale"),
                design=Design("s", ["d32"], range(5)),
            ),
            "'d32' alone",
        ),
        (lambda: Design("s", "d32", range(4)), r"write \['d32'\]"),
        (lambda: Design("s", ["d32"], range(4), sequential=True), "bound on looks"),
        (lambda: Design("s", ["d32"], range(4), sequential=True, looks=5), "not a list of numbers"),
        (lambda: Design("s", ["d32"], range(4), sequential=True, looks=[2, 3]), "at 3 seeds, but"),
        (lambda: Design("s", ["d32"], range(4), sequential=True, looks=[1, 4]), "from 2 on"),
        (lambda: Design("s", ["d32"], range(4), sequential=True, looks=[3, 2, 4]), "increasing"),
        (lambda: Design("s", ["d32"], range(4), looks=[2, 4]), "without sequential"),
        (lambda: Reported(), "successes and trials, or an estimate"),
        (lambda: Reported("27%"), "'27%', not a number"),
        (lambda: Reported(estimate=float("nan")), "not a finite number"),
        (lambda: Reported(5, 4), "not a share of cases"),
        (lambda: Reported(5), "not a share of cases"),
        (lambda: Reported(1, 2, stderr=0.1), "its own error"),
        (lambda: Reported(estimate=1.0, stderr=0), "above 0"),
        (lambda: Reported(estimate=1.0, sd=0.2), "number of runs"),
        (lambda: Claim("it is so", reported={"v1": 0.27}), "neither text nor a Reported"),
        (lambda: Mean(search=True), "bounds of the search"),
        (lambda: Mean((1, 0)), "not .low, high."),
        (lambda: Control("c", "x", keywords={"last": 2}, margin=0), "margin is 0"),
        (lambda: Control("c", "x", keywords={"last": 2}, expects="the same"), "give it a margin"),
        (
            lambda: Control("c", "x", keywords={"last": 2}, expects="nothing"),
            "expects is 'nothing'",
        ),
        (lambda: Control("c", "x", keywords={"last": 2}, finds="yes"), "finds is 'yes'"),
        (lambda: Control("c", "x", keywords={"last": 2}, finds="refuted", margin=1), "margin says"),
        (
            lambda: Hypothesis(
                Claim("c", reported={"v1": Reported(1, 2, prediction="q")}),
                Needs(["m"]),
                [Prediction("p", value, POSITIVE)],
            ),
            "no such prediction",
        ),
    ],
)
def test_what_makes_no_sense_is_named(make, words):
    with pytest.raises(HypothesisError, match=words):
        make()


def test_the_declaration_holds_what_decides():
    plan = declared(
        Prediction(
            "share", lambda run: Count(1, 2), Region.at_least(0.5), Share(), scope="every scale"
        ),
        Prediction("spread", value, Region.at_most(0.2), LargestDifference()),
        design=Design("s", ["a", "b"], range(6), sequential=True, looks=[3, 6]),
        controls=[with_options("planted", "nothing", finds="refuted", last=2)],
    ).declaration()
    share, spread = plan["predictions"]
    assert share["scope"] == "every scale"
    assert share["analysis"] == {"kind": "Share"}
    assert spread["analysis"] == {"kind": "LargestDifference"}
    assert plan["design"]["looks"] == [3, 6]
    assert plan["controls"][0]["finds"] == "refuted"


def test_each_look_has_its_share_of_the_error():
    design = Design("s", ["a", "b"], range(6), sequential=True, looks=[2, 4, 6])
    plan = declared(
        Prediction("p", value, POSITIVE), Prediction("q", value, POSITIVE), design=design
    )
    assert plan.simultaneous_level == pytest.approx(1 - 0.05 / 6)


# --- what a paper reports ---------------------------------------------------------------------


def test_a_count_has_the_interval_of_clopper_and_pearson():
    from statsmodels.stats.proportion import proportion_confint

    for k in (0, 3, 32):
        assert Reported(k, 32).interval(0.95) == pytest.approx(
            proportion_confint(k, 32, method="beta"), abs=1e-9
        )


def test_where_an_estimate_is_expected_has_both_errors():
    """Patil, Peng and Leek 2016: the estimate of a replication lies within both standard errors."""
    original = Reported(estimate=0.5, stderr=0.3)
    lo, hi = original.prediction_interval(0.4, 1e9, 0.95)
    assert hi - 0.5 == pytest.approx(1.959964 * 0.5, rel=1e-4)
    assert 0.5 - lo == pytest.approx(hi - 0.5)
    assert Reported(estimate=0.5).prediction_interval(0.4, 9, 0.95) is None


def test_a_unit_of_steps_is_one_of_those_that_there_are():
    assert Needs(["loss"], step_unit="tokens").step_unit == "tokens"
    with pytest.raises(
        HypothesisError, match="step_unit is 'token', not one of optimiser steps, tokens"
    ):
        Needs(["loss"], step_unit="token")
