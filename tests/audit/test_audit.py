"""`emergence-stats audit`: what a verdict rests on, what speaks against it, and what cannot be known."""

import json
import shutil

import pytest

from tests.authority import Authority, needs_openssl
from tests.repository import commit, forge, git
from tests.support import edit, es, es_process, failed, fill


def audit(project, *options):
    """The audit of the one claim, and the exit status."""
    done = es("audit", "--json", *options, cwd=project)
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1
    return document["audits"][0], done.returncode


def said(lines, words):
    return sum(words in line for line in lines)


def test_the_honest_way(repository):
    found, status = audit(repository)
    assert (status, found["against"], found["basis"]) == (0, [], "confirmatory")
    states = {(file["kind"], file["state"]) for file in found["files"]}
    assert states == {("source", "as registered"), ("deciding", "as registered")}
    assert [run["use"] for run in found["runs"]] == ["pilot"] * 2 + ["counted"] * 4
    head = git(repository, "rev-parse", "HEAD")
    assert [run["commit"] for run in found["runs"]][2:] == [head] * 4
    entry = found["entries"][0]
    assert (entry["in_history"], entry["runs_seen"], entry["values_kept"]) == (True, 2, 2)
    assert git(repository, "rev-parse", "HEAD~1") == entry["commit"]
    assert found["repeated"] == {"units": 4, "different": []}
    for words in ("made anew", "first format", "copies", "no commit holds", "second evaluation"):
        assert not said(found["unknown"], words)
    for words in (
        "when the plan was made: its date",
        "collect some of them anew",
        "looked at such runs",
    ):
        assert said(found["unknown"], words) == 1


def test_text_has_the_files_the_runs_and_the_limits(repository):
    done = es("audit", cwd=repository)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("learns: supported (confirmatory, registered, plan ")
    assert lines[1] == "  Models learn the tasks."
    assert said(lines, "as registered (listed with -v)") == 1
    assert said(lines, "sim-d32-s5  counted") == 1
    assert said(lines, "runs (and 2 pilots, listed with -v)") == 1
    assert said(lines, "nothing that was found") == 1
    assert said(lines, "evaluated twice: 4 of 4 values equal") == 1
    listed = es("audit", "-v", cwd=repository).stdout
    assert "sim-d32-s0  pilot" in listed
    assert "hypotheses/learns.py" in listed


def unlisted(project):
    """A registration that was made beside an empty store, while the runs were elsewhere."""
    hidden = project / "hidden"
    (project / "data").rename(hidden)
    (project / "hypotheses" / "learns.lock").unlink()
    assert es("register", "learns", cwd=project).returncode == 0
    hidden.rename(project / "data")


def test_runs_that_were_committed_before_the_registration_are_found(repository):
    """Their owner dates them later, and registers beside an empty store."""
    git(repository, "rm", "-q", "hypotheses/learns.lock", "--cached")
    git(repository, "commit", "-q", "--amend", "-m", "runs")
    for manifest in (repository / "data" / "sim").glob("*.json"):
        text = json.loads(manifest.read_text())
        manifest.write_text(json.dumps({**text, "created": "2199-01-01T00:00:00+00:00"}))
    git(repository, "checkout", "-q", "--orphan", "clean")
    (repository / "hypotheses" / "learns.lock").rename(repository.parent / "kept.lock")
    commit(repository)
    (repository.parent / "kept.lock").rename(repository / "hypotheses" / "learns.lock")
    unlisted(repository)
    commit(repository)
    found, status = audit(repository)
    assert status == 1
    assert said(found["against"], "4 of the runs that count were committed before the reg") == 1


def test_runs_that_came_with_the_registration_leave_it_open(repository):
    shutil.rmtree(repository / ".git")
    git(repository, "init", "-q")
    commit(repository)
    found, status = audit(repository)
    assert (status, found["against"]) == (0, [])
    assert said(found["unknown"], "whether 4 of the runs that count were made after") == 1
    assert said(found["unknown"], "at the revision that the entry names") == 1


def test_runs_committed_before_a_registration_that_is_not_committed_are_found(repository):
    shutil.rmtree(repository / ".git")
    lock = repository / "hypotheses" / "learns.lock"
    lock.rename(repository.parent / "kept.lock")
    git(repository, "init", "-q")
    commit(repository)
    (repository.parent / "kept.lock").rename(lock)
    unlisted(repository)
    for manifest in (repository / "data" / "sim").glob("*.json"):
        text = json.loads(manifest.read_text())
        manifest.write_text(json.dumps({**text, "created": "2199-01-01T00:00:00+00:00"}))
    found, status = audit(repository)
    assert status == 1
    assert said(found["against"], "4 of the runs that count were committed before the reg") == 1


def test_a_manifest_that_was_edited_after_its_commit_speaks_against_it(repository):
    manifest = repository / "data" / "sim" / "sim-d32-s5.json"
    text = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**text, "n_params": 7}))
    commit(repository)
    found, status = audit(repository)
    assert status == 1
    assert said(found["against"], "the manifest of sim-d32-s5 was another in commit") == 1


def test_a_store_that_was_renamed_keeps_its_commits(repository):
    before = audit(repository)[0]["runs"]
    git(repository, "mv", "data", "traces")
    commit(repository)
    found, _ = audit(repository, "--traces", "traces")
    assert [run["commit"] for run in found["runs"]] == [run["commit"] for run in before]


def test_a_store_in_another_repository_is_said(repository, tmp_path):
    away = tmp_path / "away"
    shutil.copytree(repository / "data", away)
    git(away, "init", "-q")
    commit(away)
    found, _ = audit(repository, "--traces", str(away))
    assert said(found["unknown"], "in two repositories") == 1


def test_a_lock_that_was_removed_speaks_against_it(repository):
    (repository / "hypotheses" / "learns.lock").unlink()
    found, status = audit(repository)
    assert (status, said(found["against"], "holds one; restore it with `git checkout")) == (1, 1)


@pytest.mark.parametrize("statement", ["os._exit(0)", "raise SystemExit(0)"])
def test_a_claim_that_ends_the_process_is_no_green_light(repository, statement):
    edit(
        repository / "hypotheses" / "learns.py",
        "    return run",
        f"    import os\n    {statement}\n    return run",
    )
    failed(es_process("audit", "learns", cwd=repository), "learns")


def test_a_claim_that_cannot_be_evaluated_does_not_hide_the_others(repository):
    second = repository / "hypotheses" / "second.py"
    text = (repository / "hypotheses" / "learns.py").read_text().replace("learns = ", "second = ")
    second.write_text(text.replace("    return run", "    return 1 / 0 + run"))
    done = es("audit", cwd=repository)
    assert done.returncode == 2
    assert done.stdout.startswith("learns: supported")
    assert "second" in done.stderr
    failed(es("audit", "second", cwd=repository), "second")


def test_certificates_that_are_not_there_are_an_error(repository):
    failed(es("audit", "--trusted", "nowhere.pem", cwd=repository), "nowhere.pem")


def test_a_lock_that_was_forged_speaks_against_it(repository):
    forge(repository / "hypotheses" / "learns.lock", lambda entry: entry.update(runs=[]))
    found, status = audit(repository)
    assert status == 1
    assert said(found["against"], "the lock: entry 1 of commit") == 1
    assert said(found["unknown"], "its latest entry is not committed") == 1


def test_values_that_are_others_the_second_time_speak_against_it(repository):
    """Values that drift between two evaluations of one process, whatever `register` saw."""
    claim = repository / "hypotheses" / "learns.py"
    edit(claim, "def final_accuracy", "import math\n\n\ndef final_accuracy")
    edit(
        claim,
        "return run",
        "math.calls = getattr(math, 'calls', 0) + 1\n    return 1e-9 * math.calls + run",
    )
    found, status = audit(repository)
    assert status == 1
    assert found["repeated"]["units"] == 4
    assert len(found["repeated"]["different"]) == 4
    assert said(found["against"], "4 of 4 values are others when evaluated again") == 1


def test_what_changed_is_named_file_by_file(repository):
    edit(repository / "hypotheses" / "learns.py", "Final accuracy", "The final accuracy")
    found, status = audit(repository)
    assert (status, found["against"]) == (1, ["source hypotheses/learns.py: changed"])
    files = {file["name"]: file for file in found["files"]}
    changed = files["hypotheses/learns.py"]
    assert changed["state"] == "changed"
    assert changed["sha256"] != changed["registered"]


def test_without_git_or_registration_it_says_what_is_not_known(repository):
    shutil.rmtree(repository / ".git")
    found, status = audit(repository, "--no-repeat")
    assert status == 0
    assert said(found["unknown"], "the lock was made anew: it is in no git repository") == 1
    assert said(found["unknown"], "when the runs were made: only their own manifests") == 1
    assert said(found["unknown"], "a second evaluation") == 1
    (repository / "hypotheses" / "learns.lock").unlink()
    found, status = audit(repository)
    assert found["entries"] == []
    assert {file["state"] for file in found["files"]} == {"not registered"}
    assert said(found["unknown"], "it is not registered") == 1


def test_runs_that_no_commit_holds_are_counted(repository):
    fill(repository, [5], noise=0.02)
    assert said(audit(repository)[0]["unknown"], "when 1 of the 4 runs that count were made") == 1


def test_the_page_has_a_section_of_it(repository):
    edit(repository / "hypotheses" / "learns.py", "Final accuracy", "The final accuracy")
    page = es("report", "--all", "--format", "html", cwd=repository).stdout
    assert "Speaks against it: source hypotheses/learns.py: changed" in page
    assert "What cannot be known (" in page
    held = json.loads(page.partition('id="results-json">')[2].partition("</script>")[0])
    assert [audit["name"] for audit in held["audits"]] == ["learns"]


# --- timestamps -------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path):
    with Authority(tmp_path / "authority") as authority:
        yield authority


def trusting(project, authority):
    edit(project / "pyproject.toml", "stats]\n", 'stats]\nauthorities = "trusted.pem"\n')
    shutil.copy(authority.root, project / "trusted.pem")


@needs_openssl
def test_a_timestamp_is_kept_and_verified(repository, authority):
    trusting(repository, authority)
    done = es("register", "learns", "--timestamp", authority.url, cwd=repository)
    assert done.returncode == 0
    assert "already registered" in done.stdout
    assert "(verified)" in done.stdout
    assert es("register", "--check", cwd=repository).returncode == 0
    found, status = audit(repository)
    assert status == 0
    stamp = found["entries"][0]["stamps"][0]
    assert (stamp["verified"], stamp["authority"]) == (True, authority.url)
    assert not said(found["unknown"], "when the plan was made: its date")


@needs_openssl
def test_a_timestamp_stays_when_the_plan_is_registered_again(repository, authority):
    assert es("register", "learns", "--timestamp", authority.url, cwd=repository).returncode == 0
    edit(repository / "hypotheses" / "learns.py", "0.5", "0.4")
    assert es("register", "learns", cwd=repository).returncode == 0
    found, status = audit(repository, "--trusted", str(authority.root))
    assert status == 1
    assert said(found["against"], "the plan had seen 4 of the 4 runs that count") == 1
    assert [len(entry["stamps"]) for entry in found["entries"]] == [1, 0]
    assert found["entries"][0]["stamps"][0]["verified"] is True


@needs_openssl
def test_without_a_trusted_authority_a_timestamp_is_not_called_verified(repository, authority):
    done = es("register", "learns", "--timestamp", authority.url, "--json", cwd=repository)
    assert json.loads(done.stdout)["registrations"][0]["timestamp"]["verified"] is False
    found, status = audit(repository)
    assert (status, found["entries"][0]["stamps"][0]["verified"]) == (0, None)
    assert said(found["unknown"], "when the plan was made: its date") == 1


@needs_openssl
def test_a_timestamp_of_another_entry_or_of_nobody_speaks_against_it(repository, authority):
    trusting(repository, authority)
    assert es("register", "learns", "--timestamp", authority.url, cwd=repository).returncode == 0
    lock = repository / "hypotheses" / "learns.lock"
    kept = json.loads(lock.read_text())
    forge(lock, lambda entry: entry.update(registered="2020-01-01T00:00:00+00:00"))
    forged = json.loads(lock.read_text())
    forged["timestamps"] = dict(
        zip([forged["entries"][0]["digest"]], kept["timestamps"].values(), strict=True)
    )
    lock.write_text(json.dumps(forged))
    found, status = audit(repository)
    assert status == 1
    assert said(found["against"], "another digest") == 1
    forged["timestamps"] = {
        forged["entries"][0]["digest"]: [{"authority": "http://example.org", "response": "AAAA"}]
    }
    lock.write_text(json.dumps(forged))
    assert said(audit(repository)[0]["against"], "the timestamp of http://example.org") == 1


@needs_openssl
def test_a_timestamp_of_another_entry_speaks_against_it_also_where_nobody_is_trusted(
    repository, authority
):
    assert es("register", "learns", "--timestamp", authority.url, cwd=repository).returncode == 0
    lock = repository / "hypotheses" / "learns.lock"
    kept = json.loads(lock.read_text())
    kept["timestamps"] = {"another": next(iter(kept["timestamps"].values()))}
    edit(repository / "hypotheses" / "learns.py", "0.5", "0.4")
    lock.write_text(json.dumps(kept))
    assert es("register", "learns", cwd=repository).returncode == 0
    text = lock.read_text().replace(
        '"another"', json.dumps(json.loads(lock.read_text())["entries"][1]["digest"])
    )
    lock.write_text(text)
    assert said(audit(repository)[0]["against"], "another digest") == 1


def test_an_authority_that_is_not_there_is_an_error_and_the_plan_is_registered(project):
    fill(project, [0])
    done = es("register", "learns", "--timestamp", "http://127.0.0.1:9/", cwd=project)
    failed(done, "127.0.0.1:9")
    assert (project / "hypotheses" / "learns.lock").exists()


@pytest.mark.parametrize("stamps", [1, {"a": 1}, {"a": [{}]}, {"a": ["b"]}])
def test_a_lock_with_broken_timestamps_is_an_error(repository, stamps):
    lock = repository / "hypotheses" / "learns.lock"
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "timestamps": stamps}))
    failed(es("audit", cwd=repository), "not a registration")
