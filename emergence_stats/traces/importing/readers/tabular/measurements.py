"""Measurements of a table: by a mapping, or by the usual names of columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import PurePath
from typing import Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import Rows, is_empty, typed
from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.notes import Notes
from emergence_stats.traces.importing.paths import stem
from emergence_stats.traces.importing.readers.cells import gathered, plain
from emergence_stats.traces.importing.readers.names import named
from emergence_stats.traces.importing.readers.recorded import Dates, Read, event_step
from emergence_stats.traces.importing.readers.tables import Table
from emergence_stats.traces.importing.readers.tabular.axis import check_axis, with_step
from emergence_stats.traces.importing.readers.tabular.targets import names_before, targets_of
from emergence_stats.traces.importing.readers.tabular.usual import names_in
from emergence_stats.traces.importing.readers.tabular.view import View, kept
from emergence_stats.traces.importing.readers.tabular.wide import say_unused, wide


def measurements(
    table: Table,
    mapping: Mapping,
    notes: Notes,
    beside: dict[str, Any] | None = None,
    facts: Collection[str] = (),
) -> Rows:
    """The measurements of a table.

    `beside`: columns that are the same for all rows, from the path. `facts`: columns of the table of runs, which has
    the rest. Raises `TraceError` for a missing column.
    """
    path = PurePath(table.file)
    of_path = {"file": stem(path), "folder": path.parent.name, **(beside or {})}
    view = View(table, {**of_path, **table.head}, notes, others=mapping.others)
    keep = kept(view, mapping.where, names_in(mapping))
    view.used.update(source for source in mapping.events.values() if source in table.columns)
    every, unit = targets_of(view, mapping, keep, facts, beside or {})
    every_row = keep  # a row that is of no step may date an event
    targets, keep = with_step(view, mapping, every, keep)
    if mapping.measures or not {"measure", "value"} & targets.keys():
        rows = wide(view, targets, mapping, keep)
    elif {"measure", "value"} <= targets.keys():
        if mapping.errors:
            raise UsageError(
                "--stderr names a column for a measure; where measures are rows, say --column stderr=NAME"
            )
        rows = gathered(targets, keep, table, notes)
        say_unused(view, "is none of the columns that an import knows")
    else:
        lacking = "value" if "value" not in targets else "measure"
        raise TraceError(
            f"no column for the {lacking}",
            file=table.file,
            fix="Say which with --column measure=NAME --column value=NAME, or which columns "
            "are measures with --measure NAME=COLUMN.",
        )
    if unit is not None:
        rows.columns.setdefault("step_unit", [unit] * len(rows))
    rows.config = {
        name: plain(value) for name, value in table.head.items() if not isinstance(value, list)
    }
    if "run" in mapping.constants:
        rows.were = names_before(view, mapping, rows.numbers)
    rows.events = _events(view, mapping.events, every, every_row, facts, unit or steps.OPTIMISER)
    return named(rows, mapping.names) if mapping.names else rows


def _events(
    view: View,
    wanted: dict[str, str],
    targets: dict[str, list[Any]],
    keep: Sequence[int],
    facts: Collection[str],
    unit: str,
) -> dict[str, Any]:
    """Recorded events of each run: the one step that its rows, or those of a task-level, have in a column.

    Also rows without a measurement, as of a summary; an empty cell says nothing where another row has a step. `unit`: what
    the run's steps count. Raises `TraceError` for an event in another, and for two steps of one.
    """
    n = len(keep)
    runs, tasks, levels = (
        typed(target, targets.get(target, [None] * n), view.table.file, keep)
        for target in ("run", "task", "level")
    )
    named_ = "run" in targets
    found: dict[str, Any] = {}
    for name, source in wanted.items():
        if not view.has(source) and source in facts:
            continue
        cells = view.cells(source)
        check_axis(source, view.table.file)
        whole = source in view.beside
        for run, task, level, row in zip(runs, tasks, levels, keep, strict=True):
            read = Read(view.table.file, source, row, unit, view.step, view.table.decimal)
            step = event_step(cells[row], read)
            if named_ and run is None:
                if is_empty(cells[row]):
                    continue
                raise TraceError(
                    "the row has an event and no run", file=read.file, column=source, row=row
                )
            of_run = found.setdefault(run or "", {}).setdefault(name, Dates())
            of_run.add((None, None) if whole else (task, level), step, is_empty(cells[row]), read)
    return {
        run: {name: dates.settled() for name, dates in events.items()}
        for run, events in found.items()
    }
