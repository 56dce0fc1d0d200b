"""SVCCA: mean canonical correlation of the main directions of two representations (Raghu et al. 2017, arXiv:1706.05806).

Each representation of the same n samples, less its mean, is cut to the fewest singular directions that hold 99% of its
variance. With U and V the left singular vectors that stay, the canonical correlations are the singular values of U^T V:

    svcca(X, Y) = mean(singular values of U^T V)

between 0 and 1; blind to every invertible map of what stays. With k and l directions two unrelated representations have about
sqrt((k + l) / 2n), so that numbers of samples have to be equal to be compared.
"""

from __future__ import annotations

import torch
from torch import Tensor

VARIANCE = 0.99


def svcca(x: Tensor, y: Tensor, variance: float = VARIANCE) -> Tensor:
    """Of two representations (n, d) and (n, d') of the same samples: a scalar, float64. NaN if all samples are alike."""
    u, v = _main_directions(x, variance), _main_directions(y, variance)
    if u.shape[1] == 0 or v.shape[1] == 0:
        return torch.tensor(torch.nan, dtype=torch.float64)
    return torch.linalg.svdvals(u.mT @ v).mean().clamp(max=1.0)


def _main_directions(x: Tensor, variance: float) -> Tensor:
    """Left singular vectors (n, k) of the centred representation that hold this share of its variance."""
    x = x.double() - x.double().mean(-2, keepdim=True)
    u, s, _ = torch.linalg.svd(x, full_matrices=False)
    held = s.square().cumsum(0)
    if not held[-1] > 0:
        return u[:, :0]
    return u[:, : int((held < variance * held[-1]).sum()) + 1]
