"""Which column of a file is what: `run`, `step`, `task`, `measure`, `value` and so on."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.traces.importing.columns import (
    RUN_TARGETS,
    TARGETS,
    Rows,
    check_headers,
    typed,
)

_PLACE = re.compile(r"\{([^{}]*)\}")
# Names under which a column is found without being told.
USUAL = {
    "run": ("run", "run_id", "run_name"),
    "scale": ("scale", "model", "model_name"),
    "seed": ("seed",),
    "n_params": ("n_params", "num_params", "parameters"),
    "n_layers": ("n_layers", "num_layers"),
    "created": ("created",),
    "step": ("step", "_step", "Step", "global_step", "iteration"),
    "task": ("task",),
    "level": ("level",),
    "layer": ("layer",),
    "measure": ("measure", "metric"),
    "value": ("value",),
    "stderr": ("stderr",),
}


@dataclass(frozen=True)
class Mapping:
    """What to take from a table.

    `columns`: for each target a column, or a text with ``{column}`` in it. `constants`: for each target
    the value of all rows. `measures`: for each measure the column that holds its values, for a table with
    one column per measure; then there is no `measure` and no `value`. `where`: columns and the value that
    a row must have. `names`: a regular expression whose named groups (task, level, layer, measure) are
    read from each measure's name.

    Raises `UsageError` for an unknown target, with the nearest known one.
    """

    columns: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    measures: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    names: str | None = None

    def __post_init__(self) -> None:
        for target in (*self.columns, *self.constants):
            if target not in TARGETS:
                close = difflib.get_close_matches(target, TARGETS, 1)
                hint = f"; did you mean {close[0]!r}?" if close else f": {', '.join(TARGETS)}"
                raise UsageError(f"unknown target {target!r}{hint}")
        both = self.columns.keys() & self.constants.keys()
        if both:
            raise UsageError(f"{sorted(both)[0]!r} is both a column and set for all rows")
        if self.measures and {"measure", "value"} & {*self.columns, *self.constants}:
            raise UsageError(
                "with one column per measure there is no column for `measure` or `value`: use one or "
                "the other"
            )
        if self.names is not None:
            try:
                groups = re.compile(self.names).groupindex
            except re.error as error:
                raise UsageError(f"{self.names!r} is not a regular expression: {error}") from None
            unknown = groups.keys() - {"task", "level", "layer", "measure"}
            if unknown or not groups:
                raise UsageError(
                    f"{self.names!r}: the named groups are task, level, layer and measure"
                )

    @classmethod
    def read(cls, path: Path) -> tuple[Mapping, dict[str, str]]:
        """A mapping from a TOML file, and what else it says: format, suite, runs.

        Tables ``[columns]``, ``[set]``, ``[measures]``, ``[where]``, and ``names``. Raises
        `UsageError` for an invalid file.
        """
        try:
            found = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: not valid TOML ({error})") from None
        tables = {
            "columns": "columns",
            "set": "constants",
            "measures": "measures",
            "where": "where",
        }
        words = ("names", "format", "suite", "runs")
        known = (*tables, *words)
        for name, value in found.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"; did you mean {close[0]!r}?" if close else f": {', '.join(known)}"
                raise UsageError(f"{path}: unknown key {name!r}{hint}")
            if not isinstance(value, dict if name in tables else str):
                raise UsageError(
                    f"{path}: {name!r} must be {'text' if name in words else 'a table'}"
                )
        parts: dict[str, Any] = {
            part: {key: str(value) for key, value in found.get(name, {}).items()}
            for name, part in tables.items()
        }
        rest = {word: str(found[word]) for word in words[1:] if word in found}
        return cls(**parts, names=found.get("names")), rest

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

    def elsewhere(self, names: Collection[str], facts: Collection[str]) -> frozenset[str]:
        """Targets of a run whose columns are in the table of runs (`facts`), but not in the measurements
        (`names`).
        """
        return frozenset(
            target
            for target, source in self.columns.items()
            if target in RUN_TARGETS[1:]
            for used in [set(_PLACE.findall(source) or [source])]
            if used <= set(facts) and not used <= set(names)
        )

    def apply(self, table: Any, file: str, facts: Collection[str] = ()) -> Rows:
        """Measurements of an Arrow table; `facts`: columns of the table of runs, which has the rest.

        Raises `TraceError` for a missing column.
        """
        names: list[str] = table.column_names
        cells: dict[str, list[Any]] = {}

        def column(name: str) -> list[Any]:
            if name not in names:
                close = difflib.get_close_matches(name, names, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names[:30])}"
                raise TraceError(f"there is no column {name!r}; {hint}", file=file)
            if name not in cells:
                check_headers(names, file, [name])
                cells[name] = table.column(name).to_pylist()
            return cells[name]

        keep = [
            i
            for i in range(table.num_rows)
            if all(_as_text(column(name)[i]) == value for name, value in self.where.items())
        ]
        if not keep:
            wanted = " and ".join(f"{name} = {value}" for name, value in self.where.items())
            raise TraceError(f"no row{' with ' + wanted if wanted else ''}", file=file)
        targets: dict[str, list[Any]] = {}
        elsewhere = self.elsewhere(names, facts)
        for target in TARGETS:
            if target in elsewhere:
                continue
            if target in self.constants:
                targets[target] = [self.constants[target]] * len(keep)
                continue
            source = self.columns.get(target)
            if source is None:
                usual = (
                    USUAL[target] if target not in ("measure", "value") or not self.measures else ()
                )
                source = next((name for name in usual if name in names), None)
            if source is not None:
                targets[target] = expression(source, column, keep)
        if "step" not in targets:
            raise TraceError(
                f"no column for the step; it has {', '.join(names[:30])}",
                file=file,
                fix="Say which with --column step=NAME.",
            )
        rows = self._long(targets, column, keep, file)
        return named(rows, self.names) if self.names else rows

    def _long(
        self,
        targets: dict[str, list[Any]],
        column: Callable[[str], list[Any]],
        keep: Sequence[int],
        file: str,
    ) -> Rows:
        if not self.measures:
            if "value" not in targets or "measure" not in targets:
                lacking = "value" if "value" not in targets else "measure"
                raise TraceError(
                    f"no column for the {lacking}",
                    file=file,
                    fix="Say which with --column measure=NAME --column value=NAME, or which columns "
                    "are measures with --measure NAME=COLUMN.",
                )
            return gathered(targets, keep, file)
        parts = []
        for measure, name in self.measures.items():
            values = column(name)
            part = {**targets, "measure": [measure] * len(keep), "value": [values[i] for i in keep]}
            parts.append(gathered(part, keep, file))
        return joined(parts)


def gathered(targets: dict[str, list[Any]], numbers: Sequence[int], file: str) -> Rows:
    """Columns of the right types, without the rows whose value is empty."""
    values = typed("value", targets["value"], file, numbers)
    there = [i for i, value in enumerate(values) if value is not None]
    numbers = [numbers[i] for i in there]
    columns = {
        target: typed(target, [cells[i] for i in there], file, numbers)
        for target, cells in targets.items()
    }
    return Rows(file, columns, list(numbers), empty=len(values) - len(there))


def joined(parts: Sequence[Rows]) -> Rows:
    """Parts of one file, concatenated; a column that a part lacks is empty there."""
    targets = list(dict.fromkeys(target for part in parts for target in part.columns))
    columns = {
        target: [cell for part in parts for cell in part.columns.get(target, [None] * len(part))]
        for target in targets
    }
    numbers = [number for part in parts for number in part.numbers]
    return replace(
        parts[0], columns=columns, numbers=numbers, empty=sum(part.empty for part in parts)
    )


def named(rows: Rows, pattern: str) -> Rows:
    """Task, level, layer and measure read from each measure's name; a name without match stays."""
    compiled = re.compile(pattern)
    columns = {k: list(v) for k, v in rows.columns.items()}
    for target in ("task", "level", "layer"):
        if target in compiled.groupindex:
            columns.setdefault(target, [None] * len(rows))
    for i, name in enumerate(rows.columns["measure"]):
        found = compiled.fullmatch(name)
        if found is None:
            continue
        for target, text in found.groupdict().items():
            if text is not None:
                (columns[target][i],) = typed(target, [text], rows.file, [rows.numbers[i]])
    return replace(rows, columns=columns)


def expression(source: str, column: Callable[[str], list[Any]], keep: Sequence[int]) -> list[Any]:
    """Cells of a column, or of a text with ``{column}`` in it."""
    places = _PLACE.findall(source)
    if not places:
        cells = column(source)
        return [cells[i] for i in keep]
    used = {name: column(name) for name in places}
    return [_PLACE.sub(lambda m: _as_text(used[m[1]][i]), source) for i in keep]  # noqa: B023


def _as_text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """``NAME=VALUE`` texts of an option as a dictionary. Raises `UsageError` for one without ``=``."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value:
            raise UsageError(f"{option} {text!r}: write NAME=VALUE")
        found[name.strip()] = value
    return found
