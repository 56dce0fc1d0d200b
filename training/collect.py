"""Collect many runs: independent processes of one thread each, largest models first."""

from __future__ import annotations

import multiprocessing
import os
import queue
import re
import threading
import time
import traceback
from collections.abc import Iterable
from multiprocessing.process import BaseProcess
from pathlib import Path

from emergence_stats.errors import CollectError, UsageError

from .suites import SUITES, Scale, Suite


def suite_named(name: str) -> Suite:
    """The suite of that name. Raises `UsageError` with the known names if there is none."""
    if name not in SUITES:
        raise UsageError(f"unknown suite {name!r}; known suites: {', '.join(SUITES)}")
    return SUITES[name]


def is_complete(store: Path, suite: Suite, scale: Scale, seed: int) -> bool:
    """Whether the run has been written: its manifest is the last file that appears."""
    return (store / suite.name / f"{suite.run_id(scale, seed)}.json").exists()


def missing_runs(
    store: Path, suite: Suite, scales: Iterable[str] | None, seeds: Iterable[int] | None
) -> list[tuple[Scale, int]]:
    """Runs of the suite that the store lacks, seeds in order and the largest scale first."""
    known = {scale.name: scale for scale in suite.scales}
    for name in scales or ():
        if name not in known:
            raise UsageError(
                f"suite {suite.name} has no scale {name!r}; its scales are {', '.join(known)}"
            )
    wanted = [known[name] for name in scales] if scales else list(suite.scales)
    ordered = sorted(wanted, key=lambda scale: -scale.width * scale.width * scale.layers)
    return [
        (scale, seed)
        for seed in (sorted(set(seeds)) if seeds is not None else suite.seeds)
        for scale in ordered
        if not is_complete(store, suite, scale, seed)
    ]


def collect(
    store: str | os.PathLike[str],
    suite: Suite,
    todo: list[tuple[Scale, int]],
    *,
    device: str = "cpu",
    jobs: int | None = None,
) -> int:
    """Train and measure the runs in `todo`; returns how many were written.

    Each run has a process of its own with one thread, `jobs` at a time (default: one per core on a
    CPU, one on a GPU). Progress goes to stderr. After the first failure no further run starts: it is
    raised as `CollectError` if the user can fix it, otherwise as `RuntimeError` with the traceback
    of the process. Runs that were killed continue at the next call.
    """
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise UsageError(f"unknown device {device!r}; known devices: cpu, cuda and cuda:N")
    if device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            raise UsageError("--device cuda, but torch sees no CUDA device here; use --device cpu")
    store = Path(store)
    store.mkdir(parents=True, exist_ok=True)
    jobs = jobs or (1 if device.startswith("cuda") else os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    messages: multiprocessing.Queue = context.Queue()
    waiting = list(todo)
    running: dict[str, BaseProcess] = {}
    done = 0
    failure: Exception | None = None
    with _Bars(len(todo)) as bars:
        try:
            while running or (waiting and failure is None):
                while waiting and len(running) < jobs and failure is None:
                    scale, seed = waiting.pop(0)
                    run_id = suite.run_id(scale, seed)
                    process: BaseProcess = context.Process(
                        target=_worker, args=(messages, store, suite, scale, seed, device)
                    )
                    process.start()
                    running[run_id] = process
                    bars.start(run_id, suite.last_step)
                finished, problem = _next_message(messages, running, bars)
                if finished is None:
                    continue
                running.pop(finished).join()
                bars.finish(finished, written=problem is None)
                if problem is None:
                    done += 1
                else:
                    failure = failure or problem
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.join()
    if failure is not None:
        raise failure
    return done


def _worker(
    messages: multiprocessing.Queue, store: Path, suite: Suite, scale: Scale, seed: int, device: str
) -> None:
    from .run import train_run

    threading.Thread(target=_end_with_parent, daemon=True).start()
    run_id = suite.run_id(scale, seed)

    def progress(step: int, steps: int, loss: float) -> None:
        messages.put(("progress", run_id, step, loss))

    try:
        train_run(store, suite, scale, seed, device=device, progress=progress)
    except CollectError as error:
        messages.put(("done", run_id, error, None))
    except OSError as error:
        messages.put(("done", run_id, CollectError(f"run {run_id}: {error}"), None))
    except KeyboardInterrupt:
        messages.put(("done", run_id, CollectError(f"run {run_id} was interrupted"), None))
    except Exception:
        fault = RuntimeError(f"run {run_id} failed:\n{traceback.format_exc()}")
        messages.put(("done", run_id, fault, None))
    else:
        messages.put(("done", run_id, None, None))


def _end_with_parent() -> None:
    """A collection that is killed leaves no process behind; saved runs can be continued."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _next_message(
    messages: multiprocessing.Queue, running: dict[str, BaseProcess], bars: _Bars
) -> tuple[str | None, Exception | None]:
    """Handle one message. (run_id, problem or None) of a run that ended, or (None, None)."""
    try:
        kind, run_id, first, second = messages.get(timeout=1.0)
    except queue.Empty:
        for run_id, process in running.items():
            if process.exitcode is not None and messages.empty():
                how = f"ended with status {process.exitcode}"
                return run_id, CollectError(
                    f"the process of run {run_id} {how}; collect again to continue it"
                )
        return None, None
    if kind == "progress":
        bars.update(run_id, first, second)
        return None, None
    return run_id, first


class _Bars:
    """Progress with time left, on stderr: bars on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._total = self._progress.add_task("all runs", total=total)
        self._tasks: dict[str, tuple] = {}
        self._runs = (0, total)

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._progress.stop()

    def start(self, run_id: str, steps: int) -> None:
        self._tasks[run_id] = (self._progress.add_task(run_id, total=steps), time.monotonic())

    def update(self, run_id: str, step: int, loss: float) -> None:
        self._progress.update(
            self._tasks[run_id][0], completed=step, description=f"{run_id} loss {loss:.3f}"
        )

    def finish(self, run_id: str, written: bool) -> None:
        bar, began = self._tasks.pop(run_id)
        self._progress.remove_task(bar)
        if not written:
            return
        self._progress.advance(self._total)
        self._runs = (self._runs[0] + 1, self._runs[1])
        if not self._console.is_terminal:
            spent = time.monotonic() - began
            count = f"{self._runs[0]}/{self._runs[1]}"
            self._console.print(f"{count} {run_id} {spent:.0f} s", highlight=False)
