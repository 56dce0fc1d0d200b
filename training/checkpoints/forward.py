"""The measures of every checkpoint: what one forward pass over fixed samples shows."""

from __future__ import annotations

from collections.abc import Sequence
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

RANKED_BYTES = 2**28  # of pooled states whose RankMe is computed at once


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
    ranks, accuracy, by_token, log_prob = _Ranks(evaluation.centred), [], [], []
    for (task, level), some in evaluation.problems.items():
        shape, which = tasks.SHAPES[task, level], some.which
        states = model.hidden_states(some.tokens[:, :-1])  # L + 2 times (distinct, T, d)
        ranks.add(_pooled(states, which, shape.prompt - 1))
        answers = some.tokens[:, shape.prompt :]
        scores = model.logits(states[-1][:, shape.prompt - 1 :]).log_softmax(-1)
        right = scores.argmax(-1) == answers
        accuracy.append(right.all(-1)[which].double().mean())
        by_token.append(right[which].double().mean())
        log_prob.append(scores.gather(-1, answers[..., None])[which].double().mean())
    log_probs = torch.stack(log_prob).cpu().numpy()
    return [
        *ranks.readings(),
        Reading("accuracy", torch.stack(accuracy).cpu().numpy()),  # (24,), of whole answers
        Reading("token_accuracy", torch.stack(by_token).cpu().numpy()),
        Reading("log_prob", log_probs),
        Reading("loss", -log_probs),  # nats per answer token
        Reading("loss", -log_probs.mean()),  # of the mixture, on the evaluation samples
        Reading("weight_norm", np.asarray(weight_norm(model).item())),
    ]


def _pooled(states: Sequence[Tensor], which: Tensor, answer: int) -> Tensor:
    """L + 2 states (distinct, T, d) -> (3 poolings, L + 2, N, d), in float64."""
    found = []
    for layer in states:  # one at a time: in float64, and normalised, all of them are large
        x = layer.double()
        ways = [x.mean(1), x[:, answer], normalize(x, dim=-1).mean(1)]
        found.append(torch.stack(ways)[:, which])
    return torch.stack(found, 1)


class _Ranks:
    """RankMe of task-levels, as many at a time as `RANKED_BYTES` of states, which are forgotten then."""

    def __init__(self, centred: bool) -> None:
        self._waiting: list[Tensor] = []  # each (3 poolings, L + 2, N, d)
        self._found: dict[bool, list[Tensor]] = {
            way: [] for way in ((False, True) if centred else (False,))
        }

    def add(self, pooled: Tensor) -> None:
        self._waiting.append(pooled)
        if len(self._waiting) * pooled.nbytes >= RANKED_BYTES:
            self._rank()

    def _rank(self) -> None:
        states = torch.stack(self._waiting, 1)
        self._waiting = []
        for centred, found in self._found.items():
            found.append(rankme(states, centred=centred))

    def readings(self) -> list[Reading]:
        """(24, L + 2) of each pooling, to the precision of the states, which halves a trace's size."""
        if self._waiting:
            self._rank()
        readings = []
        for centred, found in self._found.items():
            values = torch.cat(found, 1).float().double().cpu().numpy()
            ending = "_centred" if centred else ""
            # _unit: of states of length 1, then mean-pooled
            for way, some in zip(("", "_answer", "_unit"), values, strict=True):
                readings.append(Reading(f"rankme{way}{ending}", some))
        return readings


@torch.no_grad()
def training_loss(model: Decoder, inputs: Tensor, targets: Tensor) -> Reading:
    return Reading("train_loss", np.asarray(answer_loss(model, inputs, targets).item()))


def weight_norm(model: Decoder) -> Tensor:
    """L2 norm of all parameters: a placebo measure, which knows nothing about the tasks."""
    return torch.stack([p.double().square().sum() for p in model.parameters()]).sum().sqrt()
