"""One run to be trained, as any engine hands it to whoever trains it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

from emergence_stats.errors import CollectError

from ..suites import Scale, Suite

BYTES_A_PARAMETER = 16  # weights, gradients and two moments, in float32
_BASE = 1.2e9  # of a process with torch and what it loads
_SAMPLES_AND_COPIES = (
    24  # bytes of a hidden state that is pooled: in float32, in float64, and normalised
)


@dataclass(frozen=True)
class Task:
    """A run of a suite. `store`: a folder or a URI; `scratch`: where it is kept until it is whole, see `Workplace`."""

    store: str
    suite: Suite
    scale: Scale
    seed: int
    device: str = "cpu"
    scratch: str | None = None

    @property
    def run_id(self) -> str:
        return self.suite.run_id(self.scale, self.seed)

    def memory(self) -> float:
        """Bytes that training and measuring it need on a CPU: an estimate, for schedulers."""
        d, layers, context = self.scale.width, self.scale.layers, 13
        parameters = 12 * d * d * layers
        states = self.suite.evaluation_samples * context * d * (layers + 2) * _SAMPLES_AND_COPIES
        activations = self.suite.batch * context * d * layers * 34 * 4
        return _BASE + BYTES_A_PARAMETER * parameters + states + activations


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


def failure_of(run_id: str, error: BaseException) -> Exception:
    """How the end of a run is told: `CollectError` if the user can do something, else with the traceback."""
    if isinstance(error, CollectError):
        return error
    if isinstance(error, OSError):
        return CollectError(f"run {run_id}: {error}")
    if isinstance(error, KeyboardInterrupt):
        return CollectError(f"run {run_id} was interrupted")
    text = "".join(traceback.format_exception(error))
    return RuntimeError(f"run {run_id} failed:\n{text}")
