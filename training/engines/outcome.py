"""How the making of a run ended, and of all runs of a collection: what is written, what failed, what is left to other processes."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emergence_stats.errors import CollectError, EmergenceStatsError, UsageError
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.places import local_folder

from .task import StepProgress, Task, make

if TYPE_CHECKING:
    from .bars import Bars


_NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM)


class BeingMadeError(CollectError):
    """Another process is making the run."""


class ThereError(CollectError):
    """The store has the run."""


@dataclass(frozen=True)
class Outcome:
    """Of a run that did not fail. `stopped`: why one that is written ended before its end; `left`: why it was not made."""

    stopped: str = ""
    left: str = ""

    @classmethod
    def of(cls, manifest: Manifest) -> Outcome:
        """Of a run that is written."""
        stopped = manifest.further.get("stopped")
        return cls(stopped=f"stopped early: {stopped['error']}" if stopped else "")


THERE = Outcome(left="is there by now, made by another process")
BEING_MADE = Outcome(left="is being made by another process, and left to it")


def attempt(task: Task, progress: StepProgress | None = None) -> Outcome:
    """Make a run, unless another process makes it, or has made it since it was missing. Raises what `make` does."""
    if is_there(task):  # without a wait for the modules that make it
        return THERE
    try:
        return Outcome.of(make(task, progress))
    except ThereError:
        return THERE
    except BeingMadeError:
        return BEING_MADE


def is_there(task: Task) -> bool:
    """Whether a store on a disk has the run. One elsewhere is not asked again: it may not answer, which need not stop a training."""
    folder = local_folder(task.store)
    return folder is not None and (folder / task.suite.name / f"{task.run_id}.json").exists()


def failure_of(run_id: str, error: BaseException) -> Exception:
    """How the failure of a run is told: an error of ours if the user can do something, else with the traceback."""
    if isinstance(error, CollectError | UsageError):
        return error
    if isinstance(error, EmergenceStatsError):
        return CollectError(f"run {run_id}: {error}")
    if isinstance(error, OSError) and error.filename and error.errno in _NOT_ALLOWED:
        return CollectError(
            f"run {run_id}: {error.filename}: {error.strerror}. Put its rights in order, or name another folder"
        )
    if isinstance(error, OSError):
        return CollectError(f"run {run_id}: {error}")
    if isinstance(error, KeyboardInterrupt):
        return CollectError(f"run {run_id} was interrupted")
    text = "".join(traceback.format_exception(error))
    return RuntimeError(f"run {run_id} failed:\n{text}")


class Tally:
    """Of a collection, run by run. `failure`: the first."""

    def __init__(self, tasks: Sequence[Task], bars: Bars) -> None:
        self._tasks = {task.run_id: task for task in tasks}
        self._bars, self._done = bars, 0
        self._being_made: list[str] = []
        self.failure: Exception | None = None

    def end(self, run_id: str, failure: Exception | None, outcome: Outcome | None = None) -> None:
        """A run has ended: it failed, or with an outcome."""
        if failure is None and outcome is not None and outcome.left:
            self._bars.leave(run_id, f"{run_id} {outcome.left}")
            self._being_made += [run_id] if outcome == BEING_MADE else []
            return
        stopped = outcome.stopped if outcome is not None else ""
        self._bars.finish(run_id, written=failure is None, stopped=stopped)
        self._done += failure is None
        if self.failure is None:
            self.failure = failure
        elif isinstance(failure, CollectError):
            self._bars.say(f"error: {failure}")

    def result(self) -> int:
        """How many runs were written. Raises the first failure, and `CollectError` if other processes are not done with
        some.
        """
        if self.failure is not None:
            raise self.failure
        if some := [run_id for run_id in self._being_made if not is_there(self._tasks[run_id])]:
            names = ", ".join(some[:3]) + (", ..." if some[3:] else "")
            raise CollectError(
                f"{len(some)} of the runs {'are' if some[1:] else 'is'} being made by other processes ({names}), and left to them; the others "
                "are there. Collect again when they have ended"
            )
        return self._done
