"""Train one model and measure it at every checkpoint into one run of the trace store.

A run is determined by its config: the data of a step depend on the seed and the step alone, so
a run that was killed continues from its last saved state and gives the same traces, to the last
bit on the same machine and thread count, as one that was not.
"""

from __future__ import annotations

import errno
import math
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from emergence_stats.errors import CollectError
from emergence_stats.schema import Manifest
from emergence_stats.writing import write_run
from training import tasks
from training.measures.rankme import rankme
from training.model import Decoder, ModelConfig, answer_loss
from training.suites import Scale, Suite

SAVE_EVERY_SECONDS = 20.0
CHUNK_STEPS = 64  # steps whose data are drawn at once: drawing is vectorised over the chunk
_DATA_STREAM = 1  # keeps training data apart from evaluation data, whatever the seeds

Progress = Callable[[int, int, float], None]  # step, steps, training loss


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


def training_batch(suite: Suite, seed: int, step: int, cache: dict) -> tuple[Tensor, Tensor]:
    """Inputs and targets (batch, context) of one step, a function of seed and step alone."""
    chunk, offset = divmod(step, CHUNK_STEPS)
    if cache.get("chunk") != chunk:
        rng = np.random.default_rng([_DATA_STREAM, seed, chunk])
        inputs, targets = tasks.mixture(rng, CHUNK_STEPS * suite.batch)
        shape = (CHUNK_STEPS, suite.batch, tasks.CONTEXT)
        cache["chunk"] = chunk
        cache["inputs"] = torch.from_numpy(inputs).view(shape)
        cache["targets"] = torch.from_numpy(targets).view(shape)
    return cache["inputs"][offset], cache["targets"][offset]


def learning_rate(suite: Suite, scale: Scale, step: int) -> float:
    """Linear warm-up, then cosine decay to `final_learning_rate` of the peak."""
    peak = suite.learning_rate_times_width / scale.width
    warm = min(1.0, (step + 1) / suite.warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / suite.steps)))
    return peak * warm * (suite.final_learning_rate + (1 - suite.final_learning_rate) * cosine)


@torch.no_grad()
def measure(model: Decoder, evaluation: Evaluation) -> dict[str, Any]:
    """All cheap measures of one checkpoint, of the 24 task-levels in `tasks.TASK_LEVELS` order.

    `rankme` and `rankme_answer` are (24, L + 2), by layer; `accuracy` and `log_prob` (24,).
    """
    by_mean, by_answer, accuracy, log_prob = [], [], [], []
    for (task, level), tokens in evaluation.samples.items():
        shape = tasks.SHAPES[task, level]
        states = torch.stack(model.hidden_states(tokens[:, :-1]))  # (L + 2, N, T, d)
        by_mean.append(states.double().mean(2))
        by_answer.append(states[:, :, shape.prompt - 1].double())
        answers = tokens[:, shape.prompt :]
        scores = model.logits(states[-1, :, shape.prompt - 1 :]).log_softmax(-1)
        accuracy.append((scores.argmax(-1) == answers).all(-1).double().mean())
        log_prob.append(scores.gather(-1, answers[..., None]).double().mean())
    ranks = rankme(torch.stack([torch.stack(by_mean), torch.stack(by_answer)])).cpu().numpy()
    return {
        "rankme": ranks[0],
        "rankme_answer": ranks[1],
        "accuracy": torch.stack(accuracy).cpu().numpy(),
        "log_prob": torch.stack(log_prob).cpu().numpy(),
    }


def weight_norm(model: Decoder) -> Tensor:
    """L2 norm of all parameters: a placebo measure, which knows nothing of the tasks."""
    return torch.stack([p.double().square().sum() for p in model.parameters()]).sum().sqrt()


def to_table(steps: list[int], measured: list[dict[str, Any]]) -> pa.Table:
    """Long form, one row a measurement, of what `measure` gave at each step."""
    task_names = np.array([task for task, _ in tasks.TASK_LEVELS])
    task_level = np.array([level for _, level in tasks.TASK_LEVELS])
    parts = []

    def add(name: str, values: np.ndarray, task=None, level=None, layer=None) -> None:
        def column(index, kind):
            if index is None:
                return pa.nulls(values.size, kind)
            return pa.array(np.broadcast_to(index, values.shape).ravel(), kind)

        at = np.asarray(steps).reshape(-1, *[1] * (values.ndim - 1))
        columns = {
            "step": column(at, pa.int64()),
            "task": column(task, pa.string()),
            "level": column(level, pa.int16()),
            "layer": column(layer, pa.int16()),
            "measure": pa.array([name] * values.size, pa.string()),
            "value": pa.array(values.ravel(), pa.float64()),
            "stderr": pa.nulls(values.size, pa.float64()),
        }
        parts.append(pa.table(columns))

    for name in ("rankme", "rankme_answer"):
        values = np.stack([m[name] for m in measured])  # (steps, 24, L + 2)
        layers = np.arange(values.shape[2])
        add(name, values, task_names[:, None], task_level[:, None], layers)
    for name in ("accuracy", "log_prob"):
        add(name, np.stack([m[name] for m in measured]), task_names, task_level)
    log_probs = np.stack([m["log_prob"] for m in measured])
    add("loss", -log_probs, task_names, task_level)  # nats per answer token
    add("loss", -log_probs.mean(1))  # of the mixture, on the evaluation samples
    for name in ("train_loss", "weight_norm"):
        add(name, np.array([m[name] for m in measured]))
    return pa.concat_tables(parts)


class RunInProgress:
    """The folder of a run that is being trained: a lock, and the last saved state."""

    def __init__(self, store: Path, suite: Suite, run_id: str) -> None:
        self.run_id = run_id
        self.folder = store / suite.name / f".{run_id}.partial"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state_path = self.folder / "state.pt"
        self._lock = FileLock(self.folder / "lock")

    def __enter__(self) -> RunInProgress:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise CollectError(
                f"run {self.run_id} is being collected by another process (lock in "
                f"{self.folder}). Wait for it, or stop it: what it did is kept"
            ) from None
        return self

    def __exit__(self, *_exception: object) -> None:
        self._lock.release()

    def save(self, state: dict) -> None:
        hidden = self.state_path.with_suffix(".writing")
        try:
            torch.save(state, hidden)
            os.replace(hidden, self.state_path)
        except BaseException:
            hidden.unlink(missing_ok=True)
            raise

    def load(self) -> dict | None:
        if not self.state_path.exists():
            return None
        return torch.load(self.state_path, weights_only=False)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def train_run(
    store: str | os.PathLike[str],
    suite: Suite,
    scale: Scale,
    seed: int,
    *,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress | None = None,
) -> Manifest:
    """Train, measure and write one run; continue it if an earlier process was killed.

    Raises `CollectError` when another process collects the same run or the disk is full.
    """
    store = Path(store)
    run_id = suite.run_id(scale, seed)
    try:
        with RunInProgress(store, suite, run_id) as partial:
            manifest = _train(
                store, suite, scale, seed, torch.device(device), threads, partial, progress
            )
            partial.remove()
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as RuntimeError
        if _disk_is_full(error, store):
            raise CollectError(
                f"the disk that holds {store} is full; run {run_id} was not written. Make room "
                "and collect again: training continues from the last saved state"
            ) from error
        raise
    return manifest


def _disk_is_full(error: BaseException, store: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "PytorchStreamWriter" in str(error) or "No space left" in str(error)


def _train(
    store: Path,
    suite: Suite,
    scale: Scale,
    seed: int,
    device: torch.device,
    threads: int,
    partial: RunInProgress,
    progress: Progress | None,
) -> Manifest:
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    config = {**suite.config(scale, seed), "threads": threads}
    model = Decoder(
        ModelConfig(scale.width, scale.layers, scale.heads, tasks.VOCABULARY, tasks.CONTEXT)
    )
    model.initialise(torch.Generator().manual_seed(seed))
    model.to(device)
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=learning_rate(suite, scale, 0),
        betas=suite.betas,
        weight_decay=suite.weight_decay,
        fused=True,
    )
    evaluation = Evaluation.fixed(suite, device)
    schedule = suite.schedule()
    checkpoints = set(schedule)
    first_step, spent, measuring = 0, 0.0, 0.0
    steps: list[int] = []
    measured: list[dict[str, Any]] = []

    state = partial.load()
    if state is not None and state["config"] == config:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        first_step, steps, measured = state["step"], state["steps"], state["measured"]
        spent, measuring = state["seconds"], state["measuring"]

    began = last_save = time.monotonic()
    cache: dict = {}
    for step in range(first_step, suite.steps + 1):
        inputs, targets = training_batch(suite, seed, step, cache)
        inputs, targets = inputs.to(device), targets.to(device)
        if step in checkpoints:
            if time.monotonic() - last_save > SAVE_EVERY_SECONDS:
                partial.save(
                    {
                        "config": config,
                        "step": step,
                        "model": model.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "steps": steps,
                        "measured": measured,
                        "seconds": spent + time.monotonic() - began,
                        "measuring": measuring,
                    }
                )
                last_save = time.monotonic()
            before = time.monotonic()
            at_step = measure(model, evaluation)
            with torch.no_grad():
                at_step["train_loss"] = answer_loss(model, inputs, targets).item()
                at_step["weight_norm"] = weight_norm(model).item()
            measuring += time.monotonic() - before
            steps.append(step)
            measured.append(at_step)
            if progress is not None:
                progress(step, suite.steps, float(at_step["train_loss"]))
        if step == suite.steps:
            break
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(suite, scale, step)
        loss = answer_loss(model, inputs, targets)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), suite.clip_norm)
        optimiser.step()

    seconds = spent + time.monotonic() - began
    return write_run(
        store,
        to_table(steps, measured),
        run_id=partial.run_id,
        suite=suite.name,
        scale=scale.name,
        n_params=model.n_params(),
        n_layers=scale.layers,
        seed=seed,
        config=config,
        software=software(),
        device=device_name(device),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        further={"seconds": round(seconds, 1), "seconds_measuring": round(measuring, 1)},
    )


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"cpu: {platform.machine()}"


def software() -> dict[str, str]:
    """Versions that may change a trace, and the revision of this repository where there is one."""
    versions = {name: version(name) for name in ("torch", "numpy", "pyarrow")}
    versions["python"] = platform.python_version()
    try:
        revision = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return versions
    return {**versions, "revision": revision}
