"""Linear CKA: centred kernel alignment of two representations (Kornblith et al. 2019, arXiv:1905.00414).

With X and Y the representations of the same n samples, less their means:

    cka(X, Y) = |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F)

between 0 and 1, and 1 where one is a rotation and a multiple of the other. Directions count by their variance, so it is
defined for fewer samples than units, though biased upward there.
"""

from __future__ import annotations

from torch import Tensor


def cka(x: Tensor, y: Tensor) -> Tensor:
    """Of each pair in a batch: (..., n, d) and (..., n, d') -> (...), float64. NaN if all samples are alike."""
    x, y = (z.double() - z.double().mean(-2, keepdim=True) for z in (x, y))
    across, within_x, within_y = (
        (a.mT @ b).square().sum((-2, -1)) for a, b in ((y, x), (x, x), (y, y))
    )
    return across / (within_x * within_y).sqrt()
