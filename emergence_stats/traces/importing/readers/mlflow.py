"""Runs that MLflow keeps in files: a folder ``metrics`` whose files have lines "timestamp value step", and ``params``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing.columns import Rows, number_in
from emergence_stats.traces.importing.notes import Notes, few
from emergence_stats.traces.importing.steps import logged_without_steps, without_steps

_LINE = re.compile(r"[0-9]+ \S+( -?[0-9]+)?")


def is_source(path: Path) -> bool:
    return path.is_dir() and any(True for _ in _folders(path))


def read(path: Path, notes: Notes) -> Iterator[Rows]:
    """The metrics of each run at or below `path`, a run called as its folder; `params` become its config.

    Raises `TraceError` for a line of another form.
    """
    empty = [
        meta.parent
        for meta in sorted(path.rglob("meta.yaml"))
        if _meta(meta.parent, "run_id") is not None
        and not any((meta.parent / "metrics").rglob("*"))
    ]
    if empty:
        notes.add("left out", f"runs without metrics: {few([run.name for run in empty])}", path)
    some = False
    for folder in _folders(path):
        if ".trash" in folder.relative_to(path).parts:
            notes.add("left out", "a run in the trash", folder.parent)
            continue
        meta = _meta(folder.resolve().parent, "lifecycle_stage")
        if meta == "deleted":
            notes.add("left out", "a run that was deleted", folder.parent)
            continue
        rows = _run(folder, notes)
        if rows is None:
            notes.add(
                "left out", "a run without a metric that was logged with a step", folder.parent
            )
            continue
        some = True
        yield rows
    if not some:
        raise TraceError("no metric was logged with a step", file=path)


def _folders(path: Path) -> Iterator[Path]:
    """Folders called metrics with at least one file of metrics."""
    candidates = [path] if path.name == "metrics" else sorted(path.rglob("metrics"))
    found: list[Path] = []
    for folder in candidates:
        if found and folder.is_relative_to(found[-1]):
            continue  # a metric whose name begins with metrics/
        if folder.is_dir() and any(
            _is_metric(file) for file in folder.rglob("*") if file.is_file()
        ):
            found.append(folder)
            yield folder


def _is_metric(file: Path) -> bool:
    try:
        with file.open("r", encoding="utf-8") as stream:
            return bool(_LINE.fullmatch(stream.readline().strip()))
    except (OSError, UnicodeDecodeError):
        return False


def _run(folder: Path, notes: Notes) -> Rows | None:
    """The metrics of a run; None if none was logged with a step."""
    columns: dict[str, list[Any]] = {"step": [], "measure": [], "value": []}
    numbers, first, digest = [], None, hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        if not _is_metric(file):
            notes.add("left out", "no file of metrics", file)
            continue
        metric = file.relative_to(folder).as_posix()
        digest.update(file.read_bytes())
        lines = [_line(line, file, number) for number, line in enumerate(_text(file).splitlines())]
        if lines != sorted(lines, key=lambda one: one[0]):
            notes.add(
                "steps",
                f"{metric} was not logged in the order of its timestamps, which counts",
                folder.parent,
            )
        for time, value, step, number in sorted(lines, key=lambda one: one[0]):
            first = time if first is None else min(first, time)
            columns["step"].append(step)
            columns["measure"].append(metric)
            columns["value"].append(value)
            numbers.append(number)
    pairs = list(zip(columns["measure"], columns["step"], strict=True))
    stepless = without_steps(pairs)
    if stepless:
        notes.add("left out", logged_without_steps(stepless), folder.parent)
        keep = [i for i, (metric, _) in enumerate(pairs) if metric not in stepless]
        columns = {name: [cells[i] for i in keep] for name, cells in columns.items()}
        numbers = [numbers[i] for i in keep]
    if not numbers:
        return None
    run = folder.resolve().parent
    assert first is not None
    columns["run"] = [_called(run, notes)] * len(numbers)
    try:
        created = datetime.fromtimestamp(first / 1000, UTC).isoformat(timespec="seconds")
        columns["created"] = [created] * len(numbers)
    except (ValueError, OverflowError, OSError):
        notes.add("left out", f"the timestamp {first} is none in milliseconds", folder.parent)
    config = {
        file.name: _text(file).strip() for file in sorted(run.glob("params/*")) if file.is_file()
    }
    seed = config.get("seed", "")
    if re.fullmatch(r"[0-9]{1,9}", seed):
        columns["seed"] = [int(config.pop("seed"))] * len(numbers)
    return Rows(
        str(folder),
        columns,
        numbers,
        config=dict(config),
        later="restart",
        sha256=digest.hexdigest(),
    )


def _line(line: str, file: Path, number: int) -> tuple[int, float, int, int]:
    """Timestamp, value and step of a line, and its number. Raises `TraceError` for one of another form."""
    parts = line.split()
    try:
        if not _LINE.fullmatch(line.strip()):
            raise ValueError
        return int(parts[0]), number_in(parts[1]), int(parts[2]) if len(parts) > 2 else 0, number
    except ValueError:
        raise TraceError(f"{line!r} is not 'timestamp value step'", file=file, row=number) from None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise TraceError("not UTF-8", file=file) from None


def _meta(run: Path, name: str) -> str | None:
    """A value of a run's ``meta.yaml``."""
    meta = run / "meta.yaml"
    if not meta.is_file():
        return None
    found = re.search(rf"^{name}:[ \t]*(.*?)[ \t]*$", _text(meta), re.MULTILINE)
    value = found[1].strip("'\"") if found else ""
    return value if value not in ("", "null", "~") else None


def _called(run: Path, notes: Notes) -> str:
    """The run's name in its ``meta.yaml``, with its id where there is none; names are not unique, so both."""
    name = _meta(run, "run_name")
    if name is None:
        return run.name
    notes.add("renamed", f"run {run.name} is {name}-{run.name[:6]}, by its name in meta.yaml")
    return f"{name}-{run.name[:6]}"
