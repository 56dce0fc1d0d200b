"""Train a language model of suite `text` and measure it at every checkpoint, as `emergence_training.run` does the others."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import Tensor

from emergence_stats.traces.format import Manifest

from ... import run
from ...checkpoints.readings import Reading, to_table
from ...engines.task import StepProgress, Task
from ...loop import CHUNK_STEPS, Chunks
from ...model.pieces import Pieces
from ...suites import Arm, TextSuite
from ...suites.schedules import learning_rate
from ..encoding import encode_item
from ..evaluation import Evaluation
from ..scoring import Reader
from . import tokenizer
from .prepared import Prepared, prepared

_DATA_STREAM, _WEIGHT_STREAM = 11, 12
IGNORE = -100  # target of a token that is not predicted


def train(task: Task, progress: StepProgress | None = None, *, threads: int = 1) -> Manifest:
    """Train, measure and write one run; continue it if an earlier process was killed. Raises as `run.train` does."""
    return run.train(task, progress, threads=threads, parts=parts)


def parts(task: Task) -> run.Parts:
    """What is trained, and what is measured of it."""
    assert isinstance(task.suite, TextSuite)
    assert isinstance(task.scale, Arm)
    folder = None if task.suite.corpus is None else Path(task.suite.corpus)
    data = prepared(folder, task.suite.corpus_sha256)
    training = TextTraining(task.suite, task.scale, task.seed, torch.device(task.device), data)
    library = {name: version(name) for name in ("transformers", "tokenizers")}
    return run.Parts(training, TextMeasuring(training, data), data.config, library)


class TextTraining:
    """One language model on its way through a suite's steps."""

    def __init__(
        self, suite: TextSuite, scale: Arm, seed: int, device: torch.device, data: Prepared
    ) -> None:
        self.suite, self.scale, self.seed, self.device = suite, scale, seed, device
        self.pieces = Pieces(device)
        self._rows = Rows(suite, scale, seed, data)
        words = np.random.SeedSequence(
            [_WEIGHT_STREAM, scale.width, scale.layers, scale.heads, seed]
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(words.generate_state(1, np.uint64)[0] >> np.uint64(1)))
            self.model = _model(suite, scale)
        self.model.to(device)
        self.reader = Reader(self.model)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(),
            lr=learning_rate(suite, scale, 0),
            betas=suite.betas,
            weight_decay=suite.weight_decay,
            fused=True,
        )

    def n_params(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "pieces": self.pieces.n,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.pieces.n = state.get("pieces", 1)  # earlier states have none

    def steps(self, first: int = 0) -> Iterator[tuple[int, Tensor, Tensor]]:
        """(step, inputs, targets) before the update of each step, and once after the last."""
        for step in range(first, self.suite.last_step + 1):
            inputs, targets = (x.to(self.device) for x in self._rows.batch(step))
            yield step, inputs, targets
            if step == self.suite.last_step:
                return
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate(self.suite, self.scale, step)
            self._gradients(inputs, targets)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.suite.clip_norm)
            self.optimiser.step()

    def _gradients(self, inputs: Tensor, targets: Tensor) -> None:
        """Those of the loss of a batch."""
        rows = (targets != IGNORE).any(1).sum()

        def attempt(n: int) -> None:
            self.optimiser.zero_grad()
            for piece in zip(inputs.chunk(n), targets.chunk(n), strict=True):
                self.loss(*piece, rows=rows).backward()

        self.pieces.taken(len(inputs), attempt)

    def loss(self, inputs: Tensor, targets: Tensor, rows: Tensor | None = None) -> Tensor:
        """Mean over rows of the mean cross-entropy of a row's targets, in nats: a row of tasks counts as one of text does.

        `rows`: how many the mean is over, if these are a part of them.
        """
        final = self.reader.base(input_ids=inputs, use_cache=False).last_hidden_state
        there = targets != IGNORE
        losses = F.cross_entropy(self.reader.head(final[there]), targets[there], reduction="none")
        row = there.nonzero()[:, 0]
        sums = torch.zeros(len(inputs), device=losses.device).index_add(0, row, losses)
        counts = there.sum(1)
        return (sums / counts.clamp_min(1)).sum() / ((counts > 0).sum() if rows is None else rows)


def _model(suite: TextSuite, scale: Arm) -> Any:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    return GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=suite.vocabulary,
            hidden_size=scale.width,
            num_hidden_layers=scale.layers,
            num_attention_heads=scale.heads,
            intermediate_size=4 * scale.width,
            max_position_embeddings=2 * suite.length,
            bos_token_id=0,
            eos_token_id=0,
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "partial_rotary_factor": 1.0,
            },
        )
    )


class Rows(Chunks):
    """The batches of a run: rows of the streams, from places that are drawn."""

    def __init__(self, suite: TextSuite, scale: Arm, seed: int, data: Prepared) -> None:
        self._suite, self._data, self._share = suite, data, scale.tasks_share
        self._key = (scale.width, scale.layers, scale.heads, seed)

    def _draw(self, chunk: int) -> tuple[Tensor, Tensor]:
        suite, data = self._suite, self._data
        rng = np.random.default_rng([_DATA_STREAM, *self._key, chunk])
        shape = (CHUNK_STEPS, suite.batch)
        of_tasks = rng.random(shape) < self._share
        place = rng.random(shape)
        window = np.arange(suite.length + 1)
        ends = np.where(of_tasks, len(data.tasks), len(data.text)) - len(window)
        at = (place * ends).astype(np.int64)[..., None] + window
        text = data.text[np.where(of_tasks[..., None], 0, at)]
        tasks = data.tasks[np.where(of_tasks[..., None], at, 0)]
        tokens = np.where(of_tasks[..., None], tasks, text).astype(np.int64)
        wanted = ~of_tasks[..., None] | data.answers[np.where(of_tasks[..., None], at, 0)]
        targets = np.where(wanted, tokens, IGNORE)[..., 1:]
        return torch.from_numpy(tokens[..., :-1].copy()), torch.from_numpy(targets.copy())


class TextMeasuring:
    """What has been measured of a run so far."""

    def __init__(self, training: TextTraining, data: Prepared) -> None:
        self._training = training
        probes = {
            key: [encode_item(item, tokenizer.encode, None) for item in some]
            for key, some in data.items.items()
        }
        held_out = torch.from_numpy(data.held_out.astype(np.int64)).to(training.device)
        self._evaluation = Evaluation(probes, held_out, training.device)
        self._checkpoints = frozenset(training.suite.schedule())
        self.readings: list[tuple[int, Reading]] = []
        self.seconds = 0.0

    def due(self, step: int) -> bool:
        return step in self._checkpoints

    def measure(self, step: int, inputs: Tensor, targets: Tensor) -> float:
        """Measure the model as it is after `step` updates; returns the loss of the batch, without measures if it is not finite."""
        began = time.monotonic()
        training = self._training
        with torch.no_grad():
            loss = float(training.loss(inputs, targets))
        if not math.isfinite(loss):
            return loss
        rate = learning_rate(training.suite, training.scale, step)
        found = self._evaluation.measure(training.reader)
        found += [
            Reading("train_loss", np.asarray(loss)),
            Reading("learning_rate", np.asarray(rate)),
        ]
        self.readings += [(step, reading) for reading in found]
        self.seconds += time.monotonic() - began
        return loss

    def finish(self) -> None:
        """Nothing is known at the end only."""

    def table(self) -> pa.Table:
        return to_table(self.readings, self._evaluation.task_levels)

    def state(self) -> dict[str, Any]:
        return {"readings": self.readings, "measuring": self.seconds}

    def restore(self, state: dict[str, Any]) -> None:
        self.readings, self.seconds = state["readings"], state["measuring"]

    @property
    def last_step(self) -> int | None:
        return self.readings[-1][0] if self.readings else None

    def costs(self) -> dict[str, Any]:
        return {"seconds_measuring": round(self.seconds, 1)}
