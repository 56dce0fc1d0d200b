"""Largest eigenvalue of the Hessian as Adam sees it: the preconditioned sharpness.

Adam divides each coordinate of a step by the root of its mean squared gradient. With v that mean after t steps,
b1 and b2 the decay rates and e Adam's epsilon, it moves as gradient descent with momentum would in coordinates stretched by

    P = (1 - b1^t) (diag(sqrt(v / (1 - b2^t))) + e)

and the curvature that it meets is the largest eigenvalue of P^-1 H, which is that of the symmetric P^-1/2 H P^-1/2 (Cohen et
al. 2022, arXiv:2207.14484, section 2). At a constant learning rate r it rises to about (2 + 2 b1) / ((1 - b1) r), 38 / r for
b1 = 0.9, and stays there. Before the first step v is zero, and there is no value.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from .products import HessianOfLoss


def adam_scale(optimiser: Optimizer) -> Tensor | None:
    """P^-1/2 (parameters,), in the order of the optimiser's parameters; None before the first step.

    `optimiser`: `torch.optim.Adam` or `AdamW` (weight decay is no part of the curvature of the loss).
    """
    parts = []
    for group in optimiser.param_groups:
        beta1, beta2 = group["betas"]
        for p in group["params"]:
            state = optimiser.state.get(p)
            if not state:
                return None
            t = float(state["step"])
            root = (state["exp_avg_sq"] / (1 - beta2**t)).sqrt().add_(group["eps"])
            parts.append(root.mul_(1 - beta1**t).rsqrt_().flatten())
    return torch.cat(parts)


class PreconditionedHessian:
    """The symmetric matrix S H S, with S = diag(`scale`) and H a Hessian over the same parameters."""

    def __init__(self, hessian: HessianOfLoss, scale: Tensor) -> None:
        self._hessian, self._scale = hessian, scale
        self.size, self.device = hessian.size, hessian.device

    def __matmul__(self, v: Tensor) -> Tensor:
        """S H S v, both (parameters,)."""
        return (self._hessian @ (self._scale * v)).mul_(self._scale)
