"""Files beside the claims that say how results are shown, and are no part of any plan: TOML, a table for each claim."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emergence_stats.errors import UsageError
from emergence_stats.evaluation.results import Result
from emergence_stats.support.words import near

if TYPE_CHECKING:
    from emergence_stats.claims.project import Project

Table = Mapping[str, str]


def tables(
    results: Sequence[Result], project: Project, name: str, of: str, values: Sequence[str] = ()
) -> Iterator[tuple[Result, Table, Path]]:
    """Each result with its table in the file `name` of its folder, empty if it has none, and that file.

    `of`: what the keys of a table are, in words. `values`: those that a line may have; any text if there are none. Raises
    `UsageError` for what a file has wrong.
    """
    read: dict[Path, Mapping[str, Table]] = {}
    for result in results:
        file = project.named(result.name).home / name
        if file not in read:
            known = [*project.sources, *project.shipped]
            read[file] = _read(file, known, of, values)
        yield result, read[file].get(result.name, {}), file


def _read(file: Path, known: Sequence[str], of: str, values: Sequence[str]) -> Mapping[str, Table]:
    if not file.is_file():
        return {}
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}") from None
    for claim, lines in found.items():
        if not isinstance(lines, dict):
            raise UsageError(f"{file}: {claim} is {lines!r}, not a table of {of}")
        if claim not in known:
            raise UsageError(f"{file}: there is no claim {claim!r}{near(claim, known)}")
        for key, value in lines.items():
            if not isinstance(value, str):
                raise UsageError(f"{file}: {claim}: {key!r} is {value!r}, and has to be text")
            if values and value not in values:
                raise UsageError(
                    f"{file}: {claim}: {key!r} is shown as {value!r}, which is none of {', '.join(values)}"
                )
    return found
