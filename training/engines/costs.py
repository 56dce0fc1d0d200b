"""What a run costs on a GPU: as measured where it was, else by a model that is fitted to what was measured.

    seconds a step = a + b L + c F        F: floating-point operations of a step, 6 P B T
    seconds a checkpoint = a' + b' L + c' P
    bytes at the peak = a'' + 16 P + c'' B T d L

with P parameters of the blocks, L blocks, width d, batch B and T positions, by least squares. Measured by
`python -m benchmarks.device cuda` (docs/device_benchmark.md): the cheap measures alone, products in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..suites import PAPER_SCALES, Scale, Suite

DEVICE, MEMORY_GB, BATCH, POSITIONS = "NVIDIA H200", 139.0, 512, 13
# Milliseconds a step, seconds a checkpoint, GB at the peak, by the scales of suite `paper`.
MEASURED = {
    "d128L2": (3.8, 0.20, 0.27),
    "d256L4": (7.0, 0.64, 0.77),
    "d384L6": (16.2, 0.87, 1.35),
    "d512L8": (32.8, 1.12, 2.29),
    "d768L12": (94.6, 1.69, 5.43),
}
_SPARED = 0.9  # of the memory, what a batch may take: fragments and libraries take the rest


@dataclass(frozen=True)
class Cost:
    """Of one run. `hours`: all steps and all checkpoints; `largest_batch`: that the memory has room for; `basis`: measured or
    estimated.
    """

    scale: str
    step_ms: float
    checkpoint_s: float
    hours: float
    memory_gb: float
    largest_batch: int
    basis: str


def costs(suite: Suite, memory_gb: float = MEMORY_GB) -> list[Cost]:
    """A run of each scale of a suite, on the device that was measured or one of its speed with this much memory."""
    return [_cost(suite, scale, memory_gb) for scale in suite.scales]


def _cost(suite: Suite, scale: Scale, memory_gb: float) -> Cost:
    measured = MEASURED.get(scale.name) if suite.batch == BATCH else None
    step, checkpoint, peak = measured or (
        _STEP(scale, suite.batch),
        _CHECKPOINT(scale, suite.batch),
        _own(scale) + _STATES(scale, suite.batch),
    )
    of_one = _STATES(scale, 2) - _STATES(scale, 1)
    room = _SPARED * memory_gb - _own(scale) - _STATES(scale, 0)
    seconds = step / 1000 * suite.last_step + checkpoint * len(suite.schedule())
    return Cost(
        scale.name,
        step,
        checkpoint,
        seconds / 3600,
        peak,
        max(0, int(room / of_one)),
        "measured" if measured else "estimated",
    )


def _parameters(scale: Scale) -> float:
    return 12.0 * scale.width**2 * scale.layers


def _own(scale: Scale) -> float:
    """GB of weights, gradients and two moments."""
    return 16 * _parameters(scale) / 1e9


def _fitted(
    column: int, terms: Callable[[Scale, int], list[float]], less: Callable[[Scale], float]
) -> Callable[[Scale, int], float]:
    """Least squares of a column of what was measured, `less` what is known of it; relative errors count alike."""
    x = np.array([terms(scale, BATCH) for scale in PAPER_SCALES])
    y = np.array([MEASURED[scale.name][column] - less(scale) for scale in PAPER_SCALES])
    factors, *_ = np.linalg.lstsq(x / y[:, None], np.ones(len(y)), rcond=None)
    return lambda scale, batch: float(np.dot(factors, terms(scale, batch)))


_STEP = _fitted(
    0, lambda s, b: [1.0, s.layers, 6e-9 * _parameters(s) * b * POSITIONS], lambda _: 0.0
)
_CHECKPOINT = _fitted(1, lambda s, _: [1.0, s.layers, 1e-6 * _parameters(s)], lambda _: 0.0)
_STATES = _fitted(2, lambda s, b: [1.0, 1e-9 * b * POSITIONS * s.width * s.layers], _own)
