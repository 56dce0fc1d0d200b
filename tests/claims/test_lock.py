"""Locks: the format, what git says against them, and runs that are known again by their values."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergence_stats.claims.registration import read_lock, seen
from emergence_stats.traces.store import Store
from emergence_stats.traces.write import write_run
from tests.repository import commit, forge, git
from tests.support import ROOT, add_run, edit, es, failed, fill, result_of


def outcome(project):
    return result_of(es("test", "learns", "--json", cwd=project))


# --- the format -------------------------------------------------------------------------------


def test_shipped_locks_of_the_first_study_are_whole_and_closed():
    locks = sorted((ROOT / "hypotheses" / "billa_2026").glob("*.lock"))
    first = [studies[0] for path in locks if len(studies := read_lock(path).studies()) > 1]
    assert len(first) == 10
    for study in first:
        assert study[-1]["closed"] == "superseded by the second study"
        assert "emergence_stats/hypothesis.py" in study[-1]["code"]
        assert "read" not in study[-1]


def test_a_lock_of_the_first_format_is_checked_as_it_was_made_and_can_go_on(repository):
    lock = repository / "hypotheses" / "learns.lock"

    def older(entry):
        for field in ("read", "deciding"):
            del entry[field]
        for run in entry["runs"]:
            run.pop("values")

    forge(lock, older)
    edit(lock, '"lock_version": 2', '"lock_version": 1')
    git(repository, "rm", "-q", "--cached", str(lock))
    git(repository, "commit", "-q", "--amend", "-m", "without")
    shutil.rmtree(repository / ".git")
    assert outcome(repository)["confirmatory"]
    edit(repository / "hypotheses" / "learns.py", "0.5", "0.4")
    assert es("register", "learns", cwd=repository).returncode == 0
    entries = read_lock(lock).entries
    assert ["read" in entry for entry in entries] == [False, True]
    assert json.loads(lock.read_text())["lock_version"] == 2


def test_a_lock_of_a_later_version_is_an_error(repository):
    edit(repository / "hypotheses" / "learns.lock", '"lock_version": 2', '"lock_version": 3')
    done = es("test", "learns", cwd=repository)
    assert (done.returncode, "lock_version 3" in done.stderr) == (2, True)


def test_deciding_code_that_changed_is_named_and_amends_nothing(repository):
    lock = repository / "hypotheses" / "learns.lock"
    file = "emergence_stats/evaluation/units.py"
    assert file in read_lock(lock).latest["deciding"]
    forge(lock, lambda entry: entry["deciding"].update({file: "0" * 64}))
    shutil.rmtree(repository / ".git")
    done = es("register", "--check", cwd=repository)
    assert done.returncode == 0
    assert done.stdout == (
        f"learns: registered\n  note: {file}, which takes part in every verdict, changed since the registration\n"
        "  note: the lock is in no git repository, so that nothing would show if it were made anew\n"
    )
    row = json.loads(es("register", "--check", "--json", cwd=repository).stdout)["registrations"]
    assert [file in note for note in row[0]["notes"]] == [True, False]


# --- what git says ----------------------------------------------------------------------------


def test_the_honest_way(repository):
    result = outcome(repository)
    assert (result["confirmatory"], result["deviations"], result["changes"]) == (True, [], [])


def backdated(entry):
    entry["registered"] = "2020-01-01T00:00:00+00:00"


def without_runs(entry):
    entry["runs"] = []


@pytest.mark.parametrize("change", [backdated, without_runs])
@pytest.mark.parametrize("committed", [False, True])
def test_an_entry_that_was_committed_cannot_be_made_anew(repository, change, committed):
    lock = repository / "hypotheses" / "learns.lock"
    forge(lock, change)
    if committed:
        commit(repository)
    done = es("register", "--check", cwd=repository)
    assert done.returncode == 1
    assert "the lock: entry 1 of commit" in done.stdout
    result = outcome(repository)
    assert (result["registration"], result["confirmatory"]) == ("amended", False)


def test_a_lock_that_was_removed_and_made_anew_is_seen(repository):
    edit(repository / "hypotheses" / "learns.py", "0.5", "0.4")  # after the runs were there
    (repository / "hypotheses" / "learns.lock").unlink()
    commit(repository)
    failed(
        es("register", "learns", cwd=repository), "restore it with `git checkout", "another name"
    )
    for name in ("data", ".git"):
        (repository / name).rename(repository / f"{name} away")
    assert es("register", "learns", cwd=repository).returncode == 0
    for name in ("data", ".git"):
        (repository / f"{name} away").rename(repository / name)
    assert "is gone or was replaced" in es("register", "--check", cwd=repository).stdout
    assert not outcome(repository)["confirmatory"]


def test_an_entry_that_was_brought_back_by_a_merge_is_seen(repository):
    """The tip has the older lock again, by a merge that takes one side whole."""
    edit(repository / "hypotheses" / "learns.py", "0.5", "0.4")
    old = git(repository, "rev-parse", "HEAD")
    assert es("register", "learns", cwd=repository).returncode == 0
    commit(repository)
    tip = git(repository, "rev-parse", "HEAD")
    tree = git(repository, "rev-parse", f"{old}^{{tree}}")
    merge = git(repository, "commit-tree", tree, "-p", old, "-p", tip, "-m", "merge")
    git(repository, "reset", "-q", "--hard", merge)
    assert len(read_lock(repository / "hypotheses" / "learns.lock").entries) == 1
    assert "entry 2 of commit" in es("register", "--check", cwd=repository).stdout


@pytest.mark.parametrize("committed", [False, True], ids=["not committed", "committed"])
def test_a_revision_that_the_history_lacks(repository, committed):
    """As after a squash. Where a commit holds the entry, that is no deviation, only something to know."""
    lock = repository / "hypotheses" / "learns.lock"
    forge(lock, lambda entry: entry.update(git_commit="1234567890" * 4))
    git(repository, "checkout", "-q", "--orphan", "squashed")
    if not committed:
        git(repository, "rm", "-q", "-f", "--cached", str(lock))
        lock.rename(repository.parent / "kept.lock")
    commit(repository)
    if not committed:
        (repository.parent / "kept.lock").rename(lock)
    text = "registered at revision 123456789012, which the history of this repository does not hold"
    result = outcome(repository)
    assert (result["registration"], result["confirmatory"]) == ("registered", True)
    assert result["deviations"] == ([] if committed else [text])
    kind = "note" if committed else "doubt"
    assert f"  {kind}: {text}\n" in es("register", "--check", cwd=repository).stdout


def test_a_users_settings_of_git_hide_nothing(repository, tmp_path, monkeypatch):
    forge(repository / "hypotheses" / "learns.lock", without_runs)
    settings = tmp_path / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text(
        "[log]\n follow = true\n showRoot = false\n showSignature = true\n[diff]\n orderFile = nowhere\n"
        "[i18n]\n logOutputEncoding = UTF-16\n[color]\n ui = always\n"
    )
    done = es("register", "--check", cwd=repository)
    assert (done.returncode, "the lock: entry 1 of commit" in done.stdout) == (1, True)


def test_a_replaced_commit_hides_nothing(repository):
    forge(repository / "hypotheses" / "learns.lock", without_runs)
    commit(repository)
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    git(repository, "replace", "HEAD", git(repository, "commit-tree", tree, "-m", "other"))
    assert es("register", "--check", cwd=repository).returncode == 1


def test_a_repository_that_git_does_not_read_is_said(repository):
    (repository / ".git" / "HEAD").write_text("nothing")
    done = es("register", "--check", cwd=repository)
    assert (done.returncode, "git does not read it" in done.stdout) == (0, True)


FIELDS = {
    "registered": "yesterday",
    "git_commit": ["a"],
    "runs": ["x"],
    "read": {"../../etc/hostname": "0"},
    "held": {"/etc/hostname": "0"},
    "deciding": [],
    "libraries": {"numpy": 2},
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_lock_whose_digests_are_right_and_whose_fields_are_not_is_an_error(repository, field):
    forge(
        repository / "hypotheses" / "learns.lock",
        lambda entry: entry.update({field: FIELDS[field]}),
    )
    failed(es("test", "learns", cwd=repository), "entry 1", field)
    failed(es("audit", cwd=repository), "entry 1", field)


def test_a_shallow_clone_says_nothing_of_what_it_lacks(repository, tmp_path):
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    result = outcome(tmp_path / "shallow")
    assert (result["confirmatory"], result["deviations"]) == (True, [])


def test_a_hook_of_another_repository_does_not_hide_the_history(repository, monkeypatch):
    forge(repository / "hypotheses" / "learns.lock", without_runs)
    monkeypatch.setenv("GIT_DIR", ".git")  # as `git commit` sets it
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    assert es("register", "--check", cwd=repository).returncode == 1


def test_without_git_nothing_is_lost(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert outcome(repository)["confirmatory"]
    assert es("register", "--check", cwd=repository).returncode == 0


# --- values -----------------------------------------------------------------------------------


def copied(project, seed, by, change):
    """The run `seed` written as the planned run `by`, as somebody would who has only pilots."""
    store = Store.open(project / "data")
    run = next(run for run in store.runs if run.manifest.seed == seed)
    table = store.read(run)
    values = change(table.column("value").to_numpy().copy())
    table = table.drop_columns("run_id")
    at = table.column_names.index("value")
    table = table.set_column(at, "value", pa.array(values, pa.float64()))
    m = run.manifest
    write_run(
        project / "data", table, run_id=f"sim-d32-s{by}", suite="sim", scale="d32", n_params=m.n_params,
        n_layers=m.n_layers, seed=by, config={"another": by}, software={}, device="none",
    )  # fmt: skip


CHANGES = {
    "as they are": lambda values: values,
    "by one unit in the last place": lambda values: np.nextafter(values, 0.5),
    "by a ten-thousandth": lambda values: values * (1 - 1e-4 * np.linspace(0, 1, len(values))),
}


@pytest.mark.parametrize("layers", ["blocks", "final"])
def test_the_values_of_a_pilot_are_known_at_the_layers_that_a_claim_reads(repository, layers):
    edit(
        repository / "hypotheses" / "learns.py",
        'Needs(measures=["accuracy"])',
        f'Needs(measures=["accuracy", "rankme"], layers="{layers}")',
    )
    for seed in range(5, 9):
        for file in (repository / "data" / "sim").glob(f"sim-d32-s{seed}.*"):
            file.unlink()
    assert es("register", "learns", cwd=repository).returncode == 0
    fill(repository, range(5, 9))
    copied(repository, 0, 6, CHANGES["by one unit in the last place"])
    assert any(
        "sim-d32-s6 those of sim-d32-s0" in text for text in outcome(repository)["deviations"]
    )


@pytest.mark.parametrize("change", CHANGES)
def test_the_values_of_a_pilot_under_another_name_are_known(repository, change):
    copied(repository, 0, 6, CHANGES[change])
    result = outcome(repository)
    assert not result["confirmatory"]
    assert any(
        "1 of the unseen runs have the values of a run that the plan had seen (sim-d32-s6 those of "
        "sim-d32-s0)" in text
        for text in result["deviations"]
    )


def test_the_values_of_one_run_under_two_names_are_known(repository):
    """A run that no plan had seen, given the seed of another that is planned."""
    copied(repository, 5, 6, CHANGES["by one unit in the last place"])
    deviations = outcome(repository)["deviations"]
    assert deviations == [
        "1 of the unseen runs have the values of another (sim-d32-s6 as sim-d32-s5), so the result is exploratory"
    ]


def test_a_run_replaced_with_the_same_estimate_is_seen_by_check(repository):
    """The estimate rests on the last checkpoint alone, and only earlier ones are others."""
    assert es("check", "--update", cwd=repository).returncode == 0
    assert es("check", cwd=repository).returncode == 0

    def earlier(values):
        values[10:20] += 0.01
        return values

    copied(repository, 7, 7, earlier)
    done = es("check", cwd=repository)
    assert done.returncode == 1
    assert done.stdout.splitlines()[:2] == [
        "learns: supported as before",
        "  why: 1 with other traces than recorded (sim-d32-s7)",
    ]
    assert es("check", "--update", cwd=repository).returncode == 0
    assert es("check", cwd=repository).returncode == 0


def test_a_record_without_digests_gets_them_and_keeps_its_numbers(repository):
    assert es("check", "--update", cwd=repository).returncode == 0
    path = repository / "hypotheses" / "verdicts.lock"
    with_digests = path.read_text()
    older = json.loads(with_digests)
    del older["verdicts"]["learns"]["sha256"]
    path.write_text(json.dumps(older))
    assert es("check", cwd=repository).returncode == 0
    assert es("check", "--update", cwd=repository).returncode == 0
    assert path.read_text() == with_digests


def test_runs_in_which_nothing_varies_are_not_called_copies(project):
    """Models that learn nothing are all alike, and honest."""
    fill(project, range(3), learns=False)
    assert es("register", "learns", cwd=project).returncode == 0
    fill(project, range(5, 9), learns=False)
    result = outcome(project)
    assert result["confirmatory"]
    assert not any("values" in text for text in result["deviations"])


def test_models_that_learn_between_two_checkpoints_are_not_called_copies(project):
    """Accuracies of 0 and then 1 are those of many trainings."""
    for seed in (0, 1, 5, 6):
        store = project / "data"
        add_run(store, seed, tasks=("add", "mod"))
        if seed == 5:
            assert es("register", "learns", cwd=project).returncode == 0
        run = next(r for r in Store.open(store).runs if r.manifest.seed == seed)
        table = Store.open(store).read(run).drop_columns("run_id")
        steps = table.column("step").to_numpy()
        column = pa.array((steps > 1000).astype(float), pa.float64())
        table = table.set_column(table.column_names.index("value"), "value", column)
        m = run.manifest
        write_run(
            store, table, run_id=m.run_id, suite="sim", scale="d32", n_params=m.n_params,
            n_layers=m.n_layers, seed=seed, config={}, software={}, device="none",
        )  # fmt: skip
    result = outcome(project)
    assert not any("values" in text for text in result["deviations"])


numbers = st.dictionaries(st.sampled_from("abcdef"), st.floats(-2, 2).map(lambda x: round(x, 2)))


@given(st.lists(numbers, max_size=6), st.lists(numbers, max_size=6))
def test_copies_are_found_as_by_comparing_every_pair(now, then):
    now, then = ({str(i): one for i, one in enumerate(some)} for some in (now, then))
    every = {
        run_id: [other for other in then if seen.is_same(one, then[other])]
        for run_id, one in now.items()
    }
    # An index looks only at the rarest numbers that a run has; one that the other lacks finds nothing.
    found = seen.copies_of(now, then)
    assert all(found[run_id] in every[run_id] for run_id in found)
    for run_id, others in every.items():
        if any(now[run_id].keys() == then[other].keys() for other in others):
            assert run_id in found


def test_values_as_large_as_numbers_go_are_registered(project):
    fill(project, range(2))
    store = Store.open(project / "data")
    for run in store.runs:
        table = store.read(run).drop_columns("run_id")
        values = table.column("value").to_numpy() * 1.7e308
        table = table.set_column(table.column_names.index("value"), "value", pa.array(values))
        m = run.manifest
        write_run(
            project / "data", table.slice(0, 70), run_id=m.run_id, suite="sim", scale="d32", n_params=m.n_params,
            n_layers=m.n_layers, seed=m.seed, config={}, software={}, device="none",
        )  # fmt: skip
    edit(project / "hypotheses" / "learns.py", ".values[:, -last:].mean()", ".values[0, 0] * 0.0")
    assert es("register", "learns", cwd=project).returncode == 0


def test_a_registration_beside_the_wrong_store_can_be_mended(repository):
    """Runs that were there, and that it does not list, are listed when it is made again beside the right one."""
    other = repository / "other"
    second = repository / "hypotheses" / "second.py"
    text = (repository / "hypotheses" / "learns.py").read_text()
    second.write_text(text.replace("learns = ", "second = "))
    add_run(other, 99, tasks=("add",))
    assert es("register", "second", "--traces", "other", cwd=repository).returncode == 0
    lock = repository / "hypotheses" / "second.lock"
    forge(lock, lambda entry: entry.update(registered="2199-01-01T00:00:00+00:00"))
    done = es("register", "second", cwd=repository)
    assert "6 runs seen" in done.stdout
    entries = read_lock(lock).entries
    assert [len(entry["runs"]) for entry in entries] == [1, 6]
    assert all("values" in run for run in entries[1]["runs"])


def test_a_store_without_runs_is_refused_where_the_projects_has_some(repository):
    (repository / "empty").mkdir()
    edit(repository / "hypotheses" / "learns.py", "0.5", "0.4")
    failed(es("register", "learns", "--traces", "empty", cwd=repository), "empty has no run, but")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"sim"', '"sin"', "has no run of suite sin, only of sim"),
        ('"d32"', '"d33"', "suite sim has no run of scale d33, only of d32"),
    ],
)
def test_a_mistyped_design_is_noted(repository, old, new, words):
    edit(repository / "hypotheses" / "learns.py", old, new)
    assert words in es("register", "learns", cwd=repository).stderr
