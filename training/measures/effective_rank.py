"""Effective rank of a spectrum (Roy and Vetterli 2007): the exponential of its entropy."""

from __future__ import annotations

import torch
from torch import Tensor


def effective_rank(spectrum: Tensor) -> Tensor:
    """exp(-sum(p log p)) with p = spectrum / sum(spectrum): (..., n) -> (...).

    Between 1 and n. Zeros contribute zero, and values below zero, which rounding makes of zeros,
    count as zero. NaN where all are zero.
    """
    p = spectrum.clamp_min(0)
    p = p / p.sum(-1, keepdim=True)
    return torch.special.entr(p).sum(-1).exp()
