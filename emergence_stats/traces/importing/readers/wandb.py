"""Charts exported from Weights & Biases: an x axis, and for each run ``run - metric`` with its ``__MIN`` and ``__MAX``.

The history of a run (``_step`` and one column per metric) is a table as any other.
"""

from __future__ import annotations

from collections.abc import Sequence

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import Rows
from emergence_stats.traces.importing.notes import COLUMNS, Notes, few
from emergence_stats.traces.importing.readers.cells import are_numbers, gathered, joined
from emergence_stats.traces.importing.readers.tables import Table
from emergence_stats.traces.importing.readers.tabular.axis import check_axis, say_axis

_BETWEEN = " - "
_RANGE = ("__MIN", "__MAX")  # of the points that a chart drew as one


def is_chart(names: Sequence[str]) -> bool:
    """Whether a table has a column ``run - metric`` with its range, or with the x axis ``Step``."""
    charted = [name for name in names if _BETWEEN in name]
    return bool(charted) and ("Step" in names or any(name.endswith(_RANGE) for name in charted))


def read(table: Table, notes: Notes, step: str | None = None, unit: str | None = None) -> Rows:
    """The measurements of a chart; `step`: its x axis, by default ``Step`` or the one column that is of no run; `unit`: what
    it counts, by default what it says.

    Raises `TraceError` where two runs have one display name, and for a table that is no chart.
    """
    charted = [name for name in table.names if _BETWEEN in name and not name.endswith(_RANGE)]
    twice = [name for name in table.doubled if _BETWEEN in name and not name.endswith(_RANGE)]
    if twice:
        raise TraceError(
            f"two runs are called {twice[0].rpartition(_BETWEEN)[0]!r}: display names of W&B are not unique",
            file=table.file,
            column=twice[0],
            fix="Rename one of the runs, or export each run's history.",
        )
    if not charted:
        raise TraceError(
            f"no column 'run - metric', so this is not the export of a chart; it has {few(table.names)}",
            file=table.file,
        )
    axis = step or _axis(table, charted)
    if axis not in table.columns:
        raise TraceError(f"there is no column {axis!r}; it has {few(table.names)}", file=table.file)
    unit = _unit(table, axis, unit, notes)
    parts, left = [], []
    several = [name for name in charted if name.count(_BETWEEN) > 1]
    if several:
        run, _, metric = several[0].rpartition(_BETWEEN)
        notes.add(
            "guessed",
            f"{several[0]!r} is metric {metric!r} of run {run!r}: what follows the last ' - '",
            table.file,
        )
    for name in charted:
        run, _, metric = name.rpartition(_BETWEEN)
        cells = table.columns[name]
        if metric == "_step" or not are_numbers(cells, table.decimal):
            left.append(name)
            continue
        n = len(table)
        targets = {
            "run": [run] * n,
            "step": table.columns[axis],
            "measure": [metric] * n,
            "value": cells,
        }
        parts.append(gathered(targets, range(n), table, notes))
    if not parts:
        raise TraceError("no column holds the numbers of a metric", file=table.file)
    left += [
        name
        for name in table.names
        if name not in charted and name != axis and not name.endswith(_RANGE)
    ]
    if left:
        notes.add("left out", f"columns {few(list(map(repr, left)), COLUMNS)}", table.file)
    if any(name.endswith(_RANGE) for name in table.names):
        notes.add("left out", "__MIN and __MAX of points that the chart drew as one", table.file)
    rows = joined(parts)
    if unit is not None:
        rows.columns["step_unit"] = [unit] * len(rows)
    return rows


def _unit(table: Table, axis: str, said: str | None, notes: Notes) -> str | None:
    """What the x axis counts: as it is said, else by its cells or name; None where nothing tells."""
    check_axis(axis, table.file)
    try:
        told = steps.unit_of_cells(table.columns[axis], table.decimal) or steps.unit_of(axis)
    except ValueError as error:
        raise TraceError(f"steps count two things: {error}", file=table.file, column=axis) from None
    if said is None and told is None:
        say_axis(axis, table.file, notes)
    unit = said or told
    notes.add("steps", f"the x axis {axis!r}: {unit or steps.OPTIMISER}", table.file)
    return unit


def _axis(table: Table, charted: Sequence[str]) -> str:
    if "Step" in table.columns:
        return "Step"
    others = [name for name in table.names if name not in charted and not name.endswith(_RANGE)]
    if len(others) == 1:
        return others[0]
    raise TraceError(
        f"the x axis of the chart is not clear: {few(others) or 'there is no column beside those of runs'}",
        file=table.file,
        fix="Say which with --column step=NAME.",
    )
