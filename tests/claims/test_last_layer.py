"""A layer that stands for the last block, where the last was not measured."""

import json

import pytest

from tests.support import edited, es, failed, fill

CLAIM = '''
"""Where the floor of the last block lies."""
import emergence_stats as es


def lowest(run):
    return float(es.floor(run).value.mean())


{name} = es.Hypothesis(
    claim=es.Claim("x"),
    needs=es.Needs(["rankme"], layers={layers!r}),
    predictions=[es.Prediction("floor", lowest, es.Region.above(0.0))],
)
'''


@pytest.fixture
def floors(project):
    """Two claims about the same; `third` has another last layer."""
    for name in ("plain", "third"):
        text = CLAIM.format(name=name, layers="final")
        (project / "hypotheses" / f"{name}.py").write_text(text)
    fill(project, range(3))
    return project


def set_layer(project, text):
    (project / "pyproject.toml").write_text(
        f"[tool.emergence_stats]\n[tool.emergence_stats.claims.third]\nlast_layer = {text}\n"
    )


def estimates(*names):
    results = json.loads(es("test", *names, "--json").stdout)["results"]
    return {r["name"]: r["predictions"][0]["estimate"] for r in results}


def at_layer(project, layer):
    """The mean floor at a layer, by hand."""
    import emergence_stats as package

    runs = package.load_runs(project=project)
    floors = [package.floor(run, layers=[layer]).value.mean() for run in runs]
    return sum(floors) / len(floors)


def test_a_claim_reads_the_layer_that_stands_for_the_last(floors):
    assert estimates("third")["third"] == pytest.approx(at_layer(floors, 4))
    set_layer(floors, 3)
    assert estimates("third")["third"] == pytest.approx(at_layer(floors, 3))
    assert at_layer(floors, 3) != pytest.approx(at_layer(floors, 4))


def test_a_claim_that_changes_its_traces_first_reads_it_too(floors):
    """As those do that smooth RankMe before they look for its floor."""
    path = floors / "hypotheses" / "third.py"
    path.write_text(
        edited(
            path.read_text(),
            "es.floor(run)",
            "es.floor(run.replacing({'rankme': run.traces('rankme')}))",
        )
    )
    set_layer(floors, 3)
    assert estimates("third")["third"] == pytest.approx(at_layer(floors, 3))


def test_other_claims_in_the_same_call_do_not(floors):
    """Events are shared between claims, but not those of another layer."""
    set_layer(floors, 2)
    found = estimates("plain", "third")
    assert found["plain"] == pytest.approx(at_layer(floors, 4))
    assert found["third"] == pytest.approx(at_layer(floors, 2))


def test_it_is_another_plan(floors):
    assert es("register", "third").returncode == 0
    registered = es("describe", "third").stdout.splitlines()[0]
    assert registered == "third (registered)"
    set_layer(floors, 3)
    assert es("describe", "third").stdout.splitlines()[0] == "third (amended)"


@pytest.mark.parametrize("text", ['"19"', "0", "true", "1.5"])
def test_what_is_no_layer_is_an_error(floors, text):
    set_layer(floors, text)
    failed(es("test", "third"), "claims.third", "last_layer")


def test_a_layer_that_is_not_there_is_said_with_those_that_are(floors):
    set_layer(floors, 19)
    (result,) = json.loads(es("test", "third", "--json").stdout)["results"]
    assert result["verdict"] == "inconclusive"
    assert "19" in result["reason"]
