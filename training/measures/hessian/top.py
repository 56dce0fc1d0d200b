"""Largest eigenvalue of the Hessian of the loss, or of another symmetric matrix, by Lanczos iteration.

After k steps from a random unit vector the Hessian is represented by a k x k tridiagonal matrix
T, whose largest eigenvalue theta approaches the Hessian's from below. With y its eigenvector and
beta the next off-diagonal, the Hessian has an eigenvalue within

    residual = beta |y_k|

of theta (Parlett 1998, section 13.2); the iteration stops when residual <= tolerance * |theta|.
Vectors are not kept and not reorthogonalised: copies of converged eigenvalues may appear in T, but
the largest is still right (Paige 1980). Memory is three vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .preconditioned import PreconditionedHessian
from .products import HessianOfLoss

TOLERANCE = 0.01  # the error of theta itself is of the order of its square
MAX_STEPS = 60


@dataclass(frozen=True)
class TopEigenvalue:
    """`residual` bounds the distance of `value` to an eigenvalue; `steps` products were made."""

    value: float
    residual: float
    steps: int
    converged: bool


def hessian_top(
    hessian: HessianOfLoss | PreconditionedHessian,
    generator: torch.Generator,
    tolerance: float = TOLERANCE,
    max_steps: int = MAX_STEPS,
) -> TopEigenvalue:
    """Largest (most positive) eigenvalue, in nats per squared unit of the parameters."""
    v = torch.randn(hessian.size, generator=generator, device=generator.device).to(hessian.device)
    v /= v.norm()
    before = torch.zeros_like(v)
    diagonal: list[float] = []
    off: list[float] = []
    while True:
        w = hessian @ v
        diagonal.append(float(w @ v))
        w.sub_(v, alpha=diagonal[-1])
        if off:
            w.sub_(before, alpha=off[-1])
        beta = float(w.norm())
        value, last = _largest(diagonal, off)
        residual = beta * last
        converged = residual <= tolerance * abs(value)
        if converged or len(diagonal) >= min(max_steps, hessian.size):
            return TopEigenvalue(value, residual, len(diagonal), converged)
        off.append(beta)
        before, v = v, w.div_(beta)


def _largest(diagonal: list[float], off: list[float]) -> tuple[float, float]:
    """Largest eigenvalue of a tridiagonal matrix, and |last entry| of its eigenvector."""
    t = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if off:
        beside = torch.tensor(off, dtype=torch.float64)
        t += torch.diag(beside, 1) + torch.diag(beside, -1)
    values, vectors = torch.linalg.eigh(t)
    return float(values[-1]), abs(float(vectors[-1, -1]))
