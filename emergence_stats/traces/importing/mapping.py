"""Which column of a file is what, as options or a mapping file say it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from emergence_stats.errors import UsageError
from emergence_stats.support.words import near
from emergence_stats.traces.importing.columns import TARGETS
from emergence_stats.traces.importing.steps import UNITS

_TABLES = {
    "columns": "columns",
    "set": "constants",
    "measures": "measures",
    "stderr": "errors",
    "events": "events",
    "where": "where",
}
_OF_MAPPING = ("names", "path", "percent")
_OF_REQUEST = ("format", "suite", "runs", "delimiter", "decimal")
_PARTS = "parts"


@dataclass(frozen=True)
class Mapping:
    """What to take from a table.

    `columns`: for each target a column, or a text with ``{column}`` in it; a column is also what the path tells
    (``file``, ``folder``, places of `path`). `constants`: for each target the value of all rows. `measures`: for each
    measure the column that holds its values, for a table with one column per measure; a place in it, as in
    ``sink_l{layer}`` or ``sink_l{layer+1}``, is read from the column's name, and ``?`` behind it says that a file may
    lack it. `errors`: for each measure the column of its standard errors, or ``COLUMN/sqrt(N)`` where that has
    standard deviations. `events`: for each event that the authors dated the column of its step. `where`: columns and
    the value that a row must have. `names`: a regular expression whose named groups (task, level, layer, measure) are
    read from each measure's name. `path`: a pattern of paths, as ``{scale}_seed{seed}.csv``. `percent`: measures whose
    values are divided by 100. `others`: columns that other parts of the same mapping take.

    Raises `UsageError` for an unknown target, with the nearest known one.
    """

    columns: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    measures: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    names: str | None = None
    path: str | None = None
    percent: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for target in (*self.columns, *self.constants):
            if target not in TARGETS:
                hint = near(target, TARGETS, f": {', '.join(TARGETS)}")
                raise UsageError(f"unknown target {target!r}{hint}")
        both = self.columns.keys() & self.constants.keys()
        if both:
            raise UsageError(f"{sorted(both)[0]!r} is both a column and set for all rows")
        if self.measures and {"measure", "value"} & {*self.columns, *self.constants}:
            raise UsageError(
                "with one column per measure there is no column for `measure` or `value`: use one or "
                "the other"
            )
        if len(self.measures) > 1 and "stderr" in self.columns:
            raise UsageError(
                f"one column of standard errors ({self.columns['stderr']!r}) and {len(self.measures)} measures: say of "
                "which it is with --stderr MEASURE=COLUMN"
            )
        unit = self.constants.get("step_unit")
        if unit is not None and unit not in UNITS:
            hint = near(unit, UNITS, f", but one of {', '.join(UNITS)}")
            raise UsageError(f"step_unit {unit!r} is none that claims know{hint}")
        for form in self.measures.values():
            places = [one for one in ("task", "level", "layer") if form.count(f"{{{one}") > 1]
            if places:
                raise UsageError(f"{form!r}: {{{places[0]}}} stands there twice")
        if self.names is not None:
            _check_names(self.names)

    @classmethod
    def read(cls, path: Path) -> tuple[list[Mapping], dict[str, str]]:
        """Mappings from a TOML file, and what else it says: format, suite, runs, delimiter, decimal.

        Tables ``[columns]``, ``[set]``, ``[measures]``, ``[stderr]``, ``[events]``, ``[where]``, and ``names``,
        ``path`` and ``percent``. A list of tables ``[[parts]]`` is read one after the other, each over what stands outside of them.
        Raises `UsageError` for an invalid file.
        """
        try:
            found = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: not valid TOML ({error})") from None
        parts = found.pop(_PARTS, [])
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise UsageError(f"{path}: {_PARTS!r} must be a list of tables, [[parts]]")
        _check_keys(found, (*_TABLES, *_OF_MAPPING, *_OF_REQUEST, _PARTS), path)
        for part in parts:
            _check_keys(part, (*_TABLES, *_OF_MAPPING), path)
        rest = {word: str(found[word]) for word in _OF_REQUEST if word in found}
        shared = cls._of(found)
        several = [cls._of(part).over(shared) for part in parts] or [shared]
        taken = frozenset().union(*(one._taken() for one in several))
        return [replace(one, others=taken) for one in several], rest

    def _taken(self) -> frozenset[str]:
        """Columns that it takes, by their names or forms."""
        return frozenset(
            name.rstrip("?")
            for table in (self.columns, self.measures, self.errors, self.events)
            for name in table.values()
        )

    @classmethod
    def _of(cls, found: dict[str, Any]) -> Mapping:
        tables: dict[str, Any] = {
            part: {key: _plain(key, value) for key, value in found.get(name, {}).items()}
            for name, part in _TABLES.items()
        }
        percent = found.get("percent", ())
        return cls(
            **tables,
            names=found.get("names"),
            path=found.get("path"),
            percent=(percent,) if isinstance(percent, str) else tuple(map(str, percent)),
        )

    def over(self, other: Mapping) -> Mapping:
        """This mapping, and the other where this one says nothing."""
        merged: dict[str, Any] = {}
        for part in fields(self):
            mine, theirs = getattr(self, part.name), getattr(other, part.name)
            merged[part.name] = {**theirs, **mine} if isinstance(mine, dict) else mine or theirs
        for target in self.columns:
            merged["constants"].pop(target, None)
        for target in self.constants:
            merged["columns"].pop(target, None)
        return Mapping(**merged)


def _plain(key: str, value: Any) -> str:
    if isinstance(value, list | dict):
        raise UsageError(f"{key!r} is {value!r}: one value, for all rows")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_keys(found: dict[str, Any], known: Iterable[str], path: Path) -> None:
    known = list(known)
    for name, value in found.items():
        if name not in known:
            hint = near(name, known, f": {', '.join(known)}")
            raise UsageError(f"{path}: unknown key {name!r}{hint}")
        kind: Any = dict if name in _TABLES else str
        said = "a table" if name in _TABLES else "text"
        if name == "percent":
            kind, said = str | list, "a measure, or a list of them"
        if not isinstance(value, kind):
            raise UsageError(f"{path}: {name!r} must be {said}")


def _check_names(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise UsageError(f"{pattern!r} is not a regular expression: {error}") from None
    if groups.keys() - {"task", "level", "layer", "measure"} or not groups:
        raise UsageError(f"{pattern!r}: the named groups are task, level, layer and measure")


def pairs(texts: Iterable[str], option: str, alone: bool = False) -> dict[str, str]:
    """``NAME=VALUE`` texts of an option as a dictionary; `alone`: NAME stands for NAME=NAME.

    Raises `UsageError` for one without ``=``, and for a name that is said twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if alone and not equals and name.strip():
            value = name
        elif not equals or not name.strip() or not value:
            raise UsageError(f"{option} {text!r}: write NAME=VALUE")
        if found.setdefault(name.strip(), value.strip()) != value.strip():
            raise UsageError(f"{option}: {name.strip()!r} is said twice")
    return found
