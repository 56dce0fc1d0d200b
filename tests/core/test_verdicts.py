"""The verdict rule, regions, three-valued logic, and declarations that make no sense."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergence_stats import Claim, Hypothesis, Mean, Needs, Prediction, Region, Share, Slope
from emergence_stats.core.verdicts import Verdict, all_of, any_of, decide
from emergence_stats.errors import HypothesisError

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741


@pytest.mark.parametrize(
    ("interval", "region", "verdict"),
    [
        ((0.8, 0.9), Region.at_least(0.75), S),
        ((0.75, 0.9), Region.at_least(0.75), S),
        ((0.7, 0.9), Region.at_least(0.75), I),
        ((0.5, 0.74), Region.at_least(0.75), R),
        ((0.5, 0.75), Region.at_least(0.75), I),
        ((0.0, 0.5), Region.above(0.0), I),
        ((-0.5, 0.0), Region.above(0.0), R),
        ((-0.05, 0.05), Region.between(-0.1, 0.1), S),
        ((-0.2, 0.05), Region.between(-0.1, 0.1), I),
        ((-0.2, 0.2), Region.between(-0.1, 0.1), I),
        ((0.11, 0.2), Region.between(-0.1, 0.1), R),
        ((0.0, 0.52), Region.at_most(0.1), I),
    ],
)
def test_the_rule(interval, region, verdict):
    assert decide(interval, region) is verdict


number = st.floats(-100, 100)


@given(number, number, number, number)
def test_a_narrower_interval_never_reverses_a_verdict(a, b, c, d):
    lo, inner_lo, inner_hi, hi = sorted([a, b, c, d])
    region = Region.between(-10, 10)
    wide, narrow = decide((lo, hi), region), decide((inner_lo, inner_hi), region)
    assert wide is I or narrow is wide


def test_three_valued_logic_is_kleenes():
    order = {R: 0, I: 1, S: 2}
    for values in itertools.product([S, R, I], repeat=3):
        assert order[all_of(values)] == min(order[v] for v in values)
        assert order[any_of(values)] == max(order[v] for v in values)
    assert all_of([]) is I
    assert any_of([]) is I


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Region(None, None),
        lambda: Region.between(1, 0),
        lambda: Region(0, 0, lo_open=True),
        lambda: Region.at_least(math.nan),
        lambda: Region.at_least(True),
        lambda: Claim("  "),
        lambda: Needs(measures=[]),
        lambda: Needs(measures="rankme"),
        lambda: Needs(measures=["rankme"], layers="deep"),
        lambda: Slope(over=1.0),
        lambda: Mean(bounds=(1, 0)),
        lambda: Prediction("share", len, Region.at_least(1.2), Share()),
        lambda: Prediction("share", len, Region.at_least(-0.1), Share()),
        lambda: Prediction("x", 3, Region.at_least(0)),
        lambda: Prediction("x", len, (0, 1)),
        lambda: Prediction("x", len, Region.at_least(0), unit="task"),
        lambda: hypothesis(level=1.5),
        lambda: hypothesis(level=95),
        lambda: hypothesis(combine="most"),
        lambda: hypothesis(predictions=[]),
        lambda: hypothesis(predictions=[PREDICTION, PREDICTION]),
        lambda: hypothesis(multiverse={"fractoin": [0.5]}),
        lambda: hypothesis(multiverse={"fraction": []}),
    ],
)
def test_nonsense_is_refused(declare):
    with pytest.raises(HypothesisError):
        declare()


def estimate(run, fraction=0.5):
    return fraction


PREDICTION = Prediction("p", estimate, Region.at_least(0))


def hypothesis(**changes):
    fields = {
        "claim": Claim("c"), "needs": Needs(measures=["rankme"]), "predictions": [PREDICTION],
    }  # fmt: skip
    return Hypothesis(**(fields | changes))


def test_intervals_are_simultaneous_over_the_predictions():
    two = [PREDICTION, Prediction("q", estimate, Region.at_least(0))]
    assert hypothesis(predictions=two).simultaneous_level == pytest.approx(0.975)
    assert hypothesis().simultaneous_level == pytest.approx(0.95)


def test_a_declaration_holds_the_analysis_choices():
    plain = hypothesis().declaration()
    assert plain["predictions"][0]["estimate"] == {
        "function": "test_verdicts:estimate", "defaults": {"fraction": 0.5},
    }  # fmt: skip
    assert plain["predictions"][0]["region"]["lo"] == 0
