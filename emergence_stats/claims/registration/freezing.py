"""Append a registration to a lock, or an authority's timestamp to a registration."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration.canonical import digest
from emergence_stats.claims.registration.history import lost_entries, removed_lock
from emergence_stats.claims.registration.lock import LOCK_VERSION, Registration, read_lock
from emergence_stats.claims.registration.plan import (
    current_plan,
    deciding_code,
    held_files,
    libraries,
)
from emergence_stats.claims.registration.seen import Sketch, entry_of
from emergence_stats.claims.registration.state import changes_since
from emergence_stats.core import VERSION
from emergence_stats.errors import RegistrationError, UsageError
from emergence_stats.support.files import only_one, write_whole
from emergence_stats.support.git import revision
from emergence_stats.support.words import visible
from emergence_stats.traces.format import Manifest

if TYPE_CHECKING:
    from emergence_stats.support.timestamps import Timestamp


def register(
    loaded: Loaded,
    seen: Iterable[Manifest],
    store: str,
    values: Mapping[str, Sketch] | None = None,
) -> Registration:
    """Append an entry to the lock of a hypothesis, atomically, and return the registration.

    `seen`: the runs of the store. `values`: sketches of some of them, by run_id. If the plan is already the
    registered one, nothing is written: the runs seen stay those of the first time, unless some that are dated before
    it are not among them, as after a registration beside another store. Raises `RegistrationError` if the code of the
    hypothesis read what cannot be frozen, or if commits hold entries that the lock has lost.
    """
    if loaded.source.shipped:
        raise RegistrationError(
            f"{loaded.name} is shipped with emergence-stats, so a registration would lie in the installed package. Copy it from "
            f"{loaded.source.home} with what it imports into the project's hypotheses/, in the same folders ({_places(loaded)}), "
            "and register that"
        )
    with only_one(loaded.source.lock.parent):
        return _append(loaded, seen, store, values or {})


def _places(loaded: Loaded) -> str:
    """The module of a claim and the helpers that it imports, from the folder of the claims."""
    home = loaded.source.home
    files = [p for p in (loaded.source.path, *sorted(loaded.constants.helpers)) if p is not None]
    return ", ".join(p.relative_to(home).as_posix() for p in files if p.is_relative_to(home))


def _append(
    loaded: Loaded, seen: Iterable[Manifest], store: str, values: Mapping[str, Sketch]
) -> Registration:
    registration = read_lock(loaded.source.lock)
    lost = (
        removed_lock(loaded) if registration is None else lost_entries(registration, loaded.history)
    )
    for line in lost:
        raise RegistrationError(
            f"{loaded.name}: {line}. A lock that is made anew does not take its place; if that is meant, give the "
            "hypothesis another name"
        )
    from emergence_stats.claims.registration.cells import cells_digest  # imports scipy

    plan = current_plan(loaded)
    if plan.unfrozen:
        raise RegistrationError(
            f"{loaded.name}: the code of the claim {plan.unfrozen[0]}; a registration cannot freeze that. Leave it "
            "to the traces, or put what it needs beside the module"
        )
    seen = list(seen)
    if registration is not None and not registration.is_closed and not registration.lacks(seen):
        changes = changes_since(registration.latest, loaded, plan)
        if next(changes, None) is None:
            return registration
    entries = list(registration.entries) if registration else []
    entry: dict[str, Any] = {
        "registered": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": revision(loaded.source.lock.parent),
        "store": store,
        "core": VERSION,
        "cells": cells_digest(),
        "plan": plan.digest,
        "declaration": plan.declaration,
        "code": plan.code,
        "read": plan.read,
        "held": held_files(loaded),
        "libraries": libraries(loaded),
        "deciding": deciding_code(),
        "runs": sorted((entry_of(m, values) for m in seen), key=lambda run: run["run_id"]),
        "previous": entries[-1]["digest"] if entries else "",
    }
    entry["digest"] = digest(entry)
    entries.append(entry)
    timestamps = registration.timestamps if registration else {}
    return _write(loaded, Registration(loaded.source.lock, tuple(entries), timestamps))


CORE = "emergence_stats/core/"


def recompute(loaded: Loaded, same: Callable[[], str | None]) -> Registration:
    """Take over a change of the core's source that moves no number, and return the registration.

    What it says of a fixed set of simulated values has to be what the latest entry holds (`cells`), and `same` has to find
    that the runs which are there give the recorded numbers: it says what differs, or None. Then an entry is appended with
    the new digests and the time of the one before, and when it was recomputed. Raises `RegistrationError` if
    more than the core changed, or a number did.
    """
    from emergence_stats.claims.registration.cells import cells_digest, is_of_cells

    with only_one(loaded.source.lock.parent):
        registration = read_lock(loaded.source.lock)
        if registration is None:
            raise RegistrationError(
                f"{loaded.name} is not registered, so there is nothing to recompute"
            )
        before, plan = registration.latest, current_plan(loaded)
        changes = list(changes_since(before, loaded, plan))
        if not changes:
            return registration
        others = [line for line in changes if not line.startswith(f"source {CORE}")]
        if others:
            raise RegistrationError(
                f"{loaded.name}: more than the core changed ({others[0]}); register it again"
            )
        if before.get("cells") is None:
            raise RegistrationError(
                f"{loaded.name}: its registration holds nothing to compare the core with"
            )
        if not is_of_cells(before["cells"]):
            raise RegistrationError(
                f"{loaded.name}: the core says something else of the simulated values that the registration holds; register it "
                "again"
            )
        differing = same()
        if differing is not None:
            raise RegistrationError(f"{loaded.name}: {differing}; register it again")
        entry = {k: v for k, v in before.items() if k != "digest"} | {
            "core": VERSION,
            "cells": cells_digest(),
            "plan": plan.digest,
            "code": plan.code,
            "deciding": deciding_code(),
            "recomputed": datetime.now(UTC).isoformat(timespec="seconds"),
            "runs": [],
            "git_commit": revision(loaded.source.lock.parent),
            "previous": before["digest"],
        }
        entry["digest"] = digest(entry)
        entries = (*registration.entries, entry)
        return _write(loaded, Registration(loaded.source.lock, entries, registration.timestamps))


def close(loaded: Loaded, why: str) -> Registration:
    """Close the study of a lock: what is registered after it is another study, and no amendment.

    The entry repeats the latest one, with `why` in words. Raises `RegistrationError` without a registration, for one that
    is closed already, for a plan that was amended and not registered again, and for words that are none.
    """
    with only_one(loaded.source.lock.parent):
        registration = read_lock(loaded.source.lock)
        if registration is None:
            raise RegistrationError(
                f"{loaded.name} is not registered, so there is nothing to close"
            )
        if registration.is_closed:
            raise RegistrationError(
                f"{loaded.name}: its study is closed already ({visible(registration.latest['closed'])})"
            )
        if not why.strip():
            raise RegistrationError(f"{loaded.name}: say why its study is closed")
        changes = list(changes_since(registration.latest, loaded, current_plan(loaded)))
        if changes:
            raise RegistrationError(
                f"{loaded.name}: its plan was amended ({changes[0]}); undo that, so that what is closed is what was registered"
            )
        entry = {k: v for k, v in registration.latest.items() if k != "digest"} | {
            "closed": why.strip(),
            "closed_on": datetime.now(UTC).isoformat(timespec="seconds"),
            "git_commit": revision(loaded.source.lock.parent),
            "previous": registration.latest["digest"],
        }
        entry["digest"] = digest(entry)
        entries = (*registration.entries, entry)
        return _write(loaded, Registration(loaded.source.lock, entries, registration.timestamps))


def add_timestamp(
    loaded: Loaded, authority: str, roots: Sequence[Path] = ()
) -> tuple[Registration, Timestamp]:
    """Have the authority at a URL stamp the latest entry of a lock, and keep its answer beside the entry.

    With `roots` (PEM files of the authorities that are trusted) the answer is verified first. Raises `UsageError`
    if there is no answer, or it is not to be trusted; `RegistrationError` without a registration.
    """
    from emergence_stats.support.timestamps import (
        read_timestamp,
        request_timestamp,
        verify_timestamp,
    )

    registration = read_lock(loaded.source.lock)
    if registration is None:
        raise RegistrationError(f"{loaded.name} is not registered, so there is nothing to stamp")
    entry = registration.latest["digest"]
    response = request_timestamp(entry, authority)
    try:
        stamp = verify_timestamp(response, entry, roots) if roots else read_timestamp(response)
    except ValueError as error:
        raise UsageError(
            f"{visible(authority)}: its timestamp is not to be trusted ({error}); nothing was kept. Name "
            "another authority, or the certificates of this one"
        ) from None
    kept = {"authority": authority, "response": base64.b64encode(response).decode()}
    with only_one(loaded.source.lock.parent):
        registration = read_lock(loaded.source.lock) or registration
        stamps = dict(registration.timestamps)
        stamps[entry] = [*stamps.get(entry, ()), kept]
        return _write(loaded, replace(registration, timestamps=stamps)), stamp


def _write(loaded: Loaded, registration: Registration) -> Registration:
    lock: dict[str, Any] = {
        "lock_version": LOCK_VERSION,
        "name": loaded.name,
        "entries": registration.entries,
    }
    if registration.timestamps:
        lock["timestamps"] = registration.timestamps
    write_whole(registration.path, json.dumps(lock, indent=1, sort_keys=True) + "\n")
    return registration
