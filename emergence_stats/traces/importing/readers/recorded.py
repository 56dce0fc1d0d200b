"""Events that a table records itself: the step of each, by run or by task-level."""

from __future__ import annotations

from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import is_empty


def event_step(
    cell: Any, file: str, column: str, row: int, unit: str | None = None, decimal: str = "."
) -> int | None:
    """The step of a recorded event; None for an empty cell, NaN, -1 or infinity: it never came.

    `unit`: what the run's steps count, if that is known. Raises `TraceError` for one in another unit.
    """
    if is_empty(cell) or str(cell).strip().lower() in (
        "nan",
        "inf",
        "-1",
        "-1.0",
        "never",
        "infinity",
    ):
        return None
    try:
        step, told = steps.read(cell, unit if unit == steps.TOKENS else None, decimal)
        if not 0 <= step < 2**63:
            raise ValueError(cell)
    except (ValueError, TypeError, OverflowError):
        raise TraceError(f"{cell!r} is not a step", file=file, column=column, row=row) from None
    told = told or steps.unit_of(column)
    if unit is not None and told is not None and told != unit:
        raise TraceError(
            f"the event is in {told}, and steps are {unit}", file=file, column=column, row=row
        )
    return step
