"""Train one model and measure it at every checkpoint into one run of the trace store.

A run is determined by its config: the data of a step depend on the seed and the step alone, so
a run that was killed continues from its last saved state and gives the same traces, to the last
bit on the same machine and thread count, as one that was not.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from emergence_stats.errors import CollectError
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.write import write_run
from training.deep import DeepEvaluation, measure_deeply
from training.evaluation import Evaluation, measure, training_loss
from training.loop import Training
from training.readings import Reading, to_table
from training.suites import Scale, Suite

SAVE_EVERY_SECONDS = 20.0

Progress = Callable[[int, int, float], None]  # step, steps, training loss


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
    config = {**suite.config(scale, seed), "threads": threads}
    training = Training(suite, scale, seed, device)
    model = training.model
    evaluation = Evaluation.fixed(suite, device)
    checkpoints, deep_checkpoints = set(suite.schedule()), set(suite.deep_schedule())
    deep = None
    if suite.deep is not None:
        deep = DeepEvaluation.fixed(suite, suite.deep, scale.name, device)
    first_step, spent, measuring = 0, 0.0, 0.0
    readings: list[tuple[int, Reading]] = []

    state = partial.load()
    if state is not None and state["config"] == config:
        training.restore(state)
        first_step, readings = state["step"], state["readings"]
        spent, measuring = state["seconds"], state["measuring"]
        if deep is not None:
            deep.seconds.update(state["deep_seconds"])

    began = last_save = time.monotonic()
    for step, inputs, targets in training.steps(first_step):
        if step in checkpoints:
            if time.monotonic() - last_save > SAVE_EVERY_SECONDS:
                partial.save(
                    {
                        "config": config,
                        "step": step,
                        **training.state(),
                        "readings": readings,
                        "seconds": spent + time.monotonic() - began,
                        "measuring": measuring,
                        "deep_seconds": deep.seconds if deep is not None else {},
                    }
                )
                last_save = time.monotonic()
            before = time.monotonic()
            train_loss = training_loss(model, inputs, targets)
            readings += [(step, reading) for reading in (*measure(model, evaluation), train_loss)]
            if deep is not None and step in deep_checkpoints:
                readings += [(step, r) for r in measure_deeply(model, deep, seed, step)]
                model.zero_grad()
            measuring += time.monotonic() - before
            if progress is not None:
                progress(step, suite.steps, float(train_loss.values))

    seconds = spent + time.monotonic() - began
    return write_run(
        store,
        to_table(readings),
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
        further={
            "seconds": round(seconds, 1),
            "seconds_measuring": round(measuring, 1),
            **({"seconds_by_measure": _rounded(deep.seconds)} if deep is not None else {}),
        },
    )


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {name: round(spent, 1) for name, spent in seconds.items()}


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
