"""A batch in pieces, one after the other, where memory does not suffice for all of it at once."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")
_ALLOCATORS = re.compile(r"not enough memory|can't allocate memory")  # of CPUs, by platform


class Pieces:
    """In how many pieces a training takes its batches: `n`, 1 until memory does not suffice."""

    def __init__(self, device: torch.device) -> None:
        self.n, self._device = 1, device

    def taken(self, samples: int, attempt: Callable[[int], T]) -> T:
        """`attempt(n)`. Where memory does not suffice, with twice as many pieces, for good, and a warning says so."""
        while True:
            try:
                return attempt(self.n)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or 2 * self.n > samples:
                    raise
            self.n *= 2
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            warnings.warn(
                f"out of memory with {2 * samples // self.n} samples at a time; going on with {samples // self.n}, which gives the "
                "same gradients up to rounding",
                RuntimeWarning,
                stacklevel=2,
            )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _ALLOCATORS.search(str(error)) is not None
