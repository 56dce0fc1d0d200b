"""`python -m calibration.core > docs/calibration_core.md`: intervals of bounded means where runs agree, or few deviate.

Some minutes; `--small` for a quick look. Beside one another: the interval of the first study, that of the core, and the
one that assumes nothing.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration import first_study, judgements, repeats
from calibration.values import Design, rates
from emergence_stats.core.intervals import betting, bounded
from emergence_stats.core.intervals.contrasts import mean_contrast
from emergence_stats.reports.markdown import markdown_table

Array = NDArray[np.float64]
LEVEL = 0.95
UNIT = (0.0, 1.0)
DESIGNS = (Design(1, 5), Design(1, 10), Design(1, 25), Design(5, 5))
# One-sided, at the boundary: .025, and three standard errors of so many repetitions.
REPETITIONS, SMALL = 4000, 500
METHODS = ("first study", "core", "betting")


@dataclass(frozen=True)
class World:
    """Values on [0, 1] and their mean; `draw`: so many of them."""

    name: str
    truth: float
    draw: Callable[[np.random.Generator, int], Array]


def _beta(p: float, spread: float) -> World:
    return World(f"beta, mean {p:g}, spread {spread:g}", p, lambda rng, n: rates(rng, p, spread, n))


def _deviating(rare: float, usual: float, to: float) -> World:
    def draw(rng: np.random.Generator, n: int) -> Array:
        near = np.clip(usual + 0.02 * rng.standard_normal(n), 0, 1)
        return np.where(rng.random(n) < rare, to, near)

    name = f"near {usual:g}, but {rare:.0%} of runs at {to:g}"
    return World(name, (1 - rare) * usual + rare * to, draw)


def _two_kinds(share: float, one: float, other: float) -> World:
    def draw(rng: np.random.Generator, n: int) -> Array:
        return np.where(rng.random(n) < share, one, other) + rng.uniform(-0.02, 0.02, n)

    name = f"{share:.0%} of runs near {one:g}, the others near {other:g}"
    return World(name, share * one + (1 - share) * other, draw)


def _zeros(share: float) -> World:
    def draw(rng: np.random.Generator, n: int) -> Array:
        return np.where(rng.random(n) < share, 0.0, rng.beta(5, 5, n))

    return World(f"{share:.0%} of runs exactly 0, the others about 0.5", (1 - share) * 0.5, draw)


def _tasks(p: float) -> World:
    def draw(rng: np.random.Generator, n: int) -> Array:
        return rng.binomial(24, rates(rng, p, 0.5, n)) / 24

    return World(f"share {p:g} of 24 task-levels, ICC 0.5", p, draw)


WORLDS = (
    _beta(0.5, 0.1), _beta(0.8, 0.05), _beta(0.94, 0.4), _beta(0.97, 0.1),
    _beta(0.75, 1.0), _beta(0.9, 1.0), _tasks(0.9), _tasks(0.97),
    _deviating(0.04, 0.8, 0.0), _deviating(0.04, 0.3, 1.0),
    _two_kinds(0.8, 0.9, 0.2), _zeros(0.8), _zeros(0.15),
)  # fmt: skip


def _ends(method: str, values: Array, strata: list[int]) -> tuple[float, float]:
    if method == "first study":
        found = first_study.mean(values.tolist(), strata, LEVEL, UNIT)
        assert found is not None
        return found
    contrast = mean_contrast(values, strata)
    if method == "core":
        return bounded.interval(contrast, UNIT, LEVEL)
    return betting.interval(values, contrast.weights, UNIT, LEVEL)


def row(world: World, design: Design, repetitions: int) -> list[str]:
    """Of each method: the share of intervals above and below the truth, whichever is larger, and the half-width."""
    rng = np.random.default_rng([20261127, design.runs, design.scales])
    missed = {method: [0, 0] for method in METHODS}
    widths = dict.fromkeys(METHODS, 0.0)
    for _ in range(repetitions):
        values = np.clip(world.draw(rng, design.runs), 0, 1)
        for method in METHODS:
            lo, hi = _ends(method, values, design.strata)
            missed[method][0] += lo > world.truth
            missed[method][1] += hi < world.truth
            widths[method] += (hi - lo) / 2
    allowed = 0.025 + 3 * math.sqrt(0.025 * 0.975 / repetitions)
    cells = []
    for method in METHODS:
        false = max(missed[method]) / repetitions
        mark = " **FAILS**" if false > allowed else ""
        cells.append(f"{false:.3f}{mark} ({widths[method] / repetitions:.3f})")
    return [world.name, str(design), *cells]


def document(repetitions: int) -> Iterator[str]:
    yield "# Calibration of the core"
    yield ""
    yield (
        "Simulated: how often the interval of a mean on [0, 1] is certain of something false, on the side on which it is "
        f"worse, in {repetitions:,} studies a row (at most .025, which with so many studies is at most "
        f"{0.025 + 3 * math.sqrt(0.025 * 0.975 / repetitions):.3f}), and in brackets its mean half-width. *First study*: "
        "the interval of the first study (`calibration/first_study.py`). *Core*: what took its place "
        "(`emergence_stats/core/intervals/bounded.py`). *Betting*: an interval that assumes nothing about the distribution "
        "(`emergence_stats/core/intervals/betting.py`). Printed by `python -m calibration.core`."
    )
    yield ""
    make = partial(row, repetitions=repetitions)
    rows = [make(world, design) for design in DESIGNS for world in WORLDS]
    yield from markdown_table(("values of runs", "runs", *METHODS), rows)
    yield from _judgements(repetitions)


def _judgements(repetitions: int) -> Iterator[str]:
    yield ""
    yield "## Whole predictions"
    yield ""
    yield (
        f"Worlds in which a claim is false, or true at the boundary, and how often it is supported in {repetitions:,} studies: "
        "at most .05. An analysis that is marked is offered all the same, since nothing in the values of few runs tells that "
        "such a world is the true one (Bahadur and Savage 1956): its method says that it assumes values without far "
        "deviations. Where these are possible, bounds (the table above) or the median are right."
    )
    yield ""
    columns = ("world", "runs", "first study", "analysis of the core", "supported")
    yield from markdown_table(columns, list(judgements.cells(repetitions)))
    yield ""
    shared, not_shared = judgements.looking_early(repetitions)
    yield (
        f"**Looking early**: of a mean at the boundary, three looks (4, 8 and 12 seeds at two scales) support in {shared:.3f} of "
        f"studies; they would in {not_shared:.3f} if each look took the whole error."
    )
    yield ""
    clean, filled = judgements.missing_for_their_outcome(repetitions)
    yield (
        f'**Runs that are missing for their outcome**: where runs below 0.55 break, of 200 with a mean of 0.5, "at least 0.6" is '
        f"supported in {clean:.3f} of studies by those that are left. The report says so: with the lowest values that the missing "
        f"runs could have had it is supported in {filled:.3f}."
    )
    yield ""
    missed, n, at, q = judgements.two_kinds()
    yield (
        f"**Runs of two kinds**, a share q at the bound and the others at one value, by enumeration over 5 to 400 runs: the "
        f"interval of a bounded mean misses at worst in {missed:.3f} of studies on one side ({n} runs, {at:g}, q {q:.2f})."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m calibration.core")
    parser.add_argument("--small", action="store_true", help=f"{SMALL} repetitions a row")
    parser.add_argument(
        "--repeats", type=Path, metavar="CSV", help="real repeated runs (calibration/repeats.py)"
    )
    options = parser.parse_args()
    for line in document(SMALL if options.small else REPETITIONS):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    if options.repeats is not None:
        sys.stdout.write("\n")
        for line in repeats.section(options.repeats, 10 if options.small else 100):
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
