"""Plans that look early: what each look needs, what it says, and that other analyses look as `test` does."""

import json

import pytest

from emergence_stats import Store
from emergence_stats.claims.project import Project
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.robustness.explore import explore
from emergence_stats.robustness.multiplicity import claim_p
from emergence_stats.robustness.simulate import simulate
from tests.evaluation.test_judging import add
from tests.support import es, result_of

CLAIM = '''
"""Two numbers are high. One below 0 is none."""
import emergence_stats as es


def value(run, of="value", plus=0.0):
    """The number of a run."""
    found = float(run.traces(of).values[0, -1])
    if found < 0:
        raise es.Undefined("it is below 0")
    return found + plus


def least(runs, plus=0.0):
    """The smallest of a seed."""
    return min(value(run, plus=plus) for run in runs)


def other(run):
    """Another number."""
    return value(run, "other")


looks = es.Hypothesis(
    claim=es.Claim("The numbers are high.", paper="a paper", reported={}),
    needs=es.Needs(measures=MEASURES, min_scales=MIN_SCALES),
    predictions=PREDICTIONS,
    design=es.Design("s", SCALES, range(6), sequential=True, looks=[3, 6]),
    multiverse={"plus": [0.0, 0.01]},
)
'''
BY_RUN = "[es.Prediction('value', value, es.Region.at_least(0.5), es.Mean(), scope='every scale')]"
BY_SEED = "[es.Prediction('least', least, es.Region.at_least(0.5), es.Mean(), unit='seed')]"
BOTH = (
    BY_RUN[:-1]
    + ", es.Prediction('other', other, es.Region.at_least(0.5), es.Mean(), scope='average')]"
)


@pytest.fixture
def claim(project):
    def make(predictions=BY_RUN, measures="['value']", min_scales=1, scales="['small', 'large']"):
        (project / "hypotheses" / "learns.py").unlink()
        words = {
            "MEASURES": measures,
            "MIN_SCALES": str(min_scales),
            "PREDICTIONS": predictions,
            "SCALES": scales,
        }
        text = CLAIM
        for name, value in words.items():
            text = text.replace(name, value)
        (project / "hypotheses" / "looks.py").write_text(text)
        return project

    return make


def runs(project, seeds, small=0.9, large=0.9, **more):
    for seed in seeds:
        add(project, "small", seed, small + 0.01 * (seed % 3), **more)
        add(project, "large", seed, large + 0.01 * (seed % 3), **more)


def found():
    return result_of(es("test", "looks", "--json"))


def test_what_is_claimed_of_every_scale_is_not_supported_while_one_has_no_value(claim):
    project = claim()
    runs(project, range(3), large=-1.0)
    result = found()
    assert result["verdict"] == "inconclusive"
    assert "no value at large" in result["reason"]
    runs(project, range(3, 6))  # which the second look has
    assert found()["verdict"] == "supported"


def test_seeds_of_too_few_scales_support_nothing(claim):
    """The runs at one of two scales lack a measure."""
    project = claim(BY_SEED, "['value', 'other']", min_scales=2)
    for seed in range(3):
        add(project, "small", seed, 0.9 + 0.01 * seed, other=1.0)
        add(project, "large", seed, 0.9 + 0.01 * seed)
    result = found()
    assert result["verdict"] == "inconclusive"
    assert "1 scales, but the plan needs 2" in result["reason"]


def test_the_look_that_is_told_is_the_one_that_decided(claim):
    """`value` is refuted at the first look; `other` stays open at the second."""
    project = claim(BOTH, "['value', 'other']")
    for seed in range(6):
        for scale in ("small", "large"):
            add(project, scale, seed, 0.1 + 0.01 * (seed % 3), other=0.5 + 0.2 * (-1) ** seed)
    result = found()
    assert result["verdict"] == "refuted"
    assert "decided by look 1 of 2, and what was made after it is not looked at" in result["reason"]


def test_a_look_of_the_multiverse_is_reached_where_that_of_the_test_is(claim):
    """A run without a value was made all the same."""
    project = claim(BY_RUN.replace("'every scale'", "'average'"))
    runs(project, range(3))
    add(project, "small", 0, -1.0)
    assert found()["verdict"] == "supported"
    whole = explore(Project(project), "looks", Store.open(project / "data"), processes=1)
    assert str(whole.registered.verdict) == "supported"


def test_pilots_of_planned_seeds_have_the_power_of_others(claim):
    project = claim()
    runs(project, range(3))
    loaded, store = Project(project).load("looks"), Store.open(project / "data")
    power = simulate(loaded, store, draws=20, most=6)
    assert power.at(6).chance["supported"] == 1.0


def test_scales_without_a_pilot_are_said(claim):
    project = claim()
    for seed in range(3):
        add(project, "small", seed, 0.9 + 0.01 * seed)
    shown = es("power", "looks", "--draws", "10")
    assert "no pilot run at large" in shown.stdout, shown.stderr
    document = json.loads(es("power", "looks", "--draws", "10", "--json").stdout)
    assert document["scales_without_pilots"] == ["large"]


def test_a_p_value_counts_once_for_each_look(claim):
    project = claim()
    runs(project, range(3), small=0.52, large=0.52)
    (result,) = evaluate([Project(project).load("looks")], Store.open(project / "data"))
    (prediction,) = result.predictions
    assert prediction.p_value > 0
    assert claim_p(result) == pytest.approx(2 * prediction.p_value)
