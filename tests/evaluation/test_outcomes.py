"""A plan that cannot come out both ways is not registered."""

import pytest

from emergence_stats import (
    Claim,
    Count,
    Design,
    Hypothesis,
    Mean,
    Needs,
    Prediction,
    Region,
    Share,
    Slope,
)
from emergence_stats.errors import HypothesisError
from emergence_stats.evaluation.judging.outcomes import check_both_ways
from tests.support import edit, es, fill


def plan(*predictions, seeds=5, scales=("a", "b", "c", "d", "e"), combine="all", **options):
    return Hypothesis(
        claim=Claim("A claim."),
        needs=Needs(measures=["accuracy"], **options),
        predictions=predictions,
        design=Design("sim", scales, range(seeds)),
        combine=combine,
    )


def of_run(run):
    return Count(1.0, 1.0)


def prediction(region, analysis, name="value", unit="run"):
    return Prediction(name, of_run, region, analysis, unit)


UNIT = Mean((0.0, 1.0))


@pytest.mark.parametrize("analysis", [Share(), UNIT])
def test_runs_that_agree_on_a_bound_leave_open_what_was_not_seen(analysis):
    with pytest.raises(HypothesisError, match=r"25 runs cannot support .* >= 0.999"):
        check_both_ways("claim", plan(prediction(Region.at_least(0.999), analysis)))
    check_both_ways("claim", plan(prediction(Region.at_least(0.8), analysis)))


def test_a_few_seeds_cannot_refute_a_wide_region():
    wide = prediction(Region.at_most(0.995), Mean((0.0, 1.0)), unit="seed")
    with pytest.raises(HypothesisError, match="3 seeds cannot refute"):
        check_both_ways("claim", plan(wide, seeds=3))
    check_both_ways("claim", plan(prediction(Region.at_most(0.6), UNIT, unit="seed"), seeds=8))


def test_values_without_bounds_can_be_anything():
    with pytest.raises(HypothesisError, match="1 run cannot support"):
        check_both_ways("claim", plan(prediction(Region.above(0), Mean()), scales=("a",), seeds=1))
    for analysis in (Mean(), Slope(210.0)):
        check_both_ways("claim", plan(prediction(Region.between(-0.1, 0.1), analysis), seeds=2))


def test_all_and_any_of_the_predictions():
    hard = prediction(Region.at_least(0.999), Share(), "hard")
    easy = prediction(Region.at_least(0.5), Share(), "easy")
    with pytest.raises(HypothesisError, match="cannot support 'hard'"):
        check_both_ways("claim", plan(hard, easy))
    check_both_ways("claim", plan(hard, easy, combine="any"))


def test_too_few_scales_for_the_plan():
    with pytest.raises(HypothesisError, match="1 scales, but the plan needs 2"):
        check_both_ways(
            "claim", plan(prediction(Region.at_least(0.5), Share()), scales=("a",), min_scales=2)
        )


def test_register_refuses(project):
    claim = project / "hypotheses" / "learns.py"
    edit(claim, "import Claim", "import Claim, Design, Mean")
    edit(
        claim,
        "Region.at_least(0.5))],",
        'Region.at_least(0.995), Mean((0, 1)))],\n    design=Design("sim", ("d32",), range(5)),',
    )
    fill(project, [20])
    done = es("register", "learns", cwd=project)
    assert done.returncode == 2
    assert "5 runs cannot support 'final accuracy' >= 0.995, even if all agree" in done.stderr
    assert "1024 seeds" in done.stderr or "512 seeds" in done.stderr
    assert not claim.with_suffix(".lock").exists()
