"""What a control earns, and by how much the analysis exceeds it, prediction by prediction."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from emergence_stats.claims.backend import can_be_collected
from emergence_stats.core.analyses import (
    Analysis,
    LargestDifference,
    Mean,
    Median,
    Slope,
    bounds_of,
)
from emergence_stats.core.controls.control import DIFFERS, SAME, UNKNOWN, Control
from emergence_stats.core.intervals.estimates import Estimate, Interval
from emergence_stats.core.plan import EVERY, Prediction
from emergence_stats.core.regions import Region
from emergence_stats.core.settle import AGREE, Sample, settle
from emergence_stats.core.verdicts import Verdict, all_of, decide
from emergence_stats.evaluation.jobs import Arm, Job
from emergence_stats.evaluation.judging.predictions import combined, predict_all
from emergence_stats.evaluation.results import ControlResult, Difference, PredictionResult
from emergence_stats.evaluation.values import as_number, label
from emergence_stats.traces.format import Manifest

_ENOUGH = 0.9  # of the units of a control of the same runs
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
        absent = arm.control.suite is not None and arm.selection.why_nothing is not None
        if absent and can_be_collected(str(arm.control.suite)):
            reason += f"; make them with: emergence-stats collect --suite {arm.control.suite}"
    differences = tuple(
        difference
        for prediction in job.hypothesis.predictions
        if prediction.name in arm.collected
        and (difference := _difference(job, arm, prediction, predictions, earned)) is not None
    )
    finds = arm.control.finds
    return ControlResult(
        name=arm.control.name,
        shows=arm.control.shows,
        verdict=_earned(job, earned, positive=finds is not None),
        same=finds is None
        and speaks_against(arm.control, differences, predictions, verdict, _compared(job, arm)),
        suite=arm.selection.suite,
        confirmatory=bool(used) and arm.concluded().is_confirmatory(job.state),
        predictions=earned,
        differences=differences,
        n_runs=len(used),
        undefined=len(arm.undefined),
        reason=reason,
        finds=finds,
        expects=arm.control.expects,
    )


def _earned(job: Job, predictions: tuple[PredictionResult, ...], *, positive: bool) -> Verdict:
    """The verdict of a control. What is planted is the same in every unit, and is found or not by its value."""
    if positive:
        predictions = tuple(replace(p, verdict=_by_value(p)) for p in predictions)
    return combined(job.hypothesis, predictions)


def _by_value(p: PredictionResult) -> Verdict:
    """The verdict on a prediction, where units that agree give their value for an interval: all of them, or those of a scale."""
    if p.estimate.why_no_interval == AGREE:
        return decide((p.estimate.value, p.estimate.value), p.region)
    if p.deciding is None or p.estimate.interval is not None:
        return p.verdict
    ends = [
        (s.value, s.value) if s.interval is None and s.stderr == 0.0 else s.interval
        for s in p.estimate.scales
    ]
    verdicts = [decide(e, p.region) if e is not None else Verdict.INCONCLUSIVE for e in ends]
    return all_of(verdicts)


def speaks_against(
    control: Control,
    differences: tuple[Difference, ...],
    predictions: tuple[PredictionResult, ...],
    verdict: Verdict,
    compared: float = 1.0,
) -> bool:
    """Whether no prediction that carries a verdict exceeds the control, or some differs that was to be the same.

    `compared`: the share of units in which the two could be compared. A control that was not compared, or in some units
    only, clears nothing: which units have a value of it may depend on what it shows.
    """
    if verdict is Verdict.INCONCLUSIVE:
        return False
    carrying = {p.name for p in predictions if p.verdict is verdict}
    if control.predictions and carrying.isdisjoint(control.predictions):
        return False
    about = [d for d in differences if d.prediction in carrying]
    if not about or compared < _ENOUGH:
        return True
    if control.expects == SAME:
        return any(d.judgement != SAME for d in about)
    return not any(d.exceeds for d in about)


def _compared(job: Job, arm: Arm) -> float:
    """In which share of its units a control of the same runs has a value; 1 for one of another suite, which has runs of
    its own.
    """
    assert arm.control is not None
    if arm.control.suite is not None:
        return 1.0
    ours = sum(len(job.main.collected[name].values) for name in arm.collected)
    theirs = sum(len(found.values) for found in arm.collected.values())
    return theirs / ours if ours else 0.0


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
    if isinstance(prediction.analysis, LargestDifference):
        estimate = _of_two(ours.estimate, theirs.estimate, level)
    else:
        both = _matched(job, arm, prediction, ours)
        if both is None:
            return None
        estimate = _estimate(prediction, *both, level)
    judgement = _judgement(estimate, arm.control.margin)
    farther = _is_farther(ours, theirs)
    return Difference(prediction.name, estimate, judgement, judgement == DIFFERS and farther)


def _is_farther(ours: PredictionResult, theirs: PredictionResult) -> bool:
    """Whether the analysis lies farther inside the region than the control, or farther outside if that is its verdict.

    Of a region with two ends, on whatever side the control lies: it has to lie outside.
    """
    region = ours.region
    if region.lo is not None and region.hi is not None and ours.verdict is not Verdict.REFUTED:
        return not region.contains(theirs.estimate.value)
    deeper = _depth(ours.estimate.value, region) > _depth(theirs.estimate.value, region)
    return not deeper if ours.verdict is Verdict.REFUTED else deeper


def _matched(
    job: Job, arm: Arm, prediction: Prediction, ours: PredictionResult
) -> tuple[Sample, Sample] | None:
    """Values of the units that both have: of the analysis, and of the control."""
    assert arm.control is not None
    same_runs = arm.control.suite is None
    used = {
        unit.label for unit in ours.values
    }  # of a plan that looks early, those of the look that decided
    values: list[dict[Any, tuple[float, Manifest]]] = []
    for found in (job.main.collected[prediction.name], arm.collected[prediction.name]):
        mine = {}
        for value, unit in zip(found.values, found.runs, strict=True):
            key: Any = (unit[0].scale if prediction.unit == "run" else "", unit[0].seed)
            if same_runs:
                key = label(prediction, unit)
            if values or label(prediction, unit) in used:
                mine[key] = (as_number(value), unit[0])
        values.append(mine)
    both = [key for key in values[0] if key in values[1]]
    if not both:
        return None
    runs = [values[0][key][1] for key in both]
    strata = [run.scale if prediction.unit == "run" else "" for run in runs]
    sizes = np.array([run.log10_params for run in runs], float)
    one, other = (
        Sample(np.array([mine[key][0] for key in both]), strata, sizes) for mine in values
    )
    return one, other


def _estimate(prediction: Prediction, ours: Sample, theirs: Sample, level: float) -> Estimate:
    """The difference of means, medians or slopes, at every scale if that is what the prediction is about.

    Unit by unit (Student's t, the sign test); of values with bounds also from the two means' own intervals, which no pair of
    units that agree makes shorter than they are, and the longer of the two.
    """
    scope = EVERY if prediction.of_every_scale else None
    paired = replace(ours, values=ours.values - theirs.values)
    analysis: Analysis = Mean()
    if isinstance(prediction.analysis, Slope):
        analysis = Slope(prediction.analysis.over)
    elif isinstance(prediction.analysis, Median):
        analysis = Median()
    less = Prediction(prediction.name, prediction.estimate, _ANY, analysis, prediction.unit, scope)
    pairs = settle(less, paired, level, test=False).estimate
    bounds = bounds_of(prediction.analysis)
    if bounds is None:
        return pairs
    mean = Prediction(
        prediction.name, prediction.estimate, _any_of(bounds), Mean(bounds), prediction.unit, scope
    )
    one, other = (settle(mean, some, level, test=False).estimate for some in (ours, theirs))
    return _longer(_at_scales(one, other, level, scope), pairs)


def _any_of(bounds: tuple[float, float]) -> Region:
    """Some region of these values: none is tested."""
    return Region.at_least((bounds[0] + bounds[1]) / 2)


def _at_scales(ours: Estimate, theirs: Estimate, level: float, scope: str | None) -> Estimate:
    """The difference of two estimates; at every scale the hull of the differences at each."""
    whole = _of_two(ours, theirs, level)
    if scope is None or not ours.scales:
        return whole
    by_scale = {s.scale: s for s in theirs.scales}
    ends = [
        _mover(s.value, s.interval, by_scale[s.scale].value, by_scale[s.scale].interval)
        for s in ours.scales
    ]
    known = [e for e in ends if e is not None]
    hull = (min(e[0] for e in known), max(e[1] for e in known)) if len(known) == len(ends) else None
    return replace(whole, interval=hull)


def _longer(one: Estimate, pairs: Estimate) -> Estimate:
    """The hull of two intervals; the first where pairs tell no error."""
    if one.interval is None or pairs.interval is None:
        return one
    lo, hi = min(one.interval[0], pairs.interval[0]), max(one.interval[1], pairs.interval[1])
    return replace(one, interval=(lo, hi))


def _of_two(ours: Estimate, theirs: Estimate, level: float) -> Estimate:
    """The difference of two estimates by their own intervals (MOVER)."""
    ends = _mover(ours.value, ours.interval, theirs.value, theirs.interval)
    n = min(ours.n_runs, theirs.n_runs)
    how = "difference by both intervals (MOVER)"
    return Estimate(ours.value - theirs.value, ends, level, None, None, n, how)


def _mover(
    ours: float, our_ends: Interval | None, theirs: float, their_ends: Interval | None
) -> Interval | None:
    """Ends of a difference of two numbers, as if they were independent (Zou and Donner 2008)."""
    if our_ends is None or their_ends is None:
        return None
    value = ours - theirs
    below = math.hypot(ours - our_ends[0], their_ends[1] - theirs)
    above = math.hypot(our_ends[1] - ours, theirs - their_ends[0])
    return value - below, value + above


def _judgement(difference: Estimate, margin: float | None) -> str:
    if difference.interval is None:
        if difference.why_no_interval != AGREE:
            return UNKNOWN
        lo = hi = difference.value  # the same difference in every unit, by construction
        if abs(lo) <= 1e-9:
            return SAME
    else:
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
