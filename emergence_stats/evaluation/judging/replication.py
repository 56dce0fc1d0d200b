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
        ours = next(p for p in predictions if p.name == name).estimate
        expected, agrees = None, None
        if ours.n_runs and ours.stderr is not None and ours.df is not None:
            expected = said.prediction_interval(ours.stderr, ours.df, level)
        if expected is not None:
            agrees = bool(expected[0] <= ours.value <= expected[1])
        yield Comparison(
            version=version,
            prediction=name,
            theirs=said.value,
            their_interval=said.interval(level),
            expected=expected,
            ours=ours.value if ours.n_runs else None,
            agrees=agrees,
            text=said.text,
        )
