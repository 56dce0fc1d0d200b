"""Remove runs from a trace store by the names of their files, broken runs included."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.support.files import only_one
from emergence_stats.support.words import near
from emergence_stats.traces.format import pending_manifest_name
from emergence_stats.traces.places import Place, locate, suites_of
from emergence_stats.traces.remote import run_of_part

# what a writer leaves if it is killed
_HIDDEN = re.compile(
    r"\.(?P<run_id>[^~]+)(~[0-9a-f]+)?(\.json\.pending|\.json\.writing|\.parquet\.writing)"
)


class Removed(NamedTuple):
    """A run that was (or would be) removed."""

    suite: str
    run_id: str


def remove_runs(
    store: str | os.PathLike[str],
    run_ids: Sequence[str],
    suite: str | None = None,
    *,
    dry_run: bool = False,
) -> list[Removed]:
    """Remove these runs, or all of `suite` if none is named, and return them.

    Runs are found by their files alone, so one with an unreadable manifest can be removed. Raises `TraceError`
    if there is no store, and `UsageError`, before anything is removed, for an unknown run or suite and for a
    run that several suites have if no suite is named.
    """
    place = locate(store)
    if not place.is_there():
        raise TraceError("there is no trace store here", file=place.uri)
    files = _files_of(place)
    there = [run for run in sorted(files) if suite in (None, run.suite)]
    if suite is not None and not there:
        raise UsageError(f"{place.uri}: there is no run of suite {suite!r}")
    if not run_ids:
        if suite is None:
            raise UsageError("name the runs to remove, or a whole suite with --suite")
        chosen = there
    else:
        chosen = [_named(run_id, there, place.uri) for run_id in dict.fromkeys(run_ids)]
    if not dry_run:
        for run in chosen:
            if place.folder is not None:
                _remove(place.folder / run.suite, run.run_id)
            else:
                _remove_there(place, run, files[run])
    return chosen


def _files_of(place: Place) -> dict[Removed, list[str]]:
    """Every run that has a manifest or a Parquet file, or is half written, with the names of its files."""
    import pyarrow.fs as pafs

    runs: dict[Removed, list[str]] = {}
    for suite in suites_of(place):
        for info in place.filesystem.get_file_info(pafs.FileSelector(place.path(suite))):
            run_id = _run_of(info.base_name) if info.type == pafs.FileType.File else None
            if run_id is not None:
                runs.setdefault(Removed(suite, run_id), []).append(info.base_name)
    return runs


def _run_of(name: str) -> str | None:
    """The run that a file of this name is of, None if it is of none."""
    part = run_of_part(name)
    if part is not None:
        return part
    hidden = _HIDDEN.fullmatch(name)
    if hidden is not None:
        return hidden["run_id"]
    stem, _, kind = name.rpartition(".")
    return stem if not name.startswith(".") and kind in ("json", "parquet") else None


def _remove_there(place: Place, run: Removed, names: Sequence[str]) -> None:
    """The manifest goes first: what is left is then nothing that a reader looks at. Raises `OSError`."""
    for name in sorted(names, key=lambda name: not name.endswith(".json")):
        with suppress(FileNotFoundError):
            place.filesystem.delete_file(place.path(f"{run.suite}/{name}"))


def _named(run_id: str, there: Sequence[Removed], base: str) -> Removed:
    mine = [run for run in there if run.run_id == run_id]
    if not mine:
        hint = near(run_id, [run.run_id for run in there])
        raise UsageError(f"{base}: there is no run {run_id!r}{hint}")
    if len(mine) > 1:
        suites = ", ".join(run.suite for run in mine)
        raise UsageError(f"{base}: suites {suites} have a run {run_id!r}; say which with --suite")
    return mine[0]


def _remove(folder: Path, run_id: str) -> None:
    """Remove what is there of a run, also what writers that were killed left of it.

    The manifest becomes pending first: readers then take what is left for an interrupted write.
    """
    manifest, pending = folder / f"{run_id}.json", folder / pending_manifest_name(run_id)
    with only_one(folder.parent):
        if manifest.exists():
            os.replace(manifest, pending)
        (folder / f"{run_id}.parquet").unlink(missing_ok=True)
        pending.unlink(missing_ok=True)
        for left in folder.iterdir():
            if _run_of(left.name) == run_id and left.is_file():
                left.unlink()
    with suppress(OSError):  # other runs are in it, or it is a link
        folder.rmdir()
