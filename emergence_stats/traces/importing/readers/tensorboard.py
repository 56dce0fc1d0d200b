"""Event files of TensorBoard: a folder that holds any is a run, a scalar's tag is a measure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.traces.importing.columns import Rows
from emergence_stats.traces.importing.notes import Notes, few

_MARK = "tfevents"
# Folders in which Keras and Lightning keep the parts of one training.
_PARTS = frozenset(
    ("train", "training", "val", "valid", "validation", "eval", "evaluation", "test", "testing")
)


@dataclass
class _Folder:
    """Scalars of the event files of one folder: (tag, step, value) in the order in which they were written."""

    path: Path
    points: list[tuple[str, int, float]] = field(default_factory=list)
    created: float = float("inf")

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _, _ in self.points}


def is_source(path: Path) -> bool:
    return bool(_files(path))


def _files(path: Path) -> list[Path]:
    found = [path] if path.is_file() else sorted(path.rglob(f"*{_MARK}*"))
    return [file for file in found if _MARK in file.name and file.is_file()]


def read(path: Path, notes: Notes) -> Iterator[Rows]:
    """The scalars of every run below `path`, `created` at the time of its first event.

    A run's name is its folder's, relative to `path`, with ``-`` for ``/``. Folders ``train`` and ``validation`` beside
    one another are one run, and so are the folders of ``add_scalars`` and the one that holds them; a folder without
    scalars is named and left out. If training went back to an earlier step, what had been written from there on does
    not count. Raises `UsageError` without the package tensorboard, `TraceError` if no file holds a scalar.
    """
    if find_spec("tensorboard") is None:
        raise UsageError(
            "event files need the package tensorboard; install it with: "
            "pip install 'emergence-stats[tensorboard]'"
        )
    files = _files(path)
    if not files:
        raise TraceError("no event files", file=path)
    folders = [_read(path, notes)] if path.is_file() else [
        _read(folder, notes) for folder in sorted({file.parent for file in files})
    ]  # fmt: skip
    some = [folder for folder in folders if folder.points]
    if not some:
        raise TraceError("the event files hold no scalar", file=path)
    for folder in folders:
        if not folder.points:
            notes.add("left out", "the event files hold no scalar", folder.path)
    for run, parts in _runs(some, path, notes).items():
        yield _rows(run, parts, path)


def _runs(
    folders: Sequence[_Folder], top: Path, notes: Notes
) -> dict[Path, list[tuple[str, _Folder]]]:
    """For each run, by its folder, the folders that it is in, with what stands before their tags."""
    by_path = {folder.path: folder for folder in folders}
    runs: dict[Path, list[tuple[str, _Folder]]] = {}
    for folder in folders:
        parent = folder.path.parent
        tags = folder.tags
        written_by = parent in by_path and len(tags) == 1 and folder.path != top
        if written_by and folder.path.name.startswith(next(iter(tags)).replace("/", "_") + "_"):
            notes.add(
                "joined", f"add_scalars wrote {folder.path.name}: a measure of the run", parent
            )
            renamed = [(folder.path.name, step, value) for _, step, value in folder.points]
            runs.setdefault(parent, []).append(("", _Folder(folder.path, renamed, folder.created)))
        elif _is_part(folder.path, top) and (
            parent in by_path or _has_other_parts(folder.path, by_path)
        ):
            notes.add("joined", f"folder {folder.path.name} is part of the run", parent)
            runs.setdefault(parent, []).append((f"{folder.path.name}/", folder))
        else:
            runs.setdefault(folder.path, []).append(("", folder))
    return runs


def _is_part(path: Path, top: Path) -> bool:
    return path != top and path.name.lower() in _PARTS


def _has_other_parts(path: Path, by_path: dict[Path, _Folder]) -> bool:
    return any(
        other != path and other.parent == path.parent and other.name.lower() in _PARTS
        for other in by_path
    )


def _read(path: Path, notes: Notes) -> _Folder:
    """The scalars of one event file, or of those in one folder in the order in which they were begun."""
    files = [path] if path.is_file() else [file for file in _files(path) if file.parent == path]
    parts = [_Folder(file) for file in files]
    others = {kind for part in parts for kind in _read_file(part, part.path)}
    parts.sort(key=lambda part: part.created)
    found = _Folder(path)
    for part in parts:
        found.points += part.points
        found.created = min(found.created, part.created)
    if others and found.points:
        notes.add("left out", f"{few(sorted(others))}: only scalars are measurements", path)
    return found


def _read_file(found: _Folder, file: Path) -> set[str]:
    """Add the scalars of a file, and return what else it holds."""
    from tensorboard.backend.event_processing.event_accumulator import (
        SCALARS,
        TENSORS,
        EventAccumulator,
    )
    from tensorboard.util import tensor_util

    # 0: keep every event, where TensorBoard itself shows a sample. Without its purge of what a restart left, which
    # says nothing and needs a mark in the file: going back tells as much.
    events = EventAccumulator(
        str(file), size_guidance={SCALARS: 0, TENSORS: 0}, purge_orphaned_data=False
    )
    events.Reload()
    tags = events.Tags()
    for tag in tags["scalars"]:
        _add(found, tag, [(e.step, float(e.value), e.wall_time) for e in events.Scalars(tag)])
    for tag in tags["tensors"]:  # scalars of TensorFlow 2
        points = []
        for tensor in events.Tensors(tag):
            value = tensor_util.make_ndarray(tensor.tensor_proto)
            if value.ndim == 0 and value.dtype.kind == "f":
                points.append((tensor.step, float(value), tensor.wall_time))
        _add(found, tag, points)
    return {kind for kind in ("histograms", "images", "audio") if tags.get(kind)}


def _add(folder: _Folder, tag: str, points: Sequence[tuple[int, float, float]]) -> None:
    for step, value, time in points:
        folder.points.append((tag, step, value))
        folder.created = min(folder.created, time)


def _rows(run: Path, parts: Sequence[tuple[str, _Folder]], top: Path) -> Rows:
    if top.is_file():
        name = top.resolve().parent.name
    else:
        name = run.relative_to(top).as_posix().replace("/", "-")
        name = run.resolve().name if name == "." else name
    points = [
        (f"{before}{tag}", step, value)
        for before, folder in parts
        for tag, step, value in folder.points
    ]
    created = min(folder.created for _, folder in parts)
    n = len(points)
    return Rows(
        str(run),
        {
            "run": [name] * n,
            "created": [datetime.fromtimestamp(created, UTC).isoformat(timespec="seconds")] * n,
            "step": [step for _, step, _ in points],
            "measure": [tag for tag, _, _ in points],
            "value": [value for _, _, value in points],
        },
        list(range(n)),
        later="restart",
        sha256=_digest(folder.path for _, folder in parts),
    )


def _digest(folders: Any) -> str:
    """sha256 of all event files of these folders, one after the other."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in _files(folder) if folder.is_dir() else [folder]:
            if file.parent == folder or file == folder:
                digest.update(file.read_bytes())
    return digest.hexdigest()
