"""From the values of units to the verdict on a prediction, and on the whole of a hypothesis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from emergence_stats.evaluation.jobs import Arm, Job
from emergence_stats.evaluation.results import PredictionResult, UnitValue
from emergence_stats.evaluation.values import Values, as_number, label
from emergence_stats.hypothesis import Hypothesis, Prediction, Slope
from emergence_stats.inference import Estimate
from emergence_stats.support.words import number
from emergence_stats.verdicts import COMBINE, Verdict, decide


def settle(
    hypothesis: Hypothesis, prediction: Prediction, collected: Values, *, test: bool = True
) -> tuple[Estimate, Verdict]:
    """The estimate over units and its verdict; without `test`, the costliest part, no p-value."""
    first_runs = [unit[0] for unit in collected.runs]
    scales = {run.scale for unit in collected.runs for run in unit}
    if not collected.values:
        why = "no run gives a value"
        estimate = Estimate(
            math.nan, None, hypothesis.simultaneous_level, None, None, 0, "none", why
        )
        return estimate, Verdict.INCONCLUSIVE
    estimate = prediction.analysis.estimate(
        collected.values,
        # A seed's unit holds all scales: there is nothing to stratify by.
        [run.scale if prediction.unit == "run" else "" for run in first_runs],
        [run.log10_params for run in first_runs],
        prediction.region if test else None,
        hypothesis.simultaneous_level,
    )
    if len(scales) < hypothesis.needs.min_scales:
        why = f"{len(scales)} scales, but the plan needs {hypothesis.needs.min_scales}"
        estimate = replace(estimate, interval=None, p_value=None, why_no_interval=why)
    if estimate.interval is None:
        return estimate, Verdict.INCONCLUSIVE
    return estimate, decide(estimate.interval, prediction.region)


def predict(hypothesis: Hypothesis, prediction: Prediction, collected: Values) -> PredictionResult:
    """The verdict on a prediction and everything that it rests on."""
    estimate, verdict = settle(hypothesis, prediction, collected)
    if estimate.interval is None:
        reason = estimate.why_no_interval or "no interval"
    else:
        reason = _interval_reason(prediction, estimate, verdict)
    units = tuple(
        UnitValue(label(prediction, unit), tuple(run.run_id for run in unit), as_number(value))
        for value, unit in zip(collected.values, collected.runs, strict=True)
    )
    return PredictionResult(
        name=prediction.name,
        estimate=estimate,
        region=prediction.region,
        verdict=verdict,
        reason=reason,
        unit=prediction.unit,
        n_runs=len({run.run_id for unit in collected.runs for run in unit}),
        values=tuple(sorted(units, key=lambda u: u.label)),
        units_compare=not isinstance(prediction.analysis, Slope),
    )


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


def _interval_reason(prediction: Prediction, estimate: Estimate, verdict: Verdict) -> str:
    assert estimate.interval is not None
    lo, hi = estimate.interval
    shown = f"{prediction.name}: {number(estimate.value)} [{number(lo)}, {number(hi)}]"
    if verdict is Verdict.SUPPORTED:
        return f"{shown} inside {prediction.region}"
    if verdict is Verdict.REFUTED:
        return f"{shown} outside {prediction.region}"
    # No number of runs that would settle it: at one standard error of the estimate it may be a seventh or twice that.
    # `emergence-stats power` simulates the chances.
    return f"{shown} reaches across the edge of {prediction.region}"
