"""The measures of only a few checkpoints: gradients of samples, the Hessian, the LLC.

Each for every task-level, and for the mixture of all; the LLC of a task-level is its part in that
of the mixture. Samples are fixed by the suite, as those of
`emergence_training.checkpoints.forward` are, and drawn apart from them; Monte-Carlo draws are fixed by the run's seed
and the step, so a run that is continued draws the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from .. import tasks
from ..measures.fisher_rank import fisher_rank
from ..measures.gradient_rank import gradient_rank
from ..measures.hessian.products import HessianOfLoss
from ..measures.hessian.top import hessian_top
from ..measures.hessian.trace import hessian_trace
from ..measures.llc import Groups, llc
from ..measures.per_sample import ForwardPass
from ..measures.sampler import Sampler
from ..model import Decoder
from ..suites import DeepMeasures, Suite
from .clock import Clock
from .draws import DRAW_STREAM, SAMPLE_STREAM, generator
from .readings import Reading
from .samples import Batch, one_after_another

Arrays = tuple[tasks.Tokens, tasks.Tokens]
Found = dict[str, tuple[float, float]]  # (value, standard error or NaN) by measure


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
            rng = np.random.default_rng([SAMPLE_STREAM, suite.evaluation_seed, stream])
            return Batch(*(torch.from_numpy(x).to(device) for x in draw(rng, settings.samples)))

        def of(task: str, level: int) -> Callable[[np.random.Generator, int], Arrays]:
            return lambda rng, n: tasks.inputs_and_targets(rng, task, level, n)

        task_levels = [drawn(i, of(*key)) for i, key in enumerate(tasks.TASK_LEVELS)]
        size = min(settings.part_samples, settings.samples)
        return cls(
            task_levels=task_levels,
            mixture=drawn(len(tasks.TASK_LEVELS), tasks.mixture),
            parts=Groups(
                losses=one_after_another([batch.first(size) for batch in task_levels]).losses,
                count=len(task_levels),
                size=size,
                chance=tuple(batch.chance() for batch in task_levels),
            ),
            settings=settings,
            sampler=settings.llc[scale],
        )


def measure_deeply(
    model: Decoder, deep: DeepEvaluation, key: tuple[int, ...], step: int
) -> list[Reading]:
    """All deep measures of one checkpoint. `key`: what fixes the draws of the run."""
    generators = [generator(DRAW_STREAM, *key, step, i) for i in range(len(deep.task_levels) + 2)]
    found = [
        _measure_batch(model, batch, deep, draws)
        for batch, draws in zip((*deep.task_levels, deep.mixture), generators[:-1], strict=True)
    ]
    if "llc" in deep.settings.measures:
        for batch, more in zip(found, _local_learning(model, deep, generators[-1]), strict=True):
            batch.update(more)
    readings = []
    for name in found[0]:
        values, errors = np.array([batch[name] for batch in found]).T  # each (25,)
        for part in (slice(0, -1), -1):  # by task-level, and of the mixture
            stderr = None if np.isnan(errors[part]).all() else np.asarray(errors[part])
            readings.append(Reading(name, np.asarray(values[part]), stderr))
    return readings


def _measure_batch(
    model: Decoder, batch: Batch, deep: DeepEvaluation, draws: torch.Generator
) -> Found:
    """What is measured of each batch by itself."""
    settings, wanted = deep.settings, deep.settings.measures
    found: Found = {}
    clock = Clock(deep.seconds)

    if "gradient_rank" in wanted or "fisher_rank" in wanted:
        some = batch.first(settings.rank_samples)
        passes = ForwardPass(model, some.inputs, some.targets)
        if "gradient_rank" in wanted:
            found["gradient_rank"] = (float(gradient_rank(passes)), math.nan)
            clock.lap("gradient_rank")
        if "fisher_rank" in wanted:
            found["fisher_rank"] = (float(fisher_rank(passes, draws)), math.nan)
            clock.lap("fisher_rank")
        del passes

    some = batch.first(settings.hessian_samples)
    if "hessian_top" in wanted:
        hessian = HessianOfLoss(model, some.inputs, some.targets, settings.hessian_block)
        top = hessian_top(hessian, draws)
        found["hessian_top"] = (top.value, math.nan)
        found["hessian_top_residual"] = (top.residual, math.nan)
        del hessian
        clock.lap("hessian_top")
    if "hessian_trace" in wanted:
        found["hessian_trace"] = hessian_trace(
            model,
            some.inputs,
            some.targets,
            draws,
            settings.trace_probes,
            settings.hessian_block,
        )
        clock.lap("hessian_trace")
    return found


def _local_learning(
    model: Decoder, deep: DeepEvaluation, draws: torch.Generator
) -> Iterator[Found]:
    """The parts of the task-levels in the LLC of the mixture, and then the LLC itself."""
    clock = Clock(deep.seconds)
    mixture = deep.mixture
    whole = llc(
        model,
        mixture.losses,
        len(mixture),
        deep.sampler,
        draws,
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
