"""Many claims in one report: how surprising is the support of some of them?

A claim has one p-value, for the null hypothesis that the claim is false. If all predictions must hold it is
the largest of theirs (intersection-union, Berger 1982); if one is enough, the smallest times their
number (Bonferroni). In a plan that looks early a prediction has a p-value a look, and that of the look that decided counts
times their number (Bonferroni), as its interval does. Over claims these are adjusted twice: Holm (1979), for the chance of even one
false support; Benjamini and Hochberg (1995), for the share of false ones among those supported, which
needs claims that are independent or vary together, as claims tested on the same runs do.

This changes no verdict: verdicts are decided claim by claim, with simultaneous intervals inside each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emergence_stats.evaluation.results import Adjusted, PredictionResult, Result


def claim_p(result: Result) -> float | None:
    """p-value of a claim, None if a prediction that it needs has none."""
    found = [_p_of(prediction) for prediction in result.predictions]
    known = [p for p in found if p is not None]
    if result.combine == "any":
        return min(1.0, len(found) * min(known)) if known else None
    return max(known) if len(known) == len(found) else None


def _p_of(prediction: PredictionResult) -> float | None:
    p = prediction.estimate.p_value
    return None if p is None else min(1.0, p * prediction.looks)


def adjust(results: Sequence[Result]) -> list[Result]:
    """The results with their claims' p-values adjusted over all that have one."""
    p = [claim_p(result) for result in results]
    known = np.array([x for x in p if x is not None])
    if known.size == 0:
        return list(results)
    from statsmodels.stats.multitest import multipletests

    holm, fdr = (multipletests(known, method=method)[1] for method in ("holm", "fdr_bh"))
    adjusted = iter(zip(known, holm, fdr, strict=True))
    return [
        result if x is None else replace(result, adjusted=Adjusted(*map(float, next(adjusted))))
        for result, x in zip(results, p, strict=True)
    ]
