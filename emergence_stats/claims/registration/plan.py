"""What a registration freezes: the declaration, the source that it rests on, and what its code reads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from emergence_stats.claims.origins import packages
from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration.canonical import canonical, digest
from emergence_stats.claims.source import code_digests, imported_names
from emergence_stats.errors import HypothesisError, RegistrationError

_PACKAGE = Path(__file__).parents[2]
_MOST_HELD = 1000
# Modules that decide a number or which runs count, and that no claim imports. An entry records them.
_DECIDING = (
    "claims/selection.py", "claims/registration/lock.py", "claims/registration/seen.py",
    *(f"evaluation/{name}.py" for name in ("evaluate", "halves", "jobs", "reading", "units", "values")),
    *(f"evaluation/judging/{name}.py" for name in (
        "conclude", "controls", "missing", "predictions", "qualifiers", "rules",
    )),
    *(f"traces/{name}.py" for name in (
        "catalogue", "check", "format", "limits", "places", "remote", "scan", "store",
    )),
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A hypothesis as it is now.

    `declaration`: what it declares, as JSON. `code`: sha256 by file of what its import statements reach.
    `read`: sha256 by file of what its code read besides, as far as it has run: data, and modules imported by a
    computed name. `unfrozen`: what its code did that no digest can hold, in words with the place in its code.
    """

    declaration: dict[str, Any]
    code: dict[str, str]
    read: dict[str, str]
    unfrozen: tuple[str, ...]

    @property
    def digest(self) -> str:
        return plan_digest(self.declaration, self.code, self.read)


def plan_digest(declaration: Any, code: Mapping[str, str], read: Any = None) -> str:
    """Digest of what is frozen: no time and no data. `read` None: as entries of the first format have it."""
    frozen = {"declaration": declaration, "code": code}
    return digest(frozen if read is None else {**frozen, "read": read})


def current_plan(loaded: Loaded) -> Plan:
    """The plan of a hypothesis now.

    Raises `HypothesisError` for a declaration that cannot be written down, `RegistrationError` for an import that
    cannot be frozen.
    """
    try:
        declaration = json.loads(canonical(loaded.hypothesis.declaration()))
        if loaded.settings:  # another plan than the same module without them
            declaration["settings"] = json.loads(canonical(loaded.settings))
        digest(declaration)
    except ValueError as error:  # NaN, infinity, or text that is none
        raise HypothesisError(
            f"{loaded.module.__file__}: the declaration cannot be written down ({error})"
        ) from None
    path = Path(str(loaded.module.__file__))
    code = code_digests(path, loaded.source.home)
    read, unfrozen = _read(loaded, loaded.source.home.absolute().parent, code)
    return Plan(declaration, code, read, unfrozen)


def _read(
    loaded: Loaded, base: Path, code: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Digests of the files that the claim has read, and what no digest can hold."""
    digests: dict[str, str] = {}
    unfrozen = []
    for file, place in sorted(loaded.reads.files.items()):
        if not file.exists() or file.is_dir():
            continue
        if not file.is_file():
            unfrozen.append(f"reads {file}, which is no regular file ({place})")
        elif not file.is_relative_to(base):
            if _shown(file, base) not in code:  # of a helper that is installed in place
                unfrozen.append(f"reads {file}, which lies outside {base} ({place})")
        elif _shown(file, base) not in code:
            digests[_shown(file, base)] = file_digest(file)
    for variable, place in sorted(loaded.reads.variables.items()):
        unfrozen.append(f"reads the environment variable {variable} ({place})")
    for what, place in sorted(loaded.reads.beyond.items()):
        unfrozen.append(f"{what} ({place})")
    return digests, tuple(unfrozen)


def _shown(file: Path, base: Path) -> str:
    """The name of a file in a lock."""
    try:
        return Path(os.path.relpath(file, base)).as_posix()
    except ValueError:  # of another drive
        return file.as_posix()


def file_digest(file: Path) -> str:
    """sha256 of a file, line ends normalised. Raises `RegistrationError` if it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    except OSError as error:
        raise RegistrationError(f"{file}: cannot be read ({error.strerror})") from None


def read_now(loaded: Loaded, names: Mapping[str, str]) -> dict[str, str]:
    """Digests of files of the `read` of an entry as they are now; without those that are gone."""
    base = loaded.source.home.absolute().parent
    files = {name: base / name for name in names}
    return {name: file_digest(file) for name, file in files.items() if file.is_file()}


def held_files(loaded: Loaded) -> dict[str, str]:
    """sha256 of all files beside a claim, for those that its code will read only when there are runs.

    Beside it are the files of its own folder, and those that lie directly in the folder of all claims.

    Without locks, source, and hidden files; `_MOST_HELD` at most, in the order of their names.
    """
    home = loaded.source.home.absolute()
    folder = loaded.source.lock.absolute().parent
    beside = sorted(folder.rglob("*"))
    if folder != home:
        beside += sorted(home.glob("*"))
    found: dict[str, str] = {}
    for file in beside:
        parts = file.relative_to(home).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if not hidden and file.suffix not in (".lock", ".py") and file.is_file():
            found[_shown(file, home.parent)] = file_digest(file)
        if len(found) == _MOST_HELD:
            break
    return found


def libraries(loaded: Loaded) -> dict[str, str]:
    """Versions of the distributions whose modules the source of a hypothesis imports, and of those that compute."""
    top = imported_names(Path(str(loaded.module.__file__)), loaded.source.home)
    names = {name for module in top for name in packages().get(module, ())}
    return {name: version(name) for name in sorted(names | {"numpy", "scipy", "pyarrow"})}


@cache
def deciding_code() -> dict[str, str]:
    """sha256 by file of the modules of this package that decide verdicts, line ends normalised."""
    return {
        f"{_PACKAGE.name}/{name}": hashlib.sha256(
            (_PACKAGE / name).read_bytes().replace(b"\r\n", b"\n")
        ).hexdigest()
        for name in _DECIDING
    }
