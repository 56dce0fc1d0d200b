"""Trace of the Hessian of the loss, by Hutchinson's estimator on second differences.

With z_i of independent signs (Rademacher), each z_i^T H z_i has mean tr(H); the estimate is their
mean, and its standard error that of a mean (Hutchinson 1990). A quadratic form is the second
derivative of the loss L along z, and that needs forward passes only:

    z^T H z = (L(w + h z) - 2 L(w) + L(w - h z)) / h^2 + O(h^2)

in float64, where rounding costs about 4e-16 L / h^2 and is far below the error of any number of
probes (tests/training/test_measures.py has both). Memory is that of a forward pass of one block.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from ...model import Decoder, answer_loss

PROBES = 16
STEP = 1e-5
BLOCK = 64


def hessian_trace(
    model: Decoder,
    inputs: Tensor,
    targets: Tensor,
    generator: torch.Generator,
    probes: int = PROBES,
    block: int | None = None,
) -> tuple[float, float]:
    """(trace, its standard error) for the mean cross-entropy of answer tokens, in nats.

    `inputs` and `targets` (n, T) as in `answer_loss`; `block`: samples at a time, by default 64.
    `generator`, on the CPU, draws the signs. Raises `ValueError` for fewer than two probes.
    """
    if probes < 2:
        raise ValueError(f"probes is {probes}; a standard error needs two")
    loss = _LossAlong(model, inputs, targets, block or BLOCK)
    here = loss.at(None, 0.0)
    forms = []
    for _ in range(probes):
        signs = torch.randint(0, 2, (loss.size,), generator=generator, dtype=torch.int8)
        z = signs.to(inputs.device).mul_(2).sub_(1)
        forms.append((loss.at(z, STEP) - 2 * here + loss.at(z, -STEP)) / STEP**2)
    samples = torch.tensor(forms, dtype=torch.float64)
    return float(samples.mean()), float(samples.std() / probes**0.5)


class _LossAlong:
    """The loss in float64 at the parameters of a model, moved along a direction."""

    def __init__(self, model: Decoder, inputs: Tensor, targets: Tensor, block: int) -> None:
        self._model = copy.deepcopy(model).double()
        self._parameters = list(self._model.parameters())
        self._start = [p.detach().double() for p in model.parameters()]
        self.size = sum(p.numel() for p in self._parameters)
        self._blocks = list(_of_like_length(inputs, targets, block))
        self._answers = int((targets >= 0).sum())

    @torch.no_grad()
    def at(self, direction: Tensor | None, step: float) -> float:
        """L(w + step * direction); `direction` (parameters,) of any type, None for zero."""
        if direction is not None:
            parts = direction.split([p.numel() for p in self._parameters])
            for p, start, part in zip(self._parameters, self._start, parts, strict=True):
                torch.add(start, part.view_as(p), alpha=step, out=p.data)
        total = 0.0
        for inputs, targets in self._blocks:
            share = int((targets >= 0).sum()) / self._answers
            total += float(answer_loss(self._model, inputs, targets)) * share
        return total


def _of_like_length(inputs: Tensor, targets: Tensor, block: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Blocks of samples, shortest first, each cut after its last answer.

    A causal model does not look at what follows, so the sum over blocks is the loss of all.
    """
    place = torch.arange(1, targets.shape[1] + 1, device=targets.device)
    lengths = torch.where(targets >= 0, place, 0).amax(1)
    for index in lengths.argsort(stable=True).split(block):
        end = int(lengths[index].amax())
        yield inputs[index, :end], targets[index, :end]
