"""Designs of simulated studies, and rates of runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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


def rates(rng: np.random.Generator, p: float, icc: float, n: int) -> NDArray[np.float64]:
    """Rates (n,) with mean p and variance icc p (1 - p)."""
    if icc == 0:
        return np.full(n, p)
    if icc == 1:
        return (rng.random(n) < p).astype(float)
    concentration = (1 - icc) / icc
    return rng.beta(p * concentration, (1 - p) * concentration, n)
