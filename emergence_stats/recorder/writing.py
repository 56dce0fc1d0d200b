"""Where a recording goes: checked before the training, and kept elsewhere if it cannot be written there."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from emergence_stats.errors import TraceError
from emergence_stats.recorder.missing import described
from emergence_stats.recorder.recording import Recording
from emergence_stats.recorder.values import table_of
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.places import local_folder, locate
from emergence_stats.traces.scan import manifest_bytes
from emergence_stats.traces.write import NO_FILE_YET, prepare_run, write_run


def check_destination(store: str | Path, fields: Mapping[str, Any]) -> None:
    """Raise `TraceError` if a run with these fields of a manifest could not be written into the store."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest(**{**fields, "created": now, "rows": 0, "sha256": NO_FILE_YET})
    prepare_run(store, table_of([]), manifest)
    base = local_folder(store)
    if base is None:
        locate(store).is_there()  # an address that does not answer is said before the training
        return
    folder = (base / manifest.suite).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise TraceError("this is a file, so that no store can be here", file=there)
    if not os.access(there, os.W_OK | os.X_OK):
        raise TraceError("this folder cannot be written to", file=there)


def earlier(store: str | Path, suite: str, run_id: str) -> dict[str, Any] | None:
    """The manifest of the run of that name which the store has, None if it has none that can be read."""
    with suppress(OSError, ValueError, TraceError):
        found = json.loads(manifest_bytes(locate(store), f"{suite}/{run_id}.json"))
        return found if isinstance(found, dict) else None
    return None


def put_aside(state: Mapping[str, Any]) -> str:
    """Keep a recording that its store did not take, in a temporary file; what to tell the user."""
    for folder in (tempfile.gettempdir(), "."):
        path = None
        try:
            handle, path = tempfile.mkstemp(prefix="recorder-", suffix=".pt", dir=folder)
            with os.fdopen(handle, "wb") as stream:
                torch.save(dict(state), stream)
        except (OSError, RuntimeError):
            if path is not None:
                Path(path).unlink(missing_ok=True)
        else:
            return (
                f"What was recorded is kept in {path}: "
                f"recorder.load_state_dict(torch.load({path!r})), then save again."
            )
    return "What was recorded could not be kept elsewhere either; it is still in the recorder."


def write(
    recording: Recording,
    store: str | Path,
    fields: Mapping[str, Any],
    *,
    own: bool,
    stopped: BaseException | None = None,
) -> Manifest | None:
    """Write a recording as the run that `fields` of its manifest name.

    `own`: whether a run of that name in the store is an earlier state of this one. `stopped`: why the training did
    not come to its end. None, and nothing is written, if that would replace a run of another recording by nothing, or a
    whole one by one that stopped, which is put aside; and for one that stopped before anything was recorded.
    Raises `TraceError` or `OSError` if it cannot be written; it is then put aside, which a note of the error says.
    """
    run_id = fields["run_id"]
    further: dict[str, Any] = {"seconds_recording": round(recording.seconds, 3)}
    try:
        there = earlier(store, fields["suite"], run_id)
        if stopped is not None:
            further["stopped"] = {"last_step": recording.last, "error": described(stopped)}
            if not recording.rows:
                recording.missing.note(
                    "stopped",
                    f"the training stopped ({described(stopped)}) before anything was recorded; no run is written",
                    each=True,
                )
                return None
            if there is not None and "stopped" not in there and not own:
                kept = put_aside(recording.state_dict())
                recording.missing.note(
                    "stopped",
                    f"the training stopped ({described(stopped)}), and the store has a whole run {run_id!r}, which "
                    f"stays. {kept}",
                    each=True,
                )
                return None
        elif there is not None and not own:
            if not recording.rows:
                text = f"nothing was recorded; the run {run_id!r} that the store has stays"
                recording.missing.note("nothing", text, each=True)
                return None
            recording.missing.note(
                "replaced",
                f"run {run_id!r} of suite {fields['suite']!r} was in the store, written {there.get('created')}, and is "
                "replaced by this recording",
            )
        if not recording.rows:
            recording.missing.note("nothing", "the run has no values: nothing was recorded")
        further |= recording.missing.further()
        written = write_run(store, recording.table(), **fields, further=further)
    except Exception as error:
        error.add_note(put_aside(recording.state_dict()))
        raise
    if stopped is not None:
        recording.missing.note(
            "stopped",
            f"the training stopped ({described(stopped)}). What was recorded so far is written as run {run_id!r}, "
            "which is read as any other until it is replaced or removed",
            each=True,
        )
    return written
