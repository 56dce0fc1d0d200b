"""An import as a whole: the request and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from emergence_stats.errors import UsageError
from emergence_stats.support.progress import Progress
from emergence_stats.support.words import near
from emergence_stats.traces.importing.columns import Rows
from emergence_stats.traces.importing.facts import read_facts
from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.notes import COLUMNS, Notes, few
from emergence_stats.traces.importing.sources import FORMATS, Reading, read_sources
from emergence_stats.traces.importing.write import Choices, Imported, import_traces


@dataclass(frozen=True)
class Summary:
    """The runs of an import, and what their files hold that is not in them.

    `empty`: cells without a value. `dropped`: values that are not finite, or were written again. `notes`: all that was
    done beside taking rows as they are.
    """

    suite: str
    runs: tuple[Imported, ...]
    written: bool
    empty: int
    dropped: int
    notes: Notes = field(default_factory=Notes)

    def to_dict(self) -> dict[str, Any]:
        return {
            "suite": self.suite,
            "empty_cells": self.empty,
            "not_finite": self.dropped,
            "written": self.written,
            "notes": self.notes.to_list(),
            "runs": [asdict(one) for one in self.runs],
        }


@dataclass(frozen=True)
class Request:
    """What is to be imported: files, the suite that they make up, and which column is what, once or several times."""

    sources: tuple[Path, ...]
    suite: str
    mappings: tuple[Mapping, ...]
    how: Reading
    facts: Path | None

    @classmethod
    def of(
        cls,
        sources: Sequence[Path],
        suite: str | None,
        wanted: Mapping,
        *,
        how: Reading | None = None,
        facts: Path | None = None,
        mapping: Path | None = None,
    ) -> Request:
        """From options, and from a file that gives the rest (`mapping`).

        `how`: of the files; by default what their names and contents say. Raises `UsageError` without a suite
        and for an unknown format.
        """
        said: dict[str, str] = {}
        mappings = [wanted]
        if mapping is not None:
            of_file, said = Mapping.read(mapping)
            mappings = [wanted.over(one) for one in of_file]
        chosen = suite or said.get("suite")
        if chosen is None:
            raise UsageError("name the suite of the runs with --suite")
        how = how or Reading()
        how = Reading(
            how.format or said.get("format"),
            how.delimiter or said.get("delimiter"),
            how.decimal or said.get("decimal"),
        )
        if how.format is not None and how.format not in FORMATS:
            raise UsageError(f"unknown format {how.format!r}; known formats: {', '.join(FORMATS)}")
        if how.delimiter in ("\\t", "tab"):
            how = replace(how, delimiter="\t")
        if how.decimal not in (None, ".", ",") or len(how.delimiter or ",") != 1:
            raise UsageError(
                "--delimiter is one character (\\t: a tab), and --decimal a point or a comma"
            )
        if facts is None and mapping is not None and "runs" in said:
            facts = mapping.parent / said["runs"]
        return cls(tuple(sources), chosen, tuple(mappings), how, facts)

    def run(
        self, store: str, choices: Choices | None = None, progress: Progress | None = None
    ) -> Summary:
        """Import, or only report what would be done. Raises what `import_traces` raises."""
        choices, notes = choices or Choices(), Notes()
        found: list[Rows] = []
        divided = set[str]()
        facts = None
        for one in self.mappings:
            if self.facts is not None:
                facts = read_facts(self.facts, one, notes, self.how.decimal)
            rows = list(read_sources(self.sources, self.how, one, notes, facts))
            divided |= _divide(rows, one.percent, notes)
            found += rows
        for measure in dict.fromkeys(name for one in self.mappings for name in one.percent):
            if measure not in divided:
                known = {name for rows in found for name in rows.columns.get("measure", ())}
                hint = near(measure, known, f"; there are {few(sorted(known), COLUMNS)}")
                raise UsageError(f"--percent: there is no measure {measure!r}{hint}")
            notes.add("converted", f"{measure} is in percent, and divided by 100")
        _say_equal(found, notes)
        runs = import_traces(found, store, self.suite, notes, facts, choices, progress)
        empty = sum(rows.empty for rows in found)
        if empty:
            notes.add("left out", f"{empty:,} cells are empty" if empty > 1 else "1 cell is empty")
        for name in sorted({name for one in runs for name in one.empty}):
            ids = [one.run_id for one in runs if name in one.empty]
            notes.add(
                "missing", f"{self.facts} has no {name} for {len(ids)} of the runs: {few(ids)}"
            )
        return Summary(
            suite=self.suite,
            runs=tuple(runs),
            written=not choices.dry_run,
            empty=empty,
            dropped=sum(len(rows) for rows in found) - sum(one.rows for one in runs),
            notes=notes,
        )


def _say_equal(found: Sequence[Rows], notes: Notes) -> None:
    """Files with the same bytes: one of them twice, perhaps."""
    seen: dict[str, str] = {}
    for rows in found:
        other = seen.setdefault(rows.sha256, rows.file) if rows.sha256 is not None else rows.file
        if other != rows.file:
            notes.add("doubtful", f"{other} and {rows.file} have the same bytes")


def _divide(several: Sequence[Rows], percent: Sequence[str], notes: Notes) -> set[str]:
    """Divide the values of these measures by 100, and their errors, and return those that are there.

    Raises `UsageError` for one whose cells have percent signs: they are shares already.
    """
    found = set[str]()
    for measure in percent:
        for rows in several:
            at = [i for i, name in enumerate(rows.columns.get("measure", ())) if name == measure]
            if measure in rows.signed:
                raise UsageError(
                    f"--percent {measure}: its cells in {rows.file} have percent signs and are shares of 1 by that; leave it out"
                )
            found |= {measure} if at else set()
            values = [abs(v) for i in at if isinstance(v := rows.columns["value"][i], int | float)]
            if values and max(values) <= 1:
                notes.add(
                    "doubtful",
                    f"{measure} is divided by 100, and nowhere above 1 before that",
                    rows.file,
                )
            for target in ("value", "stderr"):
                cells = rows.columns.get(target)
                for i in at if cells is not None else ():
                    assert cells is not None
                    cells[i] = None if cells[i] is None else cells[i] / 100
    return found
