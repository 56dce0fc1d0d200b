"""The measures of the log-spaced checkpoints: sharpness, stable ranks of weights, and similarity with the end.

Each of the whole model, or of its layers, whatever the task.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from .. import tasks
from ..measures.hessian.preconditioned import PreconditionedHessian, adam_scale
from ..measures.hessian.products import HessianOfLoss
from ..measures.hessian.top import hessian_top
from ..measures.similarity.cka import cka
from ..measures.similarity.svcca import svcca
from ..measures.stable_rank import by_layer
from ..model import Decoder
from ..suites import Suite
from .clock import Clock
from .draws import DRAW_STREAM, SAMPLE_STREAM, generator
from .readings import Reading
from .samples import Batch, one_after_another

_MIXTURE = 100  # of the streams of samples: task-levels come first
_SHARPNESS = 100  # the same of draws


@dataclass
class LogSpacedEvaluation:
    """What the measures need: the samples, and the weights at initialisation.

    `mixture`: as many samples of each task-level, None without sharpness. `probes`: tokens of samples of every task-level, and the position at which
    each one's answer begins. `initial`: the parameters by name, before training.
    """

    mixture: Batch | None
    probes: list[tuple[Tensor, int]]
    initial: dict[str, Tensor]
    seconds: dict[str, float] = field(default_factory=dict)
    states: list[tuple[int, Tensor]] = field(default_factory=list)  # (step, (L + 2, samples, d))

    @classmethod
    def fixed(cls, suite: Suite, model: Decoder, device: torch.device) -> LogSpacedEvaluation:
        """For a model before its first step. The samples are the same for every run of a suite."""
        settings = suite.log_spaced
        if settings is None:
            raise ValueError(f"suite {suite.name} measures nothing at log-spaced checkpoints")
        mixture, probes = [], []
        for i, (task, level) in enumerate(tasks.TASK_LEVELS):
            rng = np.random.default_rng([SAMPLE_STREAM, suite.evaluation_seed, _MIXTURE, i])
            some = tasks.inputs_and_targets(rng, task, level, settings.sharpness_samples)
            mixture.append(Batch(*(torch.from_numpy(x).to(device) for x in some)))
            tokens, shape = tasks.problems(rng, task, level, settings.similarity_samples)
            probes.append((torch.from_numpy(tokens[:, :-1]).to(device), shape.prompt - 1))
        return cls(
            one_after_another(mixture) if settings.sharpness_samples else None,
            probes,
            {name: p.detach().clone() for name, p in model.named_parameters()},
        )

    def measure(
        self, model: Decoder, optimiser: Optimizer, key: tuple[int, ...], step: int
    ) -> list[Reading]:
        """All measures of one checkpoint but the similarity, which is known at the end only.

        `key`: what fixes the draws of the run.
        """
        clock, readings = Clock(self.seconds), list[Reading]()
        if self.mixture is not None:
            hessian = HessianOfLoss(model, self.mixture.inputs, self.mixture.targets)
            draws = [generator(DRAW_STREAM, *key, step, _SHARPNESS + i) for i in range(2)]
            readings += _top("sharpness", hessian, draws[0])
            clock.lap("sharpness")
            scale = adam_scale(optimiser)
            if scale is not None:
                readings += _top("adam_sharpness", PreconditionedHessian(hessian, scale), draws[1])
            del hessian
            model.zero_grad()
            clock.lap("adam_sharpness")
        ranks = by_layer(model), by_layer(model, self.initial)
        for name, found in zip(("stable_rank", "stable_rank_change"), ranks, strict=True):
            readings.append(Reading(name, found.cpu().numpy(), of_layers=True))
        clock.lap("stable_rank")
        self.states.append((step, self._at_answers(model)))
        clock.lap("similarity")
        return readings

    @torch.no_grad()
    def _at_answers(self, model: Decoder) -> Tensor:
        """Hidden states where the answer begins (L + 2, samples, d)."""
        found = [torch.stack(model.hidden_states(x))[:, :, at] for x, at in self.probes]
        return torch.cat(found, 1).cpu()

    def similarities(self) -> list[tuple[int, Reading]]:
        """(step, reading) of the similarity of each layer with itself at the last of these checkpoints."""
        clock = Clock(self.seconds)
        last = self.states[-1][1]
        readings = []
        for step, states in self.states:
            linear = cka(states, last).numpy()
            canonical = np.array([float(svcca(x, y)) for x, y in zip(states, last, strict=True)])
            readings.append((step, Reading("cka_end", linear, of_layers=True)))
            readings.append((step, Reading("svcca_end", canonical, of_layers=True)))
        clock.lap("similarity")
        return readings

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue from here."""
        return {"seconds": self.seconds, "states": self.states}

    def restore(self, state: dict[str, Any]) -> None:
        self.states = state["states"]
        self.seconds.update(state["seconds"])


def _top(
    name: str, matrix: HessianOfLoss | PreconditionedHessian, draws: torch.Generator
) -> list[Reading]:
    top = hessian_top(matrix, draws)
    return [
        Reading(name, np.asarray(top.value)),
        Reading(f"{name}_residual", np.asarray(top.residual)),
    ]
