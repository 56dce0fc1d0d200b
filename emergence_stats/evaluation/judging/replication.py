"""Ours beside the numbers that a paper reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emergence_stats.core.plan import Claim
from emergence_stats.core.reported import Reported
from emergence_stats.evaluation.results import Comparison, PredictionResult


def comparisons_of(
    claim: Claim, predictions: Sequence[PredictionResult], level: float
) -> Iterator[Comparison]:
    """One for each number that the claim's paper reports, with the prediction that it is about."""
    for version, said in claim.reported.items():
        if not isinstance(said, Reported):
            continue
        name = said.prediction or predictions[0].name
        result = next(p for p in predictions if p.name == name)
        ours, expected, agrees = result.estimate, None, None
        why = _why_not(said, result)
        if why is None:
            expected = said.prediction_interval(ours.stderr or 0.0, ours.df or 0.0, level)
        if expected is not None:
            agrees = bool(expected[0] <= ours.value <= expected[1])
        yield Comparison(
            version=version,
            prediction=name,
            theirs=said.value,
            their_interval=said.interval(level),
            expected=expected,
            ours=ours.value if ours.has_value else None,
            agrees=agrees,
            text=said.text,
            why=why,
        )


def _why_not(said: Reported, ours: PredictionResult) -> str | None:
    """Why two numbers cannot be compared, None if they can."""
    if not ours.estimate.has_value:
        return "ours has no value"
    if said.trials is not None and not (ours.values and ours.values[0].trials is not None):
        return "theirs is a count of cases, and ours is no share"
    if said.error is None:
        return "the paper reports no error"
    if ours.estimate.stderr is None or ours.estimate.df is None:
        return "ours has no standard error"
    return None
