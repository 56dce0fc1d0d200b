"""Freeze a hypothesis: what was declared, the source it rests on, and the runs already seen.

A lock lies beside the module (``top_down.lock``). It is append-only: each entry holds the digest
of the one before, so an edited or removed entry breaks the chain. Three digests make an entry:

declaration   canonical JSON of the `Hypothesis`: sorted keys, NFC, no NaN, functions as
              module:name with their keyword defaults
code          bytes, line ends normalised, of the defining module and of the modules beside it and
              of this package that it imports, directly or not. Byte for byte, so a comment counts
runs          the runs that the store held: their identity, so that data seen cannot come back as
              unseen under another name
"""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from emergence_stats import exports
from emergence_stats.errors import RegistrationError
from emergence_stats.files import write_whole
from emergence_stats.project import Loaded
from emergence_stats.schema import Manifest

LOCK_VERSION = 1
_PACKAGE = Path(__file__).parent


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no spaces, NFC. `ValueError` for NaN or infinity."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return unicodedata.normalize("NFC", text)


def digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


# --- the source a hypothesis rests on ---------------------------------------------------------


def code_digests(path: Path) -> dict[str, str]:
    """sha256 by file of `path` and all that it imports from its folder and this package.

    Names are relative to the folder that holds the module's folder, or begin with
    ``emergence_stats/``.
    """
    found: dict[Path, str] = {}
    waiting = [path.resolve()]
    folder = path.resolve().parent
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        source = file.read_bytes().replace(b"\r\n", b"\n")
        found[file] = hashlib.sha256(source).hexdigest()
        waiting += _imports(source, file, folder)
    return {
        (
            f"emergence_stats/{file.relative_to(_PACKAGE).as_posix()}"
            if file.is_relative_to(_PACKAGE)
            else f"{folder.name}/{file.relative_to(folder).as_posix()}"
        ): sha
        for file, sha in sorted(found.items())
    }


@cache  # the hypotheses of a report rest on the same modules
def _imports(source: bytes, file: Path, folder: Path) -> tuple[Path, ...]:
    """Modules of `folder` and of this package that a module imports."""
    return tuple(_imported(ast.parse(source, str(file)), file.parent, folder))


def _imported(tree: ast.AST, here: Path, folder: Path) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _modules(alias.name, None, folder)
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if node.level:
                base = here if node.level == 1 else here.parents[node.level - 2]
                stem = (node.module or "").replace(".", "/")
                for candidate in [stem] if stem else names:
                    if (base / f"{candidate}.py").is_file():
                        yield (base / f"{candidate}.py").resolve()
            else:
                yield from _modules(node.module or "", names, folder)


def _modules(module: str, names: list[str] | None, folder: Path) -> Iterator[Path]:
    """Files behind ``import module`` (names None) or ``from module import names``."""
    if module == "emergence_stats":
        public = exports.MODULES
        # `from emergence_stats import x` and `es.x` go through the package's lazy table.
        wanted = set(public.values()) if names is None else {public.get(n, n) for n in names}
        for name in sorted(wanted):
            if (_PACKAGE / f"{name}.py").is_file() and name not in exports.NOT_ANALYSIS:
                yield _PACKAGE / f"{name}.py"
    elif module.startswith("emergence_stats."):
        name = module.removeprefix("emergence_stats.")
        if name not in exports.NOT_ANALYSIS and (_PACKAGE / f"{name}.py").is_file():
            yield _PACKAGE / f"{name}.py"
    elif module and (folder / f"{module}.py").is_file():
        yield (folder / f"{module}.py").resolve()


# --- runs seen --------------------------------------------------------------------------------


def identity(manifest: Manifest) -> dict[str, str]:
    """By what a run is known again: its name, its bytes, what determined it, and what its training did.

    The last holds for runs of two suites that train alike and differ in what else they measure, which a
    config says under `deep`.
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
    """The registration in `path`, None where there is no file.

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
    """How a hypothesis stands to its lock.

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
    declaration = json.loads(canonical(loaded.hypothesis.declaration()))
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
    """Append an entry to the lock of a hypothesis and return it; atomic.

    Where the plan is the one already registered, nothing is written: the runs seen stay those of
    the first time.
    """
    registration = read_lock(loaded.source.lock)
    declaration, code = current_plan(loaded)
    plan = plan_digest(declaration, code)
    if registration is not None and registration.latest["plan"] == plan:
        return registration
    entries = list(registration.entries) if registration else []
    entry: dict[str, Any] = {
        "registered": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": _git_commit(loaded.source.lock.parent),
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


def _git_commit(folder: Path) -> str | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
