"""What recording costs: a plain loop with and without a `Recorder`, alternating.

python -m benchmarks.recorder > docs/recorder_benchmark.md
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from emergence_stats.recorder import Recorder, log_steps
from emergence_training import tasks
from emergence_training.loop import Training
from emergence_training.suites import SUITES, Scale

STEPS, REPEATS, SAMPLES = 400, 5, 200
SCALE = Scale(96, 4)


def samples() -> dict:
    found = {}
    for i, (task, level) in enumerate(tasks.TASK_LEVELS):
        tokens, _ = tasks.problems(np.random.default_rng([1, i]), task, level, SAMPLES)
        found[task, level] = torch.from_numpy(tokens[:, :-1])
    return found


def train(steps: tuple[int, ...] | None) -> tuple[float, int]:
    """Seconds of a training, and how many times it was measured; `steps` None: no recorder."""
    training = Training(SUITES["pocket"], SCALE, 0, torch.device("cpu"))
    recorder = None
    if steps is not None:
        recorder = Recorder(
            training.model,
            samples(),
            layers="blocks.*",
            forward=training.model.hidden_states,
            steps=steps,
        )
    began, measured = time.perf_counter(), 0
    for step, _, _ in training.steps():
        if recorder is not None:
            measured += recorder.record(step)
        if step == STEPS:
            break
    return time.perf_counter() - began, measured


def main() -> None:
    torch.set_num_threads(1)
    ways = {
        "no recorder": None,
        "a recorder that is never due": (10**9,),
        "measured at log-spaced steps, 10% apart": log_steps(STEPS),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    counts = {}
    for _ in range(REPEATS):
        for name, steps in ways.items():
            spent, counts[name] = train(steps)
            seconds[name].append(spent)
    base = statistics.median(seconds["no recorder"])
    print("# What recording costs\n")
    print(
        f"`python -m benchmarks.recorder`: {STEPS} steps of a decoder of {SCALE.layers} blocks, width "
        f"{SCALE.width}, batch {SUITES['pocket'].batch}, on one thread; RankMe of all blocks on {SAMPLES} samples "
        f"of {len(tasks.TASK_LEVELS)} task-levels. Median (range) of {REPEATS}, alternating.\n"
    )
    print("| | seconds | of no recorder | measured | milliseconds each |")
    print("|---|---|---|---|---|")
    for name, times in seconds.items():
        middle = statistics.median(times)
        n = counts[name]
        each = f"{1000 * (middle - base) / n:.0f}" if n else "-"
        print(
            f"| {name} | {middle:.2f} ({min(times):.2f} to {max(times):.2f}) | {middle / base:.3f} | {n} | {each} |"
        )


if __name__ == "__main__":
    main()
