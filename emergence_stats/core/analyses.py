"""Analyses: how one value a run becomes a contrast of scales, and which values are possible."""

from __future__ import annotations

import math
from dataclasses import dataclass

from emergence_stats.errors import HypothesisError

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Mean:
    """Mean over runs of a number a run.

    `bounds`: the range of possible values, if there is one. With it the interval holds whatever the distribution of
    runs looks like near its ends; without it, it is Student's t, and no interval without bounds is certain where a few
    runs may deviate by far. `search`: the bounds are where a search ends, so that a value there is no value.
    """

    bounds: Bounds | None = None
    search: bool = False

    def __post_init__(self) -> None:
        if self.bounds is not None:
            if not (isinstance(self.bounds, tuple | list) and len(self.bounds) == 2):
                raise HypothesisError(f"bounds {self.bounds!r} are not (low, high)")
            if not all(isinstance(x, int | float) and math.isfinite(x) for x in self.bounds):
                raise HypothesisError(f"bounds {self.bounds!r} are not two finite numbers")
            if max(map(abs, self.bounds)) > 1e100:
                raise HypothesisError(f"bounds {self.bounds!r} are too far from 0 to compute with")
            if not self.bounds[0] < self.bounds[1]:
                raise HypothesisError(f"bounds {self.bounds} are not (low, high)")
            object.__setattr__(self, "bounds", tuple(self.bounds))
        elif self.search:
            raise HypothesisError("Mean(search=True) needs the bounds of the search")


@dataclass(frozen=True)
class Share:
    """Mean over runs of a `Count` a run, as a rate between 0 and 1."""


@dataclass(frozen=True)
class Median:
    """Median over the runs of each scale of a number a run, by the sign test, for values that few runs carry far away.

    It is about every scale: medians of scales have no distribution-free mean. Six runs a scale are the fewest that give an
    interval at 95%.
    """


@dataclass(frozen=True)
class Slope:
    """Change of a number a run when the parameters grow `over`-fold (slope on log10 parameters).

    Values that fall and rise again have no slope: for invariance over scales use `LargestDifference`.
    """

    over: float

    def __post_init__(self) -> None:
        if not (isinstance(self.over, int | float) and 1 < self.over < math.inf):
            raise HypothesisError(f"Slope(over={self.over}): a factor above 1")


@dataclass(frozen=True)
class LargestDifference:
    """The largest difference between the means of two scales: invariance over scales is that it is small."""


Analysis = Mean | Median | Share | Slope | LargestDifference
ACROSS = (Slope, LargestDifference)  # these compare scales, so that none has an estimate alone


def bounds_of(analysis: Analysis) -> Bounds | None:
    """The range of the values of runs, None if they have none."""
    if isinstance(analysis, Share):
        return 0.0, 1.0
    return analysis.bounds if isinstance(analysis, Mean) else None
