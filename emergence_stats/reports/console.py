"""Results on a terminal as tables, and in a pipe as plain lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.results import ControlResult, PredictionResult, Result
from emergence_stats.reports.words import (
    OPINION_COLUMNS,
    PREDICTION_COLUMNS,
    comparison_texts,
    control_rows,
    control_text,
    heterogeneity_text,
    opinion_rows,
    outcome,
    paper_text,
    pooled_text,
    prediction_row,
    qualifier_texts,
    registration_text,
    robustness_texts,
    runs_text,
    scale_texts,
    unit_text,
)
from emergence_stats.support.words import counted, number, ranges, visible

if TYPE_CHECKING:
    from rich.console import Console

STYLE = {Verdict.SUPPORTED: "green", Verdict.REFUTED: "red", Verdict.INCONCLUSIVE: "yellow"}
_WORST_SHOWN = 3
_CONTROL_ROWS_SHOWN = 3
_ELSEWHERE = ("other suite", "not in the plan")  # runs whose names say nothing
_NAMES_SHOWN = 5  # names of runs that are alike, shortened


_LAST = 20  # characters that the last column of a table needs, whose text may be wrapped


def print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A rich table on a terminal, or a block a row where it is too narrow; in a pipe, aligned columns without lines or wrapping."""
    if console.is_terminal and _is_narrow(console.width, columns, rows):
        for row in rows:
            print_line(console, row[0], style="bold")
            cells = [
                f"{name} {cell}" for name, cell in zip(columns[1:], row[1:], strict=True) if cell
            ]
            for line in _filled(cells, console.width - 2):
                print_line(console, f"  {line}")
        return
    if console.is_terminal:
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            style = next(
                (
                    STYLE[v]
                    for v in Verdict
                    if any(c.removesuffix(" *").endswith(str(v)) for c in row)
                ),
                None,
            )
            table.add_row(
                *(Text(visible(cell)) for cell in row), style=style
            )  # a name may look like markup
        console.print(table)
        return
    for line in aligned(columns, rows):
        print_line(console, line)


def _is_narrow(width: int, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether cells other than those of the last column would have to be cut or wrapped."""
    widest = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    return len(columns) > 2 and sum(widest[:-1]) + len(widest) - 1 + min(widest[-1], _LAST) > width


def _filled(cells: Sequence[str], width: int) -> list[str]:
    """Cells on as few lines as hold them, none divided."""
    lines: list[str] = []
    for cell in map(visible, cells):
        if lines and len(lines[-1]) + 3 + len(cell) <= width:
            lines[-1] += f"   {cell}"
        else:
            lines.append(cell)
    return lines


def aligned(
    columns: Sequence[str], rows: Sequence[Sequence[str]], between: str = "  "
) -> list[str]:
    """A table as lines: names of columns and cells below one another."""
    rows = [columns, *([visible(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    return [
        between.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def print_line(console: Console, text: str = "", style: str | None = None) -> None:
    console.print(visible(text), style=style, markup=False, highlight=False, soft_wrap=True)


def print_details(
    console: Console,
    result: Result,
    verbose: bool = False,
    singly: bool = False,
    legend: bool = True,
) -> None:
    """One hypothesis in full, as `test` shows it; `verbose`: with every value; `singly`: and every run of the store.

    `legend`: say what the line of an interval means, which is enough once.
    """
    title = f"{result.name}  {outcome(result)}"
    print_line(console, title, style=f"bold {STYLE[result.verdict]}")
    print_line(console, f"  {result.claim.text}")
    print_line(console, f"  {registration_text(result)}; runs: {runs_text(result)}")
    _print_predictions(console, result.predictions, verbose, legend)
    for name, found in (result.opinions or {}).get("heterogeneity", {}).items():
        print_line(console, f"    {name}: {heterogeneity_text(found)}")
    print_line(console, f"  why    {result.reason}")
    if result.meaning is not None:
        print_line(console, f"  means  {result.meaning}")
    for text in qualifier_texts(result):
        print_line(console, f"  reservation  {text}")
    if result.claim.paper:
        print_line(console, f"  paper  {paper_text(result)}")
    bare = not result.counted and not verbose  # what else has no value is not news, line by line
    for text in comparison_texts(result) if not bare else ():
        print_line(console, f"  beside the paper  {text}")
    pooled = pooled_text(result)
    if pooled:
        print_line(console, f"  as the paper counts: {pooled}")
    for control in result.controls:
        if not bare or control.reason is None:
            for line in _control_lines(control, result, verbose):
                print_line(console, line)
    for text in robustness_texts(result):
        print_line(console, f"  {text}")
    for change in result.plan.changes:
        print_line(console, f"  amended: {change}")
    for deviation in result.plan.deviations:
        print_line(console, f"  deviation: {deviation}")
    for note in result.notes:
        print_line(console, f"  note: {note}")
    if result.opinions is not None:
        _print_opinions(console, result)
    if verbose:
        for line in _run_lines(result, singly):
            print_line(console, line)
    print_line(console)


def print_all_details(
    console: Console, results: Sequence[Result], verbose: bool = False, singly: bool = False
) -> None:
    """Hypotheses in full; what the line of an interval means is said at the first that has one."""
    legend = True
    for result in results:
        print_details(console, result, verbose, singly, legend)
        legend = legend and all(p.estimate.interval is None for p in result.predictions)


def _print_predictions(
    console: Console, predictions: Sequence[PredictionResult], verbose: bool, legend: bool
) -> None:
    """Their table, each interval on its line, and the units farthest outside the region."""
    level = predictions[0].estimate.level
    columns = [f"{level:.1%} CI" if c == "CI" else c for c in PREDICTION_COLUMNS]
    print_table(console, columns, [prediction_row(p) for p in predictions])
    wide = max(len(p.name) for p in predictions)
    bars = [(p.name, bar) for p in predictions if (bar := interval_bar(p)) is not None]
    for name, bar in bars:
        print_line(console, f"  {name.ljust(wide)}  {bar}")
    if legend and bars:
        print_line(console, "  [==o==] interval, # claim region, 0 zero")
    for p in predictions:
        for text in scale_texts(p):
            print_line(console, f"    {p.name} at {text}")
        said = unit_text(p)
        if said is not None:
            print_line(console, f"    {said}")
    for p in predictions:
        outside = p.outside()
        if outside and not verbose:
            worst = "  ".join(f"{v.label} {number(v.value)}" for v in outside[:_WORST_SHOWN])
            count = f"{len(outside)} of {len(p.values)} {p.unit}s"
            print_line(
                console, f"  {count} outside the region of {p.name}, worst: {worst}  (-v shows all)"
            )


def _print_opinions(console: Console, result: Result) -> None:
    """What other packages say."""
    assert result.opinions is not None
    rows = opinion_rows(result)
    if rows:
        print_line(
            console, "  second opinions, of packages that know nothing of regions, scales or bounds"
        )
        print_table(console, OPINION_COLUMNS, rows)
    for package in result.opinions["missing"]:
        print_line(console, f"  {package} is not installed, so its opinion is missing")


def _control_lines(control: ControlResult, result: Result, verbose: bool) -> Iterator[str]:
    yield f"  control  {control_text(control, result)}"
    rows = control_rows(control) if control.reason is None else []
    if not verbose and len(rows) > _CONTROL_ROWS_SHOWN:
        return
    for name, value, verdict, difference in rows:
        less = f"; analysis less control {difference}" if difference != "-" else ""
        yield f"           {name}: {value} {verdict}{less}"


def _run_lines(result: Result, singly: bool) -> Iterator[str]:
    """The value of every unit, and what became of the runs of the store: how many of each kind, or each `singly`."""
    for p in result.predictions:
        yield f"  {p.name} ({p.estimate.method}), {len(p.values)} {p.unit}s:"
        outside = p.outside()
        for v in p.values:
            yield f"    {'*' if v in outside else ' '} {v.label}  {v.value:.6g}"
    if singly:
        for use in result.runs:
            yield f"    {use.run_id}  {use.status}{f': {use.why}' if use.why else ''}"
        return
    alike: dict[tuple[str, str], list[str]] = {}
    for use in result.runs:
        alike.setdefault((use.status, use.why), []).append(use.run_id)
    for (status, why), names in alike.items():
        count, short = counted(len(names), "run"), ranges(names)
        if status in _ELSEWHERE:
            yield f"    {count} of {why}: {status}"
        else:
            which = f" ({', '.join(short)})" if len(short) <= _NAMES_SHOWN else ""
            yield f"    {count} {status}{f': {why}' if why else ''}{which}"


def interval_bar(result: PredictionResult, width: int = 41) -> str | None:
    """The interval ``[==o==]`` on a line where ``#`` is the claim region and ``0`` is zero; None without an interval.

    The ends of the line are round numbers, of a share 0 and 1.
    """
    if result.estimate.interval is None:
        return None
    lo, hi = result.estimate.interval
    left, right = _ends(result)
    step = (right - left) / (width - 1)

    def column(x: float) -> int:
        return round((x - left) / step)

    line = ["#" if result.region.contains(left + i * step) else "-" for i in range(width)]
    if left <= 0 <= right:
        line[column(0)] = "0"
    a, b = column(lo), column(hi)
    if b > a:
        line[a : b + 1] = ["[", *"=" * (b - a - 1), "]"]
    line[column(result.estimate.value)] = "o"
    return f"{number(left):>7} |{''.join(line)}| {number(right)}"


def _ends(result: PredictionResult) -> tuple[float, float]:
    """Round numbers around the interval and the ends of the region, with a margin."""
    assert result.estimate.interval is not None
    if any(value.trials is not None for value in result.values):
        return 0.0, 1.0
    ends = [
        x for x in (*result.estimate.interval, result.region.lo, result.region.hi) if x is not None
    ]
    width = max(ends) - min(ends) or abs(ends[0]) or 1.0
    power = 10.0 ** math.floor(math.log10(width / 4))
    # rounding may leave none below a width that is a power of ten
    step = max((m * power for m in (1, 2, 5) if m * power <= width / 4), default=power)
    left, right = min(ends) - width / 10, max(ends) + width / 10
    return math.floor(left / step) * step, math.ceil(right / step) * step


def details_text(result: Result) -> str:
    """One hypothesis in full, with every run, as plain lines."""
    from io import StringIO

    from rich.console import Console

    buffer = StringIO()
    print_details(Console(file=buffer, width=200), result, verbose=True)
    return buffer.getvalue().rstrip()
