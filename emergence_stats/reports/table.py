"""Results as a table for other programs: CSV, a row a prediction, numbers in full."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO

from emergence_stats.evaluation.results import PredictionResult, Result
from emergence_stats.reports.words import kinds_text

COLUMNS = (
    "hypothesis", "verdict", "reservations", "basis", "registration", "prediction", "prediction_verdict",
    "estimate", "low", "high", "level", "region_low", "region_high", "p_value", "effect_size", "unit", "units", "runs", "scope", "method",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(results: Sequence[Result]) -> str:
    """A row for each prediction; a number that is not known is empty.

    A text that begins as a formula of a spreadsheet does (``=``, ``+``, ``-``, ``@``) has an apostrophe before it.
    """
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for result in results:
        for prediction in result.predictions:
            writer.writerow(_as_text(cell) for cell in _row(result, prediction))
    return stream.getvalue()


def _as_text(cell: object) -> object:
    """The cell; a text that a spreadsheet would run as a formula begins with an apostrophe, which makes it text."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in _FORMULA else cell


def _row(result: Result, p: PredictionResult) -> tuple[object, ...]:
    found = p.to_dict()
    return (
        result.name, result.verdict, kinds_text(result), result.basis, result.registration, p.name, p.verdict,
        found["estimate"] if p.estimate.has_value else None, *found["interval"], found["level"], *found["region"],
        found["p_value"], found["effect_size"], p.unit, found["n_units"], p.n_runs, p.scope, found["method"],
    )  # fmt: skip
