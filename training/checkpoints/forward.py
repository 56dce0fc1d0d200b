"""The measures of every checkpoint: what one forward pass over fixed samples shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from .. import tasks
from ..measures.rankme import rankme
from ..model import Decoder, answer_loss
from ..suites import Suite
from .readings import Reading


@dataclass(frozen=True)
class Problems:
    """Samples of one task-level, of which equal ones are computed once.

    `tokens` (distinct, prompt + answer): each problem once. `which` (samples,): the problem of each sample.
    """

    tokens: Tensor
    which: Tensor

    @classmethod
    def of(cls, samples: Tensor) -> Problems:
        """`samples` (samples, prompt + answer), which may repeat."""
        return cls(*torch.unique(samples, dim=0, return_inverse=True))


@dataclass(frozen=True)
class Evaluation:
    """The fixed samples of every task-level. `centred`: RankMe of the states less their mean over samples, too."""

    problems: dict[tuple[str, int], Problems]
    centred: bool = False

    @classmethod
    def fixed(cls, suite: Suite, device: torch.device) -> Evaluation:
        drawn = {}
        for i, (task, level) in enumerate(tasks.TASK_LEVELS):
            rng = np.random.default_rng([suite.evaluation_seed, i])
            tokens, _ = tasks.problems(rng, task, level, suite.evaluation_samples)
            drawn[task, level] = Problems.of(torch.from_numpy(tokens).to(device))
        return cls(drawn, suite.centred)


@torch.no_grad()
def measure(model: Decoder, evaluation: Evaluation) -> list[Reading]:
    """RankMe by task-level and layer, behaviour by task-level, and the placebo `weight_norm`."""
    by_mean, by_answer, of_units, accuracy, by_token, log_prob = [], [], [], [], [], []
    for (task, level), some in evaluation.problems.items():
        shape, which = tasks.SHAPES[task, level], some.which
        states = torch.stack(model.hidden_states(some.tokens[:, :-1]))  # (L + 2, distinct, T, d)
        by_mean.append(states.double().mean(2)[:, which])  # (L + 2, N, d), as the next two
        of_units.append(normalize(states.double(), dim=-1).mean(2)[:, which])
        by_answer.append(states[:, :, shape.prompt - 1].double()[:, which])
        answers = some.tokens[:, shape.prompt :]
        scores = model.logits(states[-1, :, shape.prompt - 1 :]).log_softmax(-1)
        right = scores.argmax(-1) == answers
        accuracy.append(right.all(-1)[which].double().mean())
        by_token.append(right[which].double().mean())
        log_prob.append(scores.gather(-1, answers[..., None])[which].double().mean())
    ways = torch.stack([torch.stack(states) for states in (by_mean, by_answer, of_units)])
    log_probs = torch.stack(log_prob).cpu().numpy()
    return [
        *_ranks(ways, centred=False),
        *(_ranks(ways, centred=True) if evaluation.centred else ()),
        Reading("accuracy", torch.stack(accuracy).cpu().numpy()),  # (24,), of whole answers
        Reading("token_accuracy", torch.stack(by_token).cpu().numpy()),
        Reading("log_prob", log_probs),
        Reading("loss", -log_probs),  # nats per answer token
        Reading("loss", -log_probs.mean()),  # of the mixture, on the evaluation samples
        Reading("weight_norm", np.asarray(weight_norm(model).item())),
    ]


def _ranks(ways: Tensor, *, centred: bool) -> list[Reading]:
    """RankMe (24, L + 2) of states (3 poolings, 24, L + 2, N, d), to the precision of the states, which halves a trace's size."""
    by_mean, by_answer, of_units = rankme(ways, centred=centred).float().double().cpu().numpy()
    ending = "_centred" if centred else ""
    return [
        Reading(f"rankme{ending}", by_mean),
        Reading(f"rankme_answer{ending}", by_answer),
        Reading(f"rankme_unit{ending}", of_units),  # of states of length 1, then mean-pooled
    ]


@torch.no_grad()
def training_loss(model: Decoder, inputs: Tensor, targets: Tensor) -> Reading:
    return Reading("train_loss", np.asarray(answer_loss(model, inputs, targets).item()))


def weight_norm(model: Decoder) -> Tensor:
    """L2 norm of all parameters: a placebo measure, which knows nothing about the tasks."""
    return torch.stack([p.double().square().sum() for p in model.parameters()]).sum().sqrt()
