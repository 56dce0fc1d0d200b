"""Folders of papers: one folder a paper, one file a claim, whose name is the file's."""

import json
import subprocess
import sys

import pytest

from tests.repository import commit, git
from tests.support import HYPOTHESIS, edit, es, failed, fill, result_of

SHARED = "LAST = 1\n"


@pytest.fixture
def papers(project):
    """Claim `learns` in a folder of its paper, beside a helper of the paper, below one that all papers share."""
    folder = project / "hypotheses" / "doe_2026"
    folder.mkdir()
    (project / "hypotheses" / "learns.py").rename(folder / "learns.py")
    (project / "hypotheses" / "_shared.py").write_text(SHARED)
    (folder / "_paper.py").write_text("REGION = 0.5\n")
    edit(
        folder / "learns.py",
        "from emergence_stats",
        "from .._shared import LAST\nfrom ._paper import REGION\nfrom emergence_stats",
    )
    edit(folder / "learns.py", "last=1", "last=LAST")
    edit(folder / "learns.py", "at_least(0.5)", "at_least(REGION)")
    fill(project, range(6))
    return project


def test_a_claim_in_the_folder_of_its_paper_is_found_by_its_name(papers):
    assert "learns" in es("list").stdout
    assert result_of(es("test", "learns", "--json"))["name"] == "learns"


def test_its_registration_holds_what_the_paper_and_all_papers_share(papers):
    assert es("register", "learns").returncode == 0
    lock = papers / "hypotheses" / "doe_2026" / "learns.lock"
    code = json.loads(lock.read_text())["entries"][-1]["code"]
    beside = {name for name in code if not name.startswith("emergence_stats/")}
    assert beside == {
        "hypotheses/_shared.py",
        "hypotheses/doe_2026/_paper.py",
        "hypotheses/doe_2026/learns.py",
    }
    for changed in ("_shared.py", "doe_2026/_paper.py"):
        path = papers / "hypotheses" / changed
        before = path.read_text()
        path.write_text(before + "MORE = 1\n")
        done = es("register", "--check")
        assert done.returncode == 1
        assert f"hypotheses/{changed}: changed" in done.stdout
        path.write_text(before)
    assert es("register", "--check").returncode == 0


def test_a_file_that_it_reads_may_lie_with_all_papers(papers):
    (papers / "hypotheses" / "chance.json").write_text("{}")
    edit(
        papers / "hypotheses" / "_shared.py",
        "LAST = 1",
        "from pathlib import Path\nLAST = 1\n(Path(__file__).parent / 'chance.json').read_text()",
    )
    assert es("register", "learns").returncode == 0
    (papers / "hypotheses" / "chance.json").write_text('{"add": 1}')
    assert "hypotheses/chance.json: changed" in es("register", "--check").stdout


def test_two_papers_cannot_have_claims_of_one_name(papers):
    other = papers / "hypotheses" / "roe_2025"
    other.mkdir()
    (other / "learns.py").write_text(HYPOTHESIS)
    failed(es("list"), "doe_2026/learns.py", "roe_2025/learns.py", "rename")


def test_packages_of_helpers_and_other_projects_are_no_papers(papers):
    for name, mark in (("helpers", "__init__.py"), ("elsewhere", "pyproject.toml")):
        folder = papers / "hypotheses" / name
        folder.mkdir()
        (folder / mark).write_text("")
        (folder / "inner.py").write_text("VALUE = 1\n")
    (papers / "hypotheses" / "_drafts").mkdir()
    (papers / "hypotheses" / "_drafts" / "idea.py").write_text(HYPOTHESIS)
    assert json.loads(es("list", "--json").stdout)["hypotheses"][0]["name"] == "learns"
    assert len(json.loads(es("list", "--json").stdout)["hypotheses"]) == 1


def test_folders_of_tests_and_scripts_are_no_papers(papers):
    """They were there before claims could lie in folders, and stop nothing."""
    folder = papers / "hypotheses" / "scripts"
    folder.mkdir()
    (folder / "plot.py").write_text("raise SystemExit(1)\n")
    (folder / "test_learns.py").write_text(HYPOTHESIS)
    (folder / "conftest.py").write_text("raise ValueError\n")
    assert [one["name"] for one in json.loads(es("list", "--json").stdout)["hypotheses"]] == [
        "learns"
    ]
    (papers / "hypotheses" / "doe_2026" / "broken.py").write_text("x = Hypothesis(\n")
    failed(es("test", "broken"), "doe_2026/broken.py", "cannot be imported")
    assert result_of(es("test", "learns", "--json"))["name"] == "learns"


def test_git_knows_the_lock_of_a_claim_in_a_folder(papers):
    git(papers, "init", "-q")
    assert es("register", "learns").returncode == 0
    commit(papers)
    lock = papers / "hypotheses" / "doe_2026" / "learns.lock"
    entries = json.loads(lock.read_text())
    lock.unlink()
    edit(papers / "hypotheses" / "_shared.py", "LAST = 1", "LAST = 2")
    failed(es("register", "learns"), "holds one")
    assert entries["name"] == "learns"


def test_pytest_collects_claims_of_papers(papers):
    for arguments in (("--hypotheses",), ("hypotheses",), ("hypotheses/doe_2026",)):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            capture_output=True,
            text=True,
            cwd=papers,
        )
        assert "1 passed, 2 skipped" in done.stdout, done.stdout
