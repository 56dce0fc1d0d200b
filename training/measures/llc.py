"""Local learning coefficient of a loss at a checkpoint, by stochastic-gradient Langevin dynamics.

With L the mean loss over n samples and w* the checkpoint (Lau et al. 2023, arXiv:2308.12108):

    llc = n beta (E[L(w)] - L(w*))

where w is drawn from exp(-n beta L(w) - gamma/2 |w - w*|^2) by steps on minibatches B

    w <- w - eps/2 (n beta grad L_B(w) + gamma (w - w*)) + sqrt(eps) N(0, 1)

For a regular model it is half the number of parameters; the more degenerate the loss, the smaller.
The value hangs on eps, gamma and n beta more than on anything else (docs/measures.md), so they are
part of the suite and of each run's manifest.

**Less noise from minibatches.** Each draw is the loss of its minibatch at w less the loss of the
*same* minibatch at w*, which has the same mean as the difference above and little of its noise.
The losses at w* are those of single samples, from one pass before the chains begin.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training.measures.sampler import Sampler

# Of samples `index` (b,): each one's loss summed over what it is a mean of, and how many that are
# (both (b,)). The loss of a batch is the ratio of the sums.
SampleLosses = Callable[[Any, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class LocalLearningCoefficient:
    """`value` and `stderr` over the chains that stayed; `chains` (all of them) their own values.

    `escaped` (chains,): whose mean loss lies more than half-way from the checkpoint's to chance,
    and by more than a quarter of chance (a checkpoint near chance has no basin to leave), or is no
    finite number. Such a chain tells of the loss and not of the basin, so it is no part of `value`, which is NaN where
    fewer than two chains stay. `negative`: `value` below zero: the checkpoint is no local
    minimum. `drifting`: the later half of the draws differs from the earlier one by more than two
    standard errors over chains and more than a tenth of `value`: the chains have not settled.
    """

    value: float
    stderr: float
    initial_loss: float
    chains: tuple[float, ...]
    escaped: tuple[bool, ...]
    drifting: bool

    @property
    def negative(self) -> bool:
        return self.value < 0


def llc(
    model: nn.Module,
    losses: SampleLosses,
    samples: int,
    sampler: Sampler,
    generator: torch.Generator,
    chance: float = math.inf,
) -> LocalLearningCoefficient:
    """Estimate at the parameters of `model`, which stays as it is.

    `samples`: how many there are, n. `chance`: the loss of a model that knows nothing, in the
    units of the loss. `generator`, on the CPU, draws minibatches and noise. Raises `ValueError`
    for fewer than two chains or four draws.
    """
    if sampler.chains < 2 or sampler.draws < 4:
        raise ValueError("an LLC needs two chains for its error and four draws")
    walker = _Walker(model)
    with torch.no_grad():
        every = torch.arange(samples)
        parts = [losses(walker.model, index) for index in every.split(sampler.batch)]
    at_start, counts = (torch.cat(column) for column in zip(*parts, strict=True))
    initial_loss = float(at_start.sum() / counts.sum())
    excess = torch.stack(
        [
            _chain(walker, losses, at_start, counts, sampler, generator)
            for _ in range(sampler.chains)
        ]
    )  # (chains, draws), in units of the loss
    return _summary(excess, initial_loss, sampler, chance)


def _chain(
    walker: _Walker,
    losses: SampleLosses,
    at_start: Tensor,
    counts: Tensor,
    sampler: Sampler,
    generator: torch.Generator,
) -> Tensor:
    """Excess loss over the checkpoint's, on the same minibatch, of each draw (draws,)."""
    walker.reset()
    excess = []
    for step in range(sampler.burn_in + sampler.draws):
        index = torch.randint(0, len(at_start), (sampler.batch,), generator=generator)
        sums, of = losses(walker.model, index)
        loss = sums.sum() / of.sum()
        walker.gradient.zero_()
        loss.backward()
        if step >= sampler.burn_in:
            excess.append(loss.detach() - at_start[index].sum() / counts[index].sum())
        walker.step(sampler, generator)
    return torch.stack(excess).double().cpu()


class _Walker:
    """A copy of a model whose parameters, and their gradients, are views of one vector each."""

    def __init__(self, model: nn.Module) -> None:
        self.model = copy.deepcopy(model)
        parameters = list(self.model.parameters())
        self._start = torch.cat([p.detach().flatten() for p in parameters])
        self._position = self._start.clone()
        self.gradient = torch.zeros_like(self._start)
        at = 0
        for p in parameters:
            here = slice(at, at + p.numel())
            p.data = self._position[here].view_as(p)
            p.grad = self.gradient[here].view_as(p)
            at += p.numel()

    def reset(self) -> None:
        self._position.copy_(self._start)

    def step(self, s: Sampler, generator: torch.Generator) -> None:
        noise = torch.randn(self._position.shape, generator=generator).to(self._position.device)
        pull = 0.5 * s.step_size * s.localisation
        self._position.lerp_(self._start, pull)
        self._position.add_(self.gradient, alpha=-0.5 * s.step_size * s.inverse_temperature)
        self._position.add_(noise, alpha=s.step_size**0.5)


def _summary(
    excess: Tensor, initial_loss: float, sampler: Sampler, chance: float
) -> LocalLearningCoefficient:
    means = excess.mean(1)
    within = means <= max(0.5 * (chance - initial_loss), 0.25 * chance)
    escaped = ~(within & means.isfinite())  # a walk that diverged ends in NaN or infinity
    chains = sampler.inverse_temperature * means
    stayed = chains[~escaped]
    n = len(stayed)
    value = float(stayed.mean()) if n >= 2 else math.nan
    stderr = float(stayed.std()) / n**0.5 if n >= 2 else math.nan
    half = excess.shape[1] // 2
    change = sampler.inverse_temperature * (excess[:, -half:].mean(1) - excess[:, :half].mean(1))
    change = change[~escaped]
    drifting = n >= 2 and abs(float(change.mean())) > max(
        2 * float(change.std()) / n**0.5, 0.1 * abs(value)
    )
    return LocalLearningCoefficient(
        value=value,
        stderr=stderr,
        initial_loss=initial_loss,
        chains=tuple(chains.tolist()),
        escaped=tuple(escaped.tolist()),
        drifting=drifting,
    )
