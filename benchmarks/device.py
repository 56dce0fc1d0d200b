"""Another device beside the CPU: `python -m benchmarks.device cuda > docs/device_benchmark.md`.

Whether every measure and the training agree, and what a step and a checkpoint cost at the sizes of suite
`paper`. With `cpu` it compares the CPU with itself, which shows that the comparison works.
"""

from __future__ import annotations

import copy
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from benchmarks.machine import machine
from emergence_training.checkpoints.deep import DeepEvaluation, measure_deeply
from emergence_training.checkpoints.forward import Evaluation, measure
from emergence_training.loop import Training
from emergence_training.suites import SUITES, DeepMeasures, Scale, Suite

CPU = torch.device("cpu")
SCALE = Scale(24, 4)
STEPS = (0, 1, 10, 50, 200)
SMALL = replace(
    SUITES["pocket_deep"],
    steps=200,
    deep=replace(SUITES["pocket_deep"].deep or DeepMeasures(1, {}), samples=128, part_samples=64),
)
WARM, TIMED = 3, 10  # steps


def trained(device: torch.device, steps: int) -> Training:
    """A training that has done so many steps."""
    training = Training(SMALL, SCALE, 0, device)
    for step, _, _ in training.steps():
        if step == steps:
            break
    return training


def values_on(device: torch.device, training: Training) -> dict[str, np.ndarray]:
    """Every measure of a model, (task-levels, ...) or of the mixture, by name."""
    assert SMALL.deep is not None
    model = copy.deepcopy(training.model).to(device)
    found: dict[str, list[np.ndarray]] = {}
    for reading in measure(model, Evaluation.fixed(SMALL, device)):
        found.setdefault(reading.name, []).append(np.atleast_1d(reading.values).ravel())
    deep = DeepEvaluation.fixed(SMALL, SMALL.deep, SCALE.name, device)
    for reading in measure_deeply(model, deep, (0,), STEPS[-1]):
        found.setdefault(reading.name, []).append(np.atleast_1d(reading.values).ravel())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def measures_table(device: torch.device) -> Iterator[str]:
    training = trained(CPU, STEPS[-1])
    here, there = values_on(CPU, training), values_on(device, training)
    yield "| measure | values | median relative difference | largest |"
    yield "| --- | --- | --- | --- |"
    for name in sorted(name for name in here if not name.startswith("llc_chain")):
        scale = np.maximum(np.abs(here[name]), 1e-12)
        relative = np.abs(here[name] - there[name]) / scale
        relative = np.where(here[name] == there[name], 0.0, relative)
        yield f"| `{name}` | {len(relative)} | {np.nanmedian(relative):.1e} | {np.nanmax(relative):.1e} |"


def training_table(device: torch.device) -> Iterator[str]:
    yield "| steps | loss, CPU | loss, device | largest difference of a weight |"
    yield "| --- | --- | --- | --- |"
    for steps in STEPS:
        ours, theirs = trained(CPU, steps), trained(device, steps)
        evaluation = Evaluation.fixed(SMALL, CPU)
        theirs.model.to(CPU)
        losses = []
        for training in (ours, theirs):
            readings = measure(training.model, evaluation)
            losses.append(
                next(float(r.values) for r in readings if r.name == "loss" and r.values.ndim == 0)
            )
        apart = max(
            float((a - b).detach().abs().max())
            for a, b in zip(ours.model.parameters(), theirs.model.parameters(), strict=True)
        )
        yield f"| {steps} | {losses[0]:.6f} | {losses[1]:.6f} | {apart:.1e} |"


def waited(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def cost(suite: Suite, scale: Scale, device: torch.device) -> tuple[float, float, float]:
    """Milliseconds a step (median), seconds a checkpoint (second of two), and GB at the peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    training = Training(suite, scale, 0, device)
    laps, before = [], waited(device)
    for step, _, _ in training.steps():
        now = waited(device)
        laps.append(now - before)
        before = now
        if step == WARM + TIMED:
            break
    evaluation = Evaluation.fixed(suite, device)
    measure(training.model, evaluation)
    before = waited(device)
    measure(training.model, evaluation)
    checkpoint = waited(device) - before
    peak = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else float("nan")
    return 1000 * statistics.median(laps[WARM:]), checkpoint, peak


def cost_table(device: torch.device, batch: int, most: int) -> Iterator[str]:
    suite = replace(SUITES["paper"], batch=batch, precision=None)
    yield "| scale | ms a step | s a checkpoint | peak memory, GB |"
    yield "| --- | --- | --- | --- |"
    for scale in suite.scales[:most]:
        step, checkpoint, peak = cost(suite, scale, device)
        yield f"| {scale.name} | {step:.1f} | {checkpoint:.2f} | {peak:.2f} |"


def page(device: torch.device) -> Iterator[str]:
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else "the CPU itself"
    batch, most = (512, 5) if on_gpu else (8, 1)
    torch.set_num_threads(1)
    yield f"# The backend on {name}"
    yield ""
    yield f"`python -m benchmarks.device {device}`; {machine()}; torch {torch.__version__}, float32 without TF32."
    yield ""
    yield f"## Measures of one model ({SCALE.name} after {STEPS[-1]} steps), beside the CPU"
    yield ""
    yield from measures_table(device)
    yield ""
    yield f"## The same training ({SCALE.name}, batch {SMALL.batch}) on both"
    yield ""
    yield from training_table(device)
    yield ""
    yield f"## Cost at the sizes of suite `paper`, batch {batch}"
    yield ""
    yield from cost_table(device, batch, most)


def main() -> None:
    for line in page(torch.device(sys.argv[1] if len(sys.argv) > 1 else "cpu")):
        print(line, flush=True)


if __name__ == "__main__":
    main()
