"""Commands that are killed at random moments, and called once more. `make soak` kills many of each.

The moment of a kill is drawn uniformly from the time that a call takes which nobody kills, so that kills fall
everywhere, however fast the machine is. The numbers drawn are the same in each run of a test, what the command
is doing at that moment is not; what is asserted holds at every one.

Half a second of a command is the start of Python and its imports, in which no file changes. So only some of the
commands are processes that start from nothing ("whole"). The others ("forked") are forked from a process that
has everything imported already, and pause for a moment after each call that changes files: without both, hardly
one kill in a hundred would fall between two such calls.
"""

import builtins
import dataclasses
import importlib
import io
import itertools
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from importlib.util import find_spec

import pytest

from emergence_stats.__main__ import entry
from emergence_stats.claims.registration import read_lock
from emergence_stats.interfaces.startup import import_pyarrow
from emergence_stats.traces.store import Store
from tests.support import HYPOTHESIS, ROOT, add_run, edited, es, fill

KILLS = int(os.environ.get("SOAK_KILLS", "12"))  # of each command, forked
WHOLE = KILLS // 6  # and of each, whole
SOAKING = "SOAK_KILLS" in os.environ
# Seconds after each change of a file: all together at least as long as the rest of the command.
PAUSES = {"register": 0.04, "check": 0.06, "traces": 0.015, "collect": 0.02}

# --- commands that can be killed ----------------------------------------------------------------


class Whole:
    """A command as a user starts it, in a group of processes of its own."""

    def __init__(self, arguments, cwd):
        program = ["-m", "emergence_stats"]
        if arguments[0] == "collect":
            program = ["-c", f"from {__name__} import collect_tiny; collect_tiny()"]
        self._process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
            env={**os.environ, "NO_COLOR": "1"},
        )
        self.pid = self._process.pid

    def ends_within(self, seconds):
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self):
        """Exit status and output, when no process of the group is left: the last one closes the pipe."""
        said, _ = self._process.communicate()
        return self._process.returncode, said


class Forked:
    """The same, forked from a process that has everything imported."""

    def __init__(self, nursery, arguments, cwd):
        self._nursery = nursery
        nursery.send((True, arguments, cwd))
        self.pid = nursery.recv()

    def ends_within(self, seconds):
        return self._nursery.poll(seconds)

    def end(self):
        return self._nursery.recv()


TRAINING = (
    "emergence_training.collect",
    "emergence_training.engines.local",
    "emergence_training.run",
    "pyarrow.compute",
    "pyarrow.parquet",
    "rich.progress",
    "torch._dynamo",  # by the first optimiser
)


def _nursery(requests):
    """Call commands as asked, one at a time: here, or in a process that is forked.

    It is spawned, so that it has none of the threads of pytest and of what earlier tests left in torch.
    """
    with suppress(EOFError, BrokenPipeError):  # whoever asks was killed
        while True:
            forked, arguments, cwd = requests.recv()
            if forked:
                requests.send(_forked(arguments, cwd, requests.send))
            else:
                requests.send(es(*arguments, cwd=cwd))


def _forked(arguments, cwd, tell):
    """Exit status and output of a command in a group of processes of its own, after `tell(pid)`."""
    if arguments[0] == "collect":
        import_pyarrow()
        for name in TRAINING:
            importlib.import_module(name)
    output, write = os.pipe()
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=_command, args=(arguments, cwd, write))
    process.start()
    os.close(write)
    with suppress(OSError):  # as the process itself does: whoever is first
        os.setpgid(process.pid, process.pid)
    tell(process.pid)
    with open(output, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
        said = stream.read()  # until the last process of the group has ended
    process.join()
    return process.exitcode, said


def _command(arguments, cwd, output):
    """What a forked process does."""
    with suppress(OSError):
        os.setpgid(0, 0)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    os.chdir(cwd)
    os.environ["NO_COLOR"] = "1"
    sys.argv = ["emergence-stats", *arguments]
    pausing = partial(_pausing, seconds=PAUSES[arguments[0]])
    for name in ("fsync", "mkdir", "remove", "rename", "replace", "rmdir", "unlink"):
        setattr(os, name, pausing(getattr(os, name)))
    # A file that is opened for writing is empty at first.
    io.open = builtins.open = pausing(
        io.open, wanted=lambda _file, mode="r", *_, **__: not set(mode).isdisjoint("wxa")
    )
    if arguments[0] == "collect":
        import torch

        from emergence_training import run
        from emergence_training.engines import local

        torch._C.PyTorchFileWriter = pausing(torch._C.PyTorchFileWriter)
        # Processes that are forked need not import torch, and keep what is changed here.
        fork = multiprocessing.get_context("fork")
        local.multiprocessing.get_context = lambda _: fork
        run.SAVE_EVERY_SECONDS = 0.0
        collect_tiny()
    entry()


def _pausing(call, seconds, wanted=lambda *_, **__: True):
    def then_pause(*arguments, **options):
        result = call(*arguments, **options)
        if wanted(*arguments, **options):
            time.sleep(seconds)
        return result

    return then_pause


def collect_tiny():
    """The command `collect` with a suite whose runs take a fraction of a second."""
    from emergence_training.suites import SUITES

    SUITES["smoke"] = dataclasses.replace(
        SUITES["smoke"], steps=12, batch=8, dense_steps=2, checkpoints=6, evaluation_samples=10
    )
    entry()


def spread(number):
    """Numbers drawn uniformly from 0 to 1; of each so many, one from each of as many equal parts."""
    chance, parts = random.Random(0), list(range(number))
    while True:
        chance.shuffle(parts)
        for part in parts:
            yield (part + chance.random()) / number


class Commands:
    """Calls commands to the end and measures them, and kills others at a moment within that time."""

    def __init__(self, start, kills, nursery=None):
        self._start, self._nursery = start, nursery
        self._seconds, self._moments = 0.0, spread(kills)
        self.left = kills

    def turns(self):
        """0, 1, 2 and so on, until there were enough kills."""
        return itertools.takewhile(lambda _: self.left > 0, itertools.count())

    def prepare(self, *arguments, cwd):
        """Call a command to the end where commands are forked, which then has imported and compiled all."""
        if self._nursery is None:
            done(*arguments, cwd=cwd)
            return
        self._nursery.send((False, arguments, cwd))
        call = self._nursery.recv()
        assert call.returncode == 0, call.stderr

    def complete(self, *arguments, cwd):
        command = self._start(list(map(str, arguments)), str(cwd))
        began = time.perf_counter()
        status, said = command.end()
        self._seconds = max(self._seconds, time.perf_counter() - began)
        assert status == 0, said

    def kill(self, *arguments, cwd):
        """True, or False if the command ended before."""
        moment = next(self._moments) * self._seconds
        command = self._start(list(map(str, arguments)), str(cwd))
        if not command.ends_within(moment):
            with suppress(ProcessLookupError):
                os.killpg(command.pid, signal.SIGKILL)
        status, said = command.end()
        assert status in (0, -signal.SIGKILL), said
        self.left -= status != 0
        return status != 0


@pytest.fixture(params=["forked", "whole"])
def commands(request):
    if request.param == "whole":
        yield Commands(Whole, WHOLE)
        return
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=_nursery, args=(its,))
    process.start()
    its.close()
    yield Commands(partial(Forked, ours), KILLS, ours)
    process.kill()
    process.join()
    ours.close()


def done(*arguments, cwd):
    """Call a command that has to work, in this process."""
    call = es(*arguments, cwd=cwd)
    assert call.returncode == 0, call.stderr


# --- claims -------------------------------------------------------------------------------------

NAMES = ("first", "second")
PLANS = 4  # of each, one after the other


def make_project(root, runs=2):
    for folder in ("hypotheses", "data"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.emergence_stats]\n")
    fill(root, range(runs))
    return root


def declare(root, plan, least):
    """The claims, as their plan of this number has them."""
    text = edited(HYPOTHESIS, "Models learn the tasks.", f"Models learn the tasks, plan {plan}.")
    for name in NAMES:
        path = root / "hypotheses" / f"{name}.py"
        path.write_text(edited(text, "at_least(0.5)", f"at_least({least})"))


def entries_of(root, name):
    """Those of a lock, which must be whole."""
    lock = read_lock(root / "hypotheses" / f"{name}.lock")
    return [] if lock is None else list(lock.entries)


def plans_of(root, name):
    return [entry_["plan"] for entry_ in entries_of(root, name)]


def test_a_registration_that_is_killed_loses_no_entry_and_tears_none(tmp_path, commands):
    # Without runs: trying the estimates takes seconds, in which no file changes.
    register = ("register", *NAMES)
    unkilled = make_project(tmp_path / "unkilled", runs=0)
    for plan in range(PLANS):
        declare(unkilled, plan, 0.5)
        call = commands.prepare if plan < PLANS - 1 else commands.complete
        call(*register, cwd=unkilled)
    plans = {name: plans_of(unkilled, name) for name in NAMES}
    assert {len(set(found)) for found in plans.values()} == {PLANS}

    for turn in commands.turns():
        plan = turn % PLANS
        if plan == 0:
            root = make_project(tmp_path / str(turn), runs=0)
        declare(root, plan, 0.5)
        before = {name: entries_of(root, name) for name in NAMES}
        commands.kill(*register, cwd=root)
        for name in NAMES:
            now = entries_of(root, name)
            assert now[:plan] == before[name]
            assert len(now) in (plan, plan + 1)
            assert plans_of(root, name) == plans[name][: len(now)]
        done(*register, cwd=root)
        for name in NAMES:
            assert entries_of(root, name)[:plan] == before[name]
            assert plans_of(root, name) == plans[name][: plan + 1]
        done("register", "--check", cwd=root)


def test_a_record_of_verdicts_that_is_killed_is_the_old_one_or_the_new_one(tmp_path, commands):
    update = ("check", "--update")
    root = make_project(tmp_path / "project")
    record = root / "hypotheses" / "verdicts.lock"
    records = []
    for least, call in ((0.5, commands.prepare), (1.5, commands.complete)):
        declare(root, 0, least)
        call(*update, cwd=root)
        records.append(record.read_text())
    assert records[0] != records[1]

    for turn in commands.turns():
        declare(root, 0, (0.5, 1.5)[turn % 2])
        old, new = records[turn % 2 - 1], records[turn % 2]
        assert record.read_text() == old
        commands.kill(*update, cwd=root)
        assert record.read_text() in (old, new)
        done(*update, cwd=root)
        assert record.read_text() == new
        done("check", cwd=root)


# --- traces -------------------------------------------------------------------------------------

TURNS = 4  # imports into one store: from the second on, most runs of an import replace others


def write_table(path, turn):
    """Three of five runs, with the values of this turn."""
    rows = [
        f"r{(turn + run) % 5},{step},{task},accuracy,{turn + 1 / (step + 1)}"
        for run in range(3)
        for step in range(30)
        for task in ("add", "mod")
    ]
    path.write_text("\n".join(["run,step,task,measure,value", *rows, ""]))


def runs_of(store):
    """Seed and hash of each run by name; every run is read, which checks all of it."""
    opened = Store.open(store)
    for run in opened.runs:
        opened.read(run)
    return {run.manifest.run_id: (run.manifest.seed, run.manifest.sha256) for run in opened.runs}


def bytes_of(store, *names):
    return [path.read_bytes() for name in names for path in sorted(store.rglob(f"{name}.*"))]


def test_an_import_that_is_killed_loses_no_run_and_is_completed_by_another(tmp_path, commands):
    others = ("sim-d32-s0", "kept")

    def make_store(store):
        add_run(store, 0, tasks=("add",))
        add_run(store, 0, suite="s", scale="x", name="kept", tasks=("add",))
        return store

    def import_into(store, call):
        facts = ("--suite", "s", "--set", "n_params=9", "--set", "scale=x")
        call("traces", "import", "runs.csv", *facts, "--replace", "--traces", store, cwd=tmp_path)

    write_table(tmp_path / "runs.csv", 0)
    for call in (commands.prepare, commands.complete):
        import_into(make_store(tmp_path / call.__name__), call)

    for turn in commands.turns():
        if turn % TURNS == 0:
            store = make_store(tmp_path / f"{turn}")
        write_table(tmp_path / "runs.csv", turn)
        twin = shutil.copytree(store, tmp_path / f"twin{turn}")
        import_into(twin, done)
        old, new, kept = runs_of(store), runs_of(twin), bytes_of(store, *others)
        assert old != new

        import_into(store, commands.kill)
        now, unfinished = runs_of(store), set(Store.open(store).unfinished)
        assert old.keys() <= now.keys() | unfinished
        assert all(now[name] in (old.get(name), new[name]) for name in now)
        assert bytes_of(store, *others) == kept
        # Validation finishes what was cut off, in a copy: the import has to cope with it too.
        finished = shutil.copytree(store, tmp_path / f"finished{turn}")
        done("traces", "validate", finished, cwd=tmp_path)
        assert runs_of(finished) == {**now, **{name: new[name] for name in unfinished}}
        import_into(store, done)
        assert runs_of(store) == new
        assert bytes_of(store, *others) == kept
        assert not list(store.rglob("*.pending"))
        done("traces", "validate", store, cwd=tmp_path)


@pytest.mark.skipif(find_spec("torch") is None, reason="no torch here")
@pytest.mark.parametrize("commands", ["forked", *["whole"] * SOAKING], indirect=True)  # whole: slow
def test_a_collection_that_is_killed_again_and_again_gives_the_same_bytes(tmp_path, commands):
    def collect_into(store, call):
        suite = ("--suite", "smoke", "--scale", "d8L2", "--seed", 0, "--jobs", 1)
        return call("collect", *suite, "--traces", store, cwd=ROOT)

    collect_into(tmp_path / "unkilled", commands.complete)
    unkilled = runs_of(tmp_path / "unkilled")
    assert list(unkilled) == ["smoke-d8L2-s0"]

    for number in commands.turns():
        store = tmp_path / str(number)
        store.mkdir()
        while commands.left and collect_into(store, commands.kill):
            assert set(runs_of(store).items()) <= set(unkilled.items())
        collect_into(store, commands.complete)
        assert runs_of(store) == unkilled
