"""What a registration freezes: the declaration, the source that it rests on, and what its code reads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration.canonical import canonical, digest
from emergence_stats.claims.source import code_digests
from emergence_stats.errors import HypothesisError, RegistrationError

_PACKAGE = Path(__file__).parents[2]
# Modules that decide a number or which runs count, and that no claim imports. An entry records them.
_DECIDING = (
    "claims/selection.py",
    *(f"evaluation/{name}.py" for name in (
        "conclude", "controls", "evaluate", "jobs", "predictions", "reading", "units", "values",
    )),
    *(f"{name}.py" for name in (
        "controls", "events", "hypothesis", "inference", "lags", "onsets", "regions", "runs", "verdicts",
    )),
    *(f"traces/{name}.py" for name in ("check", "format", "rows", "store")),
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
        digest(declaration)
    except ValueError as error:  # NaN, infinity, or text that is none
        raise HypothesisError(
            f"{loaded.module.__file__}: the declaration cannot be written down ({error})"
        ) from None
    path = Path(str(loaded.module.__file__))
    code = code_digests(path)
    read, unfrozen = _read(loaded, path.absolute().parent.parent, code)
    return Plan(declaration, code, read, unfrozen)


def _read(
    loaded: Loaded, base: Path, code: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Digests of the files that the claim has read, and what no digest can hold."""
    digests: dict[str, str] = {}
    unfrozen = []
    for file, place in sorted(loaded.reads.files.items()):
        name = Path(os.path.relpath(file, base)).as_posix()
        if name in code or not file.exists() or file.is_dir():
            continue
        if not file.is_file():
            unfrozen.append(f"reads {file}, which is no regular file ({place})")
        elif not file.is_relative_to(base):
            unfrozen.append(f"reads {file}, which lies outside {base} ({place})")
        else:
            digests[name] = file_digest(file)
    for variable, place in sorted(loaded.reads.variables.items()):
        unfrozen.append(f"reads the environment variable {variable} ({place})")
    for what, place in sorted(loaded.reads.beyond.items()):
        unfrozen.append(f"uses {what} ({place})")
    return digests, tuple(unfrozen)


def file_digest(file: Path) -> str:
    """sha256 of a file's bytes. Raises `RegistrationError` if it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise RegistrationError(f"{file}: cannot be read ({error.strerror})") from None


def read_now(loaded: Loaded, names: Mapping[str, str]) -> dict[str, str]:
    """Digests of files of the `read` of an entry as they are now; without those that are gone."""
    base = Path(str(loaded.module.__file__)).absolute().parent.parent
    files = {name: base / name for name in names}
    return {name: file_digest(file) for name, file in files.items() if file.is_file()}


@cache
def deciding_code() -> dict[str, str]:
    """sha256 by file of the modules of this package that decide verdicts, line ends normalised."""
    return {
        f"{_PACKAGE.name}/{name}": hashlib.sha256(
            (_PACKAGE / name).read_bytes().replace(b"\r\n", b"\n")
        ).hexdigest()
        for name in _DECIDING
    }
