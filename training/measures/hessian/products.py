"""Products of the Hessian of the answer loss with vectors, by two backward passes.

    H v = d/dw (g(w) . v)        with g the gradient of the loss (Pearlmutter 1994)

The graph of g is built once and kept for all products if the batch is one block; a batch of several
blocks is processed block by block at each product, so that memory is that of one block.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...model import Decoder, answer_loss


class HessianOfLoss:
    """The Hessian of the mean cross-entropy of the answer tokens of a batch, in nats.

    `inputs` and `targets` (n, T) as in `answer_loss`; `block`: samples at a time, by default all.
    Parameters are one vector (parameters,) in the order of `model.parameters()`.
    """

    def __init__(
        self, model: Decoder, inputs: Tensor, targets: Tensor, block: int | None = None
    ) -> None:
        self.model = model
        self.parameters = list(model.parameters())
        self.size = sum(p.numel() for p in self.parameters)
        self.device = self.parameters[0].device
        self._blocks = list(
            zip(
                inputs.split(block or len(inputs)), targets.split(block or len(inputs)), strict=True
            )
        )
        self._answers = int((targets >= 0).sum())
        self._kept = self._gradients(*self._blocks[0]) if len(self._blocks) == 1 else None

    def _gradients(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
        """The block's share of the gradient, with its graph."""
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
            loss = answer_loss(self.model, inputs, targets)
            share = int((targets >= 0).sum()) / self._answers
            return torch.autograd.grad(loss * share, self.parameters, create_graph=True)

    def _graphs(self) -> Iterator[tuple[Tensor, ...]]:
        if self._kept is not None:
            yield self._kept
        else:
            for inputs, targets in self._blocks:
                yield self._gradients(inputs, targets)

    def __matmul__(self, v: Tensor) -> Tensor:
        """H v, both (parameters,)."""
        total = torch.zeros_like(v)
        for gradients in self._graphs():
            total.add_(self._product(gradients, v, keep=self._kept is not None))
        return total

    def _product(self, gradients: tuple[Tensor, ...], v: Tensor, keep: bool) -> Tensor:
        """One block's share of H v."""
        sizes = [p.numel() for p in self.parameters]
        parts = [part.view_as(p) for part, p in zip(v.split(sizes), self.parameters, strict=True)]
        product = torch.autograd.grad(gradients, self.parameters, parts, retain_graph=keep)
        return torch.cat([p.flatten() for p in product])
