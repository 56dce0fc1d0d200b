"""Event files of TensorBoard: a folder that holds any is a run, a scalar's tag is a measure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.traces.importing.columns import Rows

_MARK = "tfevents"


def is_source(path: Path) -> bool:
    if path.is_file():
        return _MARK in path.name
    return any(path.rglob(f"*{_MARK}*"))


def read(path: Path) -> Iterator[Rows]:
    """The scalars of every run below `path`, `created` at the time of its first event.

    A run's name is its folder's, relative to `path`, with ``-`` for ``/``. If a step was written
    twice, as after a restart, the later one counts, as in TensorBoard. Raises `UsageError`
    without the package tensorboard.
    """
    if find_spec("tensorboard") is None:
        raise UsageError(
            "event files need the package tensorboard; install it with: "
            "pip install 'emergence-stats[tensorboard]'"
        )
    folders = [path] if path.is_file() else sorted({p.parent for p in path.rglob(f"*{_MARK}*")})
    if not folders:
        raise TraceError("no event files", file=path)
    for folder in folders:
        yield _run(folder, path)


def _run(folder: Path, top: Path) -> Rows:
    from tensorboard.backend.event_processing.event_accumulator import (
        SCALARS,
        TENSORS,
        EventAccumulator,
    )
    from tensorboard.util import tensor_util

    # 0: keep every event, where TensorBoard itself shows a sample
    events = EventAccumulator(str(folder), size_guidance={SCALARS: 0, TENSORS: 0})
    events.Reload()
    tags = events.Tags()
    points: dict[tuple[str, int], tuple[float, float]] = {}
    for tag in tags["scalars"]:
        for event in events.Scalars(tag):
            points[tag, event.step] = (event.wall_time, event.value)
    for tag in tags["tensors"]:  # scalars of TensorFlow 2
        for tensor in events.Tensors(tag):
            value = tensor_util.make_ndarray(tensor.tensor_proto)
            if value.ndim == 0 and value.dtype.kind == "f":
                points[tag, tensor.step] = (tensor.wall_time, float(value))
    if not points:
        raise TraceError("the event files hold no scalar", file=folder)
    first = min(wall_time for wall_time, _ in points.values())
    if folder.is_file():
        name = folder.parent.name
    else:
        name = folder.relative_to(top).as_posix().replace("/", "-")
        name = folder.resolve().name if name == "." else name
    created = datetime.fromtimestamp(first, UTC).isoformat(timespec="seconds")
    n = len(points)
    return Rows(
        str(folder),
        {
            "run": [name] * n,
            "created": [created] * n,
            "step": [step for _, step in points],
            "measure": [tag for tag, _ in points],
            "value": [value for _, value in points.values()],
        },
        list(range(n)),
    )
