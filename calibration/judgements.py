"""What whole predictions say in worlds where a hostile reader would look: part of `python -m calibration.core`.

Each row is a world in which the claim is false, or lies at the boundary, and says how often it is supported all the same: by
the analysis of the first study, and by the core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binom

from calibration import first_study
from emergence_stats.core.analyses import Analysis, LargestDifference, Mean, Median, Slope
from emergence_stats.core.intervals import bounded
from emergence_stats.core.intervals.contrasts import mean_contrast
from emergence_stats.core.looks import settle_looks
from emergence_stats.core.plan import Design, Prediction
from emergence_stats.core.regions import Region
from emergence_stats.core.settle import Sample, settle
from emergence_stats.core.verdicts import Verdict

Array = NDArray[np.float64]
LEVEL = 0.95
# An analysis by name, its scope, and how far its estimand lies from that of the mean.
Look = tuple[str, Analysis, str | None, float]
# Values of one study, and the scale of each.
Draw = Callable[[np.random.Generator], tuple[Array, list[str]]]


@dataclass(frozen=True)
class Row:
    """A world at the boundary of `region`, or outside, and the analyses that look at it.

    `first`: the analysis of the first study, "mean" or "slope". `core`: each analysis of the core with its scope. `sizes`:
    log10 parameters by scale.
    """

    world: str
    runs: str
    draw: Draw
    region: Region
    first: str
    core: Sequence[Look]
    sizes: dict[str, float]


def _median_of_deviating() -> float:
    """Of 96% standard normal values and 4% about 10, less their mean."""
    return float(ndtri(0.5 / 0.96)) - 0.4


def _names(n: int) -> list[str]:
    return [f"s{i}" for i in range(n)]


def _sizes(n: int) -> dict[str, float]:
    return {name: 4 + 0.58 * i for i, name in enumerate(_names(n))}


def _by_scale(
    means: Sequence[float], runs: int | Sequence[int], value: Callable[..., Array]
) -> Draw:
    """`value(rng, n)`: deviations of n runs from the mean of their scale."""
    counts = [runs] * len(means) if isinstance(runs, int) else list(runs)
    strata = [name for name, n in zip(_names(len(means)), counts, strict=True) for _ in range(n)]

    def draw(rng: np.random.Generator) -> tuple[Array, list[str]]:
        parts = [m + value(rng, n) for m, n in zip(means, counts, strict=True)]
        return np.concatenate(parts), strata

    return draw


def _normal(sd: float) -> Callable[..., Array]:
    return lambda rng, n: sd * rng.standard_normal(n)


def _lognormal(rng: np.random.Generator, n: int) -> Array:
    return np.exp(rng.standard_normal(n)) - math.exp(0.5)


def _deviating(rng: np.random.Generator, n: int) -> Array:
    return rng.standard_normal(n) + 10.0 * (rng.random(n) < 0.04) - 0.4


MEANS: list[Look] = [("mean", Mean(), "average", 0.0)]
BOTH: list[Look] = [
    ("average", Mean(), "average", 0.0),
    ("every scale", Mean(), "every scale", 0.0),
]
INVARIANCE: list[Look] = [
    ("slope", Slope(10**2.32), None, 0.0),
    ("largest difference", LargestDifference(), None, 0.0),
]


def _with_median(at: float) -> list[Look]:
    """`at`: the median, where the mean is 0."""
    return [*MEANS, ("median", Median(), "every scale", at)]


WITHIN = Region.between(-0.2231, 0.2231)


def rows() -> list[Row]:
    """In the order of the page."""
    return [
        Row("normal", "5", _by_scale([0], 5, _normal(1)), Region.at_least(0), "mean", MEANS, _sizes(1)),
        Row("normal", "5 x 5", _by_scale([0] * 5, 5, _normal(1)), Region.at_least(0), "mean", MEANS, _sizes(5)),
        Row(
            "normal, one scale with a single run", "4 x 5, 1",
            _by_scale([-1.0, 0.25, 0.25, 0.25, 0.25], [1, 5, 5, 5, 5], _normal(0.3)),
            Region.at_least(0), "mean", MEANS, _sizes(5),
        ),
        Row(
            "lognormal, sigma 1 (skewed)", "25", _by_scale([0], 25, _lognormal),
            Region.at_most(-1e-12), "mean", _with_median(1 - math.exp(0.5)), _sizes(1),
        ),
        Row(
            "4% of runs deviate by 10 sd", "25", _by_scale([0], 25, _deviating),
            Region.at_most(-1e-12), "mean", _with_median(_median_of_deviating()), _sizes(1),
        ),
        Row(
            "opposite scales, -0.45 and 0.50", "2 x 8", _by_scale([-0.45, 0.5], 8, _normal(0.3)),
            WITHIN, "mean", BOTH, _sizes(2),
        ),
        Row(
            "opposite scales, -0.45 and 0.50", "2 x 41", _by_scale([-0.45, 0.5], 41, _normal(0.3)),
            WITHIN, "mean", BOTH, _sizes(2),
        ),
        Row(
            "one scale of five at the boundary", "5 x 8",
            _by_scale([0.2231, 0, 0, 0, 0], 8, _normal(0.1)), WITHIN, "mean", BOTH[1:], _sizes(5),
        ),
        Row(
            "fall and rise again two-fold over scales", "5 x 8",
            _by_scale([0.69, 0.35, 0, 0.35, 0.69], 8, _normal(0.1)), WITHIN, "slope", INVARIANCE, _sizes(5),
        ),
        Row(
            "two scales apart by the margin", "5 x 8",
            _by_scale([0.2231, 0.1, 0.1, 0.1, 0.0], 8, _normal(0.1)), WITHIN, "slope", INVARIANCE[1:], _sizes(5),
        ),
        Row(
            "all 0.1, one run a scale", "3 x 1", _by_scale([0.1] * 3, 1, _normal(0)),
            Region.between(-0.05, 0.05), "slope", INVARIANCE, _sizes(3),
        ),
    ]  # fmt: skip


def supported(row: Row, repetitions: int) -> tuple[float, dict[str, float]]:
    """How often the first study and each analysis of the core support the claim."""
    rng = np.random.default_rng([20261127, len(row.world)])
    first, core = 0, dict.fromkeys((look[0] for look in row.core), 0)
    for _ in range(repetitions):
        values, strata = row.draw(rng)
        first += _first_supports(row, values, strata)
        some = Sample(values, strata, np.array([row.sizes[s] for s in strata]))
        for name, analysis, scope, at in row.core:
            region = row.region if at == 0 else Region.at_most(at - 1e-12)
            if isinstance(analysis, LargestDifference):
                region = Region.at_most(float(row.region.hi or 0.0))
            plan = Prediction("p", float, region, analysis, "run", scope)
            core[name] += settle(plan, some, LEVEL, test=False).verdict is Verdict.SUPPORTED
    return first / repetitions, {name: n / repetitions for name, n in core.items()}


def _first_supports(row: Row, values: Array, strata: list[str]) -> bool:
    if row.first == "mean":
        ends = first_study.mean(values.tolist(), strata, LEVEL)
    else:
        sizes = [row.sizes[s] / 2.32 for s in strata]
        ends = first_study.slope(values.tolist(), sizes, strata, LEVEL)
    return ends is not None and row.region.contains_interval(*ends)


def cells(repetitions: int) -> Iterator[list[str]]:
    """Rows of the table; beyond .05 an analysis is marked."""
    for row in rows():
        first, core = supported(row, repetitions)
        for name, share in core.items():
            mark = " **not for such values**" if share > 0.05 else ""
            yield [row.world, row.runs, f"{first:.3f}", name, f"{share:.3f}{mark}"]


# --- looking early, and runs that go missing --------------------------------------------------

DESIGN = Design("s", ["s0", "s1"], range(12), sequential=True, looks=[4, 8, 12])


def looking_early(repetitions: int) -> tuple[float, float]:
    """How often any of three looks supports a mean of at least 0 that lies at 0: with and without shares of the error."""
    rng = np.random.default_rng(7)
    keys = [(scale, seed) for seed in DESIGN.seeds for scale in DESIGN.scales]
    units, strata = [[key] for key in keys], [scale for scale, _ in keys]
    plan = Prediction("p", float, Region.at_least(0))
    found = [0, 0]
    for _ in range(repetitions):
        some = Sample(rng.standard_normal(len(keys)), strata, np.ones(len(keys)))
        for number, level in enumerate((1 - (1 - LEVEL) / 3, LEVEL)):
            settled = settle_looks(
                plan, some, units, DESIGN, level, 1, made=frozenset(keys), test=False
            )
            found[number] += settled.verdict is Verdict.SUPPORTED
    return found[0] / repetitions, found[1] / repetitions


def missing_for_their_outcome(repetitions: int) -> tuple[float, float]:
    """Of studies whose runs of low values broke, how many support "at least 0.6" of a mean of 0.5; and how many of them
    would with the lowest possible values of those that are missing.
    """
    rng = np.random.default_rng(8)
    plan = Prediction("p", float, Region.at_least(0.6), Mean((0.0, 1.0)))
    clean = filled = 0
    for _ in range(repetitions):
        values = rng.uniform(0.2, 0.8, 200)
        kept = values[values > 0.55]
        if len(kept) < 2:
            continue
        clean += _supports(plan, kept)
        filled += _supports(plan, np.r_[kept, np.zeros(200 - len(kept))])
    return clean / repetitions, filled / repetitions


def _supports(plan: Prediction, values: Array) -> bool:
    some = Sample(values, ["s0"] * len(values), np.ones(len(values)))
    return settle(plan, some, LEVEL, test=False).verdict is Verdict.SUPPORTED


def two_kinds() -> tuple[float, int, float, float]:
    """The worst error on one side of the interval of a bounded mean, over runs of two kinds: a share q at the bound and the
    others at one value. By enumeration; with the number of runs, the value and q.
    """
    worst = (0.0, 0, 0.0, 0.0)
    for n in (5, 8, 10, 25, 50, 100, 400):
        for at in (0.0, 0.2, 0.5, 0.8, 0.9):
            ends = np.array([_upper_end(n, k, at) for k in range(n + 1)])
            for q in np.geomspace(0.002, 0.9, 160):
                truth = at + (1 - at) * q
                missed = float(binom.pmf(np.arange(n + 1), n, q)[ends < truth - 1e-12].sum())
                worst = max(worst, (missed, n, at, float(q)))
    return worst


def _upper_end(n: int, k: int, at: float) -> float:
    """Of n runs of which k lie at 1 and the others at one value."""
    values = np.r_[np.full(n - k, at), np.ones(k)]
    return bounded.interval(mean_contrast(values, [""] * n), (0.0, 1.0), LEVEL)[1]
