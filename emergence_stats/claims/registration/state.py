"""How a hypothesis relates to its lock: what differs, file by file, and what makes the lock itself doubtful."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration.canonical import canonical
from emergence_stats.claims.registration.history import (
    doubts_about,
    lost_entries,
    notes_on,
    removed_lock,
)
from emergence_stats.claims.registration.lock import Registration, read_lock
from emergence_stats.claims.registration.plan import Plan, current_plan, deciding_code, read_now


@dataclass(frozen=True)
class State:
    """How a hypothesis relates to its lock.

    `status`: "registered" (plan as in the latest entry), "amended" or "unregistered".
    `changes`: what differs from the latest entry, or was taken out of the lock, one line each. `doubts`: what
    makes the entry itself less certain, one line each; they are deviations. `notes`: what changed since and
    could matter, one line each; verdicts show whether it did.
    """

    status: str
    registration: Registration | None
    changes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def state_of(loaded: Loaded) -> State:
    """The state now, by what the code of the hypothesis has read so far.

    Raises `RegistrationError` for a lock that was altered, or source that cannot be frozen.
    """
    registration = read_lock(loaded.source.lock)
    if registration is None:
        return State("unregistered", None, notes=tuple(removed_lock(loaded)))
    plan = current_plan(loaded)
    if registration.is_closed and any(changes_since(registration.latest, loaded, plan)):
        return State("unregistered", None, notes=(_closed(registration.latest),))
    changes = [
        *changes_since(registration.latest, loaded, plan),
        *lost_entries(registration, loaded.history),
    ]
    return State(
        "amended" if changes else "registered",
        registration,
        tuple(changes),
        tuple(doubts_about(registration, loaded.history)),
        (
            *((_closed(registration.latest),) if registration.is_closed else ()),
            *_notes(registration.latest, loaded),
            *notes_on(registration, loaded.history),
        ),
    )


def _closed(entry: Mapping[str, Any]) -> str:
    return f"the study that was registered {entry['registered']} was closed on {entry['closed_on'][:10]}: {entry['closed']}"


def changes_since(entry: Mapping[str, Any], loaded: Loaded, plan: Plan) -> Iterator[str]:
    """How the plan of a hypothesis differs from an entry of its lock, a line each."""
    yield from differences(entry["declaration"], plan.declaration)
    yield from _of_files("source", entry["code"], plan.code)
    read, held = entry.get("read", {}), entry.get("held", {})
    yield from _of_files("file", read, read_now(loaded, read))
    for name, sha in plan.read.items():
        if name in read or held.get(name) == sha:
            continue
        if name in held:
            yield f"file {name}: changed"
        else:
            yield f"file {name}: read by the code of the claim, and not part of the registration"
    for what in plan.unfrozen:
        yield f"the code of the claim {what}, which no registration holds"


def _of_files(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            both = name in before and name in after
            yield f"{kind} {name}: {'changed' if both else 'added' if name in after else 'gone'}"


def _notes(entry: Mapping[str, Any], loaded: Loaded) -> Iterator[str]:
    held = {name: sha for name, sha in entry.get("held", {}).items() if name not in entry["read"]}
    beside = read_now(loaded, held)
    for name, before in held.items():
        if beside.get(name) != before:
            yield (
                f"{name}, beside the claim, {'changed' if name in beside else 'is gone'} since the registration; its code "
                "was not seen to read it"
            )
    now = deciding_code()
    for name, before in sorted(entry.get("deciding", {}).items()):
        if name not in entry["code"] and now.get(name) != before:
            yield f"{name}, which takes part in every verdict, changed since the registration"
    for name, before in sorted(entry.get("libraries", {}).items()):
        found = _version(name)
        if found != before:
            yield f"{name} {before} when it was registered, {found or 'not installed'} now"


@cache
def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def differences(old: Any, new: Any, at: str = "") -> list[str]:
    """Changed fields, as ``predictions.order.region.hi: -0.3 -> -0.2``."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted(old.keys() | new.keys()):
            lines += differences(old.get(key), new.get(key), f"{at}.{key}" if at else key)
        return lines
    lists = isinstance(old, list) and isinstance(new, list) and old and new
    if lists and all(isinstance(item, dict) and "name" in item for item in old + new):
        old_by_name, new_by_name = ({item["name"]: item for item in x} for x in (old, new))
        return differences(old_by_name, new_by_name, at)
    return [] if old == new else [f"{at}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = canonical(value)
    return text if len(text) <= 60 else text[:57] + "..."
