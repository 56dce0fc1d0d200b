"""Runs as independent processes of this machine, of one thread each."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from emergence_stats.errors import CollectError, UsageError

from .bars import Bars
from .task import Options, Task, failure_of, make


class _Message(NamedTuple):
    """Of a run: where it is, or, with a `loss` of None, that it has ended, and how if it failed."""

    run_id: str
    step: int = 0
    loss: float | None = None
    failure: Exception | None = None


def run(tasks: Sequence[Task], options: Options, bars: Bars) -> int:
    """Train the runs, the first first, `jobs` at a time; returns how many were written.

    By default one per core on a CPU, one on a GPU. After the first failure no further run starts, and it is raised in the end.
    `options.together` seeds of one scale share a process, and each step.
    """
    on_gpu = tasks[0].device.startswith("cuda")
    if on_gpu:
        import torch

        if not torch.cuda.is_available():
            raise UsageError("--device cuda, but torch sees no CUDA device here; use --device cpu")
    jobs = options.jobs or (1 if on_gpu else os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    messages: multiprocessing.Queue = context.Queue()
    waiting, running = groups(tasks, options.together), dict[str, BaseProcess]()
    done, failure = 0, None
    try:
        while running or (waiting and failure is None):
            while waiting and len(set(running.values())) < jobs and failure is None:
                some = waiting.pop(0)
                process: BaseProcess = context.Process(target=_worker, args=(messages, some))
                process.start()
                for task in some:
                    running[task.run_id] = process
                    bars.start(task.run_id)
            ended = _next_message(messages, running, bars)
            if ended is None:
                continue
            process = running.pop(ended.run_id)
            if process not in running.values():
                process.join()
            bars.finish(ended.run_id, written=ended.failure is None)
            done += ended.failure is None
            failure = failure or ended.failure
    finally:
        for process in set(running.values()):
            process.terminate()
        for process in set(running.values()):
            process.join()
    if failure is not None:
        raise failure
    return done


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


def _worker(messages: multiprocessing.Queue, tasks: Sequence[Task]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def told(run_id: str, step: int, loss: float) -> None:
        messages.put(_Message(run_id, step, loss))

    failure: BaseException | None = None
    try:
        if len(tasks) == 1:
            run_id = tasks[0].run_id
            make(tasks[0], lambda step, _steps, loss: told(run_id, step, loss))
        else:
            from .together import train_together

            train_together(tasks, told)
    except BaseException as error:
        failure = error
    for task in tasks:
        problem = failure_of(task.run_id, failure) if failure is not None else None
        messages.put(_Message(task.run_id, failure=problem))


def _end_with_parent() -> None:
    """A collection that is killed leaves no process behind; saved runs can be continued."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _next_message(
    messages: multiprocessing.Queue, running: dict[str, BaseProcess], bars: Bars
) -> _Message | None:
    """Show one message; it is returned if it is of a run that ended."""
    try:
        message: _Message = messages.get(timeout=1.0)
    except queue.Empty:
        for run_id, process in running.items():
            if process.exitcode is not None and messages.empty():
                how = f"ended with status {process.exitcode}"
                return _Message(
                    run_id,
                    failure=CollectError(
                        f"the process of run {run_id} {how}; collect again to continue it"
                    ),
                )
        return None
    if message.loss is None:
        return message
    bars.show(message.run_id, message.step, message.loss)
    return None
