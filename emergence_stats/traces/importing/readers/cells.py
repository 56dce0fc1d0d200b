"""Rows of measurements from cells: types, lists, percentages, and what has no value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.support.words import counted
from emergence_stats.traces.importing.columns import TRUTH, Rows, is_empty, listed, number_in, typed
from emergence_stats.traces.importing.notes import Notes, few
from emergence_stats.traces.importing.readers.tables import Table


def gathered(
    targets: dict[str, list[Any]], numbers: Sequence[int], table: Table, notes: Notes
) -> Rows:
    """Columns of the right types, without the rows whose value is empty; lists as mean and standard error."""
    cells = targets["value"]
    if any(map(_is_truth, cells)):
        notes.add("converted", "true and false are 1 and 0", table.file)
    signed = _check_percentages(targets, numbers, table)
    if signed:
        notes.add("converted", "percentages, as 45%, are shares of 1", table.file)
    _say_names(targets, table, notes)
    targets = _of_lists(targets, table, notes)
    values = typed("value", targets["value"], table.file, numbers, table.decimal)
    there = [i for i, value in enumerate(values) if value is not None]
    if len(there) < len(values):
        _say_without_values(targets, there, table, notes)
    numbers = [numbers[i] for i in there]
    columns = {
        target: typed(target, [cells[i] for i in there], table.file, numbers, table.decimal)
        for target, cells in targets.items()
    }
    return Rows(
        table.file,
        columns,
        list(numbers),
        empty=len(values) - len(there),
        sha256=table.sha256,
        signed=frozenset(map(str, signed)),
    )


def _is_percentage(cell: Any) -> bool:
    return isinstance(cell, str) and cell.strip().endswith("%")


def _is_truth(cell: Any) -> bool:
    return isinstance(cell, bool) or (isinstance(cell, str) and cell.strip().lower() in TRUTH)


def _check_percentages(
    targets: dict[str, list[Any]], numbers: Sequence[int], table: Table
) -> set[Any]:
    """Measures that have percentages, or standard errors that are some.

    Raises `TraceError` where a measure has some and, without the sign, numbers that may be some too, or standard errors.
    """
    n = len(targets["value"])
    measures = targets.get("measure") or [None] * n
    errors = targets.get("stderr") or [None] * n
    pairs = zip(measures, targets["value"], strict=True)
    signed = {measure for measure, value in pairs if _is_percentage(value)}
    for measure, value, error, row in zip(measures, targets["value"], errors, numbers, strict=True):
        for column, cell in (("value", value), ("stderr", error)):
            if measure in signed and not is_empty(cell) and not _is_percentage(cell):
                raise TraceError(
                    f"{cell!r} has no percent sign, and other cells have one",
                    file=table.file,
                    column=column,
                    row=row,
                    fix="Write all with the sign, or none and say --percent MEASURE.",
                )
    return signed | {m for m, error in zip(measures, errors, strict=True) if _is_percentage(error)}


def _say_names(targets: dict[str, list[Any]], table: Table, notes: Notes) -> None:
    """Names with spaces around them, and rows without a task where others have one."""
    for target in ("run", "scale", "task", "measure"):
        spaced = {c for c in targets.get(target) or () if isinstance(c, str) and c != c.strip()}
        if spaced:
            text = f"spaces around names of {target}s: {few(sorted(map(repr, spaced)))}"
            notes.add("left out", text, table.file)
    tasks = targets.get("task") or []
    pairs = zip(tasks, targets["value"], strict=bool(tasks))
    whole = [task for task, value in pairs if is_empty(task, "task") and not is_empty(value)]
    if whole and len(whole) < len(tasks):
        verb = "is" if len(whole) == 1 else "are"
        text = f"{counted(len(whole), 'row')} without a task {verb} of the whole model"
        notes.add("guessed", text, table.file)


def _say_without_values(
    targets: dict[str, list[Any]], there: Sequence[int], table: Table, notes: Notes
) -> None:
    """Runs and tasks that the file has, and no value of a measure."""
    for target in ("run", "task"):
        cells = targets.get(target)
        if cells is None:
            continue
        known = {cells[i] for i in there}
        gone = [
            str(cell)
            for cell in dict.fromkeys(cells)
            if cell not in known and not is_empty(cell, target)
        ]
        if gone:
            measure = next(iter(targets.get("measure", ())), None)
            alone = len(set(targets.get("measure", ()))) == 1
            of = f" of {measure}" if alone else ""
            notes.add("left out", f"{target}s without any value{of}: {few(gone)}", table.file)
    if not there:
        measure = next(iter(targets.get("measure", ())), None)
        what = "a measure" if measure is None else f"measure {measure!r}"
        notes.add("left out", f"{what} without any value", table.file)


def _of_lists(targets: dict[str, list[Any]], table: Table, notes: Notes) -> dict[str, list[Any]]:
    lists = {
        i: numbers
        for i, cell in enumerate(targets["value"])
        if (numbers := listed(cell, table.decimal)) is not None
    }
    if not lists:
        return targets
    signs = any("%" in str(targets["value"][i]) for i in lists)
    notes.add(
        "converted",
        "cells that are lists: their mean, and its standard error where nothing else is given"
        + ("; percentages in them are shares of 1" if signs else ""),
        table.file,
    )
    values = list(targets["value"])
    errors = list(targets.get("stderr") or [None] * len(values))
    for i, numbers in lists.items():
        n = len(numbers)
        mean = math.fsum(numbers) / n if n else None
        values[i] = mean
        if mean is not None and n > 1 and errors[i] is None:
            errors[i] = math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / (n - 1) / n)
    return {**targets, "value": values, "stderr": errors}


def joined(parts: Sequence[Rows]) -> Rows:
    """Parts of one file, concatenated; a column that a part lacks is empty there."""
    targets = list(dict.fromkeys(target for part in parts for target in part.columns))
    columns = {
        target: [cell for part in parts for cell in part.columns.get(target, [None] * len(part))]
        for target in targets
    }
    return replace(
        parts[0],
        columns=columns,
        numbers=[number for part in parts for number in part.numbers],
        empty=sum(part.empty for part in parts),
        were=None
        if parts[0].were is None
        else [name for part in parts for name in part.were or ()],
    )


def are_numbers(cells: Sequence[Any], decimal: str = ".") -> bool:
    """Whether a column has a number in every cell that is not empty, and in one at least.

    Lists are none: a histogram is one too. Who wants their mean asks for the column.
    """
    some = False
    for cell in cells:
        if is_empty(cell):
            continue
        if isinstance(cell, list | tuple) or _is_truth(cell):
            return False
        try:
            number_in(cell, decimal)
        except (TypeError, ValueError):
            return False
        some = True
    return some


def why_no_numbers(cells: Sequence[Any], decimal: str) -> str | None:
    """The first cell that is no number of a column that has some; None of one that has none."""
    found, numbers = None, 0
    for i, cell in enumerate(cells):
        if is_empty(cell) or isinstance(cell, list | tuple) or _is_truth(cell):
            continue
        try:
            number_in(cell, decimal)
            numbers += 1
        except (TypeError, ValueError):
            looks = isinstance(cell, str) and cell.strip().lstrip("+-")[:1].isdigit()
            numbers += looks  # as 1,234.5
            found = found or f"{cell!r} in row {i}"
    return found if numbers else None


def as_text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


def plain(value: Any) -> Any:
    """What a manifest's config can hold; a number that is not finite becomes text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
