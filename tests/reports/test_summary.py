"""The summary of a report on terminals of several widths."""

import dataclasses
import math
import re

import pytest

from emergence_stats.claims.selection import RunUse
from emergence_stats.core.intervals.estimates import Estimate
from emergence_stats.core.plan import Claim
from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.results import (
    Adjusted,
    Evidence,
    PlanState,
    PredictionResult,
    Qualifier,
    Result,
    to_json,
)
from emergence_stats.reports.console import interval_bar
from emergence_stats.reports.summary import decisive, print_summary
from emergence_stats.reports.words import in_unit, opinion_rows, p_text, unit_text
from emergence_stats.support.words import number

NAMES = [
    f"{word}_{number}"
    for number in range(1, 5)
    for word in ("floors", "scale_invariant_floors", "early_layers_settle", "c")
]


def made(name, verdict=Verdict.SUPPORTED, kinds=(), predictions=None, **plan):
    estimate = Estimate(-0.8123, (-0.8751, -0.7449), 0.95, 0.0, -4.0, 12, "t")
    known = PredictionResult(
        "log step", estimate, Region.at_most(-0.0953), verdict, "", "run", 12, ()
    )
    return Result(
        name=name,
        claim=Claim("It is so."),
        verdict=verdict,
        reason="the reason",
        predictions=(known,) if predictions is None else predictions,
        plan=PlanState(confirmatory=True, **plan),
        evidence=Evidence("data", "s", (RunUse("r", "counted", ""),)),
        adjusted=Adjusted(0.0, 0.0, 0.0),
        qualifiers=tuple(Qualifier(kind, "why") for kind in kinds),
    )


@pytest.fixture
def sixteen():
    """Of every kind, with deviations that differ by the second alone."""
    verdicts = [*Verdict, Verdict.INCONCLUSIVE] * 4
    plans = [
        {"deviations": (f"registered 4 times, first 2026-11-24T10:00:{i:02}+00:00",)}
        for i in range(8)
    ]
    return [
        made(
            name,
            verdict,
            ("mixed across scales", "incomplete")[: i % 3],
            **(plans[i] if i < 8 else {}),
        )
        for i, (name, verdict) in enumerate(zip(NAMES, verdicts, strict=True))
    ]


def shown(results, width, verbose=False):
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    console = Console(file=out, force_terminal=True, color_system=None, width=width)
    print_summary(console, results, verbose)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()


def test_sixteen_claims_are_a_line_each_at_eighty_columns(sixteen):
    lines = shown(sixteen, 80)
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 80
    for result in sixteen:
        (line,) = [line for line in lines if line.startswith(f"{result.name} ")]
        assert str(result.verdict) in line
        assert "-0.812 [-0.875, -0.745]" in line
        assert line.endswith("<= -0.0953")
        assert ("*mi " in line) == (len(result.qualifiers) == 2)
    text = " ".join(lines)
    assert "m mixed across scales, i incomplete" in text
    assert "every estimate is confirmatory" in text


def test_a_wide_terminal_has_words_and_a_narrow_one_blocks(sixteen):
    wide = shown(sixteen, 160)
    assert f"{NAMES[2]}  ? inconclusive: mixed across scales, incomplete" in re.sub(
        " {3,}", "  ", wide[3]
    )
    assert "log step" in wide[3]
    narrow = shown(sixteen, 69)
    assert max(map(len, narrow)) <= 69
    at = narrow.index(NAMES[1])
    assert narrow[at + 3] == "  -0.812 [-0.875, -0.745], claimed <= -0.0953"


def test_a_name_is_never_cut():
    name = "a_claim_whose_name_says_nearly_all_of_what_it_is_about_and_then_more"
    for width in (40, 75, 80, 120):
        assert any(name in line for line in shown([made(name)] * 4, width))


def test_what_many_claims_share_is_one_line(sixteen):
    lines = shown(sixteen, 80)
    assert lines.count("8 claims were registered 4 times, first 2026-11-24") == 1
    assert "floors_1 was registered 4 times, first 2026-11-24" in shown(sixteen[:1], 80)
    assert "all 8 claims were registered 4 times, first 2026-11-24" in shown(sixteen[:8], 80)


def test_the_rest_is_shown_on_request(sixteen):
    assert not any("p-values of 16 claims" in line for line in shown(sixteen, 80))
    assert any("p-values of 16 claims" in line for line in shown(sixteen, 80, verbose=True))
    assert "floors_1: the reason; with reservations: incomplete" in shown(
        [made("floors_1", kinds=["incomplete"])], 80
    )


def test_claims_without_an_estimate_say_so(sixteen):
    empty = [made(f"e{i}", Verdict.INCONCLUSIVE, predictions=()) for i in range(5)]
    assert "5 claims: the reason" in shown([*sixteen, *empty], 80)
    different = [dataclasses.replace(one, reason=f"no run of {one.name}") for one in empty]
    assert any("emergence-stats plan NAME" in line for line in shown([*sixteen, *different], 120))


def test_the_prediction_that_earns_the_verdict_is_shown():
    some = made("a").predictions[0]
    refuted = dataclasses.replace(some, name="other", verdict=Verdict.REFUTED)
    assert decisive(made("a", Verdict.REFUTED, predictions=(some, refuted))).name == "other"
    assert decisive(made("a", Verdict.INCONCLUSIVE, predictions=(some, refuted))).name == "log step"


@pytest.mark.parametrize("p", [0.0, 1e-300, 5e-324])
def test_a_p_value_is_never_zero(p):
    assert p_text(p) == "<.0001"
    other = {
        "prediction": "a",
        "what": "p of equivalence",
        "by": "b",
        "value": p,
        "interval": None,
        "says": "",
    }
    result = dataclasses.replace(made("a"), opinions={"others": [other]})
    assert opinion_rows(result)[0][3] == "<.0001"


@pytest.mark.parametrize("region", [(0.8, 1.2), (0.3, 0.7), (0.2, 0.6)])
def test_an_interval_is_drawn_whatever_rounding_leaves(region):
    """A quarter of the width is an ulp below a power of ten."""
    middle = sum(region) / 2
    estimate = Estimate(middle, (middle - 0.1, middle + 0.1), 0.95, 0.0, 1.0, 5, "t")
    result = PredictionResult(
        "p", estimate, Region.between(*region), Verdict.SUPPORTED, "", "run", 5, ()
    )
    assert re.search(r"\[=+o=+\]", interval_bar(result, 40))


def test_a_comparison_of_scales_where_there_is_one_has_no_value():
    estimate = Estimate(math.nan, None, 0.95, None, None, 5, "none", "all runs have one scale")
    result = dataclasses.replace(
        made("c").predictions[0], estimate=estimate, verdict=Verdict.INCONCLUSIVE, shown_as="factor"
    )
    assert in_unit(result, result.estimate.value) == number(None) == "-"
    assert unit_text(result) is None
    assert to_json([made("c", Verdict.INCONCLUSIVE, predictions=(result,))])
