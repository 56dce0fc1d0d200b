"""Effective rank of a spectrum (Roy and Vetterli 2007), and RankMe, that of a representation.

RankMe (Garrido et al. 2023, arXiv:2210.02885): with s the singular values of Z (samples x width), not
centred, and p = s / sum(s):

    RankMe(Z) = exp(-sum(p log p))

between 1 and min(samples, width). The paper adds a small epsilon to p for numerical reasons;
here zero singular values contribute zero, which is the limit and does not inflate low ranks.

*Centred*, the mean over samples is subtracted first. A common offset of all samples is one large singular value of Z, so that
the two may be far apart: the one is low where the samples look alike, the other where they differ in few directions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

ROUNDING = 1e-6  # of states, relative: they are computed in float32


def rankme(states: Tensor, *, centred: bool = False) -> Tensor:
    """Effective rank of each matrix in a batch: (..., samples, width) -> (...), float64.

    `centred`: of the states less their mean over samples; NaN where these differ by no more than rounding.

    Singular values come from the smaller Gram matrix in float64: a float32 Gram matrix inflates
    low ranks, a float64 one agrees with the singular values to 1e-7 and batches on every device.
    """
    z = states.double()
    if centred:
        size = z.square().sum((-2, -1), keepdim=True)
        z = z - z.mean(-2, keepdim=True)
        alike = z.square().sum((-2, -1), keepdim=True) <= ROUNDING**2 * size
        z = z.masked_fill(alike, 0.0)
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


def rankme_by_layer(pooled: Mapping[int, Tensor]) -> dict[int, float]:
    """RankMe of the states (samples, width) of each layer, all in one go where shapes agree.

    NaN of states that are not finite, or all zero.
    """
    states = sorted(pooled.items())
    if len({(state.shape, state.device) for _, state in states}) > 1:
        return {
            layer: rank for one in states for layer, rank in rankme_by_layer(dict([one])).items()
        }
    ranks = dict.fromkeys(pooled, math.nan)
    if not states:
        return ranks
    stacked = torch.stack([state for _, state in states])
    finite = torch.isfinite(stacked).flatten(1).all(1).tolist()
    usable = [layer for (layer, _), whole in zip(states, finite, strict=True) if whole]
    if not usable:
        return ranks
    if len(usable) < len(states):  # of one that is not finite there is no spectrum
        stacked = torch.stack([pooled[layer] for layer in usable])
    try:
        ranks.update(zip(usable, rankme(stacked).tolist(), strict=True))
    except RuntimeError:  # no convergence for one of them, or no memory for all
        if len(usable) > 1:
            for layer in usable:
                ranks.update(rankme_by_layer({layer: pooled[layer]}))
    return ranks
