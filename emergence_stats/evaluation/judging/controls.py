"""What a control earns, and by how much the analysis exceeds it, prediction by prediction."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from emergence_stats.core.analyses import Mean, Slope, bounds_of, kind_of
from emergence_stats.core.controls import DIFFERS, SAME, UNKNOWN, Control
from emergence_stats.core.intervals.estimates import Estimate
from emergence_stats.core.plan import Prediction
from emergence_stats.core.regions import Region
from emergence_stats.core.settle import Sample, settle
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.jobs import Arm, Job
from emergence_stats.evaluation.judging.predictions import combined, predict_all
from emergence_stats.evaluation.judging.rules import is_of_first_study
from emergence_stats.evaluation.results import ControlResult, Difference, PredictionResult
from emergence_stats.evaluation.values import as_number, label
from emergence_stats.traces.format import Manifest

_ANY = Region.at_least(0.0)  # means and differences are estimated here, and not tested


def conclude_control(
    job: Job, arm: Arm, predictions: tuple[PredictionResult, ...], verdict: Verdict
) -> ControlResult:
    """What a control earns, and whether the analysis (`predictions`, with its `verdict`) exceeds it."""
    assert arm.control is not None
    earned = predict_all(job, arm)
    used = arm.used()
    reason = None
    if not used:
        reason = arm.selection.why_nothing or (arm.undefined[0] if arm.undefined else "no run")
        if arm.control.suite is not None and arm.selection.why_nothing is not None:
            reason += f"; make them with: emergence-stats collect --suite {arm.control.suite}"
    differences = tuple(
        difference
        for prediction in job.hypothesis.predictions
        if prediction.name in arm.collected
        and (difference := _difference(job, arm, prediction, predictions, earned)) is not None
    )
    finds = finds_of(job, arm.control)
    return ControlResult(
        name=arm.control.name,
        shows=arm.control.shows,
        verdict=combined(job.hypothesis, earned),
        same=finds is None and speaks_against(arm.control, differences, predictions, verdict),
        suite=arm.selection.suite,
        confirmatory=bool(used) and arm.concluded().is_confirmatory(job.state),
        predictions=earned,
        differences=differences,
        n_runs=len(used),
        undefined=len(arm.undefined),
        reason=reason,
        finds=finds,
        expects=getattr(arm.control, "expects", DIFFERS),
    )


def finds_of(job: Job, control: Control) -> str | None:
    """The verdict that a positive control has to earn, None of a negative one.

    Plans of the first study could not say which are positive: those that plant a relation do so against claims that there
    is none.
    """
    if is_of_first_study(job.hypothesis):
        return "refuted" if control.name.startswith("planted") else None
    return getattr(control, "finds", None)


def speaks_against(
    control: Control,
    differences: tuple[Difference, ...],
    predictions: tuple[PredictionResult, ...],
    verdict: Verdict,
) -> bool:
    """Whether no prediction that carries a verdict exceeds the control, or some differs that was to be the same."""
    if verdict is Verdict.INCONCLUSIVE:
        return False
    carrying = {p.name for p in predictions if p.verdict is verdict}
    about = [d for d in differences if d.prediction in carrying]
    if getattr(control, "expects", DIFFERS) == SAME:
        return any(d.judgement != SAME for d in about)
    return bool(about) and not any(d.exceeds for d in about)


def _difference(
    job: Job,
    arm: Arm,
    prediction: Prediction,
    main: tuple[PredictionResult, ...],
    earned: tuple[PredictionResult, ...],
) -> Difference | None:
    """The analysis less the control, unit by unit: of the same run, or of the same scale and seed.

    None if no units match.
    """
    assert arm.control is not None
    ours, theirs = (next(p for p in some if p.name == prediction.name) for some in (main, earned))
    level = job.hypothesis.simultaneous_level
    if kind_of(prediction.analysis) == "LargestDifference":
        estimate = _of_two(ours.estimate, theirs.estimate, level)
    else:
        both = _matched(job, arm, prediction)
        if both is None:
            return None
        estimate = _estimate(prediction, *both, level)
    judgement = _judgement(estimate, getattr(arm.control, "margin", None))
    farther = _depth(ours.estimate.value, prediction.region) > _depth(
        theirs.estimate.value, prediction.region
    )
    if ours.verdict is Verdict.REFUTED:  # a refuted claim exceeds a control that is less outside
        farther = not farther
    return Difference(prediction.name, estimate, judgement, judgement == DIFFERS and farther)


def _matched(job: Job, arm: Arm, prediction: Prediction) -> tuple[Sample, Sample] | None:
    """Values of the units that both have: of the analysis, and of the control."""
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
    both = [key for key in values[0] if key in values[1]]
    if not both:
        return None
    runs = [values[0][key][1] for key in both]
    strata = [run.scale if prediction.unit == "run" else "" for run in runs]
    sizes = np.array([run.log10_params for run in runs], float)
    ours, theirs = (
        Sample(np.array([mine[key][0] for key in both]), strata, sizes) for mine in values
    )
    return ours, theirs


def _estimate(prediction: Prediction, ours: Sample, theirs: Sample, level: float) -> Estimate:
    """The difference of means or of slopes, unit by unit (Student's t).

    Of values with bounds from the two means' own intervals, which no pair of units that agree makes shorter than they
    are.
    """
    bounds = bounds_of(prediction.analysis)
    if bounds is not None:
        name, unit = prediction.name, prediction.unit
        mean = Prediction(name, prediction.estimate, _ANY, Mean(bounds), unit)
        one, other = (settle(mean, some, level, test=False).estimate for some in (ours, theirs))
        return _of_two(one, other, level)
    analysis: Mean | Slope = Mean()
    if kind_of(prediction.analysis) == "Slope":
        analysis = Slope(prediction.analysis.over)  # type: ignore[union-attr]
    less = Prediction(prediction.name, prediction.estimate, _ANY, analysis, prediction.unit)
    paired = replace(ours, values=ours.values - theirs.values)
    return settle(less, paired, level, test=False).estimate


def _of_two(ours: Estimate, theirs: Estimate, level: float) -> Estimate:
    """The difference of two estimates by their own intervals, as if they were independent (MOVER, Zou and Donner 2008).

    Units that vary together make it wider than it needs to be.
    """
    value, ends = ours.value - theirs.value, None
    if ours.interval is not None and theirs.interval is not None:
        below = math.hypot(ours.value - ours.interval[0], theirs.interval[1] - theirs.value)
        above = math.hypot(ours.interval[1] - ours.value, theirs.value - theirs.interval[0])
        ends = value - below, value + above
    n = min(ours.n_runs, theirs.n_runs)
    return Estimate(value, ends, level, None, None, n, "difference by both intervals (MOVER)")


def _judgement(difference: Estimate, margin: float | None) -> str:
    if difference.interval is None:
        return UNKNOWN
    lo, hi = difference.interval
    if margin is not None and -margin <= lo and hi <= margin:
        return SAME
    if lo > 0 or hi < 0:
        return DIFFERS
    return UNKNOWN


def _depth(value: float, region: Region) -> float:
    """How far inside the region a value lies; negative outside."""
    if math.isnan(value):
        return -math.inf
    distance = abs(value - region.nearest_boundary(value))
    return distance if region.contains(value) else -distance
