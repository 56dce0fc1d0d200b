"""Studies that are closed: what is registered after is another study, and what was seen stays seen."""

import json

import pytest

from emergence_stats.claims.project import Project
from emergence_stats.claims.registration import close
from emergence_stats.errors import RegistrationError
from tests.repository import forge
from tests.support import edit, edited, es, failed, fill, result_of

WHY = "superseded by the second study"


@pytest.fixture
def closed(repository):
    """Runs 0 and 1 are pilots of the plan, 5 to 8 confirmatory; its study is closed."""
    assert es("register", "learns", "--close", WHY).returncode == 0
    return repository


def lock_of(project):
    return json.loads((project / "hypotheses" / "learns.lock").read_text())


def another_plan(project):
    """The claim with another region and other seeds, and their runs."""
    edit(project / "hypotheses" / "learns.py", "at_least(0.5)", "at_least(0.6)")
    edit(project / "hypotheses" / "learns.py", "(5, 6, 7, 8)", "(8, 9, 10, 11)")


def test_a_closed_study_is_judged_as_it_was(repository):
    before = result_of(es("test", "learns", "--json"))
    assert es("register", "learns", "--close", WHY).returncode == 0
    entries = lock_of(repository)["entries"]
    assert entries[-1]["closed"] == WHY
    assert entries[-1]["plan"] == entries[-2]["plan"]
    after = result_of(es("test", "learns", "--json"))
    for field in ("verdict", "registration", "confirmatory", "deviations"):
        assert after[field] == before[field]
    assert after["registration"] == "registered"
    assert (
        f"closed since {entries[-1]['closed_on'][:10]} ({WHY})" in es("describe", "learns").stdout
    )


def test_what_is_registered_after_is_another_study_and_no_amendment(closed):
    another_plan(closed)
    assert result_of(es("test", "learns", "--json"))["registration"] == "unregistered"
    assert es("register", "learns").returncode == 0
    fill(closed, range(9, 12))
    found = result_of(es("test", "learns", "--json"))
    assert found["registration"] == "registered"
    assert not [line for line in found["deviations"] if "times" in line]
    first = lock_of(closed)["entries"][0]["registered"][:10]
    assert f"the study registered {first} and closed" in found["supersedes"]
    shown = es("report", "--all").stdout
    assert shown.count(f"learns: supersedes the study registered {first} and closed") == 1
    assert "supersedes the study" in es("test", "learns").stdout
    assert f"It supersedes the study registered {lock_of(closed)['entries'][0]['registered']}" in (
        es("describe", "learns").stdout
    )


def test_what_a_closed_study_had_seen_stays_seen(closed):
    another_plan(closed)
    assert es("register", "learns").returncode == 0
    fill(closed, range(9, 12))
    found = result_of(es("test", "learns", "--json"))
    use = {run["run_id"]: run["status"] for run in found["runs"]}
    assert use["sim-d32-s0"] == use["sim-d32-s8"] == "pilot"  # by either study
    assert use["sim-d32-s9"] == "counted"


def test_a_lock_keeps_its_entries_through_a_new_study(closed):
    another_plan(closed)
    assert es("register", "learns").returncode == 0
    path = closed / "hypotheses" / "learns.lock"
    whole = json.loads(path.read_text())
    assert [("closed" in entry) for entry in whole["entries"]] == [False, True, False]
    path.write_text(edited(path.read_text(), WHY, "superseded by nothing"))
    failed(es("test", "learns"), "altered after it was registered")


def test_only_a_plan_as_it_was_registered_is_closed_and_once(project, closed):
    failed(es("register", "learns", "--close", "again"), "closed already", WHY)
    another_plan(closed)
    assert es("register", "learns").returncode == 0
    edit(closed / "hypotheses" / "learns.py", "at_least(0.6)", "at_least(0.7)")
    failed(es("register", "learns", "--close", "x"), "amended", "region")
    edit(closed / "hypotheses" / "learns.py", "at_least(0.7)", "at_least(0.6)")
    failed(es("register", "learns", "--close", " "), "--close is empty")
    with pytest.raises(RegistrationError, match="say why"):
        close(Project(project).load("learns"), " ")
    failed(es("register", "learns", "--close", "x", "--check"), "one at a time")


def test_what_is_not_registered_cannot_be_closed(project):
    failed(es("register", "learns", "--close", WHY), "not registered")


@pytest.mark.parametrize(
    ("field", "value"),
    [("closed_on", None), ("closed_on", "soon"), ("closed", None), ("closed", 3)],
)
def test_a_closing_entry_that_is_not_one_is_an_error(closed, field, value):
    def change(entry):
        entry.pop(field) if value is None else entry.update({field: value})

    forge(closed / "hypotheses" / "learns.lock", change)
    failed(es("test", "learns"), "entry 2", "not as it is written")


def test_studies_that_were_closed_before_are_counted(closed):
    another_plan(closed)
    assert es("register", "learns").returncode == 0
    assert es("register", "learns", "--close", "again").returncode == 0
    edit(closed / "hypotheses" / "learns.py", "at_least(0.6)", "at_least(0.7)")
    assert es("register", "learns").returncode == 0
    assert "(again), and 1 before it" in result_of(es("test", "learns", "--json"))["supersedes"]
