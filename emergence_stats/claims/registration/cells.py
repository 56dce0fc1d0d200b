"""What the core says of a fixed set of simulated values: a digest by which two versions of its source can be compared.

The same digest is no proof that two versions agree everywhere. `register --recompute` asks for it and for the same numbers of
the runs that are there, and says in the lock that it did.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from emergence_stats.claims.registration.canonical import digest
from emergence_stats.core.analyses import Analysis, LargestDifference, Mean, Median, Share, Slope
from emergence_stats.core.plan import AVERAGE, EVERY, Prediction
from emergence_stats.core.regions import Region
from emergence_stats.core.settle import Sample, settle

_SEED = 20261127
_SHAPES = ((8,), (5, 5, 5), (1, 4, 4), (3, 6, 2, 4), (2, 2))
_ANALYSES: tuple[tuple[Analysis, str | None], ...] = (
    (Mean(), AVERAGE),
    (Mean(), EVERY),
    (Mean((0.0, 1.0)), AVERAGE),
    (Mean((0.0, 1.0)), EVERY),
    (Mean((-1.0, 2.0)), None),
    (Share(), AVERAGE),
    (Median(), EVERY),
    (Slope(10.0), None),
    (LargestDifference(), None),
)
_REGIONS = (Region.at_least(0.4), Region.at_most(0.7), Region.between(0.1, 0.9))


# Registrations before 2026-11-29 hold nine digits of each number, also of one that is 0 but for rounding, which depends on the
# processor: what they hold of the values of today's digest, with AVX-512 (as under OPENBLAS_CORETYPE=SkylakeX) and without.
_BY_DIGITS = {
    "66291a7e47ef9f9f65f6b4ee7716864cfb4035cc0b0bc773142a607309cfbf6e": "5cb1af3b8cf156cd05721cdc04956ad015acbb3aaa5ff2f9d5c517c7379cc343",
    "46764387993712cbc13213da6fc136a43cef76fa2edb9c7955ceb1fa6965b60a": "5cb1af3b8cf156cd05721cdc04956ad015acbb3aaa5ff2f9d5c517c7379cc343",
}


@cache
def cells_digest() -> str:
    """Of estimates, intervals, p-values and verdicts, to nine decimals: all of them are about 1, and what is far smaller is rounding,
    which is another on another processor.
    """
    return digest(list(_results()))


def is_of_cells(known: str) -> bool:
    """Whether a registration holds what the core says now."""
    return _BY_DIGITS.get(known, known) == cells_digest()


def _results() -> Iterator[list[object]]:
    for some in _samples():
        for analysis, scope in _ANALYSES:
            for region in _REGIONS:
                plan = Prediction("cell", float, region, analysis, "run", scope)
                settled = settle(plan, some, 0.95)
                e = settled.estimate
                numbers = [e.value, *(e.interval or ()), e.p_value, *(e.free_interval or ())]
                yield [*map(_text, numbers), str(settled.verdict), *settled.mixed]


def _samples() -> Iterator[Sample]:
    """Values that vary, that agree, and that lie at bounds, at one scale and at several."""
    rng = np.random.default_rng(_SEED)
    for shape in _SHAPES:
        strata = [f"s{i}" for i, runs in enumerate(shape) for _ in range(runs)]
        n = len(strata)
        sizes = np.array([4.0 + 0.5 * int(name[1:]) for name in strata])
        for values in (
            rng.uniform(0, 1, n),
            np.full(n, 0.55),
            (rng.random(n) < 0.9).astype(float),
            0.5 + 0.2 * np.sin(sizes) + 0.01 * rng.standard_normal(n),
        ):
            yield Sample(values, strata, sizes, np.full(n, 24.0))


def _text(value: float | None) -> str:
    # adding 0 makes 0 of -0
    return "-" if value is None or not np.isfinite(value) else f"{round(value, 9) + 0.0:.9f}"
