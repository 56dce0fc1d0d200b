"""A training step beside nanoGPT's: `python -m benchmarks.training > docs/training_benchmark.md`. On a quiet machine.

The peer is nanoGPT's step written anew from its description: fused queries, keys and values, flash attention, tied embedding,
logits of all positions with those that are no answer ignored, AdamW with weight decay on matrices only, gradients clipped at 1.
Same sizes, batch, precision, initial weights and data; the activation is ours (GELU's tanh form), so that both are one model.
Its optimiser is fused, as ours is; nanoGPT's own is on a GPU alone. The batches of both are drawn before the clock runs: what drawing
them takes has a column of its own.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.machine import machine
from emergence_stats.reports.markdown import markdown_table
from emergence_training import tasks
from emergence_training.loop import CHUNK_STEPS, Data, Training
from emergence_training.suites import SUITES, Scale
from emergence_training.suites.schedules import learning_rate

SCALES = (
    Scale(48, 4),
    Scale(184, 4),
    Scale(128, 2),
    Scale(256, 4),
    Scale(384, 6, heads=6),
    Scale(512, 8, heads=8),
)
ROUNDS = 9
WARM = 2


class PeerBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.mlp_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        parts = self.c_attn(self.ln_1(x)).split(d, dim=2)
        q, k, v = (part.view(b, t, self.heads, d // self.heads).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.0, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).contiguous().view(b, t, d))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Peer(nn.Module):
    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.wte = nn.Embedding(tasks.VOCABULARY, scale.width)
        self.wpe = nn.Embedding(tasks.CONTEXT, scale.width)
        self.blocks = nn.ModuleList(
            PeerBlock(scale.width, scale.heads) for _ in range(scale.layers)
        )
        self.ln_f = nn.LayerNorm(scale.width)

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        x = self.wte(inputs) + self.wpe(torch.arange(inputs.shape[1], device=inputs.device))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=tasks.IGNORE)

    @torch.no_grad()
    def copy_from(self, training: Training) -> None:
        """The same weights, module by module."""
        ours = training.model
        for mine, its in ((self.wte, ours.tokens), (self.wpe, ours.positions), (self.ln_f, ours.norm_final)):  # fmt: skip
            mine.load_state_dict(its.state_dict())
        for mine, its in zip(self.blocks, ours.blocks, strict=True):
            pairs = (
                (mine.ln_1, its.norm_attention), (mine.ln_2, its.norm_mlp), (mine.c_attn, its.qkv),
                (mine.c_proj, its.attention_out), (mine.c_fc, its.mlp_in), (mine.mlp_proj, its.mlp_out),
            )  # fmt: skip
            for a, b in pairs:
                a.load_state_dict(b.state_dict())


def waited(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def our_step(training: Training) -> Callable[[], None]:
    steps = training.steps()
    next(steps)
    return lambda: (next(steps), None)[1]


def peer_step(training: Training, device: torch.device) -> Callable[[], None]:
    model = Peer(training.scale).to(device)
    model.copy_from(training)
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    suite = training.suite
    optimiser = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": suite.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=1e-3,
        betas=suite.betas,
        fused=True,
    )
    data = Data(suite, training.scale, training.seed, device)
    batches = [data.batch(i) for i in range(WARM + ROUNDS + 1)]
    at = 0

    def step() -> None:
        nonlocal at
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(suite, training.scale, at)
        inputs, targets = batches[at]
        model(inputs, targets).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), suite.clip_norm)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        at += 1

    return step


def apart(training: Training, device: torch.device) -> float:
    """Difference of the losses of both at the same weights: nats."""
    peer = Peer(training.scale).to(device)
    peer.copy_from(training)
    inputs, targets = Data(training.suite, training.scale, 0, device).batch(0)
    with torch.no_grad():
        ours = training.loss(training.model, inputs, targets)
        return abs(float(ours - peer(inputs, targets)))


def drawing(training: Training) -> float:
    """Milliseconds that the data of one step take, drawn a chunk at a time as a training draws them."""
    data, times = Data(training.suite, training.scale, training.seed, training.device), []
    for chunk in range(1 + 5):
        began = waited(training.device)
        data.batch(chunk * CHUNK_STEPS)
        times.append(1000 * (waited(training.device) - began) / CHUNK_STEPS)
    return statistics.median(times[1:])


def milliseconds(device: torch.device, *steps: Callable[[], None]) -> list[list[float]]:
    """Of each step, one after the other, so that a busy moment meets all."""
    laps: list[list[float]] = [[] for _ in steps]
    for _ in range(WARM + ROUNDS):
        for step, some in zip(steps, laps, strict=True):
            began = waited(device)
            step()
            some.append(1000 * (waited(device) - began))
    return [some[WARM:] for some in laps]


def rows(device: torch.device) -> Iterator[tuple[str, ...]]:
    suite = replace(SUITES["pocket"], batch=64 if device.type == "cpu" else SUITES["paper"].batch)
    for scale in SCALES:
        training = Training(suite, scale, 0, device)
        difference = apart(training, device)
        ours, peer = milliseconds(device, our_step(training), peer_step(training, device))
        middle, its = statistics.median(ours), statistics.median(peer)
        yield (
            scale.name,
            f"{middle:.1f} ({min(ours):.1f} to {max(ours):.1f})",
            f"{its:.1f} ({min(peer):.1f} to {max(peer):.1f})",
            f"{its / middle:.2f}x",
            f"{drawing(training):.2f}",
            f"{suite.batch * tasks.CONTEXT / middle * 1000:,.0f}",
            f"{difference:.0e}",
        )


def page(device: torch.device) -> Iterator[str]:
    torch.set_num_threads(1)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "one thread of a CPU"
    yield f"# A training step beside nanoGPT's, on {name}"
    yield ""
    yield f"`python -m benchmarks.training {device}`; {machine()}; torch {torch.__version__}, float32."
    yield ""
    yield (__doc__ or "").partition("\n\n")[2].replace("\n", " ").strip()
    yield ""
    header = ("scale", "ms a step, ours (range)", "ms, nanoGPT's step", "ours is", "ms, drawing the data", "positions a second", "losses apart")  # fmt: skip
    yield from markdown_table(header, list(rows(device)))
    yield ""
    yield (
        f"Medians of {ROUNDS} steps in turn. A position is one of the padded batch; the losses are those of both at the same "
        "weights and data, in nats."
    )


def main() -> None:
    for line in page(torch.device(sys.argv[1] if len(sys.argv) > 1 else "cpu")):
        print(line, flush=True)


if __name__ == "__main__":
    main()
