"""Data of a run by step, drawn for many steps at once: functions of the run and the step alone."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

CHUNK_STEPS = 64  # steps whose data are drawn at once


class Chunks(ABC):
    """Batches of which the latest chunk is kept."""

    _chunk: int | None = None
    _drawn: tuple[Tensor, Tensor] | None = None

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (batch, tokens) of one step."""
        chunk, offset = divmod(step, CHUNK_STEPS)
        if self._drawn is None or self._chunk != chunk:
            self._chunk, self._drawn = chunk, self._draw(chunk)
        inputs, targets = self._drawn
        return inputs[offset], targets[offset]

    @abstractmethod
    def _draw(self, chunk: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (CHUNK_STEPS, batch, tokens) of a chunk."""
