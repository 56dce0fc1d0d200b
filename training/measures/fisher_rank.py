"""Effective rank of the Fisher information of the model's own predictions.

With y_i an answer drawn from the model, and s_i the gradient of log p(y_i | x_i):

    F = E[s s^T] ~ 1/n sum_i s_i s_i^T        fisher_rank = effective_rank(eigenvalues of F)

With true answers in place of drawn ones this would be the gradient covariance again, except for
the mean (Kunstner et al. 2019, arXiv:1905.12558). Answer tokens are drawn one position at a time,
each given the true tokens before it. At most n, and it grows with n.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .per_sample import ForwardPass, gram
from .rankme import effective_rank


def fisher_rank(passes: ForwardPass, generator: torch.Generator) -> Tensor:
    """Effective rank (scalar, float64), with one answer drawn for each sample of `passes`."""
    labels = passes.sampled_labels(generator)
    return effective_rank(torch.linalg.eigvalsh(gram(passes.gradients(labels))))
