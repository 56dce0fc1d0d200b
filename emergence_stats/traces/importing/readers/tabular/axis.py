"""The column of steps: what its cells are, and what they count."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.support.words import counted
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import is_empty
from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.notes import COLUMNS, Notes, few
from emergence_stats.traces.importing.readers.tabular.usual import usual_columns
from emergence_stats.traces.importing.readers.tabular.view import View

_EPOCH = re.compile(r"epoch[-_=]?[0-9]+", re.IGNORECASE)


def say_step(view: View, chosen: str, there: Sequence[str]) -> None:
    """Which column steps are of, where others could be meant; `there`: all that have a usual name."""
    view.used.update(there)
    others = f", and not {', '.join(map(repr, there[1:]))}" if len(there) > 1 else ""
    if chosen == "_step":
        view.notes.add(
            "guessed",
            f"steps are those of column '_step', which counts calls of wandb.log{others}",
            view.table.file,
        )
    elif len(there) > 1 or chosen not in ("step", "Step"):
        view.notes.add("steps", f"column {chosen!r}{others}", view.table.file)


def unit_said(view: View, source: str, cells: Sequence[Any]) -> str | None:
    """What steps count, by the name of their column or by their cells; None: optimiser steps, as nothing else is said.

    Raises `TraceError` where cells count one thing and others another.
    """
    try:
        told = steps.unit_of_cells(cells, view.table.decimal)
    except ValueError as error:
        raise TraceError(
            f"steps count two things: {error}",
            file=view.table.file,
            column=source,
            fix="Select rows with --where, or import them as two runs.",
        ) from None
    unit = told or steps.unit_of(source)
    if unit is not None and unit != steps.OPTIMISER:
        view.notes.add("guessed", f"steps of column {source!r} are {unit}", view.table.file)
    if unit is None and source in view.table.columns:
        say_axis(source, view.table.file, view.notes)
    return unit


def steps_in(
    view: View, source: str, cells: Sequence[Any], unit: str | None, keep: Sequence[int]
) -> list[Any]:
    """The numbers of cells; a cell that holds none stays as it is, and is said with its row later.

    Raises `TraceError` for a name without tokens where tokens are wanted.
    """
    if source in view.table.columns:
        check_axis(source, view.table.file)
    found = []
    for cell, row in zip(cells, keep, strict=True):
        try:
            found.append(cell if is_empty(cell) else steps.read(cell, unit, view.table.decimal)[0])
        except (ValueError, TypeError, OverflowError):
            if unit == steps.TOKENS and steps.in_text(str(cell)) is not None:
                raise TraceError(
                    f"{cell!r} tells no tokens, and steps are to be tokens",
                    file=view.table.file,
                    column=source,
                    row=row,
                ) from None
            found.append(cell)
    return found


def check_axis(name: str, file: str) -> None:
    """Raise `TraceError` for a column of steps whose name says that its cells are no steps as they stand there."""
    factor, time = steps.factor_in(name), steps.other_time(name)
    if factor is not None or time is not None:
        raise TraceError(
            f"the name says {factor or time}, so its cells are no {'steps' if factor else 'seconds'} as they are",
            file=file,
            column=name,
            fix=f"Write {'steps' if factor else 'seconds'} out, in a column whose name says no "
            f"{'factor' if factor else 'other unit'}; if they are out, name it in braces: '{{{name}}}'.",
        )


def check_parameters(name: str, file: str) -> None:
    """Raise `TraceError` for a column of numbers of parameters whose name says a factor, as Params (M)."""
    factor = steps.factor_in(name)
    if factor is not None:
        raise TraceError(
            f"the name says {factor}, so its cells are no numbers of parameters as they are",
            file=file,
            column=name,
            fix="Write them with their factor, as 70M, in a column whose name says none.",
        )


def say_axis(name: str, file: str, notes: Notes) -> None:
    """Of a column of steps whose name tells nothing that is known: what its cells are taken for."""
    if not steps.is_of_steps(name):
        text = f"column {name!r} counts optimiser steps, as its name says nothing else; if not, say --set step_unit=UNIT"
        notes.add("guessed", text, file)


def check_rests(
    view: View, source: str, cells: Sequence[Any], runs: Sequence[Any], keep: Sequence[int]
) -> None:
    """Raise `TraceError` where cells name steps of several things in one run, as gpt2/step100 and bert/step100."""
    rests: dict[Any, dict[str, int]] = {}
    for cell, run, row in zip(cells, runs, keep, strict=True):
        found = steps.in_text(cell) if isinstance(cell, str) else None
        if found is not None:
            rest = _EPOCH.sub("", found.rest).strip(" -_./=")
            rests.setdefault(run, {}).setdefault(rest, row)
    for several in rests.values():
        if len(several) > 1:
            first, second = list(several)[:2]
            raise TraceError(
                f"steps are told of {first!r} and of {second!r}, which may be two trainings",
                file=view.table.file,
                column=source,
                row=several[second],
                fix="Then give each row a run, with --column run=NAME, or select with --where; else --set run=NAME.",
            )


def with_step(
    view: View, mapping: Mapping, targets: dict[str, list[Any]], keep: list[int]
) -> tuple[dict[str, list[Any]], list[int]]:
    """Without the rows that a logger wrote at no step of training: they lack it, and count in another column of steps."""
    others = [name for name in usual_columns(view, mapping).get("step", ()) if name != view.step]
    gone = {
        row
        for cell, row in zip(targets["step"], keep, strict=True)
        if is_empty(cell) and any(not is_empty(view.table.columns[n][row]) for n in others)
    }
    if not gone or len(gone) == len(keep):
        return targets, keep
    aside = {*others, view.step}
    with_values = [
        name
        for name, cells in view.table.columns.items()
        if name not in aside and any(not is_empty(cells[row]) for row in gone)
    ]
    text = f"{counted(len(gone), 'row')} without a {view.step!r}: of {few(list(map(repr, with_values)), COLUMNS) or 'nothing'}"
    view.notes.add("left out", text, view.table.file)
    there = [i for i, row in enumerate(keep) if row not in gone]
    kept = {target: [cells[i] for i in there] for target, cells in targets.items()}
    return kept, [keep[i] for i in there]
