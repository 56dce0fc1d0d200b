"""A result as a notebook shows it: the verdict, a table of predictions, and the effects drawn.

Apart from `results`, which are values: what draws them stands above.
"""

from __future__ import annotations

from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING

from emergence_stats import report
from emergence_stats.drawing import COLOUR, data_uri
from emergence_stats.html_report.charts import forest
from emergence_stats.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ShownResult(Result):
    """A `Result` that draws itself, and that a notebook displays."""

    @classmethod
    def of(cls, result: Result) -> ShownResult:
        return cls(**{f.name: getattr(result, f.name) for f in fields(result)})

    def plot(self) -> Figure:
        """Estimate and interval of each prediction against its claim region, as a matplotlib figure."""
        return forest(self)

    def _repr_html_(self) -> str:
        return snippet(self)


def snippet(result: Result) -> str:
    """HTML without a style sheet or script of its own, readable on light and on dark pages."""
    verdict = f"{report.SYMBOL[result.verdict]} {result.verdict}"
    head = "".join(f"<th>{escape(column)}</th>" for column in report.PREDICTION_COLUMNS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in report.prediction_row(p)) + "</tr>"
        for p in result.predictions
    )
    notes = [f"deviation: {text}" for text in result.deviations]
    notes += [f"amended: {text}" for text in result.changes]
    notes += [f"control: {report.control_text(control)}" for control in result.controls]
    picture = ""
    if any(p.estimate.n_runs for p in result.predictions):
        picture = f'<img src="{data_uri(forest(result))}" alt="{escape(result.reason)}">'
    return (
        f"<p><b>{escape(result.name)}</b>: "
        f'<b style="color:{COLOUR[result.verdict]}">{escape(verdict)}</b> ({escape(result.basis)}, '
        f"{result.counted} runs). {escape(result.claim)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"{picture}<p>{escape(report.why_text(result))}</p>"
        + (f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>" if notes else "")
    )
