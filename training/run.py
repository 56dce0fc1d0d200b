"""Train one model and measure it at every checkpoint into one run of the trace store.

A run is determined by its config: the data of a step depend on the seed and the step alone, so
a run that was killed continues from its last saved state and gives the same traces, to the last
bit on the same machine and thread count, as one that was not.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from emergence_stats.recorder.provenance import device_name, software
from emergence_stats.traces.format import Manifest

from .checkpoints.measuring import Measuring
from .checkpoints.memory import Spare
from .engines.partial import RunInProgress, ends_well
from .engines.task import StepProgress, Task
from .engines.workplace import Workplace
from .loop import Training
from .model.pieces import Pieces
from .suites import Scale, Suite

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
SAVE_EVERY_SECONDS = 20.0
SAVING_PAYS = (
    30.0  # times as long as the last saving took, at least: a large state is saved less often
)


class Trains(Protocol):
    """A model on its way: `steps` gives (step, inputs, targets) before each update, and once after the last."""

    pieces: Pieces

    def steps(self, first: int = 0) -> Iterator[tuple[int, Tensor, Tensor]]: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...
    def n_params(self) -> int: ...


class Measures(Protocol):
    """What is measured of a model; `measure` returns the loss of the batch, and measures nothing if it is not finite."""

    @property
    def last_step(self) -> int | None: ...
    def due(self, step: int) -> bool: ...
    def measure(self, step: int, inputs: Tensor, targets: Tensor) -> float: ...
    def finish(self) -> None: ...
    def table(self) -> pa.Table: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...
    def costs(self) -> dict[str, Any]: ...


class Parts(NamedTuple):
    """Of a run: what is trained, what is measured of it, what else its config says, and what `software` made it besides."""

    training: Trains
    measuring: Measures
    config: Mapping[str, Any]
    software: Mapping[str, str] = {}


def on_tasks(task: Task) -> Parts:
    """Those of a run on the algorithmic tasks."""
    assert isinstance(task.suite, Suite)
    assert isinstance(task.scale, Scale)
    training = Training(task.suite, task.scale, task.seed, torch.device(task.device))
    return Parts(training, Measuring(training), {})


class Finished(NamedTuple):
    """A run that is trained and measured, but not written yet. `further`: what else its manifest says."""

    config: dict[str, Any]
    table: pa.Table
    n_params: int
    further: dict[str, Any]
    software: dict[str, str]


def train(
    task: Task,
    progress: StepProgress | None = None,
    *,
    threads: int = 1,
    parts: Callable[[Task], Parts] = on_tasks,
) -> Manifest:
    """Train, measure and write one run; continue it if an earlier process was killed.

    Raises `CollectError` when another process collects the same run, the disk is full, or a store elsewhere does not take it.
    """
    work = Workplace.of(task.store, task.scratch)
    with ends_well(task, work), RunInProgress(work.scratch, task) as partial:
        run = Underway(task, partial, progress, threads, parts)
        for seconds, (step, inputs, targets) in timed(run.training.steps(run.first_step)):
            run.spent += seconds
            run.at(step, inputs, targets)
            if run.stopped is not None:
                break
        return write(run, work, partial)


def train_run(
    store: str | os.PathLike[str],
    suite: Suite,
    scale: Scale,
    seed: int,
    *,
    device: str = "cpu",
    threads: int = 1,
    progress: StepProgress | None = None,
    scratch: str | os.PathLike[str] | None = None,
) -> Manifest:
    """`train` of the run with these parts. `scratch`: where it is kept until it is whole, see `Workplace`."""
    where = None if scratch is None else os.fspath(scratch)
    task = Task(os.fspath(store), suite, scale, seed, device, where)
    return train(task, progress, threads=threads)


def timed(steps: Iterator[T]) -> Iterator[tuple[float, T]]:
    """Each of them, with the seconds that it took to come."""
    while True:
        began = time.monotonic()
        try:
            step = next(steps)
        except StopIteration:
            return
        yield time.monotonic() - began, step


def write(run: Underway, work: Workplace, partial: RunInProgress) -> Manifest:
    """Write a run that has come to its end."""
    done, task = run.finished(), run.task
    manifest = work.write(
        done.table,
        run_id=task.run_id,
        suite=task.suite.name,
        scale=task.scale.name,
        n_params=done.n_params,
        n_layers=task.scale.layers,
        seed=task.seed,
        config=done.config,
        software=done.software,
        device=device_name(torch.device(task.device)),
        further=done.further,
    )
    partial.remove()
    return manifest


class Underway:
    """One run on its way: what is measured of it, when it is saved, and what ends it.

    `first_step`: where it begins, or goes on after an earlier process; `stopped`: why it ended before its end; `spent`: seconds, of
    which whoever takes the steps adds theirs; `together`: how many runs take them at once, by `engines.together`; 0: this one alone.
    """

    together = 0

    def __init__(
        self,
        task: Task,
        partial: RunInProgress,
        progress: StepProgress | None,
        threads: int = 1,
        parts: Callable[[Task], Parts] = on_tasks,
    ) -> None:
        torch.set_num_threads(threads)
        self.training, self._measuring, further, library = parts(task)
        self._software = {**software(), **library}
        own = task.suite.config(task.scale, task.seed)
        self._config = {**own, **further, "threads": threads}
        self._partial, self._progress, self.task = partial, progress, task
        self.first_step, self.spent = 0, 0.0
        self._earlier: list[dict[str, Any]] = []  # where it was trained until another place went on
        self._before: dict[str, Any] | None = None  # the last of them, unless it is this one
        state = partial.resume(self._config)
        if state is not None:
            self.training.restore(state)
            self._measuring.restore(state)
            self.first_step, self.spent = state["step"], state["seconds"]
            self._earlier, self._before = state.get("earlier", []), state.get("place")
        self._last_save = time.monotonic()
        self._saving, self._spare = 0.0, Spare()
        self.stopped: dict[str, Any] | None = None

    def at(self, step: int, inputs: Tensor, targets: Tensor) -> None:
        """What is done before the update of a step, if it is a checkpoint and the run has not stopped."""
        if self.stopped is not None or not self._measuring.due(step):
            return
        began = time.monotonic()
        if time.monotonic() - self._last_save > max(SAVE_EVERY_SECONDS, SAVING_PAYS * self._saving):
            self._save(step)
        loss = self._measuring.measure(step, inputs, targets)
        self._spare.give_back()
        if not math.isfinite(loss):
            error = f"the loss is {loss} at step {step}"
            self.stopped = {"last_step": self._measuring.last_step, "error": error}
        elif self._progress is not None:
            self._progress(step, self.task.suite.last_step, loss)
        self.spent += time.monotonic() - began

    def _place(self) -> dict[str, Any]:
        """What trains it now, as its manifest says."""
        place = {"device": device_name(torch.device(self.task.device)), "software": self._software}
        return place | ({"together": self.together} if self.together else {})

    def _places_before(self) -> list[dict[str, Any]]:
        """Where it was trained before this place went on, and to which step."""
        if self._before is None or self._before == self._place():
            return self._earlier
        return [*self._earlier, {"to_step": self.first_step, **self._before}]

    def _save(self, step: int) -> None:
        parts = {**self.training.state(), **self._measuring.state()}
        before = time.monotonic()
        where = {"place": self._place(), "earlier": self._places_before()}
        self._partial.save(
            {"config": self._config, "step": step, "seconds": self.spent, **where, **parts}
        )
        self._last_save = time.monotonic()
        self._saving = self._last_save - before

    def finished(self) -> Finished:
        """What is to be written, after the last step."""
        measuring = self._measuring
        began = time.monotonic()
        if self.stopped is None:
            measuring.finish()
        self.spent += time.monotonic() - began
        further = {"seconds": round(self.spent, 1), **measuring.costs()}
        further |= {"stopped": self.stopped} if self.stopped is not None else {}
        further |= {"pieces": self.training.pieces.n} if self.training.pieces.n > 1 else {}
        further |= {"together": self.together} if self.together else {}
        further |= {"earlier": places} if (places := self._places_before()) else {}
        return Finished(
            self._config, measuring.table(), self.training.n_params(), further, self._software
        )
