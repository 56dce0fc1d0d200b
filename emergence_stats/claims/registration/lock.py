"""The lock beside a hypothesis module (``top_down.lock``): its registrations, oldest first.

It is append-only: each entry holds the digest of the one before, so an edited or removed entry breaks the chain.
What an entry holds:

declaration   canonical JSON of the `Hypothesis`: sorted keys, NFC, no NaN, functions as
              module:name with their keyword defaults
code          sha256 by file, line ends normalised, of the defining module and of what it imports from beside it
              and from this package, directly or not (`source`). Byte for byte, so a comment counts
read          sha256 by file of what its code read besides when it was tried: data, computed imports
plan          the digest of these three
held          sha256 by file of what else lies beside it, for code that runs only when there are runs. Not part of the plan
libraries     versions of the distributions that it imports. Not part of the plan
deciding      sha256 by file of the modules of this package that decide every verdict. Not part of the plan
runs          the runs that the store held: their identity, so that data seen cannot come back as
              unseen under another name, the files that they were imported from, and a sketch of their values

An entry with `recomputed` (when) takes over a change of this package's core, which was found to give the same numbers; it lists
no runs, since those of the entries before it stay seen.

An entry with `closed` ends a study: it repeats the one before, and says by what words the study was closed, and when
(`closed_on`). What is registered after it is another study, no amendment; what the earlier one had seen stays seen.

Beside the entries are trusted timestamps of their digests, if any were asked for (`support.timestamps`).
Entries of the first format have neither `read` nor `deciding` nor sketches. They are checked as they were made.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from emergence_stats.claims.registration.canonical import digest
from emergence_stats.claims.registration.plan import plan_digest
from emergence_stats.claims.registration.seen import (
    Sketch,
    files_of,
    identity,
    is_early,
    says_something,
)
from emergence_stats.errors import RegistrationError
from emergence_stats.traces.format import Manifest

LOCK_VERSION = 2  # of the newest entry that a lock may hold
_READABLE = (1, LOCK_VERSION)
_LATER = {"recomputed", "closed"}  # of an entry that is of the plan before it


@dataclass(frozen=True)
class Registration:
    """The entries of a lock, oldest first, and where they are.

    `timestamps`: by digest of an entry, what authorities answered: each ``authority``, its URL, and ``response``, in
    base64 (`support.timestamps`). They are beside the chain: an entry has to be there before it can be stamped.
    """

    path: Path
    entries: tuple[dict[str, Any], ...]
    timestamps: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)

    @property
    def latest(self) -> dict[str, Any]:
        return self.entries[-1]

    @property
    def is_closed(self) -> bool:
        """Whether the latest entry closes its study."""
        return "closed" in self.latest

    def frozen(self, number: int | None = None) -> dict[str, Any]:
        """The entry that froze the plan of an entry, by default of the latest: one that takes over a change of the core, or
        closes a study, is of the plan before it.
        """
        entries = self.entries if number is None else self.entries[: number + 1]
        own = (e for e in reversed(entries) if not _LATER & e.keys())
        return next(own, entries[0])

    def takes_over(self) -> list[dict[str, Any]]:
        """The entries whose plan is the latest one's but for the core, which was found to give the same numbers."""
        found = []
        for before, after in reversed(list(itertools.pairwise(self.entries))):
            if not _LATER & after.keys():
                break
            found.append(before)
        return found

    def studies(self) -> list[tuple[dict[str, Any], ...]]:
        """The entries of each study, oldest first; the last one may be closed, or not."""
        found: list[list[dict[str, Any]]] = [[]]
        for entry in self.entries:
            if found[-1] and "closed" in found[-1][-1]:
                found.append([])
            found[-1].append(entry)
        return [tuple(study) for study in found]

    def superseded(self) -> str | None:
        """The study before the present one, in words, and how many there were before it; None if this is the first."""
        earlier = self.studies()[:-1]
        if not earlier:
            return None
        closed, more = earlier[-1][-1], len(earlier) - 1
        before = f", and {more} before it" if more else ""
        return f"the study registered {closed['registered'][:10]} and closed {closed['closed_on'][:10]} ({closed['closed']}){before}"

    def saw(self, manifest: Manifest) -> bool:
        """Whether this plan or an earlier one had seen this run, under this name or another."""
        known = self._seen
        if not self._files.isdisjoint(files_of(manifest)):
            return True
        return any(value in known.get(field, ()) for field, value in identity(manifest).items())

    def lacks(self, runs: Iterable[Manifest]) -> bool:
        """Whether some of these runs are dated before the latest entry, and no entry lists them."""
        registered = self.latest["registered"]
        return any(is_early(run, registered) and not self.saw(run) for run in runs)

    @cached_property
    def _seen(self) -> dict[str, set[str]]:
        runs = [run for entry in self.entries for run in entry["runs"]]
        # Entries of older versions have no `training`.
        fields = {field for run in runs for field in run} - {"values", "files"}
        return {field: {run[field] for run in runs if field in run} for field in fields}

    @cached_property
    def _files(self) -> frozenset[str]:
        """Hashes of all files that runs seen were imported from."""
        return frozenset(
            one for entry in self.entries for run in entry["runs"] for one in run.get("files", ())
        )

    @cached_property
    def sketches(self) -> dict[str, Sketch]:
        """Values of the runs seen, by run_id, as far as entries keep them and they can tell runs apart."""
        return {
            run["run_id"]: run["values"]
            for entry in self.entries
            for run in entry["runs"]
            if says_something(run.get("values", {}))
        }


def read_lock(path: Path) -> Registration | None:
    """The registration in `path`, None if there is no file.

    Raises `RegistrationError` for a lock that does not parse or whose chain is broken.
    """
    return _registration(path, path.read_bytes()) if path.exists() else None


@lru_cache(maxsize=64)  # a report asks three times for each claim
def _registration(path: Path, data: bytes) -> Registration:
    """What a lock with these bytes holds, its chain verified. Raises `RegistrationError`."""
    fix = "restore it from version control"
    try:
        lock = json.loads(data.decode("utf-8"))
        entries = tuple(lock["entries"])
        timestamps = {
            str(entry): [{k: str(one[k]) for k in ("authority", "response")} for one in some]
            for entry, some in lock.get("timestamps", {}).items()
        }
        if lock["lock_version"] not in _READABLE:
            raise RegistrationError(
                f"{path}: lock_version {lock['lock_version']!r} is none of {_READABLE}; a newer version of "
                "this package may have written it"
            )
        before = ""
        for number, entry in enumerate(entries, 1):
            content = {k: v for k, v in entry.items() if k != "digest"}
            if entry["previous"] != before or entry["digest"] != digest(content):
                raise RegistrationError(
                    f"{path}: entry {number} was altered after it was registered; {fix}"
                )
            before = entry["digest"]
            if entry["plan"] != plan_digest(entry["declaration"], entry["code"], entry.get("read")):
                raise RegistrationError(f"{path}: entry {number}: its plan digest is wrong; {fix}")
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise RegistrationError(f"{path}: not a registration ({error!r}); {fix}") from None
    if not entries:
        raise RegistrationError(f"{path}: the lock has no entry; {fix}")
    for number, entry in enumerate(entries, 1):
        wrong = _wrong_field(entry)
        if wrong is not None:
            raise RegistrationError(
                f"{path}: entry {number}: {wrong} is not as it is written; {fix}"
            )
    return Registration(path, entries, timestamps)


def _wrong_field(entry: Mapping[str, Any]) -> str | None:
    """The first field of an entry that is not of its type: digests that are right say nothing of that."""
    try:
        datetime.fromisoformat(entry["registered"])
    except (ValueError, TypeError, KeyError):
        return "registered"
    for name in ("code", "read", "held", "libraries", "deciding"):
        table = entry.get(name, {})
        if not _is_table(table):
            return name
        if name in ("read", "held") and any(
            PurePosixPath(file).is_absolute() or ".." in file.split("/") for file in table
        ):
            return f"{name}, which names files outside the project,"
    if "closed" in entry or "closed_on" in entry:
        try:
            datetime.fromisoformat(entry["closed_on"])
        except (ValueError, TypeError, KeyError):
            return "closed_on"
        if not isinstance(entry.get("closed"), str):
            return "closed"
    for name in ("git_commit", "core", "cells", "recomputed"):
        if not isinstance(entry.get(name), str | None):
            return name
    runs = entry.get("runs")
    if not isinstance(runs, list) or not all(
        isinstance(run, dict) and "run_id" in run for run in runs
    ):
        return "runs"
    for run in runs:
        if not _is_table({k: v for k, v in run.items() if k not in ("values", "files")}):
            return "runs"
        files = run.get("files", [])
        if not isinstance(files, list) or not all(isinstance(one, str) for one in files):
            return "files of runs"
        values = run.get("values", {})
        if not isinstance(values, dict) or not all(
            isinstance(x, int | float) for x in values.values()
        ):
            return "values of runs"
    return None


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
