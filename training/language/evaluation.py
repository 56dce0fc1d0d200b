"""What is measured of a language model at a checkpoint: its choices, its representations of each probe, and its loss on text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..checkpoints.readings import Reading
from .encoding import Batch, Encoded, Probes, batches
from .scoring import Reader, ranks

_TEXT = 0  # token that pads text on the right, where nothing predicts it


@dataclass(frozen=True)
class Evaluation:
    """The fixed items of every probe, and text (rows, tokens) of which the loss is taken, padded with -1."""

    probes: Probes
    text: Tensor
    device: torch.device
    size: int = 64  # items, or rows of text, at a time
    _batches: dict[tuple[str, int], list[Batch]] = field(default_factory=dict)

    @property
    def task_levels(self) -> tuple[tuple[str, int], ...]:
        return tuple(self.probes)

    def batches_of(self, key: tuple[str, int]) -> list[Batch]:
        if key not in self._batches:
            self._batches[key] = list(batches(self.probes[key], self.size, self.device))
        return self._batches[key]

    @torch.no_grad()
    def measure(self, reader: Reader, norm: float | None = None) -> list[Reading]:
        """All measures of one checkpoint, `task_levels` in order. `norm`: of its weights, where reading changes these."""
        behaviour: dict[str, list[float]] = {}
        by_way: dict[bool, list[NDArray[np.float64]]] = {False: [], True: []}
        for key, probe in self.probes.items():
            scores = reader.score(probe, self.batches_of(key))
            for name, value in choices(probe, scores.log_probs).items():
                behaviour.setdefault(name, []).append(value)
            for centred, found in by_way.items():
                found.append(ranks(scores.states, centred=centred))
        readings = []
        for centred, found in by_way.items():
            ending = "_centred" if centred else ""
            for way, values in zip(("", "_answer", "_unit"), np.stack(found, 1), strict=True):
                readings.append(Reading(f"rankme{way}{ending}", values))
        readings += [Reading(name, np.array(values)) for name, values in behaviour.items()]
        readings.append(Reading("loss", np.asarray(self.text_loss(reader))))
        norm = weight_norm(reader.model) if norm is None else norm
        return [*readings, Reading("weight_norm", np.asarray(norm))]

    @torch.no_grad()
    def text_loss(self, reader: Reader) -> float:
        """Mean cross-entropy of the next token of text, in nats; NaN if that is no number."""
        total, n = 0.0, 0
        for rows in self.text.split(self.size) if len(self.text) else ():
            inputs, targets = rows[:, :-1].clamp_min(_TEXT), rows[:, 1:]
            there = targets >= 0
            scores = reader.next_scores(inputs, there)
            total += float(F.cross_entropy(scores, targets[there], reduction="sum"))
            n += int(there.sum())
        return total / n if n and math.isfinite(total) else math.nan


def weight_norm(model: torch.nn.Module) -> float:
    """The Euclidean norm of all parameters, in float64."""
    squares = [p.detach().double().square().sum() for p in model.parameters()]
    return float(torch.stack(squares).sum().sqrt())


def choices(probe: Sequence[Encoded], log_probs: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    """What the log-probabilities of options say of a probe, means over its items.

    `accuracy`: the right option is the likeliest (of equal ones the first, as in lm-evaluation-harness, whose `acc` it is);
    `accuracy_norm`: per character (its `acc_norm`); `log_prob`: of the right option, nats; `loss`: its negative per token;
    `choice_log_prob`: log of the share of the right option among all, which is smooth where accuracy is not.
    All NaN if an option has no finite log-probability.
    """
    found = dict.fromkeys(("accuracy", "accuracy_norm", "log_prob", "loss", "choice_log_prob"), 0.0)
    if not all(np.isfinite(values).all() for values in log_probs):
        return dict.fromkeys(found, math.nan)  # the likeliest of options without a score is none
    for item, values in zip(probe, log_probs, strict=True):
        gold = float(values[item.gold])
        found["accuracy"] += float(np.argmax(values) == item.gold)
        found["accuracy_norm"] += float(np.argmax(values / item.characters) == item.gold)
        found["log_prob"] += gold
        found["loss"] -= gold / len(item.options[item.gold])
        found["choice_log_prob"] += gold - float(np.logaddexp.reduce(values))
    return {name: total / len(probe) for name, total in found.items()}


def rows_of_text(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Rows of tokens of any length, padded as `Evaluation.text` is."""
    longest = max((len(row) for row in rows), default=2)
    padded = [[*row, *[-1] * (longest - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.int64).reshape(len(rows), longest).to(device)
