"""Results of `es.test`, `es.multiverse` and `es.power` as a notebook shows them: words, tables, pictures.

Kept apart from the values themselves, which do not import what draws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from html import escape
from typing import TYPE_CHECKING, Any

from emergence_stats.core.plan import Hypothesis
from emergence_stats.core.regions import Region
from emergence_stats.errors import UsageError
from emergence_stats.evaluation.results import PredictionResult, Result
from emergence_stats.reports import robustness as tables
from emergence_stats.reports import words as text
from emergence_stats.reports.pictures.claims import forest
from emergence_stats.reports.pictures.robustness import power_curve, specification_curve
from emergence_stats.reports.pictures.style import COLOUR, data_uri
from emergence_stats.robustness import words
from emergence_stats.robustness.multiverse import Multiverse, curve_of
from emergence_stats.robustness.power import Power
from emergence_stats.support.words import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


class ShownResult(Result):
    """A `Result` that draws itself, and that a notebook displays."""

    @classmethod
    def of(cls, result: Result) -> ShownResult:
        values = _values(result)
        return cls(**{**values, "predictions": Predictions(values["predictions"])})

    def summary(self) -> str:
        """The verdict and why, and the reservations and deviations that go with it, in words."""
        notes = [self.meaning] if self.meaning is not None else []
        notes += [f"reservation: {said}" for said in text.qualifier_texts(self)]
        notes += [f"deviation: {said}" for said in self.deviations]
        notes += list(self.notes)
        return "\n".join([str(self), text.why_text(self), *notes])

    def plot(self) -> Figure:
        """Estimate and interval of each prediction against its claim region, as a matplotlib figure."""
        return forest(self)

    def _repr_html_(self) -> str:
        return snippet(self)


class Predictions(tuple[PredictionResult, ...]):
    """Results of predictions in order, and by name: ``predictions["tau"]``.

    Raises `KeyError` for an unknown name, with those that there are.
    """

    def __getitem__(self, key: Any) -> Any:
        return (
            _by_name(self, key, "prediction") if isinstance(key, str) else super().__getitem__(key)
        )


class ShownReport(list[ShownResult]):
    """Results of several hypotheses, by position or name, which a notebook displays as one table."""

    def __getitem__(self, key: Any) -> Any:
        return _by_name(self, key, "result") if isinstance(key, str) else super().__getitem__(key)

    def to_frame(self) -> DataFrame:
        """One row per hypothesis and prediction."""
        import pandas as pd

        return pd.concat([result.to_frame() for result in self], ignore_index=True)

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_html_(self) -> str:
        rows = [
            (
                one.name,
                text.verdict_cell(one),
                str(one.counted),
                one.basis,
                one.claim.text,
            )
            for one in self
        ]
        return _table(("hypothesis", "verdict", "runs", "basis", "claim"), rows)


@dataclass(frozen=True)
class ShownMultiverse(Multiverse):
    """A `Multiverse` that draws itself, and that a notebook displays; `regions` by prediction."""

    regions: Mapping[str, Region] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Multiverse, hypothesis: Hypothesis) -> ShownMultiverse:
        return cls(**_values(found), regions={p.name: p.region for p in hypothesis.predictions})

    def plot(self, prediction: str | None = None) -> Figure:
        """The specification curve of a prediction, by default the first, as a matplotlib figure.

        Raises `UsageError` for an unknown prediction or one without data.
        """
        name = next(iter(self.regions)) if prediction is None else prediction
        if name not in self.regions:
            known = ", ".join(self.regions)
            raise UsageError(f"{self.name} has no prediction {name!r}, only {known}")
        return specification_curve(curve_of(self, name), self.regions[name])

    def __str__(self) -> str:
        return f"{self.name}: {words.multiverse_statement(self.summary())}"

    def _repr_html_(self) -> str:
        summary = self.summary()
        flips = words.flip_texts(summary)
        changed = f"changed by {'; '.join(flips)}" if flips else "changed by no single choice"
        drawn = curve_of(self, next(iter(self.regions))).points
        picture = _image(self.plot(), "estimates in all analyses") if drawn else ""
        return (
            f"<p><b>{escape(self.name)}</b>: {escape(words.multiverse_statement(summary))}; "
            f"{escape(changed)}</p>{_table(*tables.multiverse_rows(self))}<p>* as registered</p>{picture}"
        )


@dataclass(frozen=True)
class ShownPower(Power):
    """A `Power` that draws itself, and that a notebook displays."""

    @classmethod
    def of(cls, found: Power) -> ShownPower:
        return cls(**_values(found))

    def plot(self) -> Figure:
        """Chance of each verdict by the number of runs, as a matplotlib figure."""
        return power_curve(self)

    def __str__(self) -> str:
        return f"{self.name}: {words.power_statement(self)}"

    def _repr_html_(self) -> str:
        return (
            f"<p><b>{escape(self.name)}</b>: {escape(words.power_statement(self))}</p>"
            f"{_table(*tables.power_rows(self))}{_image(self.plot(), 'chance of each verdict by runs')}"
        )


def snippet(result: Result) -> str:
    """HTML without a style sheet or script of its own, readable on light and on dark pages."""
    verdict = f"{text.SYMBOL[result.verdict]} {result.verdict}"
    if result.qualified:
        verdict += " with reservations"
    notes = [result.meaning] if result.meaning is not None else []
    notes += [f"reservation: {said}" for said in text.qualifier_texts(result)]
    notes += [f"beside the paper: {said}" for said in text.comparison_texts(result)]
    notes += [
        f"by scale, {p.name}: {said}" for p in result.predictions for said in text.scale_texts(p)
    ]
    notes += [said for p in result.predictions if (said := text.unit_text(p)) is not None]
    notes += [f"deviation: {said}" for said in result.deviations]
    notes += list(result.notes)
    notes += [f"amended: {said}" for said in result.plan.changes]
    notes += [f"control: {text.control_text(control, result)}" for control in result.controls]
    picture = ""
    if any(p.estimate.has_value for p in result.predictions):
        picture = _image(forest(result), result.reason)
    return (
        f"<p><b>{escape(result.name)}</b>: "
        f'<b style="color:{COLOUR[result.verdict]}">{escape(verdict)}</b> ({escape(result.basis)}, '
        f"{counted(result.counted, 'run')}). {escape(result.claim.text)}</p>"
        f"{_table(text.PREDICTION_COLUMNS, map(text.prediction_row, result.predictions))}"
        f"{picture}<p>{escape(text.why_text(result))}</p>"
        + (f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>" if notes else "")
    )


def _by_name(some: Iterable[Any], name: str, what: str) -> Any:
    """The one of this name. Raises `KeyError` with the names that there are."""
    found = {one.name: one for one in some}
    if name not in found:
        raise KeyError(f"there is no {what} {name!r}, only {', '.join(found)}")
    return found[name]


def _values(of: Any) -> dict[str, Any]:
    return {f.name: getattr(of, f.name) for f in fields(of)}


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _image(figure: Figure, alt: str) -> str:
    return f'<img src="{data_uri(figure)}" alt="{escape(alt)}">'
