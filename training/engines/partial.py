"""A run that is not whole yet: its folder, its lock, and its last saved state."""

from __future__ import annotations

import errno
import os
import re
import shutil
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from emergence_stats.errors import CollectError

from ..checkpoints.readings import Reading
from .outcome import BeingMadeError, ThereError, is_there
from .task import Task
from .workplace import Workplace

# All that a state is made of besides tensors and what Python itself has: a state in a store that others write to runs no code.
_IN_STATES: list[Any] = [
    Reading,
    np.ndarray,
    np.dtype,
    np.empty(0).__reduce__()[0],
    np.float64().__reduce__()[0],
    *{type(np.dtype(kind)) for kind in "?bhilqBHILQefd"},
]


class RunInProgress:
    """The folder of a run that is being trained, below `scratch`: a lock, and the last saved state.

    Entering it raises `BeingMadeError` if another process is in it, and `ThereError` if the store has the run.
    """

    def __init__(self, scratch: Path, task: Task) -> None:
        self.run_id, self._task = task.run_id, task
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
        if is_there(self._task):  # asked under the lock: another process may have made it just now
            self.__exit__()
            raise ThereError(
                f"run {self.run_id} is there already; to make it anew, remove it with `emergence-stats traces rm {self.run_id}`"
            )
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

    def resume(
        self, config: Mapping[str, Any], apart: Collection[str] = ()
    ) -> dict[str, Any] | None:
        """The last saved state, None if there is none; or, with a warning, if its run had other settings than `config`, but for
        those `apart`. Raises as `load` does.
        """
        state = self.load()
        if state is None:
            return None
        before = state.get("config") or {}
        keys = [key for key in {**before, **config} if before.get(key) != config.get(key)]
        if set(keys) <= set(apart):
            return state
        warnings.warn(
            f"run {self.run_id} begins anew: its saved state has other settings ({', '.join(keys)})",
            RuntimeWarning,
            stacklevel=2,
        )
        return None

    def load(self) -> dict[str, Any] | None:
        """The last saved state, None if there is none, or, with a warning, if it is damaged.

        Raises `CollectError` for one that holds anything else than runs of this version save.
        """
        if not self.state_path.exists():
            return None
        try:
            # onto the CPU, since the device that it was saved on need not be here
            with torch.serialization.safe_globals(_IN_STATES):
                state = torch.load(self.state_path, map_location="cpu", weights_only=True)
        except Exception as error:  # bytes that are no pickle raise nearly anything
            foreign = re.search(r"Unsupported global: GLOBAL (\S+)", str(error))
            if foreign is not None:
                raise CollectError(
                    f"run {self.run_id}: its state in {self.folder} holds {foreign[1]}, which this version saves in none: another "
                    "version has saved it, or somebody has put it there; remove that folder to train the run from the start"
                ) from None
            why = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
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
