"""What is given to other packages, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emergence_stats.evaluation.results import PredictionResult


@dataclass(frozen=True)
class Units:
    """The values of a prediction's units (n,), their scales, and the trials of shares, None of other numbers."""

    prediction: PredictionResult
    values: NDArray[np.float64]
    scales: Sequence[str]
    trials: NDArray[np.float64] | None

    @property
    def n_scales(self) -> int:
        return len(set(self.scales))


@dataclass(frozen=True)
class Opinion:
    """`what` is estimated or tested, `by` which function; `says`: in words."""

    prediction: str
    what: str
    by: str
    value: float
    interval: tuple[float, float] | None
    says: str
