"""What CI systems get: JUnit XML, annotations, a diff of the record, and pytest items."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from emergence_stats.support.words import members, ranges
from tests.support import ROOT, add_run, edit, edited

PROGRAM = (sys.executable, "-m", "emergence_stats")
ANOTHER = '''
"""Accuracy ends low, which it does not."""
from emergence_stats import Claim, Hypothesis, Needs, Prediction, Region


def final_accuracy(run):
    """Mean accuracy at the end."""
    return run.traces("accuracy").values[:, -1:].mean()


fails = Hypothesis(
    claim=Claim("Models do not learn."),
    needs=Needs(measures=["accuracy"]),
    predictions=[
        Prediction(
            "low, at the end",
            final_accuracy,
            Region.at_most(0.5),
        )
    ],
)
'''


def run(*arguments, cwd, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB", "CI"))}
    return subprocess.run(
        [*map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**clean, **environment},
    )


def fill(project, seeds, **options):
    for seed in seeds:
        add_run(project / "data", seed, tasks=("add", "mod"), **options)


@pytest.fixture
def three(project):
    """One claim supported, one refuted, one without runs; all recorded."""
    fill(project, range(5))
    (project / "hypotheses" / "fails.py").write_text(ANOTHER)
    module = (project / "hypotheses" / "learns.py").read_text()
    absent = edited(module, 'measures=["accuracy"]', 'measures=["absent"]')
    (project / "hypotheses" / "open_.py").write_text(absent)
    assert run(*PROGRAM, "check", "--update", cwd=project).returncode == 0
    return project


def cases(text):
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    return root, {case.get("name"): case for case in root.iter("testcase")}


# --- JUnit ------------------------------------------------------------------------------------


def test_junit_tells_refuted_from_inconclusive(three):
    done = run(*PROGRAM, "report", "--all", "--format", "junit", cwd=three)
    assert done.returncode == 1
    root, found = cases(done.stdout)
    assert {k: root.get(k) for k in ("tests", "failures", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
    }
    assert found["fails"].find("failure").get("type") == "refuted"
    assert "sim-d32-s0" in found["fails"].find("failure").text  # every run is there
    assert found["open_"].find("skipped").get("message").startswith("inconclusive: ")
    assert found["learns"].find("failure") is None
    assert found["learns"].find("skipped") is None
    assert found["learns"].get("file") == "hypotheses/learns.py"


def test_a_check_fails_for_what_changed_and_not_for_what_is_refuted(three):
    done = run(*PROGRAM, "check", "--format", "junit", "-o", "check.xml", cwd=three)
    assert done.returncode == 0
    _, found = cases((three / "check.xml").read_text())
    assert all(case.find("failure") is None for case in found.values())
    assert found["open_"].find("skipped").get("message").startswith("inconclusive")
    fill(three, [5])
    done = run(*PROGRAM, "check", "--format", "junit", cwd=three)
    assert done.returncode == 1
    _, found = cases(done.stdout)
    assert found["learns"].find("failure").get("type") == "changed"
    assert "sim-d32-s5" in found["learns"].find("failure").text


def test_control_characters_of_a_claim_do_not_break_the_xml(project):
    edit(project / "hypotheses" / "learns.py", "final accuracy", r"final \x01\x1b[2K accuracy")
    fill(project, [0])
    done = run(*PROGRAM, "report", "--all", "--format", "junit", cwd=project)
    assert done.returncode == 3
    cases(done.stdout)


# --- the diff of a check ----------------------------------------------------------------------


def test_a_change_says_what_why_and_how_much(three):
    for suffix in ("json", "parquet"):
        for seed in (3, 4):
            (three / "data" / "sim" / f"sim-d32-s{seed}.{suffix}").unlink()
    fill(three, [7])
    done = run(*PROGRAM, "check", cwd=three)
    assert done.returncode == 1
    assert "learns: supported as before; runs 5 -> 4" in done.stdout
    assert "final accuracy: 0.98" in done.stdout
    assert "why: 2 no longer counted, not in the store (sim-d32-s[3-4])" in done.stdout
    assert "why: 1 newly counted (sim-d32-s7)" in done.stdout
    assert "emergence-stats check --update" in done.stdout


def test_a_verdict_that_changed_comes_first_with_its_reason(three):
    for seed in range(1, 5):
        for suffix in ("json", "parquet"):
            (three / "data" / "sim" / f"sim-d32-s{seed}.{suffix}").unlink()
    done = run(*PROGRAM, "check", "--json", cwd=three)
    assert done.returncode == 1
    changed = json.loads(done.stdout)["changed"]
    assert [(c["name"], c["before"], c["after"]) for c in changed] == [
        ("fails", "refuted", "inconclusive"),
        ("learns", "supported", "inconclusive"),
    ]
    assert changed[0]["predictions"] == ["low, at the end"]
    assert changed[1]["why"][0] == "4 no longer counted, not in the store (sim-d32-s[1-4])"
    assert "1 unit of replication" in changed[1]["why"][1]


@given(st.lists(st.tuples(st.sampled_from(["a-s", "b", "c0", "run."]), st.integers(0, 40))))
def test_names_come_back_from_short(pairs):
    names = {f"{stem}{number}" for stem, number in pairs} | {"plain"}
    short = ranges(names)
    assert set(members(short)) == names
    assert len(short) <= len(names)


# --- GitHub -----------------------------------------------------------------------------------


def test_github_gets_annotations_worst_first_and_a_summary(three, tmp_path):
    fill(three, [5])
    edit(three / "hypotheses" / "learns.py", "at_least(0.5)", "at_least(1.5)")
    page = tmp_path / "summary.md"
    done = run(*PROGRAM, "check", cwd=three, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(page))
    assert done.returncode == 1
    kind = re.compile("::(error|warning|notice) ")
    commands = [line for line in done.stdout.splitlines() if kind.match(line)]
    kinds = [line[2:].partition(" ")[0] for line in commands]
    assert kinds == sorted(kinds, key=["error", "warning", "notice"].index)
    (error,) = [line for line in commands if "title=learns%3A supported -> refuted" in line]
    lines = (three / "hypotheses" / "learns.py").read_text().splitlines()
    at = next(i for i, line in enumerate(lines, 1) if "Prediction(" in line)
    assert f"file=hypotheses/learns.py,line={at}," in error
    assert "%0A" in error
    assert "supported -> refuted" in page.read_text()
    assert "| hypothesis | verdict |" in page.read_text()


def test_github_warns_of_inconclusive_and_notes_refuted(three):
    done = run(*PROGRAM, "check", "--format", "github", cwd=three)
    assert done.returncode == 0
    assert "::warning file=hypotheses/open_.py" in done.stdout
    assert "::notice file=hypotheses/fails.py" in done.stdout
    assert "::error" not in done.stdout
    assert "low, at the end" in done.stdout


def test_github_is_told_of_claims_that_could_not_be_tested(three, tmp_path):
    (three / "hypotheses" / "learns.py").write_text("import nothing_like_it\n")
    page = tmp_path / "summary.md"
    done = run(*PROGRAM, "check", cwd=three, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(page))
    assert done.returncode == 2
    assert "::error file=hypotheses/learns.py,line=1,title=learns%3A not tested::" in done.stdout
    assert "- learns: " in page.read_text()
    assert "All verdicts are as recorded" not in page.read_text()


# --- pytest -----------------------------------------------------------------------------------


def pytest_in(project, *arguments):
    return run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, cwd=project
    )


def test_hypotheses_are_collected_as_tests_where_their_folder_is_named(three):
    done = pytest_in(three, "hypotheses")
    assert done.returncode == 0, done.stdout
    assert "6 passed, 3 skipped" in done.stdout  # predictions and reservations, nothing registered
    assert pytest_in(three).returncode == 5  # nothing is collected unless it is asked for
    assert "6 passed" in pytest_in(three, "--hypotheses").stdout
    one = pytest_in(three, "hypotheses/fails.py::low, at the end")
    assert "1 passed" in one.stdout


def test_a_folder_without_a_pyproject_is_a_project_too(three):
    (three / "pyproject.toml").unlink()
    assert "6 passed" in pytest_in(three, "hypotheses").stdout


def test_a_change_fails_with_the_value_of_every_run(three):
    fill(three, [5])
    done = pytest_in(three, "hypotheses/learns.py")
    assert done.returncode == 1
    for seed in range(6):
        assert f"sim-d32-s{seed}" in done.stdout
    assert "1 newly counted (sim-d32-s5)" in done.stdout
    assert "Traceback" not in done.stdout


def test_other_reservations_than_recorded_fail(three):
    path = three / "hypotheses" / "verdicts.lock"
    record = json.loads(path.read_text())
    record["verdicts"]["learns"]["qualifiers"] = ["fragile"]
    path.write_text(json.dumps(record))
    done = pytest_in(three, "hypotheses/learns.py")
    assert done.returncode == 1
    assert "reservations: fragile -> none" in done.stdout


def test_without_a_record_support_passes_and_refutation_fails(three):
    (three / "hypotheses" / "verdicts.lock").unlink()
    done = pytest_in(three, "hypotheses")
    assert done.returncode == 1
    assert "1 failed, 1 passed, 7 skipped" in done.stdout
    assert "* sim-d32-s0" in done.stdout


def test_an_edited_plan_fails_its_registration(three):
    assert run(*PROGRAM, "register", "learns", cwd=three).returncode == 0
    module = three / "hypotheses" / "learns.py"
    edit(module, "at_least(0.5)", "at_least(0.6)")
    done = pytest_in(three, "hypotheses/learns.py")
    assert done.returncode == 1
    assert "edited after its registration" in done.stdout
    assert "emergence-stats register learns" in done.stdout


def test_a_module_that_does_not_import_is_an_error_in_a_line(three):
    (three / "hypotheses" / "broken.py").write_text("import nothing_like_it\n")
    done = pytest_in(three, "hypotheses/broken.py")
    assert done.returncode != 0
    assert "cannot be imported" in done.stdout
    assert "Traceback" not in done.stdout


# --- the action -------------------------------------------------------------------------------


def step_of_action(name):
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    assert action["runs"]["using"] == "composite"
    return next(step for step in action["runs"]["steps"] if step.get("name") == name)


def run_step(project, tmp_path, programs=(), **inputs):
    """The step that checks, run by bash as the runner runs it; `programs`: a folder that comes first in PATH."""
    script = step_of_action("Check the claims")["run"]
    path = os.pathsep.join([*programs, str(Path(sys.executable).parent), os.environ["PATH"]])
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    environment = {
        "TRACES": "",
        "REPORT": "",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_ACTIONS": "true",
    }
    done = run(
        *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script),
        cwd=project,
        **{**environment, **files, **inputs, "PATH": path},
    )
    output = tmp_path / "GITHUB_OUTPUT"
    return done, output.read_text() if output.exists() else ""


def test_the_action_passes_keeps_a_report_and_hands_on_the_verdicts(three, tmp_path):
    done, output = run_step(three, tmp_path, REPORT="report.html")
    assert done.returncode == 0, done.stderr
    assert (three / "report.html").read_text().startswith("<!doctype html>")
    verdicts = json.loads(output.removeprefix("verdicts="))
    assert verdicts == {"fails": "refuted", "learns": "supported", "open_": "inconclusive"}
    assert "::notice" in done.stdout


def test_the_action_fails_where_a_claim_changed_or_the_store_is_broken(three, tmp_path):
    fill(three, [5])
    done, output = run_step(three, tmp_path)
    assert done.returncode == 1
    assert "::error file=hypotheses/learns.py" in done.stdout
    assert output.startswith("verdicts=")
    (three / "data" / "sim" / "sim-d32-s0.json").unlink()
    done, _ = run_step(three, tmp_path, REPORT="report.html")
    assert done.returncode == 2


def test_modules_of_the_repository_forge_no_output_of_the_action(three, tmp_path):
    (three / "json.py").write_text(
        "def load(f): return {'verdicts': {'fails': 'supported'}}\nloads = load"
    )
    done, output = run_step(three, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(output.removeprefix("verdicts="))["fails"] == "refuted"
    for step in ("Install", "Check the claims"):
        script = step_of_action(step)["run"]
        assert script.count("python -") == script.count("python -I")


@pytest.mark.parametrize("printed", ["", "{}", '{"verdicts": {}}', "{"])
def test_the_action_fails_where_the_check_ends_without_verdicts(three, tmp_path, printed):
    silent = tmp_path / "programs" / "emergence-stats"
    silent.parent.mkdir()
    silent.write_text(f"#!/bin/sh\nprintf '%s' '{printed}'\n")
    silent.chmod(0o755)
    done, output = run_step(three, tmp_path, programs=[str(silent.parent)])
    assert done.returncode
    assert output == ""


def test_the_action_fails_where_the_check_is_silent(three, tmp_path):
    silent = tmp_path / "programs" / "emergence-stats"
    silent.parent.mkdir()
    silent.write_text(
        '#!/bin/sh\nfor word; do [ $word != --json ] || echo \'{"verdicts": {"a": "supported"}}\'; done\n'
    )
    silent.chmod(0o755)
    done, _ = run_step(three, tmp_path, programs=[str(silent.parent)])
    assert done.returncode == 70


def test_inputs_of_the_action_reach_its_steps():
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    text = json.dumps(action["runs"])
    for name in action["inputs"]:
        assert f"inputs.{name}" in text
