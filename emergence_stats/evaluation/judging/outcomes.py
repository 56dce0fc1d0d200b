"""Whether a plan can come out both ways: one that no data could support, or none refute, is no test.

Values on a bounded range are the case: five runs that agree on 1 leave open whether every second is another, so that
"at least 0.99" cannot be supported by as few.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emergence_stats.core.analyses import Share, bounds_of
from emergence_stats.core.plan import Design, Hypothesis, Prediction
from emergence_stats.core.settle import Sample, settle
from emergence_stats.core.verdicts import COMBINE, Verdict
from emergence_stats.errors import HypothesisError
from emergence_stats.support.words import counted

_TRIED = 201  # values on which all runs agree, or all but, from one bound to the other
_APART = 0.02  # of the range, where they all but agree
_MOST_SEEDS = 512
_TRIALS = 1e6  # of each run, so that these do not limit what it tells


def check_both_ways(name: str, hypothesis: Hypothesis) -> None:
    """Raise `HypothesisError` if the runs of the design cannot support, or cannot refute, the hypothesis.

    Without a design the number of runs is open, and nothing is raised.
    """
    design = hypothesis.design
    if design is None:
        return
    if len(design.scales) < hypothesis.needs.min_scales:
        raise HypothesisError(
            f"{name}: the design has {len(design.scales)} scales, but the plan needs {hypothesis.needs.min_scales}, so "
            "that it would be inconclusive whatever the runs show"
        )
    possible = {p.name: _verdicts_of(p, hypothesis) for p in hypothesis.predictions}
    for verdict in (Verdict.SUPPORTED, Verdict.REFUTED):
        if _best(hypothesis, possible, verdict):
            continue
        lacking = next(n for n, verdicts in possible.items() if verdict not in verdicts)
        prediction = next(p for p in hypothesis.predictions if p.name == lacking)
        verb = "support" if verdict is Verdict.SUPPORTED else "refute"
        raise HypothesisError(
            f"{name}: {_units(prediction, hypothesis)} cannot {verb} {lacking!r} {prediction.region}, even if all "
            f"agree; {_enough(prediction, hypothesis, verdict)}. Do not move the region for this"
        )


def best_of(hypothesis: Hypothesis) -> list[Verdict]:
    """Of supported and refuted those that the runs of the design could give, if all agree."""
    possible = {p.name: _verdicts_of(p, hypothesis) for p in hypothesis.predictions}
    some = (Verdict.SUPPORTED, Verdict.REFUTED)
    return [verdict for verdict in some if _best(hypothesis, possible, verdict)]


def _best(hypothesis: Hypothesis, possible: dict[str, set[Verdict]], verdict: Verdict) -> bool:
    """Whether predictions that each come out as they can come nearest to a verdict give it."""
    best = [
        verdict if verdict in verdicts else Verdict.INCONCLUSIVE for verdicts in possible.values()
    ]
    return COMBINE[hypothesis.combine](best) is verdict


def _enough(prediction: Prediction, hypothesis: Hypothesis, verdict: Verdict) -> str:
    """How many seeds it would take, up to `_MOST_SEEDS`."""
    design = hypothesis.design
    assert design is not None

    def can(seeds: int) -> bool:
        larger = replace(hypothesis, design=_with_seeds(design, seeds))
        return verdict in _verdicts_of(prediction, larger)

    below, above = len(design.seeds), 2 * len(design.seeds)
    while above <= _MOST_SEEDS and not can(above):
        below, above = above, 2 * above
    if above > _MOST_SEEDS:
        return f"nor could {_MOST_SEEDS} seeds a scale"
    while above - below > 1:
        middle = (above + below) // 2
        below, above = (below, middle) if can(middle) else (middle, above)
    return f"{above} seeds a scale could"


def _with_seeds(design: Design, seeds: int) -> Design:
    """The same with so many seeds, and as many looks."""
    looks = (*design.looks[:-1], seeds) if design.sequential else ()
    return replace(design, seeds=tuple(range(seeds)), looks=looks)


def _units(prediction: Prediction, hypothesis: Hypothesis) -> str:
    assert hypothesis.design is not None
    if prediction.unit == "seed":
        return counted(len(hypothesis.design.seeds), "seed")
    return counted(len(hypothesis.design.runs()), "run")


def _verdicts_of(prediction: Prediction, hypothesis: Hypothesis) -> set[Verdict]:
    """Verdicts that some values of the units could give a prediction."""
    assert hypothesis.design is not None
    strata: list[str] = [scale for scale, _ in hypothesis.design.runs()]
    design_scales = list(hypothesis.design.scales)
    if prediction.unit == "seed":
        strata = [""] * len(hypothesis.design.seeds)
    bounds = bounds_of(prediction.analysis)
    if len(strata) < 2:
        return {Verdict.INCONCLUSIVE}
    n, level = len(strata), hypothesis.simultaneous_level
    sizes = np.array([float(design_scales.index(s)) if s else 0.0 for s in strata])
    if bounds is None:
        some = Sample(np.random.default_rng(0).standard_normal(n), strata, sizes)
        ends = settle(prediction, some, level, test=False).estimate.interval
        return {Verdict.INCONCLUSIVE} if ends is None else set(Verdict)
    found = set()
    lo, hi = bounds
    apart = _APART * (hi - lo) * (np.arange(n) % 2)
    tries = [np.full(n, value) for value in np.linspace(lo, hi, _TRIED)]
    trials = None
    if isinstance(prediction.analysis, Share):
        trials = np.full(n, _TRIALS)
    for values in (*tries, *(np.clip(agreeing - apart, lo, hi) for agreeing in tries)):
        sample = Sample(values, strata, np.zeros(n), trials)
        found.add(settle(prediction, sample, level, test=False).verdict)
    return found
