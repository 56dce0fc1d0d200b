"""Run a cell many times: how often the interval holds the truth, and how often verdicts are wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.values import Cell
from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict, decide

LEVEL = 0.95
# The truth lies at the boundary of the region: at most alpha = .05, and three standard errors of
# 5,000 or 1,000 repetitions.
ALLOWED = {5000: 0.060, 1000: 0.073}


@dataclass(frozen=True)
class Outcome:
    """Shares of `repetitions`.

    `coverage`: intervals that hold the truth. `false_support`: supported where the truth is the
    boundary, of a claim "above" or "below" it, whichever is worse; `false_refutation`: refuted. `offered`:
    studies that have an interval. `half_width`: median, where offered.
    """

    cell: Cell
    repetitions: int
    coverage: float
    false_support: float
    false_refutation: float
    offered: float
    half_width: float

    @property
    def slack(self) -> float:
        """Three standard errors of a coverage of .95."""
        return 3 * (0.95 * 0.05 / self.repetitions) ** 0.5

    @property
    def held(self) -> bool:
        """Whether false verdicts and coverage are within their bands: .93 with five runs or fewer."""
        least = 0.93 if self.cell.design.runs <= 5 else 0.94
        false = max(self.false_support, self.false_refutation)
        return false <= ALLOWED[self.repetitions] and self.coverage >= least - self.slack


def run(cell: Cell, repetitions: int, seed: int = 0) -> Outcome:
    rng = np.random.default_rng([20260217, seed])
    strata, log10_params = cell.design.strata, cell.design.log10_params
    covered = above = below = offered = 0
    widths = []
    for _ in range(repetitions):
        estimate = cell.analysis.estimate(cell.draw(rng), strata, log10_params, None, LEVEL)
        if estimate.interval is None:
            continue
        offered += 1
        lo, hi = estimate.interval
        covered += lo <= cell.truth <= hi
        above += lo > cell.truth
        below += hi < cell.truth
        widths.append((hi - lo) / 2)
    # A claim "above the truth" is falsely supported by the intervals that lie above it, and a claim "at
    # least the truth" falsely refuted by those below.
    worse = max(above, below) / repetitions
    return Outcome(
        cell,
        repetitions,
        covered / offered if offered else math.nan,
        worse,
        worse,
        offered / repetitions,
        float(np.median(widths)) if widths else math.nan,
    )


@dataclass(frozen=True)
class Verdicts:
    """Shares of verdicts on a claim whose truth lies `distance` inside the region."""

    distance: float
    shares: dict[Verdict, float]


def verdicts(cell: Cell, region: Region, repetitions: int, seed: int = 0) -> dict[Verdict, float]:
    """Share of each verdict on this claim."""
    rng = np.random.default_rng([20260217, seed, 1])
    found: Counter[Verdict] = Counter()
    for _ in range(repetitions):
        estimate = cell.analysis.estimate(
            cell.draw(rng), cell.design.strata, cell.design.log10_params, None, LEVEL
        )
        interval = estimate.interval
        found[Verdict.INCONCLUSIVE if interval is None else decide(interval, region)] += 1
    return {verdict: found[verdict] / repetitions for verdict in Verdict}


def binomial_error(share: float, repetitions: int) -> float:
    return math.sqrt(max(share * (1 - share), 1 / repetitions) / repetitions)


def enumerated_sign_flips(values: Sequence[float], alpha: float) -> float:
    """Exact chance that the sign-flip test rejects at `alpha`, over all signs of these values (n,).

    The null hypothesis of the test: each value is as likely with the one sign as with the other.
    """
    from emergence_stats.inference import sign_flip_p

    x = np.abs(np.asarray(values, float))
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * len(x))).reshape(len(x), -1).T
    return float(np.mean([sign_flip_p(row * x) <= alpha for row in signs]))
