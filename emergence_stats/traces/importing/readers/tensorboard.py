"""Event files of TensorBoard: a folder that holds any is a run, a scalar's tag is a measure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.traces.importing.columns import Rows
from emergence_stats.traces.importing.notes import COLUMNS, Notes, few
from emergence_stats.traces.importing.paths import differing
from emergence_stats.traces.importing.steps import logged_without_steps, without_steps

_MARK = "tfevents"
_TIME = re.compile(r"[0-9]{9,}\.[0-9]+")  # in seconds since 1970
_SCALARS = ("scalars", "tensors")  # as TensorBoard calls them; what has no kind may be a number
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
    kinds: dict[str, str] = field(
        default_factory=dict
    )  # of each tag, which its first event alone tells

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _, _ in self.points}


def is_source(path: Path) -> bool:
    return bool(_files(path))


def _files(path: Path) -> list[Path]:
    found = [path] if path.is_file() else sorted(path.rglob(f"*{_MARK}*"))
    return [file for file in found if _MARK in file.name and file.is_file()]


def read(paths: Sequence[Path], notes: Notes) -> Iterator[Rows]:
    """The scalars of every run below `paths`, `created` at the time of its first event.

    A run's name is its folder's, relative to the source that it is in, with ``-`` for ``/``. Folders ``train`` and
    ``validation`` beside one another are one run, also if each is named, and so are the folders of ``add_scalars`` and the one
    that holds them; a folder without scalars is named and left out, and so is what ``add_hparams`` writes. If training went back
    to an earlier step, what had been written from there on does not count. Raises `UsageError` without the package
    tensorboard, `TraceError` if no file holds a scalar.
    """
    if find_spec("tensorboard") is None:
        raise UsageError(
            "event files need the package tensorboard; install it with: "
            "pip install 'emergence-stats[tensorboard]'"
        )
    files, tops = _by_folder(paths)
    folders = [_read(folder, of_folder, notes) for folder, of_folder in files.items()]
    some = [folder for folder in folders if folder.points]
    if not some:
        raise TraceError(
            "the event files hold no scalar with a step",
            file=few(list(map(str, paths))),
            fix="Log with one, as in add_scalar(tag, value, step).",
        )
    for folder in folders:
        if not folder.points:
            notes.add("left out", "the event files hold no scalar with a step", folder.path)
    runs = _runs(some, tops, notes)
    names = _named({run: tops[parts[0][1].path] for run, parts in runs.items()})
    for run, parts in runs.items():
        yield _rows(run, parts, names[run])


def _named(tops: Mapping[Path, Path]) -> dict[Path, str]:
    """What runs are called, by their folders: from the source that each is in, or by what differs where two have one name."""
    names = {}
    for run, top in tops.items():
        if top.is_file():
            names[run] = top.resolve().parent.name
            continue
        inside = run.relative_to(top).as_posix().replace("/", "-")
        names[run] = run.resolve().name if inside == "." else inside
    shared = [run for run in tops if list(names.values()).count(names[run]) > 1]
    folders = {run: run.resolve().parent if run.is_file() else run.resolve() for run in shared}
    if len(set(folders.values())) < len(shared):
        return names  # files of one folder, which may be one training
    return names | dict(zip(shared, differing([f.parts for f in folders.values()]), strict=True))


def _by_folder(paths: Sequence[Path]) -> tuple[dict[Path, list[Path]], dict[Path, Path]]:
    """Event files by the folder that is a run or a part of one, and the source above each, from which runs are named.

    A file that is named is by itself, unless its folder is a part. Raises `TraceError` for a source without event files.
    """
    files: dict[Path, list[Path]] = {}
    tops: dict[Path, Path] = {}
    real = set[Path]()
    for path in paths:
        found = _files(path)
        if not found:
            raise TraceError("no event files", file=path)
        for file in found:
            if file.resolve() in real:  # in two of the sources
                continue
            real.add(file.resolve())
            beside = sum(other.is_file() and other.parent == file.parent for other in paths)
            alone = path.is_file() and beside == 1 and file.parent.name.lower() not in _PARTS
            key = file if alone else file.parent
            files.setdefault(key, []).append(file)
            tops.setdefault(key, key if path.is_file() else path)
    named = [key for key, top in tops.items() if key == top and key.name.lower() in _PARTS]
    for key in named:
        if sum(other.parent == key.parent for other in named) > 1:
            tops[key] = key.parent
    return dict(sorted(files.items())), tops


def _runs(
    folders: Sequence[_Folder], tops: Mapping[Path, Path], notes: Notes
) -> dict[Path, list[tuple[str, _Folder]]]:
    """For each run, by its folder, the folders that it is in, with what stands before their tags."""
    by_path = {folder.path: folder for folder in folders}
    runs: dict[Path, list[tuple[str, _Folder]]] = {}
    for folder in folders:
        parent = folder.path.parent
        tags = folder.tags
        below = folder.path != tops[folder.path]
        written_by = parent in by_path and len(tags) == 1 and below
        if written_by and folder.path.name.startswith(next(iter(tags)).replace("/", "_") + "_"):
            notes.add(
                "joined", f"add_scalars wrote {folder.path.name}: a measure of the run", parent
            )
            renamed = [(folder.path.name, step, value) for _, step, value in folder.points]
            runs.setdefault(parent, []).append(("", _Folder(folder.path, renamed, folder.created)))
        elif below and _of_hparams(folder) and parent in by_path:
            text = (
                f"{few(sorted(tags), COLUMNS)}: final values that add_hparams wrote, without a step"
            )
            notes.add("left out", text, folder.path)
        elif (below and folder.path.name.lower() in _PARTS) and (
            parent in by_path or _has_other_parts(folder.path, by_path)
        ):
            notes.add("joined", f"folder {folder.path.name} is part of the run", parent)
            runs.setdefault(parent, []).append((f"{folder.path.name}/", folder))
        else:
            runs.setdefault(folder.path, []).append(("", folder))
    return runs


def _of_hparams(folder: _Folder) -> bool:
    """Whether a folder is one of those that ``add_hparams`` makes beside the events of a run, called by the time."""
    return bool(_TIME.fullmatch(folder.path.name)) and len(folder.tags) == len(folder.points)


def _has_other_parts(path: Path, by_path: dict[Path, _Folder]) -> bool:
    return any(
        other != path and other.parent == path.parent and other.name.lower() in _PARTS
        for other in by_path
    )


def _read(path: Path, files: Sequence[Path], notes: Notes) -> _Folder:
    """The scalars of one event file, or of those in one folder in the order in which they were begun."""
    parts = [_Folder(file) for file in files]
    others = {kind for part in parts for kind in _read_file(part, part.path, notes)}
    for part in parts:  # each by itself: a training that began twice logged step 0 twice
        stepless = without_steps([(tag, step) for tag, step, _ in part.points])
        if stepless:
            notes.add("left out", logged_without_steps(stepless), path)
            part.points = [point for point in part.points if point[0] not in stepless]
    parts.sort(key=lambda part: part.created)
    found = _Folder(path)
    for part in parts:
        found.points += part.points
        found.created = min(found.created, part.created)
    if others and found.points:
        notes.add(
            "left out", f"{few(sorted(others), COLUMNS)}: only scalars are measurements", path
        )
    return found


def _read_file(found: _Folder, file: Path, notes: Notes) -> dict[str, int]:
    """Add the scalars of a file, and return what else it holds, by kind.

    Every event is read, where TensorBoard itself shows a sample. Raises `TraceError` for a file that is damaged.
    """
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util import tensor_util

    others: dict[str, int] = {}
    read = 0
    for event in EventFileLoader(str(file)).Load():
        read += 1
        for value in event.summary.value:
            kind = value.metadata.plugin_data.plugin_name or found.kinds.get(value.tag, "tensors")
            found.kinds[value.tag] = kind
            number = tensor_util.make_ndarray(value.tensor) if value.HasField("tensor") else None
            if (
                kind in _SCALARS
                and number is not None
                and number.ndim == 0
                and number.dtype.kind in "fiub"
            ):
                found.points.append((value.tag, event.step, float(number)))
                found.created = min(found.created, event.wall_time)
            else:
                others[f"{kind} {value.tag}"] = others.get(f"{kind} {value.tag}", 0) + 1
    whole, cut = _records(file)
    if read < whole:
        raise TraceError(f"the file is damaged after {read} events", file=file, fix="Restore it.")
    if cut:
        notes.add(
            "left out",
            f"the end of a file that is cut off, or still written, after {read} events",
            file,
        )
    return others


def _records(file: Path) -> tuple[int, bool]:
    """How many whole records a file of TensorFlow's record format holds, and whether something is left behind them.

    A record is its length (8 bytes), a checksum (4), its data, and a checksum (4).
    """
    n, size = 0, file.stat().st_size
    with file.open("rb") as stream:
        while (at := stream.tell()) < size:
            head = stream.read(12)
            end = at + 16 + int.from_bytes(head[:8], "little")
            if len(head) < 12 or end > size:
                return n, True
            stream.seek(end)
            n += 1
    return n, False


def _rows(run: Path, parts: Sequence[tuple[str, _Folder]], name: str) -> Rows:
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
        timed=len(parts) == 1,
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
