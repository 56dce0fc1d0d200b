"""Runs that MLflow keeps in files: a folder ``metrics`` whose files have lines "timestamp value step", and ``params``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing.columns import Rows
from emergence_stats.traces.importing.notes import Notes

_LINE = re.compile(r"[0-9]+ \S+( -?[0-9]+)?")


def is_source(path: Path) -> bool:
    return path.is_dir() and any(True for _ in _folders(path))


def read(path: Path, notes: Notes) -> Iterator[Rows]:
    """The metrics of each run at or below `path`, a run called as its folder; `params` become its config.

    Raises `TraceError` for a line of another form.
    """
    for folder in _folders(path):
        yield _run(folder, notes)


def _folders(path: Path) -> Iterator[Path]:
    """Folders called metrics with at least one file of metrics."""
    candidates = [path] if path.name == "metrics" else sorted(path.rglob("metrics"))
    for folder in candidates:
        if folder.is_dir() and any(
            _is_metric(file) for file in folder.rglob("*") if file.is_file()
        ):
            yield folder


def _is_metric(file: Path) -> bool:
    try:
        with file.open("r", encoding="utf-8") as stream:
            return bool(_LINE.fullmatch(stream.readline().strip()))
    except (OSError, UnicodeDecodeError):
        return False


def _run(folder: Path, notes: Notes) -> Rows:
    columns: dict[str, list[Any]] = {"step": [], "measure": [], "value": []}
    numbers, first = [], None
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        if not _is_metric(file):
            notes.add("left out", "no file of metrics", file)
            continue
        metric = file.relative_to(folder).as_posix()
        for number, line in enumerate(file.read_text("utf-8").splitlines()):
            if not _LINE.fullmatch(line.strip()):
                raise TraceError(f"{line!r} is not 'timestamp value step'", file=file, row=number)
            time, value, *step = line.split()
            first = min(first or int(time), int(time))
            columns["step"].append(int(step[0]) if step else 0)
            columns["measure"].append(metric)
            columns["value"].append(float(value))
            numbers.append(number)
    run = folder.resolve().parent
    assert first is not None
    created = datetime.fromtimestamp(first / 1000, UTC).isoformat(timespec="seconds")
    columns |= {"run": [_called(run, notes)] * len(numbers), "created": [created] * len(numbers)}
    config = {
        file.name: file.read_text("utf-8").strip()
        for file in sorted(run.glob("params/*"))
        if file.is_file()
    }
    seed = config.get("seed", "")
    if re.fullmatch(r"[0-9]{1,9}", seed):
        columns["seed"] = [int(config.pop("seed"))] * len(numbers)
    return Rows(str(folder), columns, numbers, config=dict(config), later="restart")


def _called(run: Path, notes: Notes) -> str:
    """The run's name in its ``meta.yaml``, with its id where there is none; names are not unique, so both."""
    meta = run / "meta.yaml"
    if meta.is_file():
        found = re.search(
            r"^run_name:\s*['\"]?(.+?)['\"]?\s*$", meta.read_text("utf-8"), re.MULTILINE
        )
        if found and found[1] not in ("''", "null"):
            notes.add(
                "renamed", f"run {run.name} is {found[1]}-{run.name[:6]}, by its name in meta.yaml"
            )
            return f"{found[1]}-{run.name[:6]}"
    return run.name
