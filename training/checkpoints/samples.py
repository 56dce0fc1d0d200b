"""Samples of the answer loss, as measures use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import tasks
from ..model import Decoder


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


def one_after_another(batches: Sequence[Batch]) -> Batch:
    """All samples, padded on the right, where a causal model does not look."""
    longest = max(batch.inputs.shape[1] for batch in batches)

    def joined(rows: list[Tensor], fill: int) -> Tensor:
        return torch.cat([F.pad(x, (0, longest - x.shape[1]), value=fill) for x in rows])

    return Batch(
        joined([batch.inputs for batch in batches], 0),
        joined([batch.targets for batch in batches], tasks.IGNORE),
    )
