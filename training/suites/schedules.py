"""What changes with the step of a training: which steps are checkpoints, and the learning rate."""

from __future__ import annotations

import math
from typing import Protocol

from .suite import Scale


class Annealed(Protocol):
    """A suite with a learning rate that warms up and falls. All lengths are in optimiser steps."""

    @property
    def steps(self) -> int: ...
    @property
    def warmup(self) -> int: ...
    @property
    def final_learning_rate(self) -> float: ...

    def peak_rate(self, scale: Scale) -> float:
        """The learning rate after warm-up."""


def learning_rate(suite: Annealed, scale: Scale, step: int) -> float:
    """Linear warm-up, then cosine decay to `final_learning_rate` of the peak: 1 is a constant rate."""
    warm = min(1.0, (step + 1) / suite.warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / suite.steps)))
    share = suite.final_learning_rate + (1 - suite.final_learning_rate) * cosine
    return suite.peak_rate(scale) * warm * share
