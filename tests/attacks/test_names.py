"""Names from a store, a lock or a claim are data: no terminal, CI system or picture obeys them."""

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergence_stats.errors import TraceError
from emergence_stats.support.words import visible
from emergence_stats.traces.write import write_run
from tests.support import edit, es, failed, fill, simulated_table

COMMAND = "x\n::stop-commands::y\n::set-output name=z::1"
NASTY = [
    COMMAND,
    "::error::no\n",
    "a\rb",
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\u202egnp",
    "a\u2028b",
    "tab\there",
]


def commands(text):
    """Lines that GitHub's runner would obey, and not those that stop it or that are our annotations."""
    obeyed, token = [], None
    for line in text.splitlines():
        line = line.strip()
        if token is not None:
            token = None if line == f"::{token}::" else token
        elif line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
        elif line.startswith("::") or re.search(r"##\[[a-z-]{2,}", line):
            obeyed.append(line)
    return obeyed


@given(st.text())
def test_what_is_visible_is_one_line_that_can_be_printed(text):
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])))
def test_letters_of_any_language_stay_as_they_are(text):
    assert visible(text) == ("\\" if text.startswith("::") else "") + text


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("field", ["run_id", "suite", "scale", "device"])
def test_a_manifest_with_such_a_name_is_refused_by_reader_and_writer(project, name, field):
    fill(project, range(2))
    path = project / "data" / "sim" / "sim-d32-s1.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: name}))
    done = es("traces", "ls", cwd=project)
    assert done.returncode == 2
    assert field in done.stderr
    assert len(done.stderr.splitlines()) == 1
    facts = {"run_id": "r", "suite": "s", "scale": "d", "device": "none", field: name}
    table = simulated_table(np.random.default_rng(0), tasks=("add",))
    with pytest.raises(TraceError):
        write_run(
            project / "data", table, n_params=1, n_layers=1, seed=0, config={}, software={}, **facts
        )


@pytest.mark.parametrize("name", NASTY)
def test_a_task_with_such_a_name_is_refused(project, name):
    with pytest.raises(TraceError, match="column 'task'"):
        fill_with_task(project, name)


def fill_with_task(project, task):
    table = simulated_table(np.random.default_rng(0), tasks=("add", task))
    write_run(
        project / "data", table, run_id="r", suite="s", scale="d", n_params=1, n_layers=4, seed=0,
        config={}, software={}, device="none",
    )  # fmt: skip


def test_names_in_the_record_are_no_commands_of_the_workflow(project):
    fill(project, range(3))
    es("check", "--update", cwd=project)
    lock = project / "hypotheses" / "verdicts.lock"
    record = json.loads(lock.read_text())
    for name in (COMMAND, "::set-output name=verdicts::supported", "##[command]x"):
        record["verdicts"][name] = record["verdicts"]["learns"]
        record["verdicts"]["learns"]["predictions"][name] = {}
        record["verdicts"]["learns"]["controls"][name] = name
    for prediction in record["verdicts"]["learns"]["predictions"].values():
        prediction.update({"verdict": "supported", "estimate": 1.0, "interval": [0.0, 1.0]})
    lock.write_text(json.dumps(record))
    done = es("check", "--format", "github", cwd=project)
    assert done.returncode == 1
    assert all(
        line.startswith(("::error file=", "::warning file=", "::notice file="))
        for line in commands(done.stdout)
    )
    assert commands(done.stdout)


@pytest.mark.parametrize("name", NASTY)
def test_names_of_predictions_are_shown_and_not_obeyed(project, name):
    fill(project, range(3))
    edit(project / "hypotheses" / "learns.py", '"final accuracy"', repr(name))
    for arguments in (
        ("test", "learns", "-v"),
        ("report", "--all"),
        ("report", "--all", "--format", "markdown"),
        ("check", "--update"),
        ("check", "--format", "github"),
    ):
        done = es(*arguments, cwd=project)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            assert line.isprintable(), line
        assert not commands(done.stdout)
    picture = project / "curve.svg"
    edit(
        project / "hypotheses" / "learns.py",
        "    predictions=",
        '    multiverse={"last": [1, 2]},\n    predictions=',
    )
    assert es("multiverse", "learns", "--jobs", 1, "-o", picture, cwd=project).returncode == 0
    ET.fromstring(picture.read_bytes())


def test_a_file_name_in_an_error_stays_on_its_line(project):
    failed(es("test", "learns", "--traces", COMMAND, cwd=project), "stop-commands")
