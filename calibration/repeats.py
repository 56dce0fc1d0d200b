"""Real nulls: repeats of one configuration, split in two groups that do not differ.

Reads a CSV with columns record, step, total_steps, val_loss, run_id: validation losses of repeated runs
of one configuration each, as the logs of github.com/KellerJordan/modded-nanogpt have them. None of
it is part of the project.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict, decide
from emergence_stats.inference import mean, slope

FEWEST = 10  # repeats of a configuration
LEVEL = 0.95
CROSSED = 3.5  # nats: a loss that all configurations pass some time before the end


@dataclass(frozen=True)
class Configuration:
    """Values of the repeats of one configuration: last loss, and log step of passing `CROSSED`."""

    name: str
    last: list[float]
    crossed: list[float]


def read(path: Path) -> list[Configuration]:
    """Configurations with at least `FEWEST` repeats, in the order of the file."""
    curves: dict[tuple[str, str], dict[str, list[tuple[int, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            loss = float(row["val_loss"])
            curves[row["record"], row["total_steps"]][row["run_id"]].append(
                (int(row["step"]), loss)
            )
    found = []
    for (record, steps), runs in curves.items():
        ordered = [sorted(curve) for curve in runs.values()]
        if len(ordered) >= FEWEST:
            name = f"{record}, {steps} steps"
            last = [curve[-1][1] for curve in ordered]
            crossed = [x for curve in ordered if (x := _crossing(curve)) is not None]
            found.append(Configuration(name, last, crossed))
    return found


def _crossing(curve: list[tuple[int, float]]) -> float | None:
    """Log of the geometric middle of the interval in which the loss passes `CROSSED`."""
    for (before, above), (after, below) in itertools.pairwise(curve):
        if above > CROSSED >= below:
            return (math.log(max(before, 1)) + math.log(after)) / 2
    return None


@dataclass(frozen=True)
class Split:
    """Shares over all configurations and splits: verdicts on "the second group is higher", and the same
    for "lower"; `offered`: splits with an interval.
    """

    what: str
    groups: int
    splits: int
    supported: float
    refuted: float
    offered: float


def split(configurations: list[Configuration], what: str, splits: int, paired: bool) -> Split:
    """Compare random halves, as two scales (`paired` False), or as differences of pairs of runs."""
    rng = np.random.default_rng(20260217)
    counts = dict.fromkeys(Verdict, 0)
    offered = total = 0
    for configuration in configurations:
        values = np.array(getattr(configuration, what))
        half = len(values) // 2
        if half < 2:
            continue
        for _ in range(splits):
            some = rng.permutation(values)
            a, b = some[:half], some[half : 2 * half]
            for sign in (1.0, -1.0):
                total += 1
                if paired:
                    found = mean((sign * (b - a)).tolist(), [""] * half, None, LEVEL)
                else:
                    group = np.repeat([0.0, 1.0], half)
                    found = slope(
                        (sign * np.r_[a, b]).tolist(), group.tolist(), group.tolist(), None, LEVEL
                    )
                if found.interval is not None:
                    offered += 1
                    counts[decide(found.interval, Region.above(0.0))] += 1
    return Split(
        f"{what}, {'pairs' if paired else 'groups'}",
        len(configurations),
        splits,
        counts[Verdict.SUPPORTED] / total,
        counts[Verdict.REFUTED] / total,
        offered / total,
    )
