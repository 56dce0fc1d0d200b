"""Settings of the chains that estimate an LLC; imports no torch, so that a suite can name them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampler:
    """Settings of the chains; `inverse_temperature` is n beta.

    `batch`: samples of a step. The parts of groups are read at every `thinning`-th draw, on
    `part_batch` samples of each group: consecutive draws say nearly the same.
    """

    step_size: float
    localisation: float
    inverse_temperature: float
    chains: int = 4
    burn_in: int = 50
    draws: int = 50
    batch: int = 64
    thinning: int = 4
    part_batch: int = 16
    antithetic: bool = False  # chains in pairs whose noise has opposite signs
