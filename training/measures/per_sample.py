"""Gradients of single samples, in blocks of parameters: never samples x parameters at once.

For a linear layer y = W a the gradient of one sample's loss is sum_t delta_t a_t^T, with delta the
gradient at the output y and t over positions. One forward pass gives all a, one backward pass to
the outputs (not to the parameters) all delta, and each layer's gradients are formed and dropped.

The loss of a sample is minus the log-probability of its whole answer given its prompt, in nats:
the sum over its answer tokens, so that its gradient is the score of the sample.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model import Decoder

BLOCK_BYTES = 256 * 2**20  # of one block of gradients; a few such are alive at a time


class ForwardPass:
    """One forward pass, and for any labels the gradients of each sample.

    `inputs` (n, T) and `targets` (n, T), where a negative target is not an answer token.
    """

    def __init__(self, model: Decoder, inputs: Tensor, targets: Tensor) -> None:
        self.model, self.inputs, self.targets = model, inputs, targets
        self._taken: dict[nn.Module, tuple[Tensor, Tensor]] = {}  # module -> input, output
        hooks = [
            module.register_forward_hook(self._take)
            for module in model.modules()
            if isinstance(module, nn.Linear | nn.LayerNorm | nn.Embedding)
        ]
        try:
            self.final = model.hidden_states(inputs)[-1]  # (n, T, d)
        finally:
            for hook in hooks:
                hook.remove()
        self.logits = model.logits(self.final)  # (n, T, vocabulary)

    def _take(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._taken[module] = (inputs[0].detach(), output)

    def sampled_labels(self, generator: torch.Generator) -> Tensor:
        """Answer tokens drawn from the model itself, given the true prompt and the true prefix.

        `generator` is on the CPU, so that every device draws the same.
        """
        p = self.logits.detach().softmax(-1).flatten(0, 1).cpu()
        drawn = torch.multinomial(p, 1, generator=generator).to(self.targets.device)
        drawn = drawn.view_as(self.targets)
        return torch.where(self.targets >= 0, drawn, self.targets)

    def gradients(self, labels: Tensor) -> Iterator[Tensor]:
        """Blocks (n, m) of the gradients; side by side they are (n, parameters).

        Parameters come in the order of `model.parameters()`, each flattened. A block is at most
        `BLOCK_BYTES` large, or one row of a weight matrix.
        """
        outputs = [output for _, output in self._taken.values()]
        loss = F.cross_entropy(
            self.logits.flatten(0, 1), labels.flatten(), ignore_index=-1, reduction="sum"
        )
        at_logits, *deltas = torch.autograd.grad(loss, [self.logits, *outputs], retain_graph=True)
        delta = dict(zip(self._taken, deltas, strict=True))
        model = self.model
        embedded = delta.pop(model.tokens)
        yield self._token_gradients(embedded, at_logits)
        yield _padded(embedded, model.positions.num_embeddings).flatten(1)
        for module, d in delta.items():
            x, _ = self._taken[module]
            if isinstance(module, nn.LayerNorm):
                x = F.layer_norm(x, module.normalized_shape, eps=module.eps)
                yield (d * x).sum(1)
            else:
                yield from _weight_gradients(d, x)
            yield d.sum(1)

    def _token_gradients(self, embedded: Tensor, at_logits: Tensor) -> Tensor:
        """The embedding is used twice: to look tokens up, and transposed to score them."""
        one_hot = F.one_hot(self.inputs, self.model.tokens.num_embeddings).to(embedded.dtype)
        looked_up = torch.einsum("ntv,ntd->nvd", one_hot, embedded)
        scored = torch.einsum("ntv,ntd->nvd", at_logits, self.final.detach())
        return (looked_up + scored).flatten(1)


def _padded(x: Tensor, length: int) -> Tensor:
    return F.pad(x, (0, 0, 0, length - x.shape[1]))


def _weight_gradients(delta: Tensor, x: Tensor) -> Iterator[Tensor]:
    """delta (n, T, out), x (n, T, in) -> blocks (n, rows * in) of sum_t delta_t x_t^T."""
    n, _, width = x.shape
    rows = max(1, BLOCK_BYTES // (n * width * x.element_size()))
    for some in delta.split(rows, dim=2):
        yield (some.mT @ x).flatten(1)


def gram(blocks: Iterator[Tensor], first: int | None = None) -> Tensor:
    """Inner products (n, n) in float64 of rows that come in blocks (n, m).

    `first`: use only this many leading columns.
    """
    total: Tensor | None = None
    left = first
    for block in blocks:
        if left is not None:
            block = block[:, :left]
            left -= block.shape[1]
        product = (block @ block.mT).double()
        total = product if total is None else total.add_(product)
        if left == 0:
            break
    assert total is not None
    return total
