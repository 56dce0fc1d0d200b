"""All claims of a report at one sight: a line each, as wide as the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from emergence_stats.evaluation.results import PredictionResult, Result
from emergence_stats.reports.console import STYLE, aligned, print_line, print_table
from emergence_stats.reports.words import (
    MULTIPLICITY_COLUMNS,
    SYMBOL,
    bases_text,
    deviations_text,
    ends_in_unit,
    in_unit,
    kinds_text,
    multiplicity_rows,
    region_in_unit,
    supersedes_text,
    tally,
    verdict_cell,
    who_text,
    why_text,
)
from emergence_stats.support.words import visible

if TYPE_CHECKING:
    from rich.console import Console

_NARROW = 70  # columns: on fewer, each claim is a block of lines
_FEW = 3  # claims: a report of no more says why at once
# Kinds of qualifiers where there is no room for words.
_LETTERS = {
    "not specific": "s",
    "mixed across scales": "m",
    "insensitive": "n",
    "at bound": "b",
    "fragile": "f",
    "guarantee differs": "g",
    "incomplete": "i",
}


def print_summary(
    console: Console, results: Sequence[Result], verbose: bool = False, errors: int = 0
) -> None:
    """The verdicts of `report`; `verbose`: with the p-values of all claims. `errors`: how many claims have no result."""
    width = console.width if console.is_terminal else None
    letters = _print_verdicts(console, results, width)
    for text in _notes(results, letters, verbose, errors):
        for line in (
            textwrap.wrap(visible(text), width, break_on_hyphens=False) if width else [text]
        ):
            print_line(console, line)
    adjusted = multiplicity_rows(results)
    if adjusted and verbose:
        print_line(console)
        print_line(
            console,
            f"p-values of {len(adjusted)} claims (null hypothesis: the claim is false), adjusted over them",
        )
        print_table(console, MULTIPLICITY_COLUMNS, adjusted)


def _print_verdicts(console: Console, results: Sequence[Result], width: int | None) -> bool:
    """The widest table that fits, else a block for each claim; whether kinds of qualifiers are letters in it."""
    tables = [] if width is not None and width < _NARROW else [*_tables(results)]
    attempts = [(table, "  ") for table in tables] + [(table, " ") for table in tables[-1:]]
    for (columns, rows, letters), between in attempts:
        head, *lines = aligned(columns, rows, between)
        if width is None or max(map(len, (head, *lines))) <= width:
            print_line(console, head, style="bold")
            for result, line in zip(results, lines, strict=True):
                print_line(console, line, style=STYLE[result.verdict])
            return letters
    for result in results:
        print_line(console, result.name, style=f"bold {STYLE[result.verdict]}")
        print_line(console, f"  {_with_words(result)}")
        shown = decisive(result)
        if shown is not None:
            print_line(console, f"  {shown.name}")
            print_line(console, f"  {estimate_text(shown)}, claimed {region_text(shown)}")
    return False


def _tables(
    results: Sequence[Result],
) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]], bool]]:
    """Columns and rows, from much to little, and whether kinds of qualifiers are letters."""
    shown = [decisive(result) for result in results]
    names = [p.name if p is not None else "-" for p in shown]
    numbers = [(estimate_text(p), region_text(p)) for p in shown]
    short = [(estimate_text(p, scale=False), region_text(p)) for p in shown]
    runs = [str(result.counted) for result in results]
    last = ("estimate, interval", "claimed")
    yield (
        ("hypothesis", "verdict", "runs", "prediction", *last),
        [
            (r.name, _with_words(r), n, name, *more)
            for r, n, name, more in zip(results, runs, names, numbers, strict=True)
        ],
        False,
    )
    yield (
        ("hypothesis", "verdict", *last),
        [(r.name, _with_words(r), *more) for r, more in zip(results, numbers, strict=True)],
        False,
    )
    yield (
        ("hypothesis", "verdict", "prediction", *last),
        [
            (r.name, _with_letters(r), name, *more)
            for r, name, more in zip(results, names, short, strict=True)
        ],
        True,
    )
    yield (
        ("hypothesis", "verdict", *last),
        [(r.name, _with_letters(r), *more) for r, more in zip(results, short, strict=True)],
        True,
    )


def decisive(result: Result) -> PredictionResult | None:
    """The prediction on which a verdict rests: the first that earns it, else the first with an estimate."""
    known = [p for p in result.predictions if p.estimate.has_value]
    return next((p for p in known if p.verdict is result.verdict), known[0] if known else None)


def estimate_text(p: PredictionResult | None, scale: bool = True) -> str:
    """The estimate with its interval; of a prediction about every scale, that of the scale which decides, with its name if
    there is room for `scale`.
    """
    if p is None:
        return "-"
    deciding = next((s for s in p.estimate.scales if s.scale == p.deciding), p.estimate)
    text = f"{in_unit(p, deciding.value)} {ends_in_unit(p, deciding.interval)}"
    return f"{text} at {p.deciding}" if scale and deciding is not p.estimate else text


def region_text(p: PredictionResult | None) -> str:
    """The claim region with three digits, in the unit in which it is shown."""
    return "-" if p is None else region_in_unit(p)


def _with_words(result: Result) -> str:
    kinds = kinds_text(result)
    return f"{verdict_cell(result)}{f': {kinds}' if kinds else ''}"


def _with_letters(result: Result) -> str:
    letters = "".join(_LETTERS[kind] for kind in dict.fromkeys(q.kind for q in result.qualifiers))
    return f"{SYMBOL[result.verdict]} {result.verdict}{f' *{letters}' if letters else ''}"


def _notes(results: Sequence[Result], letters: bool, verbose: bool, errors: int) -> Iterator[str]:
    """What is to be said of several claims, and how many earned which verdict."""
    if len(results) <= _FEW:
        yield from (f"{r.name}: {why_text(r)}" for r in results)
    else:
        yield from _without_estimate(results)
    yield from bases_text(results)
    yield from (f"{names}: supersedes {study}" for study, names in supersedes_text(results))
    yield from deviations_text(results)
    kinds = dict.fromkeys(q.kind for r in results for q in r.qualifiers)
    if kinds:
        said = ", ".join(f"{_LETTERS[kind]} {kind}" for kind in kinds) if letters else ""
        yield f"* with reservations{f' ({said})' if said else ''}, which `emergence-stats test NAME` spells out"
    if len(results) > _FEW and not verbose:
        n = len(multiplicity_rows(results))
        if n > 1:
            yield f"-v shows why, every prediction, and {n} p-values, adjusted over the claims"
        else:
            yield "-v shows why, and every prediction"
    yield tally(results, errors)


def _without_estimate(results: Sequence[Result]) -> Iterator[str]:
    whose: dict[str, list[str]] = {}
    for result in results:
        if decisive(result) is None:
            whose.setdefault(result.reason, []).append(result.name)
    if len(whose) <= _FEW:
        yield from (f"{who_text(names, len(results))}: {why}" for why, names in whose.items())
    else:
        names = [name for some in whose.values() for name in some]
        yield f"{who_text(names, len(results))} have no run that can be used: `emergence-stats plan NAME` says which they want"
