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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emergence_stats.core.analyses import Mean, Slope
from emergence_stats.core.plan import Prediction
from emergence_stats.core.regions import Region
from emergence_stats.core.settle import Sample, settle
from emergence_stats.core.verdicts import Verdict
from emergence_stats.reports.markdown import markdown_table

Floats = NDArray[np.float64]
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
    plan = Prediction(what, float, Region.above(0.0), Mean() if paired else Slope(10.0))
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
                found = settle(plan, _sample(sign * a, sign * b, paired), LEVEL, test=False)
                if found.estimate.interval is not None:
                    offered += 1
                    counts[found.verdict] += 1
    return Split(
        f"{what}, {'pairs' if paired else 'groups'}",
        len(configurations),
        splits,
        counts[Verdict.SUPPORTED] / total,
        counts[Verdict.REFUTED] / total,
        offered / total,
    )


def _sample(a: Floats, b: Floats, paired: bool) -> Sample:
    """Differences of pairs, or two groups as two scales ten-fold apart: the slope is then their difference."""
    if paired:
        return Sample(b - a, [""] * len(a), np.zeros(len(a)), None)
    strata = ["a"] * len(a) + ["b"] * len(b)
    return Sample(np.r_[a, b], strata, np.repeat([0.0, 1.0], len(a)), None)


def section(path: Path, splits: int) -> Iterator[str]:
    """The table as Markdown, and what it is of."""
    configurations = read(path)
    yield "## Real nulls"
    yield ""
    yield (
        f"Not simulated: {len(configurations)} configurations of language-model training, each repeated at least {FEWEST} times "
        "(logs of github.com/KellerJordan/modded-nanogpt, validation losses). The repeats of one configuration are split in two "
        f"halves, {splits} times each, and compared: the last loss, and the log step at which the loss passes {CROSSED}. The halves "
        "differ by nothing, so what is supported is false: at most .025 on either side."
    )
    yield ""
    rows = []
    for what in ("last", "crossed"):
        for paired in (False, True):
            found = split(configurations, what, splits, paired)
            rows.append(
                (
                    found.what,
                    f"{found.supported:.4f}",
                    f"{found.refuted:.4f}",
                    f"{found.offered:.3f}",
                )
            )
    yield from markdown_table(
        ("compared", "supported, a side", "refuted, a side", "with an interval"), rows
    )
