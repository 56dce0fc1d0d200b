"""Rows of all files grouped by run, with the facts that hold for a whole run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from emergence_stats.errors import TraceError
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.importing.columns import ROW_TARGETS, RUN_TARGETS, Rows, typed
from emergence_stats.traces.importing.sources import Facts

_UNSAFE = re.compile(r"-*(?:[^A-Za-z0-9._+=-]+-*)+")  # what a file name cannot contain
# Limits of the trace format, checked here so that nothing is written if one run does not fit.
_RANGES = {"step": 2**63 - 1, "level": 2**15 - 1, "layer": 2**15 - 1}


@dataclass
class RunRows:
    """Measurements of one run from all files, with the facts that hold for all of it."""

    name: str
    facts: dict[str, Any]
    columns: dict[str, list[Any]]
    places: list[tuple[str, int]]  # file and row of each measurement
    files: list[str]
    config: dict[str, Any]
    empty: list[str] = field(default_factory=list)


def by_run(sources: Sequence[Rows]) -> dict[str, RunRows]:
    """The rows of each run by name, in order. Raises `TraceError` if a run has two values of a fact."""
    found: dict[str, RunRows] = {}
    for rows in sources:
        n = len(rows)
        names = rows.columns.get("run") or [Path(rows.file).stem] * n
        for i in range(n):
            name = names[i]
            if name is None:
                raise TraceError("no run", file=rows.file, column="run", row=rows.numbers[i])
            run = found.get(name)
            if run is None:
                run = RunRows(name, {}, {target: [] for target in ROW_TARGETS}, [], [], {})
                found[name] = run
            if not run.files or run.files[-1] != rows.file:
                if rows.file not in run.files:
                    run.files.append(rows.file)
                run.config = {**rows.config, **run.config}
            run.places.append((rows.file, rows.numbers[i]))
            for target in ROW_TARGETS:
                cells = rows.columns.get(target)
                run.columns[target].append(cells[i] if cells is not None else None)
            for target in RUN_TARGETS[1:]:
                cells = rows.columns.get(target)
                if cells is None or cells[i] is None:
                    continue
                before = run.facts.setdefault(target, cells[i])
                if before == cells[i]:
                    continue
                if target == "created":  # of its checkpoints, the first
                    run.facts[target] = min(before, cells[i])
                    continue
                raise TraceError(
                    f"run {name!r} has {target} {before!r} and {cells[i]!r}",
                    file=rows.file,
                    column=target,
                    row=rows.numbers[i],
                    fix="A run has one; perhaps --column run='{...}' should tell them apart.",
                )
    return dict(sorted(found.items()))


def add_facts(run: RunRows, facts: Facts | None) -> None:
    """Add the facts of the table of runs or scales, and what is known without one."""
    known = {k: typed(k, [v], run.files[0], [0])[0] for k, v in run.facts.items()}
    if facts is not None:
        key = run.name if facts.key == "run" else str(known.get("scale", run.name))
        if key not in facts.rows:
            there = ", ".join(list(facts.rows)[:5])
            raise TraceError(
                f"there is no row for {facts.key} {key!r}; it has {there}", file=facts.file
            )
        row = list(facts.rows).index(key)
        for name, value in facts.rows[key].items():
            if name in RUN_TARGETS:
                (cell,) = typed(name, [value], facts.file, [row])
                if cell is None:  # as if the column were not there
                    run.empty.append(name)
                    continue
                known[name] = cell
                if name == "n_layers" and cell < 0:
                    raise TraceError(
                        f"{cell} is not a number of layers", file=facts.file, column=name, row=row
                    )
            elif value is not None:
                run.config[name] = value
    run.facts = {name: cell for name, cell in known.items() if cell is not None}
    run.facts.setdefault("scale", run.name)
    layers = [layer for layer in run.columns["layer"] if layer is not None]
    run.facts.setdefault("n_layers", max(layers, default=0))
    if "n_params" not in run.facts:
        raise TraceError(
            f"the number of parameters of run {run.name!r} is not known",
            file=run.files[0],
            fix="Give it with --column n_params=NAME, --set n_params=405K, or a table of runs (--runs).",
        )
    created = run.facts.get("created")
    if created is not None:
        try:
            datetime.fromisoformat(created)
        except ValueError:
            raise TraceError(
                f"created is {created!r}, not ISO 8601", file=run.files[0], column="created"
            ) from None


def check_values(run: RunRows, drop: bool) -> None:
    """Convert the cells of a run to the types of the format, and check that no trace repeats a step.

    Empty steps are errors, and so are values that are not finite numbers, unless they are to be left out
    (`drop`). Raises `TraceError` with file, column and row.
    """
    for target in ("step", "level", "layer", "value", "stderr"):
        file = run.files[0]
        run.columns[target] = typed(target, run.columns[target], file, [p[1] for p in run.places])
    keep = []
    for i in range(len(run.places)):
        if _is_finite(run, i):
            keep.append(i)
        elif not drop:
            _refuse(run, i)
    if not keep:
        raise TraceError(f"run {run.name!r} has no measurement", file=run.files[0])
    run.columns = {target: [cells[i] for i in keep] for target, cells in run.columns.items()}
    run.places = [run.places[i] for i in keep]
    _check_repeats(run)


def _is_finite(run: RunRows, i: int) -> bool:
    """Whether the values of a row are finite. Raises `TraceError` for any other fault in it."""
    file, number = run.places[i]
    for target in ("step", "measure"):
        if run.columns[target][i] is None:
            raise TraceError(f"no {target}", file=file, column=target, row=number)
    for target, most in _RANGES.items():
        cell = run.columns[target][i]
        if cell is not None and not 0 <= cell <= most:
            raise TraceError(
                f"{cell} is not between 0 and {most}", file=file, column=target, row=number
            )
    value, error = run.columns["value"][i], run.columns["stderr"][i]
    if error is not None and error < 0:
        raise TraceError(f"the standard error is {error}", file=file, column="stderr", row=number)
    return math.isfinite(value) and (error is None or math.isfinite(error))


def _refuse(run: RunRows, i: int) -> NoReturn:
    """Raise `TraceError` for a row whose value or error is not finite."""
    file, number = run.places[i]
    column = "value" if not math.isfinite(run.columns["value"][i]) else "stderr"
    raise TraceError(
        f"{run.columns['measure'][i]} of run {run.name!r} is {run.columns[column][i]} at step "
        f"{run.columns['step'][i]}",
        file=file,
        column=column,
        row=number,
        fix="Leave such rows out with --drop-not-finite.",
    )


def _check_repeats(run: RunRows) -> None:
    seen: dict[tuple[Any, ...], tuple[str, int]] = {}
    keys = zip(
        *(run.columns[t] for t in ("measure", "task", "level", "layer", "step")), strict=True
    )
    for key, (file, number) in zip(keys, run.places, strict=True):
        if key in seen:
            other, row = seen[key]
            raise TraceError(
                f"{key[0]} of run {run.name!r} appears twice at step {key[-1]}, first in "
                f"{other}, row {row}",
                file=file,
                row=number,
                fix="Tell them apart by task, level or run (--column), or select rows (--where).",
            )
        seen[key] = (file, number)


def run_id(name: str) -> str:
    """A run's name, made safe for a file name."""
    return _UNSAFE.sub("-", name).strip("-._=+") or "run"


def number_seeds(runs: Sequence[RunRows], there: Mapping[str, Manifest]) -> None:
    """Seeds for runs whose seed is not given: the first numbers that no other run of the scale has.

    Runs of the store count too: a run with the scale, seed and config of another would be taken for the
    same training, not for a new one. A run that is replaced keeps its seed.
    """
    taken: dict[str, set[int]] = {}
    for manifest in there.values():
        taken.setdefault(manifest.scale, set()).add(manifest.seed)
    for run in runs:
        if "seed" in run.facts:
            taken.setdefault(run.facts["scale"], set()).add(run.facts["seed"])
    for run in runs:
        if "seed" in run.facts:
            continue
        run.config.setdefault("seed_numbered_by_import", True)
        before = there.get(run_id(run.name))
        if before is not None and before.scale == run.facts["scale"]:
            run.facts["seed"] = before.seed
            continue
        mine = taken.setdefault(run.facts["scale"], set())
        run.facts["seed"] = next(n for n in range(len(mine) + 1) if n not in mine)
        mine.add(run.facts["seed"])
