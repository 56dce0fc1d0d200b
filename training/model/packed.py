"""The answer loss of a padded batch, computed on the tokens that it depends on and on no others.

Problems have 6 to 13 tokens, and a batch is padded to the longest: a quarter of it is padding, where the matrix products of a
padded model work for nothing. In the last block, moreover, only the positions that predict an answer matter. Same loss and
gradients as `answer_loss`, up to rounding. The shapes change from batch to batch, so that on a GPU the padded form is the better
one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from .decoder import Block, Decoder, causal_attention, not_half


@dataclass(frozen=True)
class Packed:
    """A batch without its padding.

    `where` (n,): position in the flattened (B, T) batch of each token up to the last that predicts an answer; `answers` (m,):
    which of the n predict an answer token; `targets` (m,): that token.
    """

    tokens: Tensor
    where: Tensor
    answers: Tensor
    targets: Tensor
    shape: tuple[int, int]

    @classmethod
    def of(cls, inputs: Tensor, targets: Tensor) -> Packed:
        """`inputs` and `targets` (B, T) as in `answer_loss`: a negative target is none."""
        answer = targets >= 0
        seen = answer.flip(1).cumsum(1).flip(1) > 0  # here or later there is an answer to predict
        where = seen.flatten().nonzero()[:, 0]
        answers = answer.flatten()[where].nonzero()[:, 0]
        found = targets.flatten()[where[answers]]
        return cls(inputs.flatten()[where], where, answers, found, (*inputs.shape,))

    def attention(self, qkv: Tensor, heads: int) -> Tensor:
        """(n, 3 d) -> (n, d), on the padded batch: padding lies behind all that look back."""
        b, t = self.shape
        padded = qkv.new_zeros(b * t, qkv.shape[1]).index_copy(0, self.where, qkv)
        mixed = causal_attention(padded.view(b, t, -1), heads)
        return mixed.reshape(b * t, -1).index_select(0, self.where)


def packed_answer_loss(model: Decoder, inputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats over the answer tokens of a batch; both (B, T)."""
    batch = Packed.of(inputs, targets)
    positions = batch.where % batch.shape[1]
    x = model.tokens(batch.tokens) + model.positions(positions)
    last = len(model.blocks) - 1
    for i, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        mixed = batch.attention(block.queries_keys_values(x), block.heads)
        if i == last:
            x, mixed = (some.index_select(0, batch.answers) for some in (x, mixed))
        x = block.from_attention(x, mixed)
    return F.cross_entropy(not_half(model.logits(model.norm_final(x))), batch.targets)
