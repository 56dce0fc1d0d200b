"""A run that is not whole yet: its folder, its lock, and its last saved state."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from emergence_stats.errors import CollectError

from .outcome import BeingMadeError
from .task import Task
from .workplace import Workplace


class RunInProgress:
    """The folder of a run that is being trained, below `scratch`: a lock, and the last saved state.

    Entering it raises `BeingMadeError` if another process is in it.
    """

    def __init__(self, scratch: Path, task: Task) -> None:
        self.run_id = task.run_id
        self.folder = scratch / task.suite.name / f".{task.run_id}.partial"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state_path = self.folder / "state.pt"
        self._lock = FileLock(self.folder / "lock")

    def __enter__(self) -> RunInProgress:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise BeingMadeError(
                f"run {self.run_id} is being collected by another process (lock in {self.folder})"
            ) from None
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.folder.is_dir() and {path.name for path in self.folder.iterdir()} <= {"lock"}:
            self.remove()  # nothing was saved, as of a run that was refused
        self._lock.release()
        with suppress(
            OSError
        ):  # the folder of the suite, and the store's, where nothing else is in them
            self.folder.parent.rmdir()

    def save(self, state: dict[str, Any]) -> None:
        hidden = self.state_path.with_suffix(".writing")
        try:
            torch.save(state, hidden)
            # or a power cut leaves an empty file of the right name
            with hidden.open("rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(hidden, self.state_path)
        except BaseException:
            hidden.unlink(missing_ok=True)
            raise

    def load(self) -> dict[str, Any] | None:
        """The last saved state, None if there is none, or, with a warning, if it is damaged.

        Raises `CollectError` for another version's.
        """
        if not self.state_path.exists():
            return None
        try:
            state = torch.load(self.state_path, weights_only=False)
        except (ModuleNotFoundError, AttributeError) as error:
            raise CollectError(
                f"run {self.run_id}: its state in {self.folder} was saved by another version "
                f"({error}); remove that folder to train it from the start"
            ) from None
        except Exception as error:  # bytes that are no pickle raise nearly anything
            why = f"{type(error).__name__}: {error}"
        else:
            if isinstance(state, dict):
                return state
            why = f"it is a {type(state).__name__}"
        warnings.warn(
            f"run {self.run_id} begins anew: its saved state {self.state_path} cannot be read ({why})",
            RuntimeWarning,
            stacklevel=2,
        )
        return None

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


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
