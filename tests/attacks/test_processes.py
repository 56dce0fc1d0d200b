"""Whatever the code of a claim does, a command never ends as if all were well, and its output is its own."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support import HYPOTHESIS, edit, edited, es, es_process, failed, fill, result_of

COMMANDS = (("test", "learns"), ("report", "--all"), ("check",))


@pytest.fixture
def recorded(project):
    """A claim that is supported, and recorded as that."""
    fill(project, range(3))
    assert es("check", "--update", cwd=project).returncode == 0
    return project


def estimate_does(root, statement):
    edit(
        root / "hypotheses" / "learns.py",
        "    return run.traces",
        f"    {statement}\n    return run.traces",
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("statement", ["raise SystemExit(0)", "import sys; sys.exit()", "quit(0)"])
def test_an_estimate_that_exits_is_an_error(recorded, command, statement):
    estimate_does(recorded, statement)
    failed(es(*command, cwd=recorded), "learns", "the estimate failed", "SystemExit")


@pytest.mark.parametrize(
    "command", [*COMMANDS, ("list",), ("register", "learns"), ("describe", "learns")]
)
def test_an_import_that_exits_is_an_error(recorded, command):
    module = recorded / "hypotheses" / "learns.py"
    module.write_text("import sys\nsys.exit(0)\n" + HYPOTHESIS)
    failed(es(*command, cwd=recorded), "learns.py:2", "SystemExit")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("statement", "how"),
    [
        ("import os; os._exit(0)", "with status 0"),
        ("import os; os._exit(3)", "with status 3"),
        ("import os; os.kill(os.getpid(), 9)", "by signal 9"),
    ],
)
def test_an_estimate_that_ends_the_process_is_an_error(recorded, command, statement, how):
    estimate_does(recorded, statement)
    failed(es_process(*command, cwd=recorded), how, "learns", "nothing was decided")


def test_an_import_that_ends_the_process_is_an_error(recorded):
    module = recorded / "hypotheses" / "learns.py"
    module.write_text("import os\nos._exit(0)\n" + HYPOTHESIS)
    for command in (*COMMANDS, ("list",), ("register", "--check")):
        failed(es_process(*command, cwd=recorded), "with status 0", "learns.py")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_estimate_that_never_returns_is_ended(recorded, command):
    estimate_does(recorded, "while True: pass")
    done = es_process(*command, "--timeout", 4, cwd=recorded)
    failed(done, "longer than 4 s", "final accuracy", "sim-d32-s0")


def test_a_limit_that_is_kept_changes_nothing(recorded):
    plain = es_process("test", "learns", "--json", cwd=recorded)
    limited = es_process("test", "learns", "--json", "--timeout", 100, cwd=recorded)
    assert (plain.returncode, plain.stdout) == (limited.returncode, limited.stdout)
    assert plain.returncode == 0


@pytest.mark.parametrize(
    "statement",
    [
        "print('::error::no')",
        "import sys; sys.stdout.write('no')",
        "import os; os.system('echo no')",
        "import os; os.write(1, b'no')",
        "import sys; sys.__stdout__.write('no')",
    ],
)
def test_what_an_estimate_prints_is_no_part_of_the_output(recorded, statement):
    estimate_does(recorded, statement)
    module = recorded / "hypotheses" / "learns.py"
    module.write_text("print('at import')\n" + module.read_text())
    done = es_process("test", "learns", "--json", cwd=recorded)
    assert result_of(done)["verdict"] == "supported"
    assert "no" in done.stderr
    assert "at import" in done.stderr
    assert json.loads(es_process("check", "--json", cwd=recorded).stdout)["verdicts"]


def test_the_count_of_the_paper_and_a_change_of_a_control_are_guarded_too(recorded):
    module = recorded / "hypotheses" / "learns.py"
    text = edited(HYPOTHESIS, "import Claim", "import Control, Pooled, Claim")
    counting = 'pooled=Pooled("x", lambda run: quit()),'
    module.write_text(edited(text, "    predictions=", f"    {counting}\n    predictions="))
    failed(es("test", "learns", cwd=recorded), "as the paper counts", "SystemExit")
    change = "class Change:\n    def variants(self, run):\n        quit()\n\n\nlearns ="
    control = 'controls=[Control("x", "y", change=Change())],'
    text = edited(
        edited(text, "learns =", change), "    predictions=", f"    {control}\n    predictions="
    )
    module.write_text(text)
    failed(es("test", "learns", cwd=recorded), "change of a control", "SystemExit")


@pytest.mark.parametrize("send", [os.killpg, os.kill], ids=["of a terminal", "of a program"])
def test_an_interrupt_ends_both_processes(recorded, send):
    """A terminal interrupts the whole group, a program such as `timeout` the parent alone."""
    estimate_does(recorded, "import pathlib, time; pathlib.Path('there').touch(); time.sleep(600)")
    program = [sys.executable, "-m", "emergence_stats", "test", "learns"]
    running = subprocess.Popen(
        program,
        cwd=recorded,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a runner in the background may have had it ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not (recorded / "there").exists():
        time.sleep(0.01)
    send(running.pid, signal.SIGINT)
    _, said = running.communicate()
    assert running.returncode == 130
    assert "Traceback" not in said


def test_a_parent_that_is_killed_leaves_no_process_behind(recorded):
    estimate_does(
        recorded, "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    )
    program = [sys.executable, "-m", "emergence_stats", "test", "learns"]
    running = subprocess.Popen(program, cwd=recorded)
    pid = recorded / "pid"
    while not (pid.exists() and pid.read_text()):
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    while subprocess.run(["kill", "-0", pid.read_text()], capture_output=True).returncode == 0:
        time.sleep(0.01)
