"""Freeze a hypothesis: what was declared, the source it rests on, and the runs already seen.

A lock lies beside the module (``top_down.lock``). It is append-only: each entry holds the digest
of the one before, so an edited or removed entry breaks the chain. Three digests make an entry:

declaration   canonical JSON of the `Hypothesis`: sorted keys, NFC, no NaN, functions as
              module:name with their keyword defaults
code          bytes, line ends normalised, of the defining module and of what it imports from beside it
              and from this package, directly or not (`source`). Byte for byte, so a comment counts
runs          the runs that the store held: their identity, so that data seen cannot come back as
              unseen under another name
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.source import code_digests
from emergence_stats.errors import HypothesisError, RegistrationError
from emergence_stats.support.files import only_one, write_whole
from emergence_stats.support.git import revision
from emergence_stats.traces.format import Manifest

LOCK_VERSION = 1


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no spaces, NFC. Raises `ValueError` for NaN or infinity."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return unicodedata.normalize("NFC", text)


def digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


# --- runs seen --------------------------------------------------------------------------------


def identity(manifest: Manifest) -> dict[str, str]:
    """What identifies a run: its name, its bytes, what determined it, and what determined its training.

    The last is the same for runs of two suites that train alike and differ in what else they measure,
    which a config holds under `deep`.
    """
    training = {
        "scale": manifest.scale,
        "seed": manifest.seed,
        "config": {k: v for k, v in manifest.config.items() if k != "deep"},
    }
    whole = {**training, "suite": manifest.suite, "config": dict(manifest.config)}
    return {
        "run_id": manifest.run_id,
        "sha256": manifest.sha256,
        "config": digest(whole),
        "training": digest(training),
    }


# --- the lock ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Registration:
    """The entries of a lock, oldest first, and where they are."""

    path: Path
    entries: tuple[dict[str, Any], ...]

    @property
    def latest(self) -> dict[str, Any]:
        return self.entries[-1]

    def saw(self, manifest: Manifest) -> bool:
        """Whether this plan or an earlier one had seen this run, under this name or another."""
        known = self._seen
        return any(value in known.get(field, ()) for field, value in identity(manifest).items())

    @cached_property
    def _seen(self) -> dict[str, set[str]]:
        runs = [run for entry in self.entries for run in entry["runs"]]
        # Entries of older versions have no `training`.
        fields = {field for run in runs for field in run}
        return {field: {run[field] for run in runs if field in run} for field in fields}


def read_lock(path: Path) -> Registration | None:
    """The registration in `path`, None if there is no file.

    Raises `RegistrationError` for a lock that does not parse or whose chain is broken.
    """
    if not path.exists():
        return None
    fix = "restore it from version control"
    try:
        lock = json.loads(path.read_text("utf-8"))
        entries = tuple(lock["entries"])
        if lock["lock_version"] != LOCK_VERSION:
            raise RegistrationError(
                f"{path}: lock_version {lock['lock_version']!r} is not {LOCK_VERSION}"
            )
        before = ""
        for number, entry in enumerate(entries, 1):
            content = {k: v for k, v in entry.items() if k != "digest"}
            if entry["previous"] != before or entry["digest"] != digest(content):
                raise RegistrationError(
                    f"{path}: entry {number} was altered after it was registered; {fix}"
                )
            before = entry["digest"]
            if entry["plan"] != plan_digest(entry["declaration"], entry["code"]):
                raise RegistrationError(f"{path}: entry {number}: its plan digest is wrong; {fix}")
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise RegistrationError(f"{path}: not a registration ({error!r}); {fix}") from None
    if not entries:
        raise RegistrationError(f"{path}: the lock has no entry; {fix}")
    return Registration(path, entries)


def plan_digest(declaration: Any, code: dict[str, str]) -> str:
    """Digest of what is frozen: declaration and code, no time and no data."""
    return digest({"declaration": declaration, "code": code})


@dataclass(frozen=True)
class State:
    """How a hypothesis relates to its lock.

    `status`: "registered" (hash matches the latest entry), "amended" or "unregistered".
    `changes`: what differs from the latest entry, one line each.
    """

    status: str
    registration: Registration | None
    changes: tuple[str, ...] = ()


def state_of(loaded: Loaded) -> State:
    registration = read_lock(loaded.source.lock)
    if registration is None:
        return State("unregistered", None)
    declaration, code = current_plan(loaded)
    if plan_digest(declaration, code) == registration.latest["plan"]:
        return State("registered", registration)
    changes = _differences(registration.latest["declaration"], declaration)
    old = registration.latest["code"]
    for name in sorted(old.keys() | code.keys()):
        if old.get(name) != code.get(name):
            how = "changed" if name in old and name in code else "added" if name in code else "gone"
            changes.append(f"source {name}: {how}")
    return State("amended", registration, tuple(changes))


def current_plan(loaded: Loaded) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        declaration = json.loads(canonical(loaded.hypothesis.declaration()))
        digest(declaration)
    except ValueError as error:  # NaN, infinity, or text that is none
        raise HypothesisError(
            f"{loaded.module.__file__}: the declaration cannot be written down ({error})"
        ) from None
    return declaration, code_digests(Path(str(loaded.module.__file__)))


def _differences(old: Any, new: Any, at: str = "") -> list[str]:
    """Changed fields, as ``predictions.order.region.hi: -0.3 -> -0.2``."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted(old.keys() | new.keys()):
            lines += _differences(old.get(key), new.get(key), f"{at}.{key}" if at else key)
        return lines
    lists = isinstance(old, list) and isinstance(new, list) and old and new
    if lists and all(isinstance(item, dict) and "name" in item for item in old + new):
        old_by_name, new_by_name = ({item["name"]: item for item in x} for x in (old, new))
        return _differences(old_by_name, new_by_name, at)
    return [] if old == new else [f"{at}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = canonical(value)
    return text if len(text) <= 60 else text[:57] + "..."


def register(loaded: Loaded, seen: Iterable[Manifest], store: str) -> Registration:
    """Append an entry to the lock of a hypothesis, atomically, and return the registration.

    If the plan is already the registered one, nothing is written: the runs seen stay those of the
    first time.
    """
    with only_one(loaded.source.lock.parent):
        return _append(loaded, seen, store)


def _append(loaded: Loaded, seen: Iterable[Manifest], store: str) -> Registration:
    registration = read_lock(loaded.source.lock)
    declaration, code = current_plan(loaded)
    plan = plan_digest(declaration, code)
    if registration is not None and registration.latest["plan"] == plan:
        return registration
    entries = list(registration.entries) if registration else []
    entry: dict[str, Any] = {
        "registered": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": revision(loaded.source.lock.parent),
        "store": store,
        "plan": plan,
        "declaration": declaration,
        "code": code,
        "runs": sorted((identity(m) for m in seen), key=lambda run: run["run_id"]),
        "previous": entries[-1]["digest"] if entries else "",
    }
    entry["digest"] = digest(entry)
    entries.append(entry)
    path = loaded.source.lock
    lock = {"lock_version": LOCK_VERSION, "name": loaded.name, "entries": entries}
    write_whole(path, json.dumps(lock, indent=1, sort_keys=True) + "\n")
    return Registration(path, tuple(entries))
