"""Measures for runs that a store has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emergence_stats.errors import UsageError
from emergence_stats.support.words import near
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.importing.columns import (
    ROW_TARGETS,
    RecordedEvents,
)
from emergence_stats.traces.importing.notes import Notes
from emergence_stats.traces.importing.runs.naming import run_id
from emergence_stats.traces.importing.runs.rows import RunRows, add_events
from emergence_stats.traces.store import Store


def add_to(
    found: Mapping[str, RunRows], store: str, there: Mapping[str, Manifest], notes: Notes
) -> None:
    """Put the measurements and facts of runs that are there before the new ones."""
    opened = Store.open(store)
    files = {file.manifest.run_id: file for file in opened.readable}
    for run in found.values():
        manifest = there.get(run_id(run.name))
        if manifest is None:
            hint = near(run_id(run.name), there, ".")
            raise UsageError(
                f"--add adds measures to runs that are there, and {run.name} is not{hint} New runs are imported without --add"
            )
        rows = opened.read(files[manifest.run_id])
        old = {target: rows.column(target).to_pylist() for target in ROW_TARGETS}
        shared = _traces_of(old) & _traces_of(run.columns)
        if shared:
            names = sorted({trace[0] for trace in shared})
            raise UsageError(
                f"run {manifest.run_id} already has {', '.join(names)}; --add adds measures that it lacks, and "
                "--replace replaces the run"
            )
        notes.add("joined", f"measures are added to run {manifest.run_id}")
        n = rows.num_rows
        run.columns = {target: [*old[target], *run.columns[target]] for target in ROW_TARGETS}
        run.places = [
            (f"{store}/{manifest.suite}/{manifest.run_id}.parquet", i) for i in range(n)
        ] + run.places
        run.before = manifest
        for key, value in run.config.items():
            if key in manifest.config and manifest.config[key] != value:
                text = f"{key} of run {manifest.run_id} is {manifest.config[key]!r} in the store and {value!r} here: the former stays"
                notes.add(
                    "doubtful", text
                )  # a batch size of training and one of evaluation, perhaps
        run.config = {**run.config, **manifest.config}
        for event, dated in _events_of(manifest).items():
            there_ = run.events.setdefault(event, {})
            add_events(
                there_, dated, event, f"{manifest.suite}/{manifest.run_id}.json of the store"
            )
        before = manifest.further.get("imported")
        for file, digest in before.items() if isinstance(before, dict) else ():
            changed = file in run.files and run.files[file] != digest
            run.files[f"before/{file}" if changed else file] = digest


def _traces_of(columns: Mapping[str, Sequence[Any]]) -> set[tuple[Any, ...]]:
    """The traces that columns hold: measure, task, level and layer as text, as tables have them before they are converted."""
    keys = zip(*(columns[t] for t in ("measure", "task", "level", "layer")), strict=True)
    return {tuple(None if cell is None else str(cell) for cell in key) for key in keys}


def _events_of(manifest: Manifest) -> RecordedEvents:
    """The events that a run in the store has."""
    held: Any = manifest.further.get("events", {})
    return {
        event: {(one["task"], one["level"]): one["step"] for one in several}
        for event, several in held.items()
    }
