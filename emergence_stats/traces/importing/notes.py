"""What an import did with files, columns and rows beside taking them as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

KINDS = (
    "steps",
    "measures",
    "runs",
    "events",
    "replaced",
    "joined",
    "renamed",
    "converted",
    "guessed",
    "doubtful",
    "left out",
    "missing",
)
_FEW = 3  # files or runs that a line names
COLUMNS = 40  # which are what a user looks for


@dataclass
class Notes:
    """Lines by kind, each said once with the files that it is about."""

    said: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(self, kind: str, text: str, file: object = None) -> None:
        """`kind`: one of `KINDS`. The same text about another file adds that file to it."""
        assert kind in KINDS, kind
        files = self.said.setdefault((kind, text), [])
        if file is not None and str(file) not in files:
            files.append(str(file))

    def lines(self) -> list[tuple[str, str]]:
        """Kind and text of each note, by kind, with its files."""
        ordered = sorted(self.said.items(), key=lambda item: KINDS.index(item[0][0]))
        return [
            (kind, f"{text} ({few(files)})" if files else text) for (kind, text), files in ordered
        ]

    def to_list(self) -> list[dict[str, Any]]:
        return [
            {"kind": kind, "text": text, "files": files}
            for (kind, text), files in sorted(
                self.said.items(), key=lambda item: KINDS.index(item[0][0])
            )
        ]


def few(names: list[str], most: int = _FEW) -> str:
    """The first names and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
