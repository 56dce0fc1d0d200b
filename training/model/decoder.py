"""A GPT-2-style decoder: pre-norm blocks, learned positions, tied output embedding.

The whole model in one file, to be read from top to bottom. `hidden_states` gives what the
measures look at: the residual stream after the embedding, after each block, and after the
final norm.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import tasks


@dataclass(frozen=True)
class ModelConfig:
    width: int
    layers: int
    heads: int
    vocabulary: int
    context: int


def causal_attention(qkv: Tensor, heads: int) -> Tensor:
    """Queries, keys and values side by side, (B, T, 3 d) -> what each position takes from those before, (B, T, d)."""
    b, t, d = *qkv.shape[:2], qkv.shape[2] // 3
    q, k, v = qkv.view(b, t, 3, heads, d // heads).permute(
        2, 0, 3, 1, 4
    )  # (B, heads, T, d / heads)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, d)


class Block(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.width
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d)
        self.attention_out = nn.Linear(d, d)
        self.norm_mlp = nn.LayerNorm(d)
        self.mlp_in = nn.Linear(d, 4 * d)
        self.mlp_out = nn.Linear(4 * d, d)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, d) -> (B, T, d)
        mixed = causal_attention(self.queries_keys_values(x), self.heads)
        return self.from_attention(x, mixed)

    def queries_keys_values(self, x: Tensor) -> Tensor:  # (..., d) -> (..., 3 d)
        return self.qkv(self.norm_attention(x))

    def from_attention(self, x: Tensor, mixed: Tensor) -> Tensor:  # both (..., d) -> (..., d)
        x = x + self.attention_out(mixed)
        return x + self.mlp_out(F.gelu(self.mlp_in(self.norm_mlp(x)), approximate="tanh"))


class Decoder(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm_final = nn.LayerNorm(config.width)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """GPT-2's initialisation, from a generator of its own so that a seed fixes the run."""
        residual = 0.02 / (2 * self.config.layers) ** 0.5  # GPT-2 scales what enters the stream
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif "norm" in name:
                parameter.fill_(1.0)
            else:
                into_stream = name.endswith(("attention_out.weight", "mlp_out.weight"))
                parameter.normal_(0.0, residual if into_stream else 0.02, generator=generator)

    def hidden_states(self, inputs: Tensor) -> list[Tensor]:
        """Inputs (B, T) -> L + 2 states (B, T, d): embedding, each block, after the final norm."""
        x = self.tokens(inputs) + self.positions.weight[: inputs.shape[1]]
        states = [x]
        for block in self.blocks:
            x = block(x)
            states.append(x)
        states.append(self.norm_final(x))
        return states

    def logits(self, final: Tensor) -> Tensor:  # (..., d) -> (..., vocabulary)
        return F.linear(final, self.tokens.weight)

    def n_params(self) -> int:
        """Trainable parameters; the tied embedding counts once."""
        return sum(p.numel() for p in self.parameters())


def answer_loss(model: Decoder, inputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats over the answer tokens of a batch; both (B, T)."""
    final = model.hidden_states(inputs)[-1]
    answers = targets.reshape(-1) >= 0
    return F.cross_entropy(model.logits(final.flatten(0, 1)[answers]), targets.reshape(-1)[answers])


def static_answer_loss(model: Decoder, inputs: Tensor, targets: Tensor) -> Tensor:
    """The same, of all positions with those that are no answer ignored: no shape depends on the data.

    So a GPU never waits for the CPU to learn a shape; it scores six times as many positions, which are cheap.
    """
    scores = not_half(model.logits(model.hidden_states(inputs)[-1]))
    return F.cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=tasks.IGNORE)


def not_half(x: Tensor) -> Tensor:
    """In float32 if it is less precise, as a loss wants it; else as it is."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
