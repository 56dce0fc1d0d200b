"""From the values of units to the verdict on a prediction, and on the whole of a hypothesis."""

from __future__ import annotations

from collections.abc import Iterable

from emergence_stats.core.analyses import ACROSS, Mean
from emergence_stats.core.intervals.estimates import Interval
from emergence_stats.core.plan import AVERAGE, Hypothesis, Prediction
from emergence_stats.core.settle import Settled
from emergence_stats.core.verdicts import COMBINE, Verdict
from emergence_stats.evaluation.jobs import Arm, Job
from emergence_stats.evaluation.judging.rules import settle
from emergence_stats.evaluation.results import PredictionResult, UnitValue
from emergence_stats.evaluation.values import Values, as_number, label
from emergence_stats.support.words import listed, number

_NATURAL = ((0.0, 1.0), (-1.0, 1.0))  # ranges of shares and correlations, which nobody searched


def predict(hypothesis: Hypothesis, prediction: Prediction, collected: Values) -> PredictionResult:
    """The verdict on a prediction and everything that it rests on."""
    settled = settle(hypothesis, prediction, collected)
    if settled.used is not None:
        kept = [i for i, used in enumerate(settled.used) if used]
        values, runs = ([x[i] for i in kept] for x in (collected.values, collected.runs))
        collected = Values(values, runs, collected.made)
    units = tuple(
        UnitValue(
            label(prediction, unit),
            tuple(run.run_id for run in unit),
            as_number(value),
            float(value[1]) if isinstance(value, tuple) else None,
        )
        for value, unit in zip(collected.values, collected.runs, strict=True)
    )
    return PredictionResult(
        name=prediction.name,
        estimate=settled.estimate,
        region=prediction.region,
        verdict=settled.verdict,
        reason=_reason(prediction, settled),
        unit=prediction.unit,
        n_runs=len({run.run_id for unit in collected.runs for run in unit}),
        values=tuple(sorted(units, key=lambda u: u.label)),
        units_compare=not isinstance(prediction.analysis, ACROSS),
        scope=scope_of(prediction),
        mixed=settled.mixed,
        deciding=settled.deciding,
        at_bound=_at_bound(prediction, [u.value for u in units]),
        look=settled.look,
        looks=hypothesis.looks,
        lent=settled.lent,
    )


def scope_of(prediction: Prediction) -> str:
    """What a prediction is about: every scale, their average, or how they compare."""
    if isinstance(prediction.analysis, ACROSS) or prediction.unit == "seed":
        return "across scales"
    return prediction.scope or AVERAGE


def predict_all(job: Job, arm: Arm) -> tuple[PredictionResult, ...]:
    """Every prediction that an arm is about."""
    return tuple(
        predict(job.hypothesis, prediction, arm.collected[prediction.name])
        for prediction in job.hypothesis.predictions
        if prediction.name in arm.collected
    )


def combined(hypothesis: Hypothesis, predictions: Iterable[PredictionResult]) -> Verdict:
    """The verdict on the hypothesis, by its three-valued rule."""
    return COMBINE[hypothesis.combine](p.verdict for p in predictions)


def _at_bound(prediction: Prediction, values: list[float]) -> int:
    """How many units lie at an end of the range that was searched for their value."""
    analysis = prediction.analysis
    if not isinstance(analysis, Mean) or analysis.bounds is None or not analysis.search:
        return 0
    bounds = analysis.bounds
    near = 1e-6 * (bounds[1] - bounds[0])
    return sum(min(abs(value - bounds[0]), abs(value - bounds[1])) <= near for value in values)


def _reason(prediction: Prediction, settled: Settled) -> str:
    estimate, region = settled.estimate, prediction.region
    if estimate.interval is None and settled.verdict is Verdict.INCONCLUSIVE:
        return estimate.why_no_interval or "no interval"
    name = prediction.name
    where = f"{name}: {number(estimate.value)} {_ends(estimate.interval)}"
    if settled.deciding is not None:
        return _every_reason(name, settled, region)
    if settled.verdict is Verdict.SUPPORTED:
        return f"{where} inside {region}"
    if settled.verdict is Verdict.REFUTED:
        return f"{where} outside {region}"
    ends = estimate.interval
    if settled.mixed and ends is not None and region.contains_interval(*ends):
        those = [
            f"{s.scale} {number(s.value)} {_ends(s.together)}"
            for s in estimate.scales
            if s.scale in settled.mixed
        ] or list(settled.mixed)
        return f"mixed across scales: {where} inside {region} as a whole, but scales contradict it: {listed(those)}"
    # No number of runs that would settle it: at one standard error of the estimate it may be a seventh or twice that.
    # `emergence-stats power` simulates the chances.
    return f"{where} reaches across the edge of {region}"


def _every_reason(name: str, settled: Settled, region: object) -> str:
    scales = settled.estimate.scales
    if not scales:  # one scale, which is all of them
        ends = settled.estimate.interval
        verb = {Verdict.SUPPORTED: "inside", Verdict.REFUTED: "outside"}.get(
            settled.verdict, "reaches across the edge of"
        )
        return f"{name}: {number(settled.estimate.value)} {_ends(ends)} {verb} {region}"
    worst = next(s for s in scales if s.scale == settled.deciding)
    if settled.verdict is Verdict.SUPPORTED:
        return (
            f"{name}: inside {region} at every scale, the least so at {worst.scale} "
            f"({number(worst.value)} {_ends(worst.interval)})"
        )
    if settled.verdict is Verdict.REFUTED:
        outside = settled.mixed or tuple(s.scale for s in scales)
        shown = [
            f"{s.scale} {number(s.value)} {_ends(s.together)}" for s in scales if s.scale in outside
        ]
        return f"{name}: outside {region} for certain at {listed(shown)}"
    return (
        f"{name}: not inside {region} for certain at {worst.scale} "
        f"({number(worst.value)} {_ends(worst.interval)})"
    )


def _ends(ends: Interval | None) -> str:
    return "(no interval)" if ends is None else f"[{number(ends[0])}, {number(ends[1])}]"
