"""Events that a table records itself: the step of each, by run or by task-level."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import is_empty

Key = tuple[str | None, int | None]  # task and level, None of a whole run
_SECONDS = re.compile(r"(?<![a-z])sec(?:ond)?s?(?![a-z])", re.IGNORECASE)
_OF_STEPS = re.compile(r"(?:.*[-_/. ])?steps?", re.IGNORECASE)


@dataclass(frozen=True)
class Read:
    """Where a cell of an event stands, and how it is read.

    `unit`: what the run's steps count, None if that is not known yet; `of_steps`: the column of steps; `decimal`: the point of numbers.
    """

    file: str
    column: str
    row: int
    unit: str | None = None
    of_steps: str | None = None
    decimal: str = "."


@dataclass
class Dates:
    """The steps of an event in one run, by task-level; `unsaid`: those of which no cell says anything so far."""

    steps: dict[Key, int | None] = field(default_factory=dict)
    unsaid: set[Key] = field(default_factory=set)

    def add(self, key: Key, step: int | None, empty: bool, read: Read) -> None:
        """Raise `TraceError` for another step than one before; an empty cell says nothing."""
        if key not in self.steps or (key in self.unsaid and not empty):
            self.steps[key] = step
            (self.unsaid.add if empty else self.unsaid.discard)(key)
        elif not empty and self.steps[key] != step:
            raise TraceError(
                f"the event has the steps {self.steps[key]} and {step} in one run",
                file=read.file,
                column=read.column,
                row=read.row,
                fix="Write one step in all rows of a run, or of a task; None is that it never came.",
            )

    def settled(self) -> dict[Key, int | None]:
        """The steps, None where it never came: what no cell says is of the whole run, if that has a step."""
        if (None, None) in self.steps and (None, None) not in self.unsaid:
            return {key: step for key, step in self.steps.items() if key not in self.unsaid}
        return self.steps


def event_step(cell: Any, read: Read) -> int | None:
    """The step of a recorded event; None for an empty cell, NaN, -1 or infinity: it never came.

    Raises `TraceError` for a cell that is none, or in another unit than the run's steps.
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
        step, told = steps.read(
            cell, read.unit if read.unit == steps.TOKENS else None, read.decimal
        )
        if not 0 <= step < 2**63:
            raise ValueError(cell)
    except (ValueError, TypeError, OverflowError):
        raise TraceError(
            f"{cell!r} is not a step", file=read.file, column=read.column, row=read.row
        ) from None
    check_unit(told or unit_of(read.column), read)
    return step


def unit_of(column: str) -> str | None:
    """What a column of events counts, by its name."""
    unit = steps.unit_of(column)
    if unit == "seconds" and not _SECONDS.search(column):  # grok_time is a step as often
        unit = None
    return unit or (steps.OPTIMISER if _OF_STEPS.fullmatch(column) else None)


def check_unit(told: str | None, read: Read) -> None:
    """Raise `TraceError` if an event counts something else than the run's steps, whose column may be called step whatever it counts."""
    if told == steps.OPTIMISER and read.of_steps is not None and _OF_STEPS.fullmatch(read.of_steps):
        return
    if read.unit is not None and told is not None and told != read.unit:
        raise TraceError(
            f"the event is in {told}, and steps are {read.unit}",
            file=read.file,
            column=read.column,
            row=read.row,
        )
