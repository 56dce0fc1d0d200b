"""One run to be trained, as any engine hands it to whoever trains it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from emergence_stats.traces.format import Manifest

from ..suites import Declared, Size

StepProgress = Callable[[int, int, float], None]  # step, steps, loss


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
