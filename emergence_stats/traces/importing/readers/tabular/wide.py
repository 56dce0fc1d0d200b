"""A table with a column per measure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.traces.importing.columns import Rows, is_empty, number_in
from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.notes import COLUMNS, few
from emergence_stats.traces.importing.readers.cells import (
    are_numbers,
    gathered,
    joined,
    why_no_numbers,
)
from emergence_stats.traces.importing.readers.names import IN_NAME, matching
from emergence_stats.traces.importing.readers.tabular.usual import identities
from emergence_stats.traces.importing.readers.tabular.view import View, doubled

ERRORS = ("_stderr", "_se", "_sem")  # behind a measure's column
_OF_LOGGERS = re.compile(
    r"_.*|.*(?:^|[/_.])(?:epoch|timestamp|runtime|wall_time|time)$", re.IGNORECASE
)
_DEVIATION = re.compile(r"(.+)/sqrt\((.+)\)")


def wide(view: View, targets: dict[str, list[Any]], mapping: Mapping, keep: Sequence[int]) -> Rows:
    chosen = _chosen(view, mapping) if mapping.measures else _numeric(view, mapping)
    if mapping.errors:
        targets = {name: cells for name, cells in targets.items() if name != "stderr"}
    if "stderr" in targets and len(chosen) > 1:
        raise TraceError(
            f"there is one column of standard errors and {len(chosen)} measures, {few([one[0] for one in chosen])}",
            file=view.table.file,
            column=mapping.columns.get("stderr", "stderr"),
            fix="Say whose they are with --stderr MEASURE=COLUMN and which columns are measures with --measure.",
        )
    parts = []
    for measure, column, of_name in chosen:
        cells = view.cells(column)
        part = {**targets, "measure": [measure] * len(keep), "value": [cells[i] for i in keep]}
        for target, value in of_name.items():
            part[target] = [value] * len(keep)
        error = mapping.errors.get(measure) or next(
            (f"{column}{end}" for end in ERRORS if f"{column}{end}" in view.table.columns), None
        )
        if error is not None:
            part["stderr"] = _errors(error, view, keep)
            if measure not in mapping.errors:
                view.notes.add(
                    "guessed", f"{error!r} is the standard error of {column!r}", view.table.file
                )
        try:
            parts.append(gathered(part, keep, view.table, view.notes))
        except TraceError as fault:
            if fault.column != "value":
                raise
            raise TraceError(fault.problem, file=fault.file, column=column, row=fault.row) from None
    unknown = mapping.errors.keys() - {measure for measure, _, _ in chosen}
    if unknown:
        raise UsageError(f"--stderr: there is no measure {sorted(unknown)[0]!r}")
    say_unused(view, "is not a measure that was asked for" if mapping.measures else None)
    return replace(joined(parts), timed=True)


def _chosen(view: View, mapping: Mapping) -> list[tuple[str, str, dict[str, Any]]]:
    """Measures that are asked for: name, column, and what is read from the column's name."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    for asked, source in mapping.measures.items():
        optional = source.endswith("?") or asked.endswith("?")
        measure, name = asked.rstrip("?"), source.rstrip("?")
        if IN_NAME.search(name) or "*" in name:
            matches = matching(_but_errors(view, mapping), measure, name)
        else:
            matches = [(measure, name, {})] if view.has(name) or not optional else []
        if not matches and not optional:
            raise TraceError(
                f"no column has the form {name!r}; it has {', '.join(view.table.names[:30])}",
                file=view.table.file,
            )
        if not matches:
            view.notes.add("missing", f"no column {name!r}", view.table.file)
        found += matches
    if not found:
        raise TraceError("none of the measures has a column", file=view.table.file)
    return found


def _but_errors(view: View, mapping: Mapping) -> list[str]:
    """Names of columns without those that are standard errors of another."""
    errors = {f"{name}{end}" for name in view.table.names for end in ERRORS}
    return [
        name
        for name in view.table.names
        if name not in errors and name not in mapping.errors.values()
    ]


def _numeric(view: View, mapping: Mapping) -> list[tuple[str, str, dict[str, Any]]]:
    """Without a word every column of numbers that is no other target is a measure, and the others are named."""
    errors = {f"{name}{end}" for name in view.table.names for end in ERRORS}
    errors |= {*mapping.errors.values()}
    apart = identities(view, mapping)
    measures = []
    bad: list[str] = []
    for name, cells in view.table.columns.items():
        if name in view.used:
            continue
        if name in view.table.doubled:
            raise doubled(name, view.table.file)
        if (
            name in errors
            or name in apart  # also steps of another unit than those that were taken
            or _OF_LOGGERS.fullmatch(name)
        ):
            continue
        if are_numbers(cells, view.table.decimal):
            measures.append(name)
        elif (why := why_no_numbers(cells, view.table.decimal)) is not None:
            bad.append(f"{name!r} ({why})")
    if not measures:
        raise TraceError(
            f"no column for measure and value, and no column of numbers that can be one; it has "
            f"{', '.join(view.table.names[:30])}" + (f". No numbers: {few(bad)}" if bad else ""),
            file=view.table.file,
            fix="Say which columns are measures with --measure NAME=COLUMN.",
        )
    view.notes.add(
        "measures", f"every column of numbers: {few(measures, COLUMNS)}", view.table.file
    )
    if bad:
        view.notes.add(
            "left out",
            f"columns with some cells that are no numbers: {few(bad, COLUMNS)}",
            view.table.file,
        )
        view.used.update(
            name for name in view.table.names if any(one.startswith(f"{name!r} (") for one in bad)
        )
    return [(name, name, {}) for name in measures]


def _errors(source: str, view: View, keep: Sequence[int]) -> list[Any]:
    """Standard errors of a column, or of one of standard deviations and a count: ``std/sqrt(8)``, ``std/sqrt(n)``."""
    found = _DEVIATION.fullmatch(source)
    if found is None:
        cells = view.cells(source)
        return [cells[i] for i in keep]
    deviations = view.cells(found[1].strip())
    count = found[2].strip()
    counts = [count] * len(view.table) if re.fullmatch(r"[0-9]+", count) else view.cells(count)
    view.notes.add("converted", f"standard errors are {source}", view.table.file)
    errors: list[float | None] = []
    lacking = 0
    for i in keep:
        if is_empty(deviations[i]) or is_empty(counts[i]):
            lacking += is_empty(deviations[i]) != is_empty(counts[i])
            errors.append(None)
            continue
        try:
            number = number_in(counts[i])
            errors.append(number_in(deviations[i], view.table.decimal) / math.sqrt(number))
        except (TypeError, ValueError, ZeroDivisionError):
            raise TraceError(
                f"{deviations[i]!r} and {counts[i]!r} give no standard error",
                file=view.table.file,
                row=i,
            ) from None
    if lacking:
        view.notes.add(
            "left out", f"{lacking} of {source}, without a deviation or a count", view.table.file
        )
    return errors


def say_unused(view: View, why: str | None) -> None:
    used = view.used | view.others
    left = [name for name in (*view.table.names, *view.table.doubled) if name not in used]
    if left:
        text = f"column{'s' if len(left) > 1 else ''} {few([repr(name) for name in left], COLUMNS)}"
        why = f", which {why}" if why and len(left) == 1 else ""
        view.notes.add("left out", text + why, view.table.file)
