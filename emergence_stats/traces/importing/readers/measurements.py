"""Measurements of a table: by a mapping, or by the usual names of columns."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.support.words import near
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import (
    RUN_TARGETS,
    TARGETS,
    Rows,
    is_empty,
    number_in,
    typed,
)
from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.notes import COLUMNS, Notes, few
from emergence_stats.traces.importing.paths import stem
from emergence_stats.traces.importing.readers.cells import (
    are_numbers,
    as_text,
    gathered,
    joined,
    plain,
    why_no_numbers,
)
from emergence_stats.traces.importing.readers.names import (
    IN_NAME,
    PLACE,
    expression,
    matching,
    named,
)
from emergence_stats.traces.importing.readers.recorded import Dates, Read, event_step
from emergence_stats.traces.importing.readers.tables import Table

# Names under which a column is found without being told, the better ones first.
USUAL = {
    "run": ("run", "run_id", "run_name"),
    "scale": ("scale", "model", "model_name"),
    "seed": ("seed",),
    "n_params": ("n_params", "num_params", "parameters"),
    "n_layers": ("n_layers", "num_layers"),
    "created": ("created",),
    "step_unit": ("step_unit",),
    "step": steps.NAMES,
    "task": ("task",),
    "level": ("level",),
    "layer": ("layer",),
    "measure": ("measure", "metric"),
    "value": ("value",),
    "stderr": ("stderr",),
}  # fmt: skip
ERRORS = ("_stderr", "_se", "_sem")  # behind a measure's column
_OF_LOGGERS = re.compile(
    r"_.*|.*(?:^|[/_.])(?:epoch|timestamp|runtime|wall_time|time)$", re.IGNORECASE
)
_EPOCH = re.compile(r"epoch[-_=]?[0-9]+", re.IGNORECASE)
_DEVIATION = re.compile(r"(.+)/sqrt\((.+)\)")


@dataclass
class _View:
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
    view = _View(table, {**of_path, **table.head}, notes, others=mapping.others)
    keep = _kept(view, mapping.where, names_in(mapping))
    view.used.update(source for source in mapping.events.values() if source in table.columns)
    targets, unit = _targets(view, mapping, keep, facts, beside or {})
    targets, keep = _with_step(view, targets, keep)
    if mapping.measures or not {"measure", "value"} & targets.keys():
        rows = _wide(view, targets, mapping, keep)
    elif {"measure", "value"} <= targets.keys():
        if mapping.errors:
            raise UsageError(
                "--stderr names a column for a measure; where measures are rows, say --column stderr=NAME"
            )
        rows = gathered(targets, keep, table, notes)
        _say_unused(view, "is none of the columns that an import knows")
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
        rows.were = _were(view, mapping, rows.numbers)
    rows.events = _events(view, mapping.events, targets, keep, facts, unit or steps.OPTIMISER)
    return named(rows, mapping.names) if mapping.names else rows


def _with_step(
    view: _View, targets: dict[str, list[Any]], keep: list[int]
) -> tuple[dict[str, list[Any]], list[int]]:
    """Without the rows that a logger wrote at no step of training: they lack it, and count in another column of steps."""
    others = [n for n in USUAL["step"] if n in view.table.columns and n != view.step]
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
    text = f"{len(gone)} rows without a {view.step!r}: of {few(list(map(repr, with_values)), COLUMNS) or 'nothing'}"
    view.notes.add("left out", text, view.table.file)
    there = [i for i, row in enumerate(keep) if row not in gone]
    kept = {target: [cells[i] for i in there] for target, cells in targets.items()}
    return kept, [keep[i] for i in there]


def elsewhere(mapping: Mapping, names: Collection[str], facts: Collection[str]) -> frozenset[str]:
    """Targets of a run whose columns are in the table of runs (`facts`), but not in the measurements (`names`)."""
    return frozenset(
        target
        for target, source in mapping.columns.items()
        if target in RUN_TARGETS[1:]
        for used in [set(PLACE.findall(source) or [source])]
        if used <= set(facts) and not used <= set(names)
    )


def _kept(view: _View, where: dict[str, str], names: Collection[str]) -> list[int]:
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
        text = f"{n:,} rows where {wanted.replace(' and ', ' or ')}"
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


def names_in(mapping: Mapping) -> set[str]:
    """Columns that hold names of runs, scales, tasks or measures."""
    called = ("run", "scale", "task", "measure")
    return {
        name
        for target in called
        for name in (mapping.columns.get(target), *map(loosely, USUAL[target]))
        if name
    }


def values_of(cells: Sequence[Any], value: str, names: bool) -> list[bool]:
    """Which cells are what a user wrote: as text where some are, or these are names; else as numbers too."""
    exact = [as_text(cell).strip() == value for cell in cells]
    return exact if names or any(exact) else [is_value(cell, value) for cell in cells]


def _targets(
    view: _View,
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
    found = _usual(view, mapping)
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
                _say_step(view, source, there)
            elif there and there[0] not in USUAL[target]:
                view.notes.add("guessed", f"column {there[0]!r} is the {target}", view.table.file)
        if source is None:
            continue
        if target in ("run", "scale"):
            _check_places(view, target, source, keep)
        targets[target] = expression(source, view.cells, keep)
        if target == "step_unit":
            unit = next((cell for cell in targets[target] if not is_empty(cell)), unit)
        if target == "step":
            view.step = source
            if "run" not in mapping.constants:
                runs = targets.get("run") or targets.get("scale") or [None] * len(keep)
                _check_rests(view, source, targets[target], runs, keep)
            unit = unit or _unit(view, source, targets[target])
            targets["step"] = _steps(view, source, targets["step"], unit, keep)
    if "step" not in targets:
        raise TraceError(
            f"no column for the step; it has {', '.join(view.table.names[:30])}",
            file=view.table.file,
            fix="Say which with --column step=NAME.",
        )
    return targets, unit


def _usual(view: _View, mapping: Mapping) -> dict[str, list[str]]:
    """Columns by the target that their names usually are, the better ones first: as they are written, else in capitals or with
    other characters between words (Run ID), unless the mapping has a use for them.
    """
    taken = {*mapping.columns.values(), *mapping.measures.values(), *mapping.errors.values()}
    taken |= {*mapping.events.values()}
    known = {loosely(name): name for name in reversed(view.table.names) if name not in taken}
    found = {}
    for target, usual in USUAL.items():
        if target in ("measure", "value") and mapping.measures:
            continue
        there = [name for name in usual if name in view.table.columns]
        loose = dict.fromkeys(known[loosely(name)] for name in usual if loosely(name) in known)
        found[target] = there or list(loose)
    # Of long tables alone: a table with a column per measure may call one Value.
    if not all(found.get(target) for target in ("measure", "value")):
        for target in ("measure", "value"):
            found[target] = [name for name in found.get(target, ()) if name in USUAL[target]]
    return found


def loosely(name: str) -> str:
    """A name of a column without what writers differ in: capitals, and what stands between words."""
    return re.sub(r"[\s_.-]+", "_", name.strip()).lower()


def _say_set(
    view: _View, target: str, value: str, there: Sequence[str], keep: Sequence[int]
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


def _were(view: _View, mapping: Mapping, rows: Sequence[int]) -> list[Any] | None:
    """The runs of these rows by the column that usually has them, where another name is set for all; None without one."""
    names = _usual(view, mapping).get("run")
    if not names:
        return None
    cells = view.cells(names[0])
    return [as_text(cells[i]) or None for i in rows]


def _check_places(view: _View, target: str, source: str, keep: Sequence[int]) -> None:
    """Raise `TraceError` for a name made of several columns, of which one is empty in a row."""
    for name in PLACE.findall(source):
        cells = view.cells(name)
        for i in keep:
            if is_empty(cells[i], target):
                raise TraceError(
                    f"{{{name}}} of the {target} is empty", file=view.table.file, column=name, row=i
                )


def _check_beside(view: _View, target: str, column: str, of_path: Any, keep: Sequence[int]) -> None:
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


def _say_step(view: _View, chosen: str, there: Sequence[str]) -> None:
    for name in USUAL["step"]:
        if name in view.table.columns:
            view.used.add(name)
    others = f", and not {', '.join(map(repr, there[1:]))}" if len(there) > 1 else ""
    if chosen == "_step":
        view.notes.add(
            "guessed",
            f"steps are those of column '_step', which counts calls of wandb.log{others}",
            view.table.file,
        )
    elif len(there) > 1 or chosen not in ("step", "Step"):
        view.notes.add("steps", f"column {chosen!r}{others}", view.table.file)


def _unit(view: _View, source: str, cells: Sequence[Any]) -> str | None:
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


def _steps(
    view: _View, source: str, cells: Sequence[Any], unit: str | None, keep: Sequence[int]
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
            f"{'factor' if factor else 'other unit'}.",
        )


def say_axis(name: str, file: str, notes: Notes) -> None:
    """Of a column of steps whose name tells nothing that is known: what its cells are taken for."""
    if not steps.is_of_steps(name):
        text = f"column {name!r} counts optimiser steps, as its name says nothing else; if not, say --set step_unit=UNIT"
        notes.add("guessed", text, file)


def _check_rests(
    view: _View, source: str, cells: Sequence[Any], runs: Sequence[Any], keep: Sequence[int]
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


# --- a column per measure ---------------------------------------------------------------------


def _wide(
    view: _View, targets: dict[str, list[Any]], mapping: Mapping, keep: Sequence[int]
) -> Rows:
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
    _say_unused(view, "is not a measure that was asked for" if mapping.measures else None)
    return replace(joined(parts), timed=True)


def _chosen(view: _View, mapping: Mapping) -> list[tuple[str, str, dict[str, Any]]]:
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


def _but_errors(view: _View, mapping: Mapping) -> list[str]:
    """Names of columns without those that are standard errors of another."""
    errors = {f"{name}{end}" for name in view.table.names for end in ERRORS}
    return [
        name
        for name in view.table.names
        if name not in errors and name not in mapping.errors.values()
    ]


def _numeric(view: _View, mapping: Mapping) -> list[tuple[str, str, dict[str, Any]]]:
    """Without a word every column of numbers that is no other target is a measure, and the others are named."""
    errors = {f"{name}{end}" for name in view.table.names for end in ERRORS}
    errors |= {*mapping.errors.values()}
    measures = []
    bad: list[str] = []
    for name, cells in view.table.columns.items():
        if name in view.used:
            continue
        if name in view.table.doubled:
            raise doubled(name, view.table.file)
        if (
            name in errors
            or name in USUAL["step"]  # steps of another unit than those that were taken
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


def _errors(source: str, view: _View, keep: Sequence[int]) -> list[Any]:
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


def _say_unused(view: _View, why: str | None) -> None:
    used = view.used | view.others
    left = [name for name in (*view.table.names, *view.table.doubled) if name not in used]
    if left:
        text = f"column{'s' if len(left) > 1 else ''} {few([repr(name) for name in left], COLUMNS)}"
        why = f", which {why}" if why and len(left) == 1 else ""
        view.notes.add("left out", text + why, view.table.file)


def _events(
    view: _View,
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
