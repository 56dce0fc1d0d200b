"""What git says about a lock: a chain of digests can be made anew, but not where others have the commits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration.lock import Registration
from emergence_stats.support.git import History, Version


def lost_entries(registration: Registration, history: History) -> Iterator[str]:
    """Entries that a committed version of the lock had, and that are not where they were; a line each."""
    now = [entry["digest"] for entry in registration.entries]
    told: set[str] = set()
    for version in reversed(history.versions(registration.path.name)):  # oldest first
        before = entries_of(version)
        for place, (digest, registered) in enumerate(before):
            if digest in now[place : place + 1] or digest in told:
                continue
            told.add(digest)
            yield (
                f"the lock: entry {place + 1} of commit {version.commit[:12]}, registered {registered}, is "
                "gone or was replaced; restore the file from version control"
            )


def doubts_about(registration: Registration, history: History) -> Iterator[str]:
    """What git says against the latest entry, as far as the clone goes back.

    A revision that is gone is no doubt where the entry itself is committed: squashed and rebased commits are others.
    """
    if first_commit(registration, len(registration.entries) - 1, history) is None:
        yield from _lost_revision(registration, history)


def notes_on(registration: Registration, history: History) -> Iterator[str]:
    """What a reader should know of the history, a line each."""
    if history.is_unreadable:
        yield (
            "there is a repository, but git does not read it (is git installed, and the folder yours?), so that commits "
            "show nothing of the lock"
        )
    elif not history.is_known:
        yield "the lock is in no git repository, so that nothing would show if it were made anew"
    elif history.is_shallow:
        yield "this clone is shallow (git fetch --unshallow), so that commits show little of the lock"
    if first_commit(registration, len(registration.entries) - 1, history) is not None:
        yield from _lost_revision(registration, history)


def _lost_revision(registration: Registration, history: History) -> Iterator[str]:
    revision = registration.latest.get("git_commit")
    if revision is None or not history.is_known or history.is_shallow:
        return
    if not history.holds(revision):
        yield (
            f"registered at revision {revision[:12]}, which the history of this repository does not hold"
        )


def removed_lock(loaded: Loaded) -> Iterator[str]:
    """That commits hold a lock where there is none now."""
    held = [v for v in loaded.history.versions(loaded.source.lock.name) if entries_of(v)]
    if held:
        yield (
            f"there is no lock, but commit {held[0].commit[:12]} holds one; restore it with `git checkout "
            f"{held[0].commit[:12]} -- {loaded.source.lock}`"
        )


def first_commit(registration: Registration, number: int, history: History) -> Version | None:
    """The oldest commit whose lock holds the entry with this number, from 0; None if none does."""
    digest = registration.entries[number]["digest"]
    versions = reversed(history.versions(registration.path.name))
    holding = (v for v in versions if digest in [known for known, _ in entries_of(v)])
    return next(holding, None)


def entries_of(version: Version) -> list[tuple[str, str]]:
    """Digest and time of each entry of a committed lock; none if it was removed, or is no lock."""
    return list(_entries_in(version.content or b"{}"))


@cache  # commits are asked for again and again, and do not change
def _entries_in(content: bytes) -> tuple[tuple[str, str], ...]:
    try:
        entries = json.loads(content).get("entries", [])
        return tuple((str(entry["digest"]), str(entry["registered"])) for entry in entries)
    except (ValueError, TypeError, KeyError, AttributeError):
        return ()
