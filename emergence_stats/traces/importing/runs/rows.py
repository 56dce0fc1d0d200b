"""Rows of all files grouped by run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import (
    ROW_TARGETS,
    RUN_TARGETS,
    RecordedEvents,
    Rows,
    typed,
)


@dataclass
class RunRows:
    """Measurements of one run from all files, with the facts that hold for all of it.

    `later` as in `Rows`. `events`: recorded ones. `before`: of a run that measures are added to.
    """

    name: str
    facts: dict[str, Any]
    columns: dict[str, list[Any]]
    places: list[tuple[str, int]]  # file and row of each measurement
    files: dict[str, str | None]  # with their sha256
    config: dict[str, Any]
    empty: list[str] = field(default_factory=list)
    later: str | None = None
    checkpoints: bool = True
    events: RecordedEvents = field(default_factory=dict)
    before: Manifest | None = None
    differ: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # in the config of its files
    timed: bool = True
    key: str | None = None  # its row in the table of runs or scales

    def traces(self) -> dict[tuple[Any, ...], list[int]]:
        """The rows of each trace (measure, task, level, layer), in their order."""
        found: dict[tuple[Any, ...], list[int]] = {}
        keys = zip(*(self.columns[t] for t in ("measure", "task", "level", "layer")), strict=True)
        for i, key in enumerate(keys):
            found.setdefault(key, []).append(i)
        return found

    def keep(self, rows: Sequence[int]) -> None:
        """These rows alone."""
        self.columns = {target: [cells[i] for i in rows] for target, cells in self.columns.items()}
        self.places = [self.places[i] for i in rows]


def by_run(sources: Sequence[Rows], join: bool = False) -> dict[str, RunRows]:
    """The rows of each run by name, in order.

    Raises `TraceError` if a run has two values of a fact, and unless it is said that files are one training (`join`)
    if one trace would be woven from two of them.
    """
    found: dict[str, RunRows] = {}
    were: dict[str, list[Any]] = {}
    for rows in sources:
        n = len(rows)
        names = rows.columns.get("run") or [rows.name] * n
        for i in range(n):
            name = names[i]
            if name is None:
                raise TraceError("no run", file=rows.file, column="run", row=rows.numbers[i])
            run = found.get(name)
            if run is None:
                run = RunRows(name, {}, {target: [] for target in ROW_TARGETS}, [], {}, {})
                found[name] = run
            if rows.file not in run.files:
                run.files[rows.file] = rows.sha256
                run.differ |= {
                    key: (run.config[key], value)
                    for key, value in rows.config.items()
                    if key in run.config and run.config[key] != value and not rows.checkpoints
                }
                run.config = {**rows.config, **run.config}
                run.later = run.later or rows.later
                run.checkpoints &= rows.checkpoints
                run.timed &= rows.timed
            _append(run, rows, i)
            were.setdefault(name, []).append(rows.were[i] if rows.were is not None else None)
    for rows in sources:
        for name, events in rows.events.items():
            of_run = found[name or rows.name or ""].events
            for event, dated in events.items():
                add_events(of_run.setdefault(event, {}), dated, event, rows.file)
    for run in found.values():
        if not join:
            _check_one(run, were[run.name])
        if not join and not run.checkpoints:
            _check_woven(run)
    return dict(sorted(found.items()))


def add_events(
    there: dict[tuple[str | None, int | None], int | None],
    more: Mapping[tuple[str | None, int | None], int | None],
    event: str,
    file: str,
) -> None:
    """Add the steps of an event that another source has. Raises `TraceError` where both have one, and not the same."""
    for key, step in more.items():
        before = there.get(key)
        if before is not None and step is not None and before != step:
            raise TraceError(
                f"event {event!r} is at step {step} here, and at {before} in another place",
                file=file,
            )
        there[key] = before if step is None else step


def _append(run: RunRows, rows: Rows, i: int) -> None:
    run.places.append((rows.file, rows.numbers[i]))
    for target in ROW_TARGETS:
        cells = rows.columns.get(target)
        run.columns[target].append(cells[i] if cells is not None else None)
    for target in RUN_TARGETS[1:]:
        cells = rows.columns.get(target)
        cell = None if cells is None else cells[i]
        if cell is None and target == "step_unit":
            cell = steps.OPTIMISER
        if cell is None:
            continue
        before = run.facts.setdefault(target, cell)
        if before == cell or _same_fact(target, before, cell, rows, i):
            continue
        if target == "step_unit":
            raise TraceError(
                f"steps of run {run.name!r} are {before} in some places and {cell} in others",
                file=rows.file,
                row=rows.numbers[i],
                fix="Import one of the two; if both are the same, say which with --set step_unit=UNIT.",
            )
        if target == "created":  # of its checkpoints, the first
            run.facts[target] = min(before, cell, key=_moment)
            continue
        raise TraceError(
            f"run {run.name!r} has {target} {before!r} and {cell!r}",
            file=rows.file,
            column=target,
            row=rows.numbers[i],
            fix="A run has one; perhaps --column run='{...}' should tell them apart.",
        )


def _same_fact(target: str, before: Any, cell: Any, rows: Rows, i: int) -> bool:
    """Whether two cells say one thing, as 1M and 1000000."""
    first, second = typed(target, [before, cell], rows.file, [rows.numbers[i]] * 2)
    return bool(first == second)


def _moment(text: str) -> tuple[bool, datetime | str]:
    """A time to order by, of whatever zone; what is none comes first, so that it is said."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return False, text
    return True, found if found.tzinfo else found.replace(tzinfo=UTC)


def _check_one(run: RunRows, were: Sequence[Any]) -> None:
    """Raise `TraceError` if a trace has rows that are of two runs by their files (`were`), and of one as it is said."""
    for key, rows in run.traces().items():
        names = {were[i]: i for i in reversed(rows) if were[i] is not None}
        if len(names) > 1:
            first, second = sorted(names, key=lambda name: names[name])[:2]
            file, row = run.places[names[second]]
            raise TraceError(
                f"run is set to {run.name!r}, and {key[0]} is of {first!r} and of {second!r}: they may be two trainings",
                file=file,
                row=row,
                fix="Then leave the name out, or select one; if they are one, say --join.",
            )


def _check_woven(run: RunRows) -> None:
    """Raise `TraceError` if a trace has rows of two files, which may be two trainings."""
    for key, rows in run.traces().items():
        files = list(dict.fromkeys(run.places[i][0] for i in rows))
        if len(files) > 1:
            raise TraceError(
                f"run {run.name!r} has {key[0]} in {files[0]} and in {files[1]}: they may be two trainings",
                file=files[1],
                fix="Then tell them apart with --column run='{folder}-{run}' (or {file}); if they are one, say --join.",
            )


def step_unit(run: RunRows) -> str:
    return str(run.facts.get("step_unit") or steps.OPTIMISER)
