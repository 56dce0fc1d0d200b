"""A table of runs, or of scales: what is known beside the measurements."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import RUN_TARGETS, number_in, typed
from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.notes import Notes
from emergence_stats.traces.importing.readers.cells import are_numbers, plain
from emergence_stats.traces.importing.readers.names import expression, loosely
from emergence_stats.traces.importing.readers.recorded import Read, event_step, unit_of
from emergence_stats.traces.importing.readers.tables import UnclearPoint, kind_of, read
from emergence_stats.traces.importing.readers.tabular.axis import check_axis, check_parameters
from emergence_stats.traces.importing.readers.tabular.usual import USUAL, elsewhere
from emergence_stats.traces.importing.readers.tabular.view import doubled

_KEYS = {"run": "name"}  # as Weights & Biases calls runs in its tables
_VERSION = re.compile(r"v?[0-9]+\.[0-9.]+|v[0-9]+")


@dataclass(frozen=True)
class Facts:
    """What is known about runs besides their measurements: `rows` by the value of `key`, run or scale.

    `events`: by the same value, for each recorded event its step, None where it never came.
    """

    file: str
    key: str
    names: tuple[str, ...]
    rows: dict[str, dict[str, Any]]
    events: dict[str, dict[str, int | None]] = field(default_factory=dict)
    units: dict[str, str | None] = field(default_factory=dict)  # of events, as their columns say

    def row_of(self, name: str, notes: Notes) -> str:
        """The row of a run or scale. A version in its name (pythia-v1.1-70m) need not be in that of the row.

        Raises `TraceError` if there is none.
        """
        if name in self.rows:
            return name
        parts = [part for part in re.split(r"[-_]", name) if not _VERSION.fullmatch(part)]
        close = [row for row in self.rows if re.split(r"[-_]", row) == parts]
        if len(close) == 1:
            notes.add("guessed", f"{self.key} {name!r} is {close[0]!r} of the table", self.file)
            return close[0]
        there = ", ".join(list(self.rows)[:5])
        raise TraceError(f"there is no row for {self.key} {name!r}; it has {there}", file=self.file)


def read_facts(path: Path, mapping: Mapping, notes: Notes, decimal: str | None = None) -> Facts:
    """A table with one row per run (column run or run_id) or per scale (scale or model).

    `decimal`: the point of numbers in the measurements, which counts here where the table itself does not tell.
    Targets and events that the mapping reads from columns of this table are added to its rows.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    kind = kind_of(path)
    if kind is None:
        raise UsageError(f"{path}: a table ends in .csv, .tsv, .parquet, .jsonl or .json")
    try:
        table = read(path, kind, notes)
    except UnclearPoint:
        if decimal is None:
            raise
        table = read(path, kind, notes, decimal=decimal)
    names = tuple(table.names)
    if table.doubled:
        raise doubled(table.doubled[0], table.file)
    key, column = _key_of(names, mapping)
    if key is None or column is None:
        wanted = ", ".join((*USUAL["run"], *USUAL["scale"]))
        raise TraceError(f"no column {wanted}; it has {', '.join(names[:30])}", file=path)
    if column not in USUAL[key]:
        notes.add("guessed", f"column {column!r} is the {key}", path)
    targets = elsewhere(mapping, (), names)
    called = _called(names, column, targets)
    for target, alias in called.items():
        notes.add("guessed", f"column {alias!r} is {target}", path)
    params = next((n for n in (called.get("n_params"), "n_params") if n in names), None)
    if params is not None:
        check_parameters(params, table.file)
    here = {event: source for event, source in mapping.events.items() if source in names}
    numeric = {
        name for name in names if kind == "csv" and are_numbers(table.columns[name], table.decimal)
    }
    rows: dict[str, dict[str, Any]] = {}
    events: dict[str, dict[str, int | None]] = {}
    for number in range(len(table)):
        row = {name: table.columns[name][number] for name in names}
        (name,) = typed("run", [row[column]], table.file, [number])
        if name is None:
            raise TraceError(f"no {key}", file=path, column=column, row=number)
        if name in rows:
            raise TraceError(f"{key} {name!r} appears twice", file=path, column=column, row=number)
        rows[name] = {
            k: _number(v, table.decimal) if k in numeric and k not in RUN_TARGETS else plain(v)
            for k, v in row.items()
            if k != column and k not in called.values()
        }
        rows[name] |= {target: plain(row[alias]) for target, alias in called.items()}
        for target in targets:
            (rows[name][target],) = expression(mapping.columns[target], _cells_of(row), [0])
        events[name] = {
            event: event_step(row[source], Read(table.file, source, number, decimal=table.decimal))
            for event, source in here.items()
        }
    for source in here.values():
        check_axis(source, table.file)
    units = {event: unit_of(source) for event, source in here.items()}
    units = {event: unit if unit != steps.OPTIMISER else None for event, unit in units.items()}
    return Facts(str(path), key, names, rows, events, units)


def _key_of(names: Sequence[str], mapping: Mapping) -> tuple[str | None, str | None]:
    """Whether the rows are of runs or of scales, and the column that names them: as it is said, else by its name."""
    for key in ("run", "scale"):
        said = mapping.columns.get(key)
        if said in names:
            return key, said
    usual = [(key, wanted) for key in ("run", "scale") for wanted in USUAL[key]]
    found = (
        (key, name)
        for alike, several in ((str, usual), (loosely, usual), (loosely, list(_KEYS.items())))
        for key, wanted in several
        for name in names
        if alike(name) == wanted
    )
    return next(found, (None, None))


def _called(names: Collection[str], key: str, said: Collection[str]) -> dict[str, str]:
    """Columns that are targets of a run by another of their usual names."""
    return {
        target: alias
        for target in ("scale", "seed", "n_params", "n_layers")
        if target not in names and target not in said
        for alias in [
            next((one for one in names if loosely(one) in USUAL[target] and one != key), None)
        ]
        if alias is not None
    }


def _number(cell: Any, decimal: str) -> Any:
    """A cell of a column of numbers, for the config of a run: whole where it is written so."""
    if cell is None:
        return None
    text = str(cell).strip()
    return (
        int(text)
        if re.fullmatch(r"[+-]?[0-9]{1,18}", text)
        else plain(number_in(text, decimal))
        if text
        else None
    )


def _cells_of(row: dict[str, Any]) -> Callable[[str], list[Any]]:
    return lambda name: [row[name]]
