"""Half of the runs in another process: the same results, the same errors, and nobody left behind."""

import json
import os
import time

import pytest

from emergence_stats.claims.project import Project
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.evaluation.halves import beside
from emergence_stats.evaluation.results import to_json
from emergence_stats.traces.store import Store
from tests.support import edit, es_process, failed, fill, result_of

LATE = 'if run.run_id == "sim-d32-s8":\n        '


@pytest.fixture
def twelve(project):
    """Twelve runs; the last of them are those of the other process."""
    fill(project, range(12))
    return project


def for_a_late_run(project, line):
    edit(
        project / "hypotheses" / "learns.py",
        "    return run",
        f"    import os, pathlib, time\n    {LATE}{line}\n    return run",
    )


def test_results_are_those_of_one_process(twelve):
    alone = evaluate([Project(twelve).load("learns")], Store.open(twelve / "data"))
    done = es_process("test", "learns", "--json", cwd=twelve)
    assert json.loads(done.stdout) == json.loads(to_json(alone))
    assert result_of(done)["run_counts"] == {"counted": 12}


def test_a_late_run_that_has_no_value_is_listed(twelve):
    for_a_late_run(
        twelve, 'from emergence_stats import Undefined; raise Undefined("no such thing")'
    )
    found = result_of(es_process("test", "learns", "--json", cwd=twelve))
    assert found["run_counts"] == {"counted": 11, "refused": 1}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('raise ValueError("oh")', ("ValueError: oh", "sim-d32-s8")),
        ("os._exit(0)", ("ended", "sim-d32-s8")),
        ("return None", ("sim-d32-s8",)),
    ],
)
def test_what_goes_wrong_there_is_one_clear_error(twelve, line, words):
    for_a_late_run(twelve, line)
    failed(es_process("test", "learns", cwd=twelve), *words)


def test_what_code_reads_there_belongs_to_the_plan(twelve):
    (twelve / "hypotheses" / "table.txt").write_text("1")
    for_a_late_run(twelve, "pathlib.Path(__file__).with_name('table.txt').read_text()")
    assert es_process("register", "learns", cwd=twelve).returncode == 0
    (twelve / "hypotheses" / "table.txt").write_text("2")
    found = result_of(es_process("test", "learns", "--json", cwd=twelve))
    assert found["registration"] == "amended"


def test_an_estimate_that_never_returns_there_is_ended_too(twelve):
    for_a_late_run(
        twelve, "pathlib.Path('pid').write_text(str(os.getpid())); [None for _ in iter(int, 1)]"
    )
    failed(
        es_process("test", "learns", "--timeout", 6, cwd=twelve), "longer than 6 s", "sim-d32-s8"
    )
    pid = int((twelve / "pid").read_text())
    for _ in range(100):  # it notices within a moment
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the other process is still there")


def test_work_that_fails_gives_nothing():
    def fails():
        raise ValueError

    for work, expected in ((lambda: [1, "two"], [1, "two"]), (fails, None), (None, None)):
        with beside(work) as wait:
            assert wait() == expected
