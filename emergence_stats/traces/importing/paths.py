"""What a path tells: the name of a run, its seed, and what a pattern reads from it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from emergence_stats.errors import TraceError, UsageError

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
_PLACE = re.compile(r"\\\{(\w+)\\\}")  # a place of a pattern, escaped
_SEED = re.compile(r"(?<![A-Za-z0-9])seed[-_=]?([0-9]{1,9})(?![A-Za-z0-9])", re.IGNORECASE)
_SHORT = re.compile(r"(?<=[-_./])s([0-9]{1,9})$")  # at the end alone: s5 elsewhere may be the group
# Names that loggers give every run's file: the folder tells the run.
_OF_LOGGERS = frozenset(
    ("metrics", "log", "logs", "history", "progress", "results", "train", "training", "scalars", "trainer_state", "output")
)  # fmt: skip


def stem(path: PurePath) -> str:
    """A file's name without the suffixes of compression and of its kind."""
    name = path.name
    for suffix in COMPRESSED:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return PurePath(name).stem if PurePath(name).suffix else name


def names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for each file, from its own or from what differs in their paths, so that no two have the same."""
    first = {path: _name(path) for path in paths}
    shared = [path for path in paths if list(first.values()).count(first[path]) > 1]
    parts = [
        [*(p for p in path.parent.parts if p not in (os.sep, "..")), stem(path)] for path in shared
    ]
    return {**first, **dict(zip(shared, differing(parts), strict=True))}


def _name(path: Path) -> str:
    found = stem(path)
    if found.lower() in _OF_LOGGERS and path.parent.name:
        return path.parent.name
    return found


def differing(paths: Sequence[Sequence[str]]) -> list[str]:
    """For each path, given by its parts, those that not all have, joined by "-"; all parts where that is not enough."""
    if not paths:
        return []
    common = set.intersection(*map(set, paths))
    short = ["-".join(part for part in parts if part not in common) for parts in paths]
    if all(short) and len(set(short)) == len(short):
        return short
    return ["-".join(parts) for parts in paths]


def seed_in(text: str) -> tuple[int, str] | None:
    """The seed that a name or path holds (seed3, or -s10 at its end), and the text without it; None if there is none or several."""
    found = list(_SEED.finditer(text)) or list(_SHORT.finditer(text))
    if len({match[1] for match in found}) != 1:
        return None
    match = found[-1]
    before, after = text[: match.start()], text[match.end() :]
    rest = (before.rstrip("-_./") + after) if before.strip("-_./") else after.lstrip("-_./")
    return int(match[1]), rest


class Pattern:
    """A pattern of paths, as ``{scale}/seed{seed}/metrics.csv``: a place stands for a part of a name, ``*`` for any.

    It is compared with the end of a path. Raises `UsageError` for one without a place.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        places = re.findall(r"\{(\w+)\}", text)
        if not places or len(set(places)) < len(places) or not all(map(str.isidentifier, places)):
            raise UsageError(
                f"--path {text!r}: name parts of the path in braces, each once, as '{{scale}}/seed{{seed}}.csv'"
            )
        escaped = _PLACE.sub(lambda m: f"(?P<{m[1]}>[^/]+?)", re.escape(text))
        self._compiled = re.compile(r"(?:.*/)?" + escaped.replace(r"\*", "[^/]*"))

    def read(self, path: PurePath) -> dict[str, str]:
        """What stands in each place. Raises `TraceError` for a path of another form."""
        found = self._compiled.fullmatch(path.as_posix())
        if found is None:
            raise TraceError(
                f"the path has not the form {self.text!r}",
                file=path,
                fix="Change --path, or name the files.",
            )
        return found.groupdict()
