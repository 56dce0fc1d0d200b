"""Stable rank of a weight matrix: how many directions carry its squared norm.

With s the singular values of W, largest first:

    stable_rank(W) = sum(s^2) / s_1^2 = |W|_F^2 / |W|_2^2

between 1 and the rank (Rudelson and Vershynin 2007). It does not see a factor, and small singular values hardly move it, so
that it needs no threshold. A matrix of zeros has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ..model import Decoder


def stable_rank(weights: Tensor) -> Tensor:
    """Of each matrix in a batch: (..., m, n) -> (...), float64; NaN for zeros.

    The largest squared singular value is that of the smaller Gram matrix, in float64.
    """
    w = weights.double()
    gram = w.mT @ w if w.shape[-1] <= w.shape[-2] else w @ w.mT
    return w.square().sum((-2, -1)) / torch.linalg.eigvalsh(gram)[..., -1]


@torch.no_grad()
def by_layer(model: Decoder, since: Mapping[str, Tensor] | None = None) -> Tensor:
    """Mean stable rank of the weight matrices of each layer, (L + 2,); NaN for the final norm, which has none.

    Layer 0 is the token embedding; a block has four: queries, keys and values as one, the projection out of attention, and
    two of the MLP. `since`: of their change since these parameters, by name.
    """
    ranks = []
    for matrices in _matrices(model):
        changes = [w - since[name] if since is not None else w for name, w in matrices]
        ranks.append(torch.stack([stable_rank(w) for w in changes]).mean())
    return torch.stack([*ranks, torch.full_like(ranks[0], torch.nan)])


def _matrices(model: Decoder) -> Iterator[list[tuple[str, Tensor]]]:
    """Names and weights of the matrices of the embedding, and of each block."""
    yield [("tokens.weight", model.tokens.weight)]
    for i, block in enumerate(model.blocks):
        yield [(f"blocks.{i}.{name}", p) for name, p in block.named_parameters() if p.ndim == 2]
