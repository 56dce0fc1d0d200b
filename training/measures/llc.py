"""Local learning coefficient of a loss at a checkpoint, by stochastic-gradient Langevin dynamics.

With L the mean loss over n samples and w* the checkpoint (Lau et al. 2023, arXiv:2308.12108):

    llc = n beta (E[L(w)] - L(w*))

where w is drawn from exp(-n beta L(w) - gamma/2 |w - w*|^2) by steps on minibatches B

    w <- w - eps/2 (n beta grad L_B(w) + gamma (w - w*)) + sqrt(eps) N(0, 1)

For a regular model it is half the number of parameters; the more degenerate the loss, the smaller.
The value depends on eps, gamma and n beta more than on anything else (docs/llc), so they are
part of the suite and of each run's manifest.

**Parts.** The samples fall into groups, and the loss is the mean over groups, up to their weights.
A checkpoint of training on the whole is near a minimum of the loss of the whole, not of that of a
group, so the LLC of a group's own loss would not be at a minimum: negative, until the group is
learned. What is well defined is the group's part in the LLC of the whole: with w drawn as above,
from the posterior of the whole,

    llc_i = n beta (E[L_i(w)] - L_i(w*))

and the mean of the parts, weighted as the losses are, is the LLC. A part may be negative where
moving away from w* helps one group at the cost of others.

**Less noise from minibatches.** Each draw is the loss of its minibatch at w less the loss of the
*same* minibatch at w*, which has the same mean as the difference above and little of its noise.
The losses at w* are those of single samples, from one pass before the chains begin.

**Less noise from slopes.** If a loss has a slope at w*, as that of a group has, most of its noise is
that slope times the position of the walk. Chains may walk in antithetic pairs (Hammersley
and Morton 1956), the second with the minibatches of the first and its noise reversed: each has the
right distribution, and in their mean the slopes cancel.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from .sampler import Sampler

# For samples `index` (b,): each one's loss summed over its terms, and the number of terms (both
# (b,)). The loss of a batch is the ratio of the sums.
SampleLosses = Callable[[Any, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Groups:
    """Samples in `count` consecutive groups of `size`: 0 to size - 1 is the first.

    `losses` is for all of them, `chance` (count,) as in `llc`.
    """

    losses: SampleLosses
    count: int
    size: int
    chance: tuple[float, ...]


@dataclass(frozen=True)
class LocalLearningCoefficient:
    """`value` and `stderr` over the chains that stayed; `chains`: the values of all chains.

    `escaped` (chains,): whose mean loss lies more than half-way from the checkpoint's to chance,
    and by more than a quarter of chance (a checkpoint near chance has no basin to leave), or is not
    finite. Such a chain describes the loss and not the basin, so it is left out of `value`, which is NaN
    if fewer than two chains stay. `negative`: `value` below zero: the checkpoint is not a local
    minimum. `drifting`: the later half of the draws differs from the earlier one by more than two
    standard errors over chains and more than a tenth of `value`: the chains have not settled.
    `parts`: the same for each group, if there are groups.
    """

    value: float
    stderr: float
    initial_loss: float
    chains: tuple[float, ...]
    escaped: tuple[bool, ...]
    drifting: bool
    parts: tuple[LocalLearningCoefficient, ...] = ()

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
    groups: Groups | None = None,
) -> LocalLearningCoefficient:
    """Estimate at the parameters of `model`, which stays as it is.

    `samples`: how many there are, n. `chance`: the loss of a model that knows nothing, in the
    units of the loss. `generator`, on the CPU, draws minibatches and noise. `groups`: those that
    get parts. Raises `ValueError` for fewer than two chains (pairs of
    chains, if they are antithetic) or four draws.
    """
    if sampler.chains < 2 or sampler.draws < 4:
        raise ValueError("an LLC needs two chains for its error and four draws")
    if sampler.antithetic and (sampler.chains < 4 or sampler.chains % 2):
        raise ValueError("antithetic chains come in pairs, and two pairs are needed for an error")
    walker = _Walker(model)
    whole = _AtStart.of(walker.model, losses, samples, sampler.batch)
    parts = None
    if groups is not None:
        if sampler.draws < 4 * sampler.thinning:
            raise ValueError("parts need four readings: draws at least 4 times thinning")
        size = groups.count * groups.size
        parts = _AtStart.of(walker.model, groups.losses, size, groups.count * sampler.part_batch)
    chains = [
        _chain(walker, whole, parts, groups, sampler, draws, sign)
        for draws, sign in _noise(sampler, generator)
    ]
    excess = torch.stack([draws for draws, _ in chains])  # (chains, draws), in units of the loss
    found = _summary(excess, float(whole.loss()), sampler, chance)
    if groups is None or parts is None:
        return found
    of_parts = torch.stack([readings for _, readings in chains])  # (chains, readings, groups)
    initial = parts.loss(groups.count)
    return replace(
        found,
        parts=tuple(
            _summary(of_parts[..., i], float(initial[i]), sampler, groups.chance[i])
            for i in range(groups.count)
        ),
    )


def _noise(sampler: Sampler, generator: torch.Generator) -> Iterator[tuple[torch.Generator, float]]:
    """What each chain draws its minibatches and noise from, and the sign of its noise."""
    signs = (1.0, -1.0) if sampler.antithetic else (1.0,)
    for _ in range(sampler.chains // len(signs)):
        seed = int(torch.randint(2**62, (), generator=generator))
        for sign in signs:
            yield torch.Generator().manual_seed(seed), sign


@dataclass(frozen=True)
class _AtStart:
    """Losses at the checkpoint: of each sample, summed over its terms, and the number of terms."""

    losses: SampleLosses
    sums: Tensor  # (samples,)
    counts: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, model: nn.Module, losses: SampleLosses, samples: int, block: int) -> _AtStart:
        blocks = [losses(model, index) for index in torch.arange(samples).split(block)]
        return cls(losses, *(torch.cat(column) for column in zip(*blocks, strict=True)))

    def loss(self, groups: int = 1) -> Tensor:
        """Mean loss of each of `groups` groups of equal size (groups,)."""
        return self.sums.view(groups, -1).sum(1) / self.counts.view(groups, -1).sum(1)

    def here(self, model: nn.Module, index: Tensor, groups: int = 1) -> tuple[Tensor, Tensor]:
        """Loss of samples `index` at `model`, and its excess over theirs at the start (groups,).

        The samples of a group are consecutive, equally many for each.
        """
        sums, counts = (x.view(groups, -1).sum(1) for x in self.losses(model, index))
        return sums / counts, (sums.detach() - self.sums[index].view(groups, -1).sum(1)) / counts


def _chain(
    walker: _Walker,
    whole: _AtStart,
    parts: _AtStart | None,
    groups: Groups | None,
    sampler: Sampler,
    generator: torch.Generator,
    sign: float,
) -> tuple[Tensor, Tensor]:
    """Excess loss over the checkpoint's, on the same minibatch: of each draw (draws,), and of the
    groups at every `thinning`-th draw (readings, groups).
    """
    walker.reset()
    draws, readings = [], []
    for step in range(sampler.burn_in + sampler.draws):
        index = torch.randint(0, len(whole.sums), (sampler.batch,), generator=generator)
        loss, excess = whole.here(walker.model, index)
        walker.gradient.zero_()
        loss.sum().backward()
        if step >= sampler.burn_in:
            draws.append(excess[0])
            if parts and groups and (step - sampler.burn_in) % sampler.thinning == 0:
                some = (groups.count, sampler.part_batch)
                first = torch.arange(groups.count)[:, None] * groups.size
                index = first + torch.randint(0, groups.size, some, generator=generator)
                with torch.no_grad():
                    readings.append(parts.here(walker.model, index.flatten(), groups.count)[1])
        walker.step(sampler, generator, sign)
    read = torch.stack(readings) if readings else torch.empty(0)
    return torch.stack(draws).double().cpu(), read.double().cpu()


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

    def step(self, s: Sampler, generator: torch.Generator, sign: float) -> None:
        noise = torch.randn(self._position.shape, generator=generator).to(self._position.device)
        pull = 0.5 * s.step_size * s.localisation
        self._position.lerp_(self._start, pull)
        self._position.add_(self.gradient, alpha=-0.5 * s.step_size * s.inverse_temperature)
        self._position.add_(noise, alpha=sign * s.step_size**0.5)


def _summary(
    excess: Tensor, initial_loss: float, sampler: Sampler, chance: float
) -> LocalLearningCoefficient:
    means = excess.mean(1)
    within = means <= max(0.5 * (chance - initial_loss), 0.25 * chance)
    escaped = ~(within & means.isfinite())  # a walk that diverged ends in NaN or infinity
    chains = sampler.inverse_temperature * means
    half = excess.shape[1] // 2
    change = sampler.inverse_temperature * (excess[:, -half:].mean(1) - excess[:, :half].mean(1))
    # Antithetic chains vary together: only pairs are independent.
    together = 2 if sampler.antithetic else 1
    stayed = ~escaped.view(-1, together).any(1)
    values, changes = (x.view(-1, together).mean(1)[stayed] for x in (chains, change))
    n = len(values)
    value = float(values.mean()) if n >= 2 else math.nan
    stderr = float(values.std()) / n**0.5 if n >= 2 else math.nan
    drifting = n >= 2 and abs(float(changes.mean())) > max(
        2 * float(changes.std()) / n**0.5, 0.1 * abs(value)
    )
    return LocalLearningCoefficient(
        value=value,
        stderr=stderr,
        initial_loss=initial_loss,
        chains=tuple(chains.tolist()),
        escaped=tuple(escaped.tolist()),
        drifting=drifting,
    )
