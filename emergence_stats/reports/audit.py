"""An audit as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from emergence_stats.audit.facts import Audit, Entry, File, TracedRun
from emergence_stats.support.words import visible

_USES = ("counted", "control", "pilot")
_DIGITS = 12  # of a digest; the JSON has all

ENTRY_COLUMNS = (
    "entry",
    "registered",
    "at revision",
    "first committed",
    "runs seen",
    "values kept",
    "timestamps",
)
FILE_COLUMNS = ("file", "kind", "sha256", "state")
RUN_COLUMNS = ("run", "use", "sha256", "dated", "first committed")


def to_text(audits: Sequence[Audit], verbose: bool = False) -> str:
    """The audits of some claims, one after another; `verbose` lists pilots and unchanged files too."""
    texts = ("\n".join(map(visible, _lines(audit, verbose))) for audit in audits)
    return "\n\n".join(texts) + "\n"


def _lines(audit: Audit, verbose: bool) -> Iterator[str]:
    plan = f", plan {audit.plan[:7]}" if audit.plan else ""
    yield f"{audit.name}: {audit.verdict} ({audit.basis}, {audit.registration}{plan})"
    yield f"  {audit.claim}"
    yield f"  {audit.reason}"
    yield f"  {repeated_text(audit)}"
    yield from _listed(
        "speaks against it",
        audit.against
        or (
            "nothing that was found; what qualifies the verdict itself is in `emergence-stats test`",
        ),
    )
    if audit.deviations:
        yield from _listed("deviations from the plan", audit.deviations)
    yield from _listed("cannot be known", audit.unknown)
    if audit.entries:
        yield "  registrations"
        yield from _table(ENTRY_COLUMNS, entry_rows(audit))
    files = [f for f in audit.files if verbose or f.state in ("changed", "gone")]
    yield f"  sources, files read, and the code that decides{_as_others(audit, len(files))}"
    yield from _table(FILE_COLUMNS, file_rows(files)) if files else ()
    shown = [run for run in audit.runs if verbose or run.use != "pilot"]
    if audit.runs:
        hidden = len(audit.runs) - len(shown)
        yield f"  runs{f' (and {hidden} pilots, listed with -v)' if hidden else ''}"
        yield from _table(RUN_COLUMNS, run_rows(shown))


def _as_others(audit: Audit, shown: int) -> str:
    """How many files are not listed, by state."""
    hidden = Counter(f.state for f in audit.files if f.state not in ("changed", "gone"))
    if shown == len(audit.files) or not hidden:
        return ""
    counts = ", ".join(f"{count} {state}" for state, count in hidden.items())
    return f": {counts} (listed with -v)"


def _listed(title: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"  {title}"
    yield from (f"    - {line}" for line in lines)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cells = [columns, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"    {'  '.join(padded)}".rstrip()


def entry_rows(audit: Audit) -> list[list[str]]:
    """Cells of `ENTRY_COLUMNS`."""
    return [
        [
            str(entry.number),
            entry.registered,
            _revision(entry),
            _commit(entry.commit, entry.committed),
            str(entry.runs_seen),
            str(entry.values_kept),
            _stamps(entry),
        ]
        for entry in audit.entries
    ]


def _revision(entry: Entry) -> str:
    if entry.revision is None:
        return "no commit yet"
    known = {True: "in history", False: "not in history", None: "history unknown"}
    return f"{entry.revision[:_DIGITS]}, {known[entry.in_history]}"


def _commit(commit: str | None, date: str | None) -> str:
    return "no commit" if commit is None else f"{commit[:_DIGITS]}, {date}"


def _stamps(entry: Entry) -> str:
    said = []
    for stamp in entry.stamps:
        how = {True: "verified", False: "wrong", None: "not verified"}[stamp.verified]
        said.append(f"{stamp.time or stamp.why}, {stamp.authority} ({how})")
    return "; ".join(said) or "none"


def file_rows(files: Sequence[File]) -> list[list[str]]:
    """Cells of `FILE_COLUMNS`."""
    return [[f.name, f.kind, (f.sha256 or "-")[:_DIGITS], f.state] for f in files]


def run_rows(runs: Sequence[TracedRun]) -> list[list[str]]:
    """Cells of `RUN_COLUMNS`, those that count first."""
    return [
        [run.run_id, run.use, run.sha256[:_DIGITS], run.made, _commit(run.commit, run.committed)]
        for run in sorted(runs, key=lambda run: _USES.index(run.use))
    ]


def repeated_text(audit: Audit) -> str:
    """What a second evaluation gave."""
    if audit.repeated is None:
        return "not evaluated a second time"
    units, different = audit.repeated.units, len(audit.repeated.different)
    return f"evaluated twice: {units - different} of {units} values equal"
