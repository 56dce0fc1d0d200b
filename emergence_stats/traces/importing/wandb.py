"""Exports of Weights & Biases.

Two kinds of table: that of a chart (a column ``Step`` and for each run ``run - metric``, with
``run - metric__MIN`` and ``__MAX`` beside it), and the history of a run (``_step`` and one column per metric, as
``run.history()`` and ``run.scan_history()`` give them; several runs with a column ``run`` or ``run_id``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing.columns import Rows, check_headers
from emergence_stats.traces.importing.mapping import gathered, joined

if TYPE_CHECKING:
    import pyarrow as pa

_STEPS = ("Step", "_step")
_RUNS = ("run", "run_id", "run_name", "name")
_RANGE = ("__MIN", "__MAX")  # of the points that a chart drew as one


def is_export(names: Sequence[str]) -> bool:
    return "_step" in names or ("Step" in names and any(" - " in name for name in names))


def read(table: pa.Table, path: Path) -> Iterator[Rows]:
    """The measurements of an export; a run without a name gets that of its file."""
    names = table.column_names
    check_headers(names, path)
    step = next((name for name in _STEPS if name in names), None)
    if step is None:
        raise TraceError(
            f"no column {' or '.join(_STEPS)}, so this is not an export of W&B; it has "
            f"{', '.join(names[:30])}",
            file=path,
        )
    charted = [name for name in names if " - " in name and not name.endswith(_RANGE)]
    rows = _chart(table, step, charted, path) if charted else _history(table, step, path)
    if not rows:
        raise TraceError("no column holds the numbers of a metric", file=path)
    yield joined(rows)


def _chart(table: pa.Table, step: str, charted: Sequence[str], path: Path) -> list[Rows]:
    parts = []
    for name in charted:
        run, _, metric = name.rpartition(" - ")
        if metric != "_step" and _numeric(table, name):
            parts.append(_part(table, step, run, metric, name, path))
    return parts


def _history(table: pa.Table, step: str, path: Path) -> list[Rows]:
    run = next((name for name in _RUNS if name in table.column_names), None)
    runs: Any = table.column(run).to_pylist() if run else path.stem
    return [
        _part(table, step, runs, name, name, path)
        for name in table.column_names
        if name not in (step, run) and not name.startswith("_") and _numeric(table, name)
    ]


def _part(table: pa.Table, step: str, run: Any, metric: str, column: str, path: Path) -> Rows:
    n = table.num_rows
    targets = {
        "run": run if isinstance(run, list) else [run] * n,
        "step": table.column(step).to_pylist(),
        "measure": [metric] * n,
        "value": table.column(column).to_pylist(),
    }
    return gathered(targets, range(n), str(path))


def _numeric(table: pa.Table, name: str) -> bool:
    import pyarrow as pa

    kind = table.schema.field(name).type
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)
