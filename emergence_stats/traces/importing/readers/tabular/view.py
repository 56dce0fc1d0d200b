"""A table as a mapping sees it: its columns and what stands beside them, and the rows that are chosen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.support.words import counted, near
from emergence_stats.traces.importing.notes import Notes
from emergence_stats.traces.importing.readers.cells import as_text
from emergence_stats.traces.importing.readers.names import loosely
from emergence_stats.traces.importing.readers.tables import Table


@dataclass
class View:
    """A table as a mapping sees it: its columns, and beside them what path and head tell, the same for all rows."""

    table: Table
    beside: dict[str, Any]
    notes: Notes
    used: set[str] = field(default_factory=set)
    others: frozenset[str] = frozenset()  # columns that another part of the mapping takes
    step: str | None = None  # the column of steps

    def has(self, name: str) -> bool:
        return name in self.table.columns or name in self.beside

    def cells(self, name: str) -> list[Any]:
        """Cells of a column. Raises `TraceError` for one that is not there, or twice."""
        if name in self.table.doubled:
            raise doubled(name, self.table.file)
        if name in self.table.columns:
            self.used.add(name)
            return self.table.columns[name]
        if name in self.beside:
            return [self.beside[name]] * len(self.table)
        names = [*self.table.names, *self.beside]
        hint = near(name, names, f"; it has {', '.join(names[:30])}")
        raise TraceError(f"there is no column {name!r}{hint}", file=self.table.file)


def doubled(name: str, file: str) -> TraceError:
    return TraceError(
        "the name appears twice, so it is not clear which column is meant",
        file=file,
        column=name,
        fix="Rename one of them in the file.",
    )


def kept(view: View, where: dict[str, str], names: Collection[str]) -> list[int]:
    """Rows that have these values; `names`: columns of names, in which 1 is not 001."""
    keep = list(range(len(view.table)))
    for name, value in where.items():
        cells = view.cells(name)
        chosen = values_of(cells, value, name in names or loosely(name) in names)
        keep = [i for i in keep if chosen[i]]
    if not keep:
        wanted = " and ".join(f"{name} = {value}" for name, value in where.items())
        raise TraceError(f"no row{' with ' + wanted if wanted else ''}", file=view.table.file)
    if len(keep) < len(view.table):
        wanted = " and ".join(f"{name} is not {value}" for name, value in where.items())
        n = len(view.table) - len(keep)
        text = f"{counted(n, 'row')} where {wanted.replace(' and ', ' or ')}"
        view.notes.add("left out", text, view.table.file)
    return keep


def is_value(cell: Any, value: str) -> bool:
    """Whether a cell is what a user wrote: as text, as a number, or as true and false."""
    if isinstance(cell, bool):
        return str(cell).lower() == value.lower()
    text = as_text(cell).strip()
    if text == value:
        return True
    try:
        return float(text) == float(value)
    except ValueError:
        return False


def values_of(cells: Sequence[Any], value: str, names: bool) -> list[bool]:
    """Which cells are what a user wrote: as text where some are, or these are names; else as numbers too."""
    exact = [as_text(cell).strip() == value for cell in cells]
    return exact if names or any(exact) else [is_value(cell, value) for cell in cells]
