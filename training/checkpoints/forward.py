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


@dataclass
class Evaluation:
    """The fixed samples of every task-level: tokens (samples, prompt + answer)."""

    samples: dict[tuple[str, int], Tensor]

    @classmethod
    def fixed(cls, suite: Suite, device: torch.device) -> Evaluation:
        drawn = {}
        for i, (task, level) in enumerate(tasks.TASK_LEVELS):
            rng = np.random.default_rng([suite.evaluation_seed, i])
            tokens, _ = tasks.problems(rng, task, level, suite.evaluation_samples)
            drawn[task, level] = torch.from_numpy(tokens).to(device)
        return cls(drawn)


@torch.no_grad()
def measure(model: Decoder, evaluation: Evaluation) -> list[Reading]:
    """RankMe by task-level and layer, behaviour by task-level, and the placebo `weight_norm`."""
    by_mean, by_answer, of_units, accuracy, log_prob = [], [], [], [], []
    for (task, level), tokens in evaluation.samples.items():
        shape = tasks.SHAPES[task, level]
        states = torch.stack(model.hidden_states(tokens[:, :-1]))  # (L + 2, N, T, d)
        by_mean.append(states.double().mean(2))
        of_units.append(normalize(states.double(), dim=-1).mean(2))
        by_answer.append(states[:, :, shape.prompt - 1].double())
        answers = tokens[:, shape.prompt :]
        scores = model.logits(states[-1, :, shape.prompt - 1 :]).log_softmax(-1)
        accuracy.append((scores.argmax(-1) == answers).all(-1).double().mean())
        log_prob.append(scores.gather(-1, answers[..., None]).double().mean())
    ways = torch.stack([torch.stack(states) for states in (by_mean, by_answer, of_units)])
    ranks = rankme(ways).cpu().numpy()
    log_probs = torch.stack(log_prob).cpu().numpy()
    return [
        Reading("rankme", ranks[0]),  # (24, L + 2)
        Reading("rankme_answer", ranks[1]),
        Reading("rankme_unit", ranks[2]),  # of hidden states scaled to length 1, then mean-pooled
        Reading("accuracy", torch.stack(accuracy).cpu().numpy()),  # (24,)
        Reading("log_prob", log_probs),
        Reading("loss", -log_probs),  # nats per answer token
        Reading("loss", -log_probs.mean()),  # of the mixture, on the evaluation samples
        Reading("weight_norm", np.asarray(weight_norm(model).item())),
    ]


@torch.no_grad()
def training_loss(model: Decoder, inputs: Tensor, targets: Tensor) -> Reading:
    return Reading("train_loss", np.asarray(answer_loss(model, inputs, targets).item()))


def weight_norm(model: Decoder) -> Tensor:
    """L2 norm of all parameters: a placebo measure, which knows nothing about the tasks."""
    return torch.stack([p.double().square().sum() for p in model.parameters()]).sum().sqrt()
