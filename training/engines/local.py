"""Runs as independent processes of this machine. A training has one thread; published models share the cores."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from emergence_stats.errors import CollectError

from .bars import Bars
from .outcome import Outcome, Tally, attempt, failure_of
from .task import Options, Task, heard_by


class _Message(NamedTuple):
    """Of a run: where it is, or what is `said` of it, or else that it has ended, and how."""

    run_id: str
    step: int = 0
    loss: float | None = None
    failure: Exception | None = None
    outcome: Outcome | None = None
    said: str = ""


class _Worker(NamedTuple):
    """A process, what it tells, and its runs that have not ended.

    Each has a pipe of its own: a process that is killed while it writes to what others share would silence them.
    """

    process: BaseProcess
    messages: Connection
    runs: set[str]


def run(tasks: Sequence[Task], options: Options, bars: Bars) -> int:
    """Train the runs, the first first, `jobs` at a time; returns how many were written.

    By default one per core on a CPU, one on a GPU. After the first failure no further run starts, and it is raised in the end.
    `options.together` seeds of one scale share a process, and each step.
    """
    on_gpu = tasks[0].device.startswith("cuda")
    jobs = options.jobs or (1 if on_gpu else _cores())
    threads = max(1, _cores() // jobs)
    waiting, working = groups(tasks, options.together), dict[Connection, _Worker]()
    tally = Tally(tasks, bars)
    try:
        while working or (waiting and tally.failure is None):
            while waiting and len(working) < jobs and tally.failure is None:
                worker = _begin(waiting.pop(0), threads, bars)
                working[worker.messages] = worker
            for ready in wait(list(working)):
                worker = working[ready]  # type: ignore[index]
                for ended in _ended(worker, bars):
                    tally.end(ended.run_id, ended.failure, ended.outcome)
                if not worker.runs:
                    worker.process.join()
                    del working[worker.messages]
    finally:
        for worker in working.values():
            worker.process.terminate()
        for worker in working.values():
            worker.process.join()
    return tally.result()


def _cores() -> int:
    """Those that this process may use, which a scheduler may have made fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin(tasks: Sequence[Task], threads: int, bars: Bars) -> _Worker:
    context = multiprocessing.get_context("spawn")
    messages, tell = context.Pipe(duplex=False)
    process: BaseProcess = context.Process(target=_work, args=(tell, tasks, threads))
    process.start()
    tell.close()  # the process has the only other one, so that its end is seen
    for task in tasks:
        bars.start(task.run_id)
    return _Worker(process, messages, {task.run_id for task in tasks})


def _ended(worker: _Worker, bars: Bars) -> Iterator[_Message]:
    """Show what a process tells next; of the runs that have ended by it, its last message."""
    try:
        message: _Message = worker.messages.recv()
    except (EOFError, OSError):  # it ended before its runs did
        worker.process.join()
        how = f"ended with status {worker.process.exitcode}; collect again to continue it"
        for run_id in sorted(worker.runs):
            worker.runs.remove(run_id)
            yield _Message(run_id, failure=CollectError(f"the process of run {run_id} {how}"))
        return
    if message.said:
        bars.say(message.said)
        return
    if message.loss is not None:
        bars.show(message.run_id, message.step, message.loss)
        return
    worker.runs.remove(message.run_id)
    yield message


def groups(tasks: Sequence[Task], together: int) -> list[list[Task]]:
    """The runs that share a process: seeds of one scale, `together` at most; in the order of their first."""
    found: list[list[Task]] = []
    open_: dict[str, list[Task]] = {}
    for task in tasks:
        some = open_.get(task.scale.name)
        if some is None or len(some) >= together:
            some = open_[task.scale.name] = []
            found.append(some)
        some.append(task)
    return found


def _work(tell: Connection, tasks: Sequence[Task], threads: int) -> None:
    """`threads`: of a run that does not fix their number itself, as one of a published model."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)

    def send(message: _Message) -> None:
        # A collection that was killed does not listen, and this process ends in a moment.
        with suppress(BrokenPipeError):
            tell.send(message)

    def told(run_id: str, step: int, loss: float) -> None:
        send(_Message(run_id, step, loss))

    def end(run_id: str, how: Outcome | BaseException) -> None:
        waiting.discard(run_id)
        if isinstance(how, Outcome):
            send(_Message(run_id, outcome=how))
        else:
            send(_Message(run_id, failure=failure_of(run_id, how)))

    waiting, first = {task.run_id for task in tasks}, tasks[0]
    try:
        with heard_by(lambda text: send(_Message(first.run_id, said=text))):
            if len(tasks) == 1:
                end(
                    first.run_id,
                    attempt(first, lambda step, _, loss: told(first.run_id, step, loss)),
                )
            else:
                from .together import train_together

                for run_id, how in train_together(tasks, told):
                    end(run_id, how)
    except BaseException as error:
        for run_id in sorted(waiting):
            end(run_id, error)


def _end_with_parent() -> None:
    """A collection that is killed leaves no process behind; saved runs can be continued."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
