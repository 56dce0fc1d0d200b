"""The claims that come with the package, in a project of somebody else."""

import json

from emergence_stats.claims.project import Project, shipped_folder
from tests.support import ROOT, es, failed, fill


def test_list_offers_the_shipped_claims_in_words(project):
    shown = es("list").stdout
    assert "learns" in shown
    assert "shipped with emergence-stats" in shown
    assert "top_down" in shown
    assert "The rank collapse reaches output-side layers first" in shown
    assert "top_down" in json.loads(es("list", "--json").stdout)["shipped"]


def test_claims_are_offered_in_their_own_words(tmp_path):
    offered = es("list", cwd=tmp_path).stdout
    for row in json.loads(es("list", "--json", cwd=ROOT).stdout)["hypotheses"]:
        assert f"{row['name']} " in offered
        assert row["claim"] in offered


def test_a_folder_without_claims_lists_the_shipped_ones(tmp_path):
    done = es("list", cwd=tmp_path)
    assert done.returncode == 0
    assert "top_down" in done.stdout


def test_a_shipped_claim_is_tested_by_name_on_somebodys_own_traces(project):
    fill(project, range(4), n_layers=4)
    done = es("test", "top_down", "--suite", "sim", "--json")
    (result,) = json.loads(done.stdout)["results"]
    assert result["name"] == "top_down"
    assert [run["status"] for run in result["runs"]] == ["counted"] * 4
    assert "exploratory" in es("test", "top_down", "--suite", "sim").stdout


def test_everything_means_the_projects_own_claims(project):
    fill(project, range(4))
    (result,) = json.loads(es("report", "--json").stdout)["results"]
    assert result["name"] == "learns"


def test_a_claim_of_the_project_goes_before_a_shipped_one_of_its_name(project):
    text = (project / "hypotheses" / "learns.py").read_text()
    (project / "hypotheses" / "top_down.py").write_text(text.replace("learns", "top_down"))
    found = Project()
    assert "top_down" not in found.shipped
    assert found.named("top_down").path == project / "hypotheses" / "top_down.py"


def test_a_shipped_claim_is_not_registered_in_the_package(project):
    fill(project, range(4))
    failed(es("register", "top_down"), "shipped with emergence-stats", "Copy")
    assert not (ROOT / "hypotheses" / "top_down.lock").exists()


def test_in_the_checkout_its_claims_are_its_own():
    assert shipped_folder() == ROOT / "hypotheses"
    assert Project(ROOT).shipped == {}
