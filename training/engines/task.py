"""One run to be trained, as any engine hands it to whoever trains it."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emergence_stats.traces.format import Manifest

from ..suites import Declared, Size

StepProgress = Callable[[int, int, float], None]  # step, steps, loss
_EARS: ContextVar[Callable[[str], None] | None] = ContextVar("ears", default=None)
_FOLDER = Path(__file__).parent.parent  # of this backend
_OURS = __name__.partition(".")[0]


@dataclass(frozen=True)
class Task:
    """A run of a suite. `store`: a folder or a URI; `scratch`: where it is kept until it is whole, see `Workplace`."""

    store: str
    suite: Declared
    scale: Size
    seed: int
    device: str = "cpu"
    scratch: str | None = None

    @property
    def run_id(self) -> str:
        return self.suite.run_id(self.scale, self.seed)

    def memory(self) -> float:
        """Bytes that training and measuring it need on a CPU: an estimate, for schedulers."""
        return self.suite.memory(self.scale)


def make(task: Task, progress: StepProgress | None = None) -> Manifest:
    """Make and write a run, by the module that its suite names; go on with one that an earlier process began.

    Raises `CollectError` when another process makes the same run, the disk is full, or a store elsewhere does not take it.
    """
    module = importlib.import_module(task.suite.trainer, __package__.partition(".")[0])
    manifest: Manifest = module.train(task, progress)
    return manifest


def say(text: str) -> None:
    """A line for whoever called `collect`, who may sit at another machine than the one that makes a run."""
    ears = _EARS.get()
    if ears is None:
        sys.stderr.write(f"{text}\n")
    else:
        ears(text)


@contextmanager
def heard_by(ears: Callable[[str], None]) -> Iterator[None]:
    """Inside, what a run says (`say`), and what this backend warns of, goes there."""
    token = _EARS.set(ears)
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=RuntimeWarning, module=_OURS)
        show = warnings.showwarning

        def told(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: Any = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, RuntimeWarning) and Path(filename).is_relative_to(_FOLDER):
                ears(f"warning: {message}")
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = told
        try:
            yield
        finally:
            _EARS.reset(token)


@dataclass(frozen=True)
class Options:
    """What an engine is told. `jobs`: runs at once (None: as many as there are places); `address` of a Ray cluster;
    `retries` of a run whose worker is lost; `together`: seeds of one scale in one process of this machine; `slurm`: parameters of its jobs, as ``{"partition": "gpu"}``.
    """

    jobs: int | None = None
    address: str | None = None
    retries: int = 3
    together: int = 1
    slurm: Mapping[str, str] = field(default_factory=dict)
