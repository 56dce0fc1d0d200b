"""Results as Markdown: the verdicts, all predictions, and then a section on each hypothesis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from emergence_stats.evaluation.results import Result
from emergence_stats.reports.words import (
    MULTIPLICITY_COLUMNS,
    PREDICTION_COLUMNS,
    comparison_texts,
    control_rows,
    control_runs,
    heterogeneity_text,
    multiplicity_rows,
    paper_text,
    pooled_text,
    prediction_row,
    qualifier_texts,
    registration_text,
    robustness_texts,
    runs_text,
    scale_texts,
    shows_text,
    tally,
    unit_text,
    verdict_cell,
    why_text,
)
from emergence_stats.support.words import visible

_CONTROL_COLUMNS = (
    "hypothesis",
    "control",
    "runs",
    "earns",
    "exceeded?",
    "estimates",
    "analysis less control",
)
Rows = list[tuple[str, ...]]


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(visible(cell).replace("|", "\\|") for cell in cells) + " |"

    return [line(columns), line(["---"] * len(columns)), *map(line, rows)]


def to_markdown(results: Sequence[Result], errors: Mapping[str, Exception] | None = None) -> str:
    """The whole page. `errors`: of hypotheses that have no result, by name."""
    tables = [
        (("hypothesis", "verdict", "basis", "runs", "why", "paper"), _verdicts(results)),
        (("hypothesis", *PREDICTION_COLUMNS), _predictions(results)),
        (_CONTROL_COLUMNS, _controls(results)),
        (MULTIPLICITY_COLUMNS, multiplicity_rows(results)),
        (("hypothesis", "multiverse", "power"), _robustness(results)),
    ]
    lines: list[str] = []
    for columns, rows in tables:
        if rows:
            lines += [*markdown_table(columns, rows), ""]
    for r in results:
        lines += map(visible, _section(r))
    failed = [f"- error: {visible(str(error))}" for error in (errors or {}).values()]
    lines += [*failed, ""] if failed else []
    return "\n".join([*lines, tally(results, len(failed)), ""])


def _verdicts(results: Sequence[Result]) -> Rows:
    return [
        (
            r.name,
            verdict_cell(r),
            r.basis,
            str(r.counted),
            why_text(r),
            paper_text(r),
        )
        for r in results
    ]


def _predictions(results: Sequence[Result]) -> Rows:
    return [
        (r.name, row[0], row[1], f"{row[2]} at {100 * p.estimate.level:.4g}%", *row[3:])
        for r in results
        for p in r.predictions
        for row in [prediction_row(p)]
    ]


def _controls(results: Sequence[Result]) -> Rows:
    return [
        (
            r.name,
            control.name,
            control_runs(control, r),
            str(control.verdict) if control.reason is None else f"- ({control.reason})",
            shows_text(control),
            "; ".join(f"{name} {value}" for name, value, _, _ in control_rows(control)),
            "; ".join(f"{name} {less}" for name, _, _, less in control_rows(control)),
        )
        for r in results
        for control in r.controls
    ]


def _robustness(results: Sequence[Result]) -> Rows:
    return [
        (r.name, *(x.statement if x is not None else "-" for x in (r.multiverse, r.power)))
        for r in results
        if r.multiverse is not None or r.power is not None
    ]


def _section(r: Result) -> Iterator[str]:
    yield from (f"## {r.name}", "", r.claim.text, "", f"- {registration_text(r)}")
    yield f"- runs: {runs_text(r)}"
    if r.meaning is not None:
        yield f"- means: {r.meaning}"
    yield f"- paper: {paper_text(r)}"
    pooled = pooled_text(r)
    if pooled:
        yield f"- as the paper counts: {pooled}"
    yield from (f"- beside the paper: {text}" for text in comparison_texts(r))
    yield from (f"- reservation: {text}" for text in qualifier_texts(r))
    for p in r.predictions:
        if texts := scale_texts(p):
            yield f"- by scale, {p.name}: {'; '.join(texts)}"
        if said := unit_text(p):
            yield f"- {said}"
    for name, found in (r.opinions or {}).get("heterogeneity", {}).items():
        yield f"- {name}: {heterogeneity_text(found)}"
    yield from (f"- {text}" for text in robustness_texts(r))
    yield from (f"- deviation: {text}" for text in r.plan.deviations)
    yield from (f"- note: {text}" for text in r.notes)
    yield from (f"- amended: {text}" for text in r.plan.changes)
    yield ""
