"""Which column is what, by a mapping or by its name, and what is set for all rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing.columns import TARGETS, is_empty, typed
from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.notes import few
from emergence_stats.traces.importing.readers.cells import as_text
from emergence_stats.traces.importing.readers.names import PLACE, expression
from emergence_stats.traces.importing.readers.tabular.axis import (
    check_parameters,
    check_rests,
    say_step,
    steps_in,
    unit_said,
)
from emergence_stats.traces.importing.readers.tabular.usual import USUAL, elsewhere, usual_columns
from emergence_stats.traces.importing.readers.tabular.view import View


def targets_of(
    view: View,
    mapping: Mapping,
    keep: Sequence[int],
    facts: Collection[str],
    beside: dict[str, Any],
) -> tuple[dict[str, list[Any]], str | None]:
    """Cells of each target, and what steps count as far as their column tells."""
    names = [*view.table.names, *view.beside]
    targets: dict[str, list[Any]] = {}
    unit = mapping.constants.get("step_unit")
    absent = elsewhere(mapping, names, facts)
    found = usual_columns(view, mapping)
    for target in TARGETS:
        if target in absent:
            continue
        there = found.get(target, [])
        if target in mapping.constants:
            targets[target] = [mapping.constants[target]] * len(keep)
            if target != "step":
                _say_set(view, target, mapping.constants[target], there, keep)
            continue
        source = mapping.columns.get(target)
        if source is None:
            source = there[0] if there else (target if target in beside else None)
            if there and target in beside:
                _check_beside(view, target, there[0], beside[target], keep)
            if target == "step" and source is not None:
                say_step(view, source, there)
            elif there and there[0] not in USUAL[target]:
                view.notes.add("guessed", f"column {there[0]!r} is the {target}", view.table.file)
        if source is None:
            continue
        if target == "n_params" and source in view.table.columns:
            check_parameters(source, view.table.file)
        if target in ("run", "scale"):
            _check_places(view, target, source, keep)
        targets[target] = expression(source, view.cells, keep)
        if target == "step_unit":
            unit = next((cell for cell in targets[target] if not is_empty(cell)), unit)
        if target == "step":
            view.step = source
            if "run" not in mapping.constants:
                runs = targets.get("run") or targets.get("scale") or [None] * len(keep)
                check_rests(view, source, targets[target], runs, keep)
            unit = unit or unit_said(view, source, targets[target])
            targets["step"] = steps_in(view, source, targets["step"], unit, keep)
    if "step" not in targets:
        raise TraceError(
            f"no column for the step; it has {', '.join(view.table.names[:30])}",
            file=view.table.file,
            fix="Say which with --column step=NAME.",
        )
    return targets, unit


def _say_set(
    view: View, target: str, value: str, there: Sequence[str], keep: Sequence[int]
) -> None:
    """What a column holds for which one value is set, if that is something else."""
    for name in there:
        if name in view.used:
            continue
        cells = view.cells(name)
        others = dict.fromkeys(as_text(cells[i]) for i in keep if not is_empty(cells[i], target))
        others.pop(value, None)
        if others:
            text = f"column {name!r} ({few(list(others))}), as {target} is set to {value}"
            view.notes.add("left out", text, view.table.file)


def names_before(view: View, mapping: Mapping, rows: Sequence[int]) -> list[Any] | None:
    """The runs of these rows by the column that usually has them, where another name is set for all; None without one."""
    names = usual_columns(view, mapping).get("run")
    if not names:
        return None
    cells = view.cells(names[0])
    return [as_text(cells[i]).strip() or None for i in rows]


def _check_places(view: View, target: str, source: str, keep: Sequence[int]) -> None:
    """Raise `TraceError` for a name made of several columns, of which one is empty in a row."""
    for name in PLACE.findall(source):
        cells = view.cells(name)
        for i in keep:
            if is_empty(cells[i], target):
                raise TraceError(
                    f"{{{name}}} of the {target} is empty", file=view.table.file, column=name, row=i
                )


def _check_beside(view: View, target: str, column: str, of_path: Any, keep: Sequence[int]) -> None:
    """Raise `TraceError` where a column says something else than the path does."""
    (theirs,) = typed(target, [of_path], view.table.file, [0])
    cells = view.cells(column)
    for i in keep:
        (ours,) = typed(target, [cells[i]], view.table.file, [i])
        if ours is not None and ours != theirs:
            raise TraceError(
                f"{target} is {ours!r} here, and {theirs!r} by the path",
                file=view.table.file,
                column=column,
                row=i,
                fix=f"Say which counts, with --column {target}={column}, or leave the place out of --path.",
            )
