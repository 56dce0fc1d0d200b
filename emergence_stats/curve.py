"""The estimates of one prediction in all analyses of a multiverse: what a specification curve draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emergence_stats.verdicts import Verdict

if TYPE_CHECKING:
    from emergence_stats.analyses import Multiverse


@dataclass(frozen=True)
class Point:
    """One analysis: which value of each choice (numbers from 0), and what came out."""

    chosen: tuple[int, ...]
    value: float
    interval: tuple[float, float] | None
    verdict: Verdict


@dataclass(frozen=True)
class Curve:
    """`choices`: the values of each as text, the registered one first; `points` with data, in the order
    of the analyses, so that the registered one comes first where it has data.
    """

    name: str
    prediction: str
    choices: Mapping[str, tuple[str, ...]]
    points: tuple[Point, ...]

    def registered(self, point: Point) -> bool:
        return not any(point.chosen)

    def to_dict(self) -> dict[str, Any]:
        """JSON with a line of text an analysis, which reads well where records are compared."""
        return {
            "prediction": self.prediction,
            "choices": {name: list(values) for name, values in self.choices.items()},
            "analyses": [
                " ".join([",".join(map(str, p.chosen)), *map(_text, _numbers(p)), str(p.verdict)])
                for p in self.points
            ],
        }

    @classmethod
    def from_dict(cls, name: str, found: Mapping[str, Any]) -> Curve:
        points = []
        for line in found["analyses"]:
            chosen, value, lo, hi, verdict = line.split()
            points.append(
                Point(
                    tuple(map(int, chosen.split(","))),
                    float(value),
                    None if lo == "-" else (float(lo), float(hi)),
                    Verdict(verdict),
                )
            )
        choices = {choice: tuple(values) for choice, values in found["choices"].items()}
        return cls(name, found["prediction"], choices, tuple(points))


def curve_of(multiverse: Multiverse, prediction: str) -> Curve:
    """The curve of one prediction, without the analyses that count for nothing."""
    points = []
    for analysis in multiverse.analyses:
        estimate = analysis.estimates[prediction]
        if not analysis.counts or not estimate.n_runs:
            continue
        chosen = tuple(
            values.index(analysis.choices[choice]) for choice, values in multiverse.choices.items()
        )
        points.append(
            Point(chosen, estimate.value, estimate.interval, analysis.verdicts[prediction])
        )
    choices = {choice: tuple(map(str, values)) for choice, values in multiverse.choices.items()}
    return Curve(multiverse.name, prediction, choices, tuple(points))


def _numbers(point: Point) -> tuple[float | None, ...]:
    return (point.value, *(point.interval or (None, None)))


def _text(number: float | None) -> str:
    return "-" if number is None else f"{number:.6g}"
