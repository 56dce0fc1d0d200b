"""What an audit says of one claim: facts that a reader can check, and what they leave open."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class File:
    """A file that the verdict rests on.

    `kind`: "source" (reached by import statements), "read" (opened, or imported by a computed name) or "deciding" (of
    this package). `sha256`: now, None if it is gone. `registered`: in the latest entry, None if that has none.
    """

    name: str
    kind: str
    sha256: str | None
    registered: str | None

    @property
    def state(self) -> str:
        if self.registered is None:
            return "not registered"
        if self.sha256 is None:
            return "gone"
        return "as registered" if self.sha256 == self.registered else "changed"


@dataclass(frozen=True)
class TracedRun:
    """A run that the verdict, or a control, rests on, or that the plan had seen.

    `use`: "counted", "pilot", or "control". `made`: as its manifest says. `commit` and `committed`: the first commit
    that holds these bytes, and its date; None if there is none.
    """

    run_id: str
    use: str
    sha256: str
    made: str
    commit: str | None
    committed: str | None


@dataclass(frozen=True)
class Stamp:
    """A timestamp of an entry. `verified` None: no authority is trusted here, or the library is missing (`why`)."""

    authority: str
    time: str | None
    signer: str | None
    verified: bool | None
    why: str = ""


@dataclass(frozen=True)
class Entry:
    """A registration. `in_history`: whether git holds the revision that it names, None if that is not known.
    `commit` and `committed`: the first commit whose lock holds it.
    """

    number: int
    registered: str
    digest: str
    revision: str | None
    in_history: bool | None
    commit: str | None
    committed: str | None
    runs_seen: int
    values_kept: int
    stamps: tuple[Stamp, ...]


@dataclass(frozen=True)
class Repeated:
    """A second evaluation of every unit, from the store, in another order: `units` in all, labels of the `different`."""

    units: int
    different: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """What the verdict on one claim rests on.

    `plan`: the digest that reports show, of the latest entry. A line each: `against`, what speaks against it; `deviations`, as in the report; `unknown`, what this cannot tell.
    `repeated` None: not done.
    """

    name: str
    claim: str
    verdict: str
    reason: str
    basis: str
    registration: str
    plan: str | None
    entries: tuple[Entry, ...]
    files: tuple[File, ...]
    runs: tuple[TracedRun, ...]
    repeated: Repeated | None
    against: tuple[str, ...]
    deviations: tuple[str, ...]
    unknown: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        files = [{**asdict(file), "state": file.state} for file in self.files]
        return {**asdict(self), "files": files}
