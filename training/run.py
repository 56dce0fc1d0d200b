"""Train one model and measure it at every checkpoint into one run of the trace store.

A run is determined by its config: the data of a step depend on the seed and the step alone, so
a run that was killed continues from its last saved state and gives the same traces, to the last
bit on the same machine and thread count, as one that was not.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from emergence_stats.errors import CollectError
from emergence_stats.recorder.provenance import device_name, software
from emergence_stats.traces.format import Manifest

from .checkpoints.deep import DeepEvaluation, measure_deeply
from .checkpoints.forward import Evaluation, measure, training_loss
from .checkpoints.log_spaced import LogSpacedEvaluation
from .checkpoints.readings import Reading, to_table
from .engines.task import Task
from .engines.workplace import Workplace
from .loop import Training, learning_rate, run_key
from .suites import Scale, Suite

if TYPE_CHECKING:
    import pyarrow as pa

SAVE_EVERY_SECONDS = 20.0
SAVING_PAYS = (
    30.0  # times as long as the last saving took, at least: a large state is saved less often
)

StepProgress = Callable[[int, int, float], None]  # step, steps, training loss


class Finished(NamedTuple):
    """A run that is trained and measured, but not written yet. `further`: what else its manifest says."""

    config: dict[str, Any]
    table: pa.Table
    n_params: int
    further: dict[str, Any]


class RunInProgress:
    """The folder of a run that is being trained, below `scratch`: a lock, and the last saved state."""

    def __init__(self, scratch: Path, suite: Suite, run_id: str) -> None:
        self.run_id = run_id
        self.folder = scratch / suite.name / f".{run_id}.partial"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state_path = self.folder / "state.pt"
        self._lock = FileLock(self.folder / "lock")

    def __enter__(self) -> RunInProgress:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise CollectError(
                f"run {self.run_id} is being collected by another process (lock in "
                f"{self.folder}). Wait for it, or stop it: its progress is kept"
            ) from None
        return self

    def __exit__(self, *_exception: object) -> None:
        self._lock.release()

    def save(self, state: dict[str, Any]) -> None:
        hidden = self.state_path.with_suffix(".writing")
        try:
            torch.save(state, hidden)
            os.replace(hidden, self.state_path)
        except BaseException:
            hidden.unlink(missing_ok=True)
            raise

    def load(self) -> dict[str, Any] | None:
        """The last saved state, None if there is none. Raises `CollectError` for another version's."""
        if not self.state_path.exists():
            return None
        try:
            return torch.load(self.state_path, weights_only=False)
        except (ModuleNotFoundError, AttributeError) as error:
            raise CollectError(
                f"run {self.run_id}: its state in {self.folder} was saved by another version "
                f"({error}); remove that folder to train it from the start"
            ) from None

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def train(task: Task, progress: StepProgress | None = None, *, threads: int = 1) -> Manifest:
    """Train, measure and write one run; continue it if an earlier process was killed.

    Raises `CollectError` when another process collects the same run, the disk is full, or a store elsewhere does not take it.
    """
    work = Workplace.of(task.store, task.scratch)
    with ends_well(task, work), RunInProgress(work.scratch, task.suite, task.run_id) as partial:
        run = Underway(task, partial, progress, threads)
        for step, inputs, targets in run.training.steps(run.first_step):
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


def write(run: Underway, work: Workplace, partial: RunInProgress, **further: Any) -> Manifest:
    """Write a run that has come to its end. `further`: what else its manifest says."""
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
        software=software(),
        device=device_name(torch.device(task.device)),
        further={**done.further, **further},
    )
    partial.remove()
    return manifest


@contextmanager
def ends_well(task: Task, work: Workplace) -> Iterator[None]:
    """A full disk inside is a `CollectError` that says what to do."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as RuntimeError
        if _disk_is_full(error):
            raise CollectError(
                f"the disk that holds {work.scratch} is full; run {task.run_id} was not written. Make room "
                "and collect again: training continues from the last saved state"
            ) from error
        raise


def _disk_is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "PytorchStreamWriter" in str(error) or "No space left" in str(error)


class Measuring:
    """What has been measured of a run so far, by the kind of checkpoint: every one, log-spaced ones, deep ones."""

    def __init__(self, training: Training) -> None:
        suite, scale, device = training.suite, training.scale, training.device
        self._training = training
        self._key = run_key(suite, scale, training.seed)
        self._evaluation = Evaluation.fixed(suite, device)
        self._checkpoints = frozenset(suite.schedule())
        self._log_checkpoints, self._log_spaced = frozenset(suite.log_schedule()), None
        if suite.log_spaced is not None:
            self._log_spaced = LogSpacedEvaluation.fixed(suite, training.model, device)
        self._deep_checkpoints, self._deep = frozenset(suite.deep_schedule()), None
        deep = suite.deep_measures(scale)
        if deep is not None:
            self._deep = DeepEvaluation.fixed(suite, deep, scale.name, device)
        self.readings: list[tuple[int, Reading]] = []
        self.seconds = 0.0

    def due(self, step: int) -> bool:
        return step in self._checkpoints

    def measure(self, step: int, inputs: Tensor, targets: Tensor) -> float:
        """Measure the model as it is after `step` updates; returns the loss of the batch.

        If that is not finite, nothing is measured: there is nothing of such a model that has a value.
        """
        began = time.monotonic()
        training, model = self._training, self._training.model
        loss = training_loss(model, inputs, targets)
        if not math.isfinite(float(loss.values)):
            return float(loss.values)
        rate = np.asarray(learning_rate(training.suite, training.scale, step))
        found = [*measure(model, self._evaluation), loss, Reading("learning_rate", rate)]
        if self._log_spaced is not None and step in self._log_checkpoints:
            found += self._log_spaced.measure(model, training.optimiser, self._key, step)
        if self._deep is not None and step in self._deep_checkpoints:
            found += measure_deeply(model, self._deep, self._key, step)
            model.zero_grad()
        self.readings += [(step, reading) for reading in found]
        self.seconds += time.monotonic() - began
        return float(loss.values)

    def finish(self) -> None:
        """Measure what is known at the end only."""
        if self._log_spaced is not None:
            began = time.monotonic()
            self.readings += self._log_spaced.similarities()
            self.seconds += time.monotonic() - began

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue from here."""
        return {
            "readings": self.readings,
            "measuring": self.seconds,
            "deep_seconds": self._deep.seconds if self._deep is not None else {},
            "log_spaced": self._log_spaced.state() if self._log_spaced is not None else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.readings, self.seconds = state["readings"], state["measuring"]
        if self._deep is not None:
            self._deep.seconds.update(state["deep_seconds"])
        if self._log_spaced is not None:
            self._log_spaced.restore(state["log_spaced"])

    @property
    def last_step(self) -> int | None:
        """Of what is measured, None before anything is."""
        return self.readings[-1][0] if self.readings else None

    def costs(self) -> dict[str, Any]:
        """Seconds for a manifest: in total, and of each measure that is timed separately."""
        timed = [part.seconds for part in (self._log_spaced, self._deep) if part is not None]
        costs: dict[str, Any] = {"seconds_measuring": round(self.seconds, 1)}
        if timed:
            clocks = (clock for clocks in timed for clock in clocks.items())
            costs["seconds_by_measure"] = {name: round(spent, 1) for name, spent in clocks}
        return costs


class Underway:
    """One run on its way: what is measured of it, when it is saved, and what ends it.

    `first_step`: where it begins, or goes on after an earlier process; `stopped`: why it ended before its end.
    """

    def __init__(
        self,
        task: Task,
        partial: RunInProgress,
        progress: StepProgress | None,
        threads: int = 1,
    ) -> None:
        torch.set_num_threads(threads)
        self._config = {**task.suite.config(task.scale, task.seed), "threads": threads}
        self._partial, self._progress, self.task = partial, progress, task
        self.training = Training(task.suite, task.scale, task.seed, torch.device(task.device))
        self._measuring = Measuring(self.training)
        self.first_step, self._spent = 0, 0.0
        state = partial.load()
        if state is not None and state["config"] == self._config:
            self.training.restore(state)
            self._measuring.restore(state)
            self.first_step, self._spent = state["step"], state["seconds"]
        self._began = self._last_save = time.monotonic()
        self._saving = 0.0
        self.stopped: dict[str, Any] | None = None

    def at(self, step: int, inputs: Tensor, targets: Tensor) -> None:
        """What is done before the update of a step, if it is a checkpoint and the run has not stopped."""
        if self.stopped is not None or not self._measuring.due(step):
            return
        if time.monotonic() - self._last_save > max(SAVE_EVERY_SECONDS, SAVING_PAYS * self._saving):
            self._save(step)
        loss = self._measuring.measure(step, inputs, targets)
        if not math.isfinite(loss):
            error = f"the loss is {loss} at step {step}"
            self.stopped = {"last_step": self._measuring.last_step, "error": error}
        elif self._progress is not None:
            self._progress(step, self.task.suite.last_step, loss)

    def _save(self, step: int) -> None:
        seconds = self._spent + time.monotonic() - self._began
        parts = {**self.training.state(), **self._measuring.state()}
        before = time.monotonic()
        self._partial.save({"config": self._config, "step": step, "seconds": seconds, **parts})
        self._last_save = time.monotonic()
        self._saving = self._last_save - before

    def finished(self) -> Finished:
        """What is to be written, after the last step."""
        measuring = self._measuring
        if self.stopped is None:
            measuring.finish()
        seconds = round(self._spent + time.monotonic() - self._began, 1)
        further = {"seconds": seconds, **measuring.costs()}
        further |= {"stopped": self.stopped} if self.stopped is not None else {}
        further |= {"pieces": self.training.pieces} if self.training.pieces > 1 else {}
        parameters = self.training.model.n_params()
        return Finished(self._config, to_table(measuring.readings), parameters, further)
