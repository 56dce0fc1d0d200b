"""What a control earns, and by how much the analysis differs from it."""

from __future__ import annotations

from typing import Any

from emergence_stats.evaluation.jobs import Arm, Job
from emergence_stats.evaluation.predictions import combined, predict_all
from emergence_stats.evaluation.results import ControlResult, Difference
from emergence_stats.evaluation.values import as_number, label
from emergence_stats.hypothesis import Mean, Prediction, Slope
from emergence_stats.traces.format import Manifest
from emergence_stats.verdicts import Verdict


def conclude_control(job: Job, arm: Arm, verdict: Verdict) -> ControlResult:
    """What a control earns, and whether that is the verdict itself."""
    assert arm.control is not None
    predictions = predict_all(job, arm)
    earned = combined(job.hypothesis, predictions)
    used = arm.used()
    reason = None
    if not used:
        reason = arm.selection.why_nothing or (arm.undefined[0] if arm.undefined else "no run")
        if arm.control.suite is not None and arm.selection.why_nothing is not None:
            reason += f"; make them with: emergence-stats collect --suite {arm.control.suite}"
    return ControlResult(
        name=arm.control.name,
        shows=arm.control.shows,
        verdict=earned,
        same=earned is verdict and verdict is not Verdict.INCONCLUSIVE,
        suite=arm.selection.suite,
        confirmatory=bool(used) and arm.concluded().is_confirmatory(job.state),
        predictions=predictions,
        differences=tuple(
            difference
            for prediction in job.hypothesis.predictions
            if prediction.name in arm.collected
            and (difference := _difference(job, arm, prediction)) is not None
        ),
        n_runs=len(used),
        undefined=len(arm.undefined),
        reason=reason,
    )


def _difference(job: Job, arm: Arm, prediction: Prediction) -> Difference | None:
    """The analysis less the control, unit by unit: of the same run, or of the same scale and seed.

    None if no units match.
    """
    assert arm.control is not None
    same_runs = arm.control.suite is None
    values: list[dict[Any, tuple[float, Manifest]]] = []
    for found in (job.main.collected[prediction.name], arm.collected[prediction.name]):
        mine = {}
        for value, unit in zip(found.values, found.runs, strict=True):
            key: Any = (unit[0].scale if prediction.unit == "run" else "", unit[0].seed)
            if same_runs:
                key = label(prediction, unit)
            mine[key] = (as_number(value), unit[0])
        values.append(mine)
    ours, theirs = values
    both = [key for key in ours if key in theirs]
    if not both:
        return None
    runs = [ours[key][1] for key in both]
    analysis = prediction.analysis if isinstance(prediction.analysis, Slope) else Mean()
    estimate = analysis.estimate(
        [ours[key][0] - theirs[key][0] for key in both],
        [run.scale if prediction.unit == "run" else "" for run in runs],
        [run.log10_params for run in runs],
        None,
        job.hypothesis.simultaneous_level,
    )
    return Difference(prediction.name, estimate)
