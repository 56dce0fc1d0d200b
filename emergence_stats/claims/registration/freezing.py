"""Append a registration to a lock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration.canonical import digest
from emergence_stats.claims.registration.lock import LOCK_VERSION, Registration, read_lock
from emergence_stats.claims.registration.plan import current_plan, deciding_code
from emergence_stats.claims.registration.seen import Sketch, entry_of
from emergence_stats.claims.registration.state import changes_since
from emergence_stats.errors import RegistrationError
from emergence_stats.support.files import only_one, write_whole
from emergence_stats.support.git import revision
from emergence_stats.traces.format import Manifest


def register(
    loaded: Loaded,
    seen: Iterable[Manifest],
    store: str,
    values: Mapping[str, Sketch] | None = None,
) -> Registration:
    """Append an entry to the lock of a hypothesis, atomically, and return the registration.

    `seen`: the runs of the store. `values`: sketches of some of them, by run_id. If the plan is already the
    registered one, nothing is written: the runs seen stay those of the first time. Raises `RegistrationError`
    if the code of the hypothesis read what cannot be frozen.
    """
    with only_one(loaded.source.lock.parent):
        return _append(loaded, seen, store, values or {})


def _append(
    loaded: Loaded, seen: Iterable[Manifest], store: str, values: Mapping[str, Sketch]
) -> Registration:
    registration = read_lock(loaded.source.lock)
    plan = current_plan(loaded)
    if plan.unfrozen:
        raise RegistrationError(
            f"{loaded.name}: the code of the claim {plan.unfrozen[0]}; a registration cannot freeze that. Leave it "
            "to the traces, or put what it needs beside the module"
        )
    if registration is not None and not list(changes_since(registration.latest, loaded, plan)):
        return registration
    entries = list(registration.entries) if registration else []
    entry: dict[str, Any] = {
        "registered": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": revision(loaded.source.lock.parent),
        "store": store,
        "plan": plan.digest,
        "declaration": plan.declaration,
        "code": plan.code,
        "read": plan.read,
        "deciding": deciding_code(),
        "runs": sorted((entry_of(m, values) for m in seen), key=lambda run: run["run_id"]),
        "previous": entries[-1]["digest"] if entries else "",
    }
    entry["digest"] = digest(entry)
    entries.append(entry)
    path = loaded.source.lock
    lock = {"lock_version": LOCK_VERSION, "name": loaded.name, "entries": entries}
    write_whole(path, json.dumps(lock, indent=1, sort_keys=True) + "\n")
    return Registration(path, tuple(entries))
