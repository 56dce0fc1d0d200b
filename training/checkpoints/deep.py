"""The measures of only a few checkpoints: gradients of samples, the Hessian, the LLC.

Each for every task-level, and for the mixture of all; the LLC of a task-level is its part in that
of the mixture. Samples are fixed by the suite, as those of
`training.checkpoints.forward` are, and drawn apart from them; Monte-Carlo draws are fixed by the run's seed
and the step, so a run that is continued draws the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .. import tasks
from ..measures.curvature import HessianOfLoss
from ..measures.fisher_rank import fisher_rank
from ..measures.gradient_rank import gradient_rank
from ..measures.hessian_top import hessian_top
from ..measures.hessian_trace import hessian_trace
from ..measures.llc import Groups, llc
from ..measures.per_sample import ForwardPass
from ..measures.sampler import Sampler
from ..model import Decoder
from ..suites import DeepMeasures, Suite
from .readings import Reading

_SAMPLE_STREAM = 2  # keeps these samples apart from training and evaluation data
_DRAW_STREAM = 3

Arrays = tuple[tasks.Tokens, tasks.Tokens]
Found = dict[str, tuple[float, float]]  # (value, standard error or NaN) by measure


@dataclass(frozen=True)
class Batch:
    """Samples as `answer_loss` wants them: `inputs` and `targets` (n, T)."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def first(self, n: int) -> Batch:
        return Batch(self.inputs[:n], self.targets[:n])

    def losses(self, model: Decoder, index: Tensor) -> tuple[Tensor, Tensor]:
        """For samples `index`: cross-entropy summed over answer tokens, and how many there are."""
        x, y = self.inputs[index], self.targets[index]
        answers = y >= 0
        scores = model.logits(model.hidden_states(x)[-1][answers])
        nll = F.cross_entropy(scores, y[answers], reduction="none")
        sums = torch.zeros(len(index), device=nll.device).index_add(0, answers.nonzero()[:, 0], nll)
        return sums, answers.sum(1).to(nll.dtype)

    def chance(self) -> float:
        """Loss of the best answer that ignores the question, in nats per answer token.

        The entropy of the answer tokens at each position, mean over answer tokens.
        """
        total, tokens = 0.0, 0
        for column in self.targets.T:
            seen = column[column >= 0]
            if len(seen):
                p = torch.bincount(seen).double() / len(seen)
                total += float(torch.special.entr(p).sum()) * len(seen)
                tokens += len(seen)
        return total / tokens


@dataclass
class DeepEvaluation:
    """Samples of each task-level, in the order of `tasks.TASK_LEVELS`, and of the mixture.

    `parts`: the samples for the LLC's parts, one task-level after another.
    `seconds`: what each measure has cost so far.
    """

    task_levels: list[Batch]
    mixture: Batch
    parts: Groups
    settings: DeepMeasures
    sampler: Sampler
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def fixed(
        cls, suite: Suite, settings: DeepMeasures, scale: str, device: torch.device
    ) -> DeepEvaluation:
        def drawn(stream: int, draw: Callable[[np.random.Generator, int], Arrays]) -> Batch:
            rng = np.random.default_rng([_SAMPLE_STREAM, suite.evaluation_seed, stream])
            return Batch(*(torch.from_numpy(x).to(device) for x in draw(rng, settings.samples)))

        def of(task: str, level: int) -> Callable[[np.random.Generator, int], Arrays]:
            return lambda rng, n: tasks.inputs_and_targets(rng, task, level, n)

        task_levels = [drawn(i, of(*key)) for i, key in enumerate(tasks.TASK_LEVELS)]
        size = min(settings.part_samples, settings.samples)
        return cls(
            task_levels=task_levels,
            mixture=drawn(len(tasks.TASK_LEVELS), tasks.mixture),
            parts=Groups(
                losses=_one_after_another([batch.first(size) for batch in task_levels]).losses,
                count=len(task_levels),
                size=size,
                chance=tuple(batch.chance() for batch in task_levels),
            ),
            settings=settings,
            sampler=settings.llc[scale],
        )


def _one_after_another(batches: Sequence[Batch]) -> Batch:
    """All samples, padded on the right, where a causal model does not look."""
    longest = max(batch.inputs.shape[1] for batch in batches)

    def joined(rows: list[Tensor], fill: int) -> Tensor:
        return torch.cat([F.pad(x, (0, longest - x.shape[1]), value=fill) for x in rows])

    return Batch(
        joined([batch.inputs for batch in batches], 0),
        joined([batch.targets for batch in batches], tasks.IGNORE),
    )


def measure_deeply(model: Decoder, deep: DeepEvaluation, seed: int, step: int) -> list[Reading]:
    """All deep measures of one checkpoint."""
    generators = [_generator(_DRAW_STREAM, seed, step, i) for i in range(len(deep.task_levels) + 2)]
    found = [
        _measure_batch(model, batch, deep, generator)
        for batch, generator in zip((*deep.task_levels, deep.mixture), generators[:-1], strict=True)
    ]
    for batch, more in zip(found, _local_learning(model, deep, generators[-1]), strict=True):
        batch.update(more)
    readings = []
    for name in found[0]:
        values, errors = np.array([batch[name] for batch in found]).T  # each (25,)
        for part in (slice(0, -1), -1):  # by task-level, and of the mixture
            stderr = None if np.isnan(errors[part]).all() else np.asarray(errors[part])
            readings.append(Reading(name, np.asarray(values[part]), stderr))
    return readings


def _generator(*key: int) -> torch.Generator:
    """A generator whose draws `key` fixes."""
    word = np.random.SeedSequence(list(key)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(word >> np.uint64(1)))


def _measure_batch(
    model: Decoder, batch: Batch, deep: DeepEvaluation, generator: torch.Generator
) -> Found:
    """What is measured of each batch by itself."""
    settings = deep.settings
    found: Found = {}
    clock = _Clock(deep.seconds)

    some = batch.first(settings.rank_samples)
    passes = ForwardPass(model, some.inputs, some.targets)
    found["gradient_rank"] = (float(gradient_rank(passes)), math.nan)
    clock.lap("gradient_rank")
    found["fisher_rank"] = (float(fisher_rank(passes, generator)), math.nan)
    del passes
    clock.lap("fisher_rank")

    some = batch.first(settings.hessian_samples)
    hessian = HessianOfLoss(model, some.inputs, some.targets, settings.hessian_block)
    top = hessian_top(hessian, generator)
    found["hessian_top"] = (top.value, math.nan)
    found["hessian_top_residual"] = (top.residual, math.nan)
    del hessian
    clock.lap("hessian_top")
    found["hessian_trace"] = hessian_trace(
        model,
        some.inputs,
        some.targets,
        generator,
        settings.trace_probes,
        settings.hessian_block,
    )
    clock.lap("hessian_trace")
    return found


def _local_learning(
    model: Decoder, deep: DeepEvaluation, generator: torch.Generator
) -> Iterator[Found]:
    """The parts of the task-levels in the LLC of the mixture, and then the LLC itself."""
    clock = _Clock(deep.seconds)
    mixture = deep.mixture
    whole = llc(
        model,
        mixture.losses,
        len(mixture),
        deep.sampler,
        generator,
        mixture.chance(),
        deep.parts,
    )
    clock.lap("llc")
    for local in (*whole.parts, whole):
        # A chain that diverged has no value; `llc_escaped` counts it.
        chains = [chain if math.isfinite(chain) else math.nan for chain in local.chains]
        yield {
            "llc": (local.value, local.stderr),
            **{f"llc_chain{i}": (chain, math.nan) for i, chain in enumerate(chains)},
            "llc_initial_loss": (local.initial_loss, math.nan),
            "llc_escaped": (float(sum(local.escaped)), math.nan),
            "llc_drifting": (float(local.drifting), math.nan),
        }


class _Clock:
    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds, self._last = seconds, time.monotonic()

    def lap(self, name: str) -> None:
        """Count the time since the last lap as the cost of `name`."""
        now = time.monotonic()
        self._seconds[name] = self._seconds.get(name, 0.0) + now - self._last
        self._last = now
