"""The verdict under every declared analysis choice (Steegen et al. 2016).

A choice is a keyword of the estimates, or the suite of the runs. All combinations are analysed, each
as the hypothesis is: same regions, same level, same rule. The analyses share their data, so the whole
has no p-value; reported are the share of the analyses in which each verdict holds, and the single
choices that change the registered verdict.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from emergence_stats.core.intervals.estimates import Estimate
from emergence_stats.core.plan import SUITE, Hypothesis, keyword_defaults
from emergence_stats.core.verdicts import Verdict
from emergence_stats.robustness.curve import Curve, Point, explained_by_choice

if TYPE_CHECKING:
    from pandas import DataFrame

Choices = Mapping[str, Any]


def choices_of(hypothesis: Hypothesis, suite: str | None) -> dict[str, tuple[Any, ...]]:
    """Values of each declared choice, the registered one first; it is added if it is not declared.

    `suite`: that of the registered analysis. A keyword whose default differs between estimates has no
    registered value that all share, so it varies only among the declared ones.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for name, values in hypothesis.multiverse.items():
        defaults = [suite] if name == SUITE else _defaults(hypothesis, name)
        shared = [] if any(d != defaults[0] for d in defaults) else defaults[:1]
        found[name] = (*shared, *(v for v in values if v not in shared))
    return found


def _defaults(hypothesis: Hypothesis, keyword: str) -> list[Any]:
    every = (keyword_defaults(p.estimate) for p in hypothesis.predictions)
    return [defaults[keyword] for defaults in every if keyword in defaults]


def specifications(choices: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """All combinations, the registered one first."""
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


@dataclass(frozen=True)
class Analysis:
    """One analysis: its choices, and what came out. `estimates` by prediction."""

    choices: Choices
    verdict: Verdict
    estimates: Mapping[str, Estimate]
    verdicts: Mapping[str, Verdict]
    n_runs: int

    @cached_property
    def counts(self) -> bool:
        """Whether any of its estimates has an interval."""
        return any(estimate.interval is not None for estimate in self.estimates.values())

    def to_dict(self) -> dict[str, Any]:
        return {
            "choices": {name: _plain(value) for name, value in self.choices.items()},
            "verdict": str(self.verdict),
            "n_runs": self.n_runs,
            "predictions": [
                {
                    "name": name,
                    "estimate": e.value if e.has_value else None,
                    "interval": list(e.interval) if e.interval else [None, None],
                    "verdict": str(self.verdicts[name]),
                }
                for name, e in self.estimates.items()
            ],
        }


class Flip(NamedTuple):
    """A single choice that changes the verdict of the registered analysis, and the runs it then has."""

    choice: str
    value: Any
    verdict: Verdict
    n_runs: int


@dataclass(frozen=True)
class Multiverse:
    """All analyses of a hypothesis, the registered one first; `choices` with the registered values first.

    Analyses without any interval, such as those of a pooling that was not measured or of a suite with a
    single run, are `empty` and are left out. `why_not`: suites that are declared but not in the store.
    """

    name: str
    choices: Mapping[str, tuple[Any, ...]]
    analyses: tuple[Analysis, ...]
    why_not: tuple[str, ...] = ()

    @property
    def registered(self) -> Analysis:
        return self.analyses[0]

    @property
    def empty(self) -> int:
        return sum(not a.counts for a in self.analyses)

    def share(self, verdict: Verdict, keyword: str | None = None, value: Any = None) -> float:
        """Share of the analyses with this verdict, among all or among those in which a choice has a value.

        NaN if there are none.
        """
        some = [
            a
            for a in self.analyses
            if a.counts and (keyword is None or a.choices[keyword] == value)
        ]
        return sum(a.verdict is verdict for a in some) / len(some) if some else math.nan

    def flips(self) -> list[Flip]:
        """Single choices that change the verdict of the registered analysis."""
        base = self.registered
        found = []
        for a in self.analyses:
            changed = [k for k in a.choices if a.choices[k] != base.choices[k]]
            if len(changed) == 1 and a.counts and a.verdict is not base.verdict:
                found.append(Flip(changed[0], a.choices[changed[0]], a.verdict, a.n_runs))
        return found

    def to_frame(self) -> DataFrame:
        """One row per analysis and prediction, as a pandas DataFrame (needs pandas).

        `verdict` is that of the analysis, `prediction_verdict` that of the prediction in it.
        """
        import pandas as pd

        rows = []
        for a in self.analyses:
            for name, e in a.estimates.items():
                lo, hi = e.interval or (math.nan, math.nan)
                numbers = {
                    "estimate": e.value,
                    "ci_low": lo,
                    "ci_high": hi,
                }
                said = {"prediction_verdict": str(a.verdicts[name]), "verdict": str(a.verdict)}
                rows.append(
                    {**a.choices, "n_runs": a.n_runs, "prediction": name, **numbers, **said}
                )
        return pd.DataFrame(rows)

    def summary(self) -> dict[str, Any]:
        """JSON of the whole, without the single analyses.

        Verdicts are those of the claim; `explained` is of the estimate of each prediction, which choice explains how much of
        its variance over the analyses.
        """

        def shares(keyword: str | None, value: Any) -> dict[str, float | None]:
            found = {str(v): self.share(v, keyword, value) for v in Verdict}
            return {v: None if math.isnan(share) else share for v, share in found.items()}

        return {
            "analyses": len(self.analyses),
            "empty": self.empty,
            "registered": str(self.registered.verdict),
            "n_runs": self.registered.n_runs,
            "shares": shares(None, None),
            "by_choice": {
                k: [{"value": _plain(v), **shares(k, v)} for v in values]
                for k, values in self.choices.items()
            },
            "flips": [
                {**flip._asdict(), "value": _plain(flip.value), "verdict": str(flip.verdict)}
                for flip in self.flips()
            ],
            "explained": {
                name: explained_by_choice(curve_of(self, name))
                for name in self.registered.estimates
            },
            "without": list(self.why_not),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON of the whole and of each analysis."""
        specifications = [a.to_dict() for a in self.analyses]
        return {"name": self.name, **self.summary(), "specifications": specifications}


def curve_of(multiverse: Multiverse, prediction: str) -> Curve:
    """The curve of one prediction, without the analyses that are left out."""
    points = []
    for analysis in multiverse.analyses:
        estimate = analysis.estimates[prediction]
        if not analysis.counts or not estimate.has_value:
            continue
        chosen = {
            choice: values.index(analysis.choices[choice])
            for choice, values in multiverse.choices.items()
        }
        points.append(
            Point(chosen, estimate.value, estimate.interval, analysis.verdicts[prediction])
        )
    choices = {choice: tuple(map(str, values)) for choice, values in multiverse.choices.items()}
    return Curve(multiverse.name, prediction, choices, tuple(points))


def _plain(value: Any) -> Any:
    """The value of a choice as JSON has it: what JSON lacks (a function, a set, infinity) as text."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
