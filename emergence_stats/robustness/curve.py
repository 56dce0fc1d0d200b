"""The estimates of one prediction in all analyses of a multiverse: what a specification curve draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emergence_stats.core.verdicts import Verdict


@dataclass(frozen=True)
class Point:
    """One analysis: the number of its value, from 0, for each choice by name, and what came out."""

    chosen: Mapping[str, int]
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
        return not any(point.chosen.values())

    def to_dict(self) -> dict[str, Any]:
        """JSON that does not depend on the order of keys, which a writer may sort.

        One line of text per analysis keeps records easy to compare.
        """
        return {
            "prediction": self.prediction,
            "choices": [
                {"name": name, "values": list(values)} for name, values in self.choices.items()
            ],
            "analyses": [
                " ".join([_chosen_text(p.chosen), *map(_text, _numbers(p)), str(p.verdict)])
                for p in self.points
            ],
        }

    @classmethod
    def from_dict(cls, name: str, found: Mapping[str, Any], declared: Sequence[str] = ()) -> Curve:
        """What `to_dict` wrote.

        Records of version 0.1 hold the choices under sorted keys, and in each analysis bare numbers in the
        order in which the hypothesis declared the choices: `declared`.
        """
        listed = found["choices"]
        if isinstance(listed, Mapping):
            listed = [
                {"name": choice, "values": listed[choice]}
                for choice in declared
                if choice in listed
            ]
        choices = {one["name"]: tuple(one["values"]) for one in listed}
        points = []
        for line in found["analyses"]:
            chosen, value, lo, hi, verdict = line.split()
            points.append(
                Point(
                    _chosen_of(chosen, list(choices)),
                    float(value),
                    None if lo == "-" else (float(lo), float(hi)),
                    Verdict(verdict),
                )
            )
        return cls(name, found["prediction"], choices, tuple(points))


def explained_by_choice(curve: Curve) -> dict[str, float]:
    """Share of the variance of the estimate over all analyses that each choice explains, by name, and "interactions" for
    what they explain only together.

    Analysis of variance of main effects, over the sum of all: what analyses that were left out would have added is not made
    up for. Empty where all estimates agree, or nothing varies.
    """
    varied = [name for name in curve.choices if len({p.chosen[name] for p in curve.points}) > 1]
    values = [point.value for point in curve.points]
    if not varied or len(values) < 3 or max(values) - min(values) <= 1e-12 * max(map(abs, values)):
        return {}
    levels = {name: len({p.chosen[name] for p in curve.points}) for name in varied}
    if len(values) <= 1 + sum(
        n - 1 for n in levels.values()
    ):  # nothing is left to tell the choices apart by
        return {varied[0]: 1.0, "interactions": 0.0} if len(varied) == 1 else {}
    if len(values) == math.prod(levels.values()):  # every combination once: choices are orthogonal
        return _orthogonal(curve, varied)
    return _type_two(curve, varied)


def _orthogonal(curve: Curve, varied: Sequence[str]) -> dict[str, float]:
    """Of a full factorial: between the means of each choice's values, and what is left."""
    values = np.array([point.value for point in curve.points])
    whole = float(((values - values.mean()) ** 2).sum())
    shares = {}
    for name in varied:
        _, chosen = np.unique([p.chosen[name] for p in curve.points], return_inverse=True)
        means = np.bincount(chosen, values) / np.bincount(chosen)
        shares[name] = float(((means[chosen] - values.mean()) ** 2).sum()) / whole
    return {**shares, "interactions": max(1.0 - sum(shares.values()), 0.0)}


def _type_two(curve: Curve, varied: Sequence[str]) -> dict[str, float]:
    """Where analyses are missing: type II sums of squares, by statsmodels."""
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    values = [point.value for point in curve.points]
    columns = {f"c{i}": [p.chosen[name] for p in curve.points] for i, name in enumerate(varied)}
    frame = pd.DataFrame({"value": values, **columns})
    table = anova_lm(ols(f"value ~ {' + '.join(f'C({c})' for c in columns)}", frame).fit(), typ=2)
    squares = table["sum_sq"]
    whole = float(squares.sum())
    shares = {name: float(squares[f"C(c{i})"]) / whole for i, name in enumerate(varied)}
    return {**shares, "interactions": float(squares["Residual"]) / whole}


def _chosen_text(chosen: Mapping[str, int]) -> str:
    return ",".join(f"{choice}={number}" for choice, number in chosen.items())


def _chosen_of(text: str, choices: Sequence[str]) -> dict[str, int]:
    parts = text.split(",")
    if "=" not in text:  # version 0.1
        return dict(zip(choices, map(int, parts), strict=True))
    by_name = {choice: int(number) for choice, _, number in (part.partition("=") for part in parts)}
    return {choice: by_name[choice] for choice in choices}


def _numbers(point: Point) -> tuple[float | None, ...]:
    return (point.value, *(point.interval or (None, None)))


def _text(number: float | None) -> str:
    return "-" if number is None else f"{number:.6g}"
