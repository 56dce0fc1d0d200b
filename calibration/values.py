"""Studies of one value per run with a known truth: what the intervals of `emergence_stats.inference` meet.

A study has scales and seeds. Each run has `TASKS` task-levels that depend on one another: of the
variance within a scale the share `icc` lies between runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emergence_stats.hypothesis import Analysis, Count, Mean, Share, Slope

TASKS = 12

Draw = Callable[[np.random.Generator], list]


@dataclass(frozen=True)
class Design:
    """`scales` x `seeds` runs."""

    scales: int
    seeds: int

    @property
    def runs(self) -> int:
        return self.scales * self.seeds

    @property
    def strata(self) -> list[int]:
        return np.repeat(np.arange(self.scales), self.seeds).tolist()

    @property
    def log10_params(self) -> list[float]:
        return np.repeat(np.linspace(4, 4 + np.log10(210), self.scales), self.seeds).tolist()

    def __str__(self) -> str:
        return str(self.runs) if self.scales == 1 else f"{self.runs} ({self.scales} x {self.seeds})"


DESIGNS = (Design(1, 3), Design(1, 5), Design(1, 10), Design(4, 5), Design(5, 5))


@dataclass(frozen=True)
class Cell:
    """One situation: its name, the analysis under test, the truth, and how a study is drawn."""

    name: str
    design: Design
    analysis: Analysis
    truth: float
    draw: Draw


def _between_scales(design: Design, size: float) -> NDArray[np.float64]:
    """How much scales differ, zero on average: the estimand is the mean over scales."""
    return size * np.repeat(np.linspace(-1, 1, design.scales), design.seeds)


def normal_mean(design: Design, icc: float, *, uneven: bool = False) -> Cell:
    """Mean of normal task-level values; `uneven`: the largest scale varies five times as much."""
    shift = _between_scales(design, 2.0) if design.scales > 1 else 0.0
    spread = np.repeat(np.linspace(1, 5 if uneven else 1, design.scales), design.seeds)

    def draw(rng: np.random.Generator) -> list:
        run = rng.normal(0, icc**0.5, design.runs)
        tasks = rng.normal(0, (1 - icc) ** 0.5, (design.runs, TASKS)).mean(1)
        return (shift + spread * (run + tasks)).tolist()

    name = f"normal, ICC {icc:g}" + (", unequal spread" if uneven else "")
    return Cell(name, design, Mean(), 0.0, draw)


def skewed_mean(design: Design) -> Cell:
    """Mean of exponential values, as times and lags may be; truth 0."""

    def draw(rng: np.random.Generator) -> list:
        return (rng.exponential(1.0, design.runs) - 1.0).tolist()

    return Cell("exponential", design, Mean(), 0.0, draw)


def share(design: Design, p: float, icc: float) -> Cell:
    """Share of task-levels, beta-binomial; with ICC 1 a run has all or none."""

    def draw(rng: np.random.Generator) -> list:
        successes = rng.binomial(TASKS, rates(rng, p, icc, design.runs))
        return [Count(float(k), float(TASKS)) for k in successes]

    return Cell(f"share {p:g}, ICC {icc:g}", design, Share(), p, draw)


def bounded_mean(design: Design, p: float, icc: float) -> Cell:
    """Mean on [-1, 1] as a rank correlation has, of a beta distribution with mean 2p - 1."""

    def draw(rng: np.random.Generator) -> list:
        return (2 * rates(rng, p, icc, design.runs) - 1).tolist()

    return Cell(
        f"bounded {2 * p - 1:g}, spread {icc:g}", design, Mean((-1.0, 1.0)), 2 * p - 1, draw
    )


def rates(rng: np.random.Generator, p: float, icc: float, n: int) -> NDArray[np.float64]:
    """Rates (n,) with mean p and variance icc p (1 - p)."""
    if icc == 0:
        return np.full(n, p)
    if icc == 1:
        return (rng.random(n) < p).astype(float)
    concentration = (1 - icc) / icc
    return rng.beta(p * concentration, (1 - p) * concentration, n)


def slope(design: Design, *, curved: bool = False) -> Cell:
    """Slope over 210-fold parameters, truth 0; `curved`: the scales lie on no line."""
    bend = np.repeat(np.linspace(-1, 1, design.scales) ** 2, design.seeds)
    bend = (bend - bend.mean()) if curved else 0.0 * bend

    def draw(rng: np.random.Generator) -> list:
        return (bend + rng.normal(0, 0.1, design.runs)).tolist()

    return Cell("slope" + (", curved" if curved else ""), design, Slope(210.0), 0.0, draw)
