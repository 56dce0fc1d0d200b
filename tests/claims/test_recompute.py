"""A change of the core is taken over only by a command that recomputes, and never by saying so."""

import json

import pytest

from emergence_stats.claims.project import Project
from emergence_stats.claims.registration import cells, read_lock
from emergence_stats.claims.registration.canonical import digest
from emergence_stats.claims.registration.plan import plan_digest
from emergence_stats.evaluation.opinions.pooling import sets_of
from emergence_stats.traces.store import Store
from tests.support import ROOT, es, failed, fill, result_of


@pytest.fixture
def registered(project):
    """A registered claim with runs that it had not seen, and its recorded verdict."""
    from tests.support import edit

    edit(project / "hypotheses" / "learns.py", "import Claim", "import Claim, Design")
    edit(
        project / "hypotheses" / "learns.py",
        "at_least(0.5))],",
        'at_least(0.5))],\n    design=Design("sim", ("d32",), (5, 6, 7, 8)),',
    )
    assert es("register", "learns", cwd=project).returncode == 0
    fill(project, range(5, 9))
    assert es("check", "--update", cwd=project).returncode == 0
    return project


def as_if_core_had_changed(root, **more):
    """The lock as a registration under another source of the core would have left it."""
    path = root / "hypotheses" / "learns.lock"
    lock = json.loads(path.read_text())
    entry = lock["entries"][-1] | more
    entry["code"] = entry["code"] | {"emergence_stats/core/settle.py": "0" * 64}
    entry["plan"] = plan_digest(entry["declaration"], entry["code"], entry["read"])
    entry.pop("digest")
    entry["digest"] = digest(entry)
    lock["entries"][-1] = entry
    path.write_text(json.dumps(lock))
    return path


def test_a_change_that_moves_no_number_is_taken_over_and_said(registered):
    as_if_core_had_changed(registered)
    before = result_of(es("test", "learns", "--json", cwd=registered))
    assert (before["registration"], before["confirmatory"]) == ("amended", False)
    done = es("register", "learns", "--recompute", cwd=registered)
    assert done.returncode == 0, done.stderr
    after = result_of(es("test", "learns", "--json", cwd=registered))
    assert (after["registration"], after["confirmatory"]) == ("registered", True)
    assert any("found to give the same numbers" in line for line in after["deviations"])
    assert not any("registered 2 times" in line for line in after["deviations"])
    registration = read_lock(Project(registered).load("learns").source.lock)
    assert len(registration.entries) == 2
    assert registration.latest["registered"] == registration.entries[0]["registered"]
    again = es("register", "learns", "--recompute", cwd=registered)
    assert "nothing written" in again.stdout


def test_other_numbers_of_the_simulated_values_are_refused(registered):
    as_if_core_had_changed(registered, cells="0" * 64)
    failed(
        es("register", "learns", "--recompute", cwd=registered),
        "something else of the simulated values",
    )


def test_other_numbers_of_the_runs_are_refused(registered):
    as_if_core_had_changed(registered)
    path = registered / "hypotheses" / "verdicts.lock"
    record = json.loads(path.read_text())
    record["verdicts"]["learns"]["predictions"]["final accuracy"]["estimate"] += 1e-6
    path.write_text(json.dumps(record))
    failed(es("register", "learns", "--recompute", cwd=registered), "is recorded, and it is")


def test_a_change_of_the_plan_is_no_change_of_the_core(registered):
    from tests.support import edit

    as_if_core_had_changed(registered)
    edit(registered / "hypotheses" / "learns.py", "at_least(0.5)", "at_least(0.4)")
    failed(es("register", "learns", "--recompute", cwd=registered), "more than the core changed")


def test_a_registration_that_holds_no_cells_cannot_be_compared(registered):
    as_if_core_had_changed(registered, cells=None)
    failed(
        es("register", "learns", "--recompute", cwd=registered), "nothing to compare the core with"
    )


def test_what_was_seen_and_what_is_recorded_stays(project):
    """The entry lists no runs: those before it do. A record of power that rests on the plan before it is no older for it."""
    fill(project, range(3))
    assert es("register", "learns", cwd=project).returncode == 0
    assert es("power", "learns", "--draws", "10", "--record", cwd=project).returncode == 0
    path = as_if_core_had_changed(project)
    (entry,) = json.loads(path.read_text())["entries"]
    record = project / "hypotheses" / "robustness.lock"
    changed = json.loads(record.read_text())
    changed["robustness"]["learns"]["power"]["plan"] = plan_digest(entry["declaration"], entry["code"])  # fmt: skip
    record.write_text(json.dumps(changed))
    assert es("check", "--update", cwd=project).returncode == 0
    done = es("register", "learns", "--recompute", cwd=project)
    assert "3 runs seen" in done.stdout, done.stderr
    loaded = Project(project).load("learns")
    registration = read_lock(loaded.source.lock)
    assert (len(registration.entries), registration.latest["runs"]) == (2, [])
    result = result_of(es("test", "learns", "--json", cwd=project))
    assert {run["status"] for run in result["runs"]} == {"counted"}
    assert not result["confirmatory"]  # of seen runs
    assert "chance" in json.dumps(result["power"])
    assert "another plan" not in json.dumps(result["power"])
    audited = json.loads(es("audit", "learns", "--json", cwd=project).stdout)
    assert [entry["runs_seen"] for entry in audited["audits"][0]["entries"]] == [3, 3]


def test_several_changes_of_the_core_are_one_line_and_one_registration(registered):
    for _ in range(2):
        as_if_core_had_changed(registered)
        assert es("register", "learns", "--recompute", cwd=registered).returncode == 0
    deviations = result_of(es("test", "learns", "--json", cwd=registered))["deviations"]
    assert sum("found to give the same numbers" in line for line in deviations) == 1
    loaded = Project(registered).load("learns")
    assert list(sets_of(loaded, Store.open(registered / "data"))) == ["registration 1"]


def test_simulated_values_are_the_same_on_another_processor():
    """What is 0 but for rounding is another number there; registrations of before that was seen hold it all the same."""
    assert cells._text(5.55e-17) == cells._text(-1.1e-16) == cells._text(0.0)
    assert cells._text(0.123456789) != cells._text(0.123456788)
    assert cells.is_of_cells(cells.cells_digest())
    assert not cells.is_of_cells("0" * 64)
    earlier = {entry["cells"] for lock in (ROOT / "hypotheses").rglob("*.lock") for entry in json.loads(lock.read_text()).get("entries", ()) if "cells" in entry}  # fmt: skip
    assert earlier
    assert all(map(cells.is_of_cells, earlier))
