"""The verdict rule: one rule for superiority, equivalence and negative claims."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from emergence_stats.core.regions import Region


class Verdict(StrEnum):
    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


def decide(interval: tuple[float, float], region: Region) -> Verdict:
    """Supported when the confidence interval is inside the claim region, refuted when outside."""
    if region.contains_interval(*interval):
        return Verdict.SUPPORTED
    if region.misses_interval(*interval):
        return Verdict.REFUTED
    return Verdict.INCONCLUSIVE


def all_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Kleene's strong conjunction: one refuted prediction refutes; support needs all."""
    found = set(verdicts)
    if Verdict.REFUTED in found:
        return Verdict.REFUTED
    if not found or Verdict.INCONCLUSIVE in found:
        return Verdict.INCONCLUSIVE
    return Verdict.SUPPORTED


def any_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Kleene's strong disjunction: one supported prediction supports; refutation needs all."""
    found = set(verdicts)
    if Verdict.SUPPORTED in found:
        return Verdict.SUPPORTED
    if not found or Verdict.INCONCLUSIVE in found:
        return Verdict.INCONCLUSIVE
    return Verdict.REFUTED


COMBINE = {"all": all_of, "any": any_of}
