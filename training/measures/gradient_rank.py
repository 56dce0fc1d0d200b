"""Effective rank of the covariance of per-sample gradients.

With g_i the gradient of the loss of sample i on its true answer, over all parameters, and mean g:

    C = 1/n sum_i (g_i - g)(g_i - g)^T        gradient_rank = effective_rank(eigenvalues of C)

The eigenvalues are those of the n x n matrix of inner products of the centred gradients, over n,
and the factor drops out. At most n - 1, and it grows with n: compare only equal numbers of samples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .per_sample import ForwardPass, gram
from .rankme import effective_rank

FIRST_PARAMETERS = 50_000  # the paper's shortcut: only embeddings and the first blocks


def gradient_rank(passes: ForwardPass, first: int | None = None) -> Tensor:
    """Effective rank (scalar, float64) for the samples of `passes`.

    `first`: use only the gradients of this many leading parameters.
    """
    g = gram(passes.gradients(passes.targets), first)
    return effective_rank(torch.linalg.eigvalsh(centred(g)))


def centred(g: Tensor) -> Tensor:
    """Inner products (n, n) of rows -> those of the rows less their mean."""
    g = g - g.mean(0, keepdim=True)
    return g - g.mean(1, keepdim=True)
