"""In which unit a reader is shown an estimate: a file beside the claims, `shown.toml`, since it is no part of any plan.

    [top_down]
    "log steps per block" = "factor"

A table for each claim, a line for each prediction, by name or pattern; "factor" shows e to the power of what was estimated, as x1.13, and "percent" a
hundred times it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from emergence_stats.errors import UsageError
from emergence_stats.evaluation.results import SHOWN_AS, PredictionResult, Result
from emergence_stats.evaluation.watching.beside import tables
from emergence_stats.support.words import near

if TYPE_CHECKING:
    from emergence_stats.claims.project import Project

FILE = "shown.toml"


def in_units(results: Sequence[Result], project: Project) -> list[Result]:
    """The results with the units in which their predictions are shown. Raises `UsageError` for what the file has wrong."""
    found = []
    for result, table, file in tables(results, project, FILE, "predictions", SHOWN_AS):
        units = _by_name(table, [p.name for p in result.predictions], file, result.name)
        for p in result.predictions:
            if units.get(p.name) == "percent" and not _is_share(p):
                raise UsageError(
                    f"{file}: {result.name}: {p.name!r} is no share, from 0 to 1 (or a difference of two), and no percentage"
                )
            if units.get(p.name) == "factor" and any(v.trials is not None for v in p.values):
                raise UsageError(
                    f"{file}: {result.name}: {p.name!r} is a share of counted cases, and no logarithm that a factor could be of"
                )
        shown = (replace(p, shown_as=units.get(p.name)) for p in result.predictions)
        found.append(replace(result, predictions=tuple(shown)) if units else result)
    return found


def _is_share(p: PredictionResult) -> bool:
    """Whether a prediction's values and region can be shares, or differences of shares."""
    numbers = [p.region.lo, p.region.hi, *(v.value for v in p.values)]
    return all(number is None or -1.0 <= number <= 1.0 for number in numbers)


def _by_name(
    units: Mapping[str, str], names: Sequence[str], file: Path, claim: str
) -> dict[str, str]:
    """The unit of each prediction that a line of the file is about."""
    found: dict[str, str] = {}
    for pattern, unit in units.items():
        mine = [name for name in names if fnmatchcase(name, pattern)]
        if not mine:
            hint = near(pattern, names)
            raise UsageError(f"{file}: {claim} has no prediction {pattern!r}{hint}")
        found |= dict.fromkeys(mine, unit)
    return found
