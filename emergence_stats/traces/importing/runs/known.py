"""Facts that hold for a whole run: of its files, of the table of runs, of the store."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import (
    RUN_TARGETS,
    typed,
)
from emergence_stats.traces.importing.facts import Facts
from emergence_stats.traces.importing.notes import Notes
from emergence_stats.traces.importing.readers.recorded import Read, check_unit
from emergence_stats.traces.importing.runs.rows import RunRows, add_events, step_unit


def add_facts(run: RunRows, facts: Facts | None, notes: Notes) -> None:
    """Add the facts of the table of runs or scales, and what is known without one."""
    file = next(iter(run.files))
    known = {k: typed(k, [v], file, [0])[0] for k, v in run.facts.items()}
    if facts is not None:
        key = facts.row_of(
            run.name if facts.key == "run" else str(known.get("scale", run.name)), notes
        )
        run.key, row = key, list(facts.rows).index(key)
        for name, value in facts.rows[key].items():
            if name in RUN_TARGETS:
                (cell,) = typed(name, [value], facts.file, [row])
                if cell is None:  # as if the column were not there
                    run.empty.append(name)
                    continue
                if (
                    name == "scale"
                ):  # by the name of a model, in its files; as the user calls it, in the table
                    if known.get(name, cell) != cell:
                        notes.add("renamed", "scales are those of the table", facts.file)
                else:
                    check_fact(run, name, known.get(name), cell, facts.file, row)
                known[name] = cell
                if name == "n_layers" and cell < 0:
                    raise TraceError(
                        f"{cell} is not a number of layers", file=facts.file, column=name, row=row
                    )
            elif value is not None:
                held = run.before.config.get(name, value) if run.before is not None else value
                if held != value:
                    raise TraceError(
                        f"run {run.name!r} has {name} {held!r} in the store, and {value!r} here",
                        file=facts.file,
                        column=name,
                        row=row,
                    )
                run.config[name] = value
        for event, step in facts.events.get(key, {}).items():
            unit = facts.units.get(event)
            check_unit(unit, Read(facts.file, event, row, step_unit(run)))
            add_events(run.events.setdefault(event, {}), {(None, None): step}, event, facts.file)
    run.facts = {name: cell for name, cell in known.items() if cell is not None}
    if run.before is not None:
        _take_over(run, run.before, file)
    if "n_params" not in run.facts:
        raise TraceError(
            f"the number of parameters of run {run.name!r} is not known",
            file=file,
            fix="Give it with --column n_params=NAME, --set n_params=405K, or a table of runs (--runs).",
        )
    created = run.facts.get("created")
    if created is not None:
        try:
            datetime.fromisoformat(created)
        except ValueError:
            raise TraceError(
                f"created is {created!r}, not ISO 8601", file=file, column="created"
            ) from None


def check_fact(run: RunRows, name: str, ours: Any, theirs: Any, file: str, row: int | None) -> None:
    """Raise `TraceError` where a run has one fact in its measurements and another in a table, or in the store."""
    defaults = (None, steps.OPTIMISER) if name == "step_unit" else (None,)
    if ours in defaults or ours == theirs or name == "created":
        return
    raise TraceError(
        f"run {run.name!r} has {name} {ours!r} by its own files, and {theirs!r} here",
        file=file,
        column=name,
        row=row,
        fix="Correct one of them, or leave one out.",
    )


def _take_over(run: RunRows, before: Manifest, file: str) -> None:
    """What is known of a run that measures are added to. Raises `TraceError` where something else is said of it now."""
    known = {
        "scale": before.scale,
        "seed": before.seed,
        "n_params": before.n_params,
        "n_layers": before.n_layers,
        "created": before.created,
        "step_unit": before.step_unit,
    }
    where = f"{before.suite}/{before.run_id}.json of the store"
    if run.facts.get("step_unit", before.step_unit) != before.step_unit:
        raise TraceError(
            f"steps of run {run.name!r} are {before.step_unit} in the store, and {run.facts['step_unit']} here",
            file=file,
        )
    for name, theirs in known.items():
        check_fact(run, name, run.facts.get(name), theirs, where, None)
    run.facts |= known
