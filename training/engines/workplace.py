"""Where a run lies until it is in its store.

A store on this machine's disk keeps unfinished runs itself, in hidden folders. One elsewhere has a folder here: unfinished
runs are saved in it, and a run that is whole is written into its outbox, sent, and only then removed. So a place that does not
answer loses nothing: the next collection sends what is left.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emergence_stats.errors import CollectError, TraceError, UsageError
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.places import kept_here, local_folder, locate
from emergence_stats.traces.remote import send
from emergence_stats.traces.remove import remove_runs
from emergence_stats.traces.store import RunFile, Store
from emergence_stats.traces.write import write_run


@dataclass(frozen=True)
class Workplace:
    """`store`: a folder or URI; `scratch`: a folder of this machine for what is not whole; `outbox`: a store of runs that are
    whole and on their way, None where the store itself is on this machine.
    """

    store: str
    scratch: Path
    outbox: Path | None

    @classmethod
    def of(
        cls, store: str | os.PathLike[str], scratch: str | os.PathLike[str] | None = None
    ) -> Workplace:
        """`scratch`: by default the store itself, or `kept_here` for one elsewhere."""
        folder = local_folder(store)
        if folder is not None:
            return cls(os.fspath(store), folder if scratch is None else Path(scratch), None)
        uri = os.fspath(store)
        base = Path(scratch) if scratch is not None else kept_here(uri)
        return cls(uri, base, base / "outbox")

    def write(self, table: Any, **fields: Any) -> Manifest:
        """Write a run, as `write_run`. Raises `CollectError` if a store elsewhere does not take it: it is kept then."""
        manifest = write_run(self.outbox or self.store, table, **fields)
        if self.outbox is not None:
            self._send(manifest.run_id)
        return manifest

    def send_what_is_left(self) -> list[str]:
        """Send the runs that an earlier collection could not; their names. Raises `CollectError`."""
        if self.outbox is None or not self.outbox.is_dir():
            return []
        left = [file.manifest for file in Store.open(self.outbox).readable]
        for run in left:
            self._send(run.run_id)
            shutil.rmtree(self.scratch / run.suite / f".{run.run_id}.partial", ignore_errors=True)
        return [run.run_id for run in left]

    def _send(self, run_id: str) -> None:
        assert self.outbox is not None
        file = next(
            (f for f in Store.open(self.outbox).readable if f.manifest.run_id == run_id), None
        )
        if file is None:
            return  # another process has sent it
        try:
            send_run(file, self.store)
        except (OSError, TraceError) as error:
            raise CollectError(
                f"run {run_id} is whole, but {self.store} does not take it ({error}). It is kept in {self.outbox}; collect "
                "again to send it"
            ) from None
        with suppress(UsageError):  # another process has sent it too
            remove_runs(self.outbox, [run_id])


def send_run(file: RunFile, uri: str) -> None:
    """Write a run of a store on this machine into a store elsewhere. Raises `OSError` or `TraceError`."""
    send(locate(uri), Path(file.path), file.manifest, secrets.token_hex(8)).publish()
