"""Effective rank of a spectrum (Roy and Vetterli 2007), and RankMe, that of a representation.

RankMe (Garrido et al. 2023, arXiv:2210.02885): with s the singular values of Z (samples x width), not
centred, and p = s / sum(s):

    RankMe(Z) = exp(-sum(p log p))

between 1 and min(samples, width). The paper adds a small epsilon to p for numerical reasons;
here zero singular values contribute zero, which is the limit and does not inflate low ranks.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rankme(states: Tensor) -> Tensor:
    """Effective rank of each matrix in a batch: (..., samples, width) -> (...), float64.

    Singular values come from the smaller Gram matrix in float64: a float32 Gram matrix inflates
    low ranks, a float64 one agrees with the singular values to 1e-7 and batches on every device.
    """
    z = states.double()
    samples, width = z.shape[-2:]
    gram = z.mT @ z if width <= samples else z @ z.mT
    return effective_rank(torch.linalg.eigvalsh(gram).clamp_min(0).sqrt())


def effective_rank(spectrum: Tensor) -> Tensor:
    """exp(-sum(p log p)) with p = spectrum / sum(spectrum): (..., n) -> (...).

    Between 1 and n. Zeros contribute zero, and values below zero, which arise by rounding, count as
    zero. NaN if all are zero.
    """
    p = spectrum.clamp_min(0)
    p = p / p.sum(-1, keepdim=True)
    return torch.special.entr(p).sum(-1).exp()
