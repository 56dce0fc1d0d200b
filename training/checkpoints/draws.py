"""Streams of draws, apart from each other and from those of training, so that a number of one says nothing of another."""

from __future__ import annotations

import numpy as np
import torch

SAMPLE_STREAM = 2  # samples of measures
DRAW_STREAM = 3  # Monte-Carlo draws of measures


def generator(*key: int) -> torch.Generator:
    """A generator on the CPU whose draws `key` fixes."""
    word = np.random.SeedSequence(list(key)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(word >> np.uint64(1)))
