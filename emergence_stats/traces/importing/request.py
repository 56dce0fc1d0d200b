"""An import as a whole: the request and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emergence_stats.errors import UsageError
from emergence_stats.support.progress import Progress
from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.sources import FORMATS, read_facts, read_sources
from emergence_stats.traces.importing.write import Imported, import_traces

_FEW = 3  # runs that a note names


@dataclass(frozen=True)
class Summary:
    """The runs of an import, and what their files hold that is not in them.

    `empty`: cells without a value. `dropped`: values that are not finite. `facts`: the table of runs.
    """

    suite: str
    runs: tuple[Imported, ...]
    written: bool
    empty: int
    dropped: int
    facts: Path | None = None

    def notes(self) -> list[str]:
        """What was left out or is missing, one line each."""
        found = [f"{self.empty:,} cells are empty"] * bool(self.empty)
        found += [f"{self.dropped:,} values are not finite and were left out"] * bool(self.dropped)
        for name in sorted({name for one in self.runs for name in one.empty}):
            ids = [one.run_id for one in self.runs if name in one.empty]
            few = ", ".join(ids[:_FEW]) + (", ..." if len(ids) > _FEW else "")
            found.append(f"{self.facts} has no {name} for {len(ids)} of the runs ({few})")
        return found

    def to_dict(self) -> dict[str, Any]:
        return {
            "suite": self.suite,
            "empty_cells": self.empty,
            "not_finite": self.dropped,
            "written": self.written,
            "notes": self.notes(),
            "runs": [asdict(one) for one in self.runs],
        }


@dataclass(frozen=True)
class Request:
    """What is to be imported: files, the suite that they make up, and which column is what."""

    sources: tuple[Path, ...]
    suite: str
    mapping: Mapping
    format: str | None
    facts: Path | None

    @classmethod
    def of(
        cls,
        sources: Sequence[Path],
        suite: str | None,
        wanted: Mapping,
        *,
        format_: str | None = None,
        facts: Path | None = None,
        mapping: Path | None = None,
    ) -> Request:
        """From options, and from a file that gives the rest (`mapping`).

        `format_`: one of `FORMATS`, by default what the files' names say. Raises `UsageError` without a suite
        and for an unknown format.
        """
        said: dict[str, str] = {}
        if mapping is not None:
            of_file, said = Mapping.read(mapping)
            wanted = wanted.over(of_file)
        chosen = suite or said.get("suite")
        if chosen is None:
            raise UsageError("name the suite of the runs with --suite")
        kind = format_ or said.get("format")
        if kind is not None and kind not in FORMATS:
            raise UsageError(f"unknown format {kind!r}; known formats: {', '.join(FORMATS)}")
        if facts is None and mapping is not None and "runs" in said:
            facts = mapping.parent / said["runs"]
        return cls(tuple(sources), chosen, wanted, kind, facts)

    def run(
        self,
        store: str,
        *,
        replace_runs: bool = False,
        drop_not_finite: bool = False,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> Summary:
        """Import, or with `dry_run` only report what would be done. Raises what `import_traces` raises."""
        facts = read_facts(self.facts, self.mapping) if self.facts is not None else None
        found = list(read_sources(self.sources, self.format, self.mapping, facts))
        runs = import_traces(
            found,
            store,
            self.suite,
            facts=facts,
            replace_runs=replace_runs,
            drop_not_finite=drop_not_finite,
            dry_run=dry_run,
            progress=progress,
        )
        return Summary(
            suite=self.suite,
            runs=tuple(runs),
            written=not dry_run,
            empty=sum(rows.empty for rows in found),
            dropped=sum(len(rows) for rows in found) - sum(one.rows for one in runs),
            facts=self.facts,
        )
