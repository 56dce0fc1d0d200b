"""The training loop: a model, its optimiser, and data that depend on the run and the step alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from . import tasks
from .model import Decoder, ModelConfig, static_answer_loss
from .model.packed import packed_answer_loss
from .model.pieces import Pieces
from .suites import Scale, Suite
from .suites.schedules import learning_rate

CHUNK_STEPS = 64  # steps whose data are drawn at once
_DATA_STREAM = 1  # keeps training data apart from evaluation data, whatever the seeds
_WEIGHT_STREAM = 4


class Training:
    """One model on its way through a suite's steps."""

    def __init__(self, suite: Suite, scale: Scale, seed: int, device: torch.device) -> None:
        torch.backends.cuda.matmul.allow_tf32 = False
        self.suite, self.scale, self.seed, self.device = suite, scale, seed, device
        self.model = Decoder(
            ModelConfig(scale.width, scale.layers, scale.heads, tasks.VOCABULARY, tasks.CONTEXT)
        )
        self.model.initialise(torch.Generator().manual_seed(initial_seed(suite, scale, seed)))
        self.model.to(device)
        self.pieces = Pieces(device)
        # shapes that change from step to step would make a GPU wait for the CPU
        self.loss = packed_answer_loss if device.type == "cpu" else static_answer_loss
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(),
            lr=learning_rate(suite, scale, 0),
            betas=suite.betas,
            weight_decay=suite.weight_decay,
            fused=True,
        )

    def n_params(self) -> int:
        return self.model.n_params()

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue from here, and no memory that other trainings share."""
        state = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}
        own = {name: tree_map(_of_its_own, part) for name, part in state.items()}
        return {**own, "pieces": self.pieces.n}

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.pieces.n = state.get("pieces", 1)  # earlier states have none

    def steps(self, first: int = 0) -> Iterator[tuple[int, Tensor, Tensor]]:
        """(step, inputs, targets) before the update of each step, and once after the last.

        The model then has had `step` updates, and the batch is the one that the next will use.
        """
        data = Data(self.suite, self.scale, self.seed, self.device)
        last = self.suite.last_step
        for step in range(first, last + 1):
            inputs, targets = data.batch(step)
            yield step, inputs, targets
            if step == last:
                return
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate(self.suite, self.scale, step)
            self._gradients(inputs, targets)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.suite.clip_norm)
            with equal_steps(self.model) if self.suite.equal_steps else nullcontext():
                self.optimiser.step()

    def _gradients(self, inputs: Tensor, targets: Tensor) -> None:
        """Those of the mean loss of a batch."""

        def attempt(n: int) -> None:
            self.optimiser.zero_grad()
            with products_in(self.suite.precision, self.device):
                for share, *piece in _pieces(inputs, targets, n):
                    loss = self.loss(self.model, *piece)
                    (loss if share is None else share * loss).backward()

        self.pieces.taken(len(inputs), attempt)


def _of_its_own(x: Any) -> Any:
    """A tensor that is part of a larger one as one of its own: what is saved would be all of that."""
    if isinstance(x, Tensor) and x.untyped_storage().nbytes() > x.nbytes:
        return x.clone()
    return x


def _pieces(
    inputs: Tensor, targets: Tensor, n: int
) -> Iterator[tuple[Tensor | None, Tensor, Tensor]]:
    """A batch in `n` pieces, each with its share of the answer tokens; the whole has None."""
    if n == 1:
        yield None, inputs, targets
        return
    answers = (targets >= 0).sum()
    for x, y in zip(inputs.chunk(n), targets.chunk(n), strict=True):
        yield (y >= 0).sum() / answers, x, y


@contextmanager
def equal_steps(model: Decoder) -> Iterator[None]:
    """Inside, what moves the blocks moves each as far as they move on average; embeddings and the final norm as they would.

    The distance of a block is the Euclidean one of all its parameters: an order of blocks that is one of distances is gone.
    """
    before = [[p.detach().clone() for p in block.parameters()] for block in model.blocks]
    yield
    with torch.no_grad():
        moved = [
            [p - old for p, old in zip(block.parameters(), olds, strict=True)]
            for block, olds in zip(model.blocks, before, strict=True)
        ]
        distances = torch.stack(
            [torch.stack([m.square().sum() for m in some]).sum().sqrt() for some in moved]
        )
        factors = distances.mean() / distances.clamp_min(torch.finfo(distances.dtype).tiny)
        for block, olds, some, factor in zip(model.blocks, before, moved, factors, strict=True):
            for p, old, m in zip(block.parameters(), olds, some, strict=True):
                p.copy_(old + factor * m)


def run_key(suite: Suite, scale: Scale, seed: int) -> tuple[int, ...]:
    """What fixes the draws of a run: its seed, and in suites of `own_streams` its scale."""
    if suite.own_streams:
        return (scale.width, scale.layers, scale.heads, seed)
    return (seed,)


def initial_seed(suite: Suite, scale: Scale, seed: int) -> int:
    """Seed of the generator of the initial weights."""
    if not suite.own_streams:
        return seed
    words = np.random.SeedSequence([_WEIGHT_STREAM, *run_key(suite, scale, seed)])
    return int(words.generate_state(1, np.uint64)[0] >> np.uint64(1))


class Chunks(ABC):
    """Batches by step, functions of the run and the step alone, of which the latest chunk of steps is kept."""

    _chunk: int | None = None
    _drawn: tuple[Tensor, Tensor] | None = None

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (batch, tokens) of one step."""
        chunk, offset = divmod(step, CHUNK_STEPS)
        if self._drawn is None or self._chunk != chunk:
            self._chunk, self._drawn = chunk, self._draw(chunk)
        inputs, targets = self._drawn
        return inputs[offset], targets[offset]

    @abstractmethod
    def _draw(self, chunk: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (CHUNK_STEPS, batch, tokens) of a chunk."""


class Data(Chunks):
    """The batches of a run, on a device: drawn on the CPU, the same for every device; a chunk is one copy that nobody waits for."""

    def __init__(self, suite: Suite, scale: Scale, seed: int, device: torch.device) -> None:
        self._suite, self._key, self._device = suite, run_key(suite, scale, seed), device

    def _draw(self, chunk: int) -> tuple[Tensor, Tensor]:
        suite = self._suite
        rng = np.random.default_rng([_DATA_STREAM, *self._key, chunk])
        drawn = tasks.mixture(rng, CHUNK_STEPS * suite.batch, shuffled=suite.shuffled_answers)
        inputs, targets = (
            torch.from_numpy(x).view(CHUNK_STEPS, suite.batch, tasks.CONTEXT) for x in drawn
        )
        if self._device.type == "cuda":  # from memory that the device reads by itself
            inputs, targets = inputs.pin_memory(), targets.pin_memory()
        return (
            inputs.to(self._device, non_blocking=True),
            targets.to(self._device, non_blocking=True),
        )


@contextmanager
def products_in(precision: str | None, device: torch.device) -> Iterator[None]:
    """Inside, matrix products are in this precision: None, as everywhere else, is float32.

    "bf16": products and attention, by autocast; weights, optimiser, norms and losses stay in float32. "tf32": products of
    float32, with the mantissas of TF32 on a GPU that has it.
    """
    if precision == "bf16":
        with torch.autocast(device.type, torch.bfloat16):
            yield
        return
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
