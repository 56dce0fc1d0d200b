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
from typing import Any, NamedTuple

from emergence_stats.errors import CollectError, TraceError, UsageError
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.places import destination, is_uri, kept_here, local_folder, locate
from emergence_stats.traces.remote import send
from emergence_stats.traces.remove import remove_runs
from emergence_stats.traces.store import RunFile, Store
from emergence_stats.traces.write import write_run

_FOR = "for.txt"  # in an outbox: the store whose runs it has


class Left(NamedTuple):
    """Of an outbox: names of the runs that were sent now, and what is wrong with what stays."""

    sent: list[str]
    faults: list[str]


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
        """`scratch`: by default the store itself, or a folder of this user for one elsewhere.

        Raises `UsageError` if there is no such folder.
        """
        if scratch is not None and not os.fspath(scratch):
            raise UsageError("--scratch is empty: name a folder of this machine")
        if scratch is not None and is_uri(scratch):
            raise UsageError(f"--scratch {scratch}: it is a folder of this machine, and no address")
        if scratch is not None and Path(scratch).exists() and not Path(scratch).is_dir():
            raise UsageError(f"--scratch {scratch} is a file: name a folder of this machine")
        folder = local_folder(store)
        if folder is not None:
            return cls(os.fspath(store), folder if scratch is None else Path(scratch), None)
        uri = os.fspath(store)
        base = Path(scratch) if scratch is not None else _kept_for(uri)
        return cls(uri, base, base / "outbox")

    def write(self, table: Any, **fields: Any) -> Manifest:
        """Write a run, as `write_run`. Raises `CollectError` if a store elsewhere does not take it: it is kept then."""
        if self.outbox is not None:
            self._label()
        manifest = write_run(self.outbox or self.store, table, **fields)
        if self.outbox is not None:
            self._label()  # again: another process may have found the outbox empty
            self._send(manifest.run_id)
            self._unlabel()
        return manifest

    def _label(self) -> None:
        """Say in the outbox whose runs it has. Raises `CollectError` if they are another store's."""
        assert self.outbox is not None
        mark, mine, other = self.outbox / _FOR, destination(self.store), None
        with suppress(FileNotFoundError):  # also where another process has just emptied the outbox
            other = mark.read_text("utf-8").strip()
        if other == mine:
            return
        if other is not None and self._kept():
            raise CollectError(
                f"{self.outbox} keeps runs for {other}, and not for {self.store}. Collect into that store again to send them, "
                "or name another folder with --scratch"
            )
        self.outbox.mkdir(parents=True, exist_ok=True)
        hidden = self.outbox / f".{_FOR}.{secrets.token_hex(4)}.writing"
        hidden.write_text(f"{mine}\n", "utf-8")
        os.replace(hidden, mark)  # whole: other processes of this collection read it

    def _unlabel(self) -> None:
        assert self.outbox is not None
        if not self._kept():
            (self.outbox / _FOR).unlink(missing_ok=True)

    def _kept(self) -> bool:
        assert self.outbox is not None
        return any(path.suffix in (".json", ".parquet") for path in self.outbox.glob("*/*"))

    def send_what_is_left(self) -> Left:
        """Send the runs that an earlier collection could not. Raises `CollectError`, also if they are another store's."""
        if self.outbox is None or not self.outbox.is_dir():
            return Left([], [])
        self._label()
        outbox = Store.open(self.outbox)
        left = [file.manifest for file in outbox.readable]
        for run in left:
            self._send(run.run_id)
            shutil.rmtree(self.scratch / run.suite / f".{run.run_id}.partial", ignore_errors=True)
        self._unlabel()
        return Left([run.run_id for run in left], list(map(str, outbox.faults)))

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


def _kept_for(uri: str) -> Path:
    """Where runs for a store elsewhere are kept on this machine. Raises `UsageError` where no folder of the user is known."""
    try:
        return kept_here(uri)
    except RuntimeError:  # as of a user whom the system does not know, in a container
        raise UsageError(
            f"there is no home directory to keep runs for {uri} in until they are there; set XDG_STATE_HOME, or name a folder with --scratch"
        ) from None


def send_run(file: RunFile, uri: str) -> None:
    """Write a run of a store on this machine into a store elsewhere. Raises `OSError` or `TraceError`."""
    send(locate(uri), Path(file.path), file.manifest, secrets.token_hex(8)).publish()
