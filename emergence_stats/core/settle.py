"""From the values of units to an estimate, an interval and a verdict: one procedure for all three.

Scales are fixed and seeds are random. A prediction is about every scale, about their average, or about how scales
differ; neither an average nor a slope supports anything while scales contradict it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emergence_stats.core.analyses import ACROSS, LargestDifference, Median, Share, Slope, bounds_of
from emergence_stats.core.intervals import betting, bounded, normal
from emergence_stats.core.intervals.contrasts import (
    Array,
    Contrast,
    agree,
    codes,
    contrast,
    mean_contrast,
    rounding,
)
from emergence_stats.core.intervals.estimates import Estimate, Interval, ScaleEstimate
from emergence_stats.core.intervals.medians import median_interval, median_p
from emergence_stats.core.intervals.scales import (
    Scales,
    average,
    by_scale,
    every_scale,
    largest_difference,
    pair_contrasts,
)
from emergence_stats.core.intervals.slopes import slope_contrast
from emergence_stats.core.intervals.spreads import spread_estimate
from emergence_stats.core.plan import Prediction
from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict, decide


@dataclass(frozen=True)
class Sample:
    """The values of units, in one order.

    `values` (n,): numbers, shares as such. `trials` (n,): of shares, else None. `strata` (n,): the scale of each, "" for
    units that are seeds. `log10_params` (n,).
    """

    values: Array
    strata: Sequence[str]
    log10_params: Array
    trials: Array | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_scales(self) -> int:
        return len(set(self.strata))


@dataclass(frozen=True)
class Settled:
    """What is said of a prediction.

    `mixed`: scales that contradict it, where it is not refuted. `deciding`: of one about every scale, the scale that is
    least inside. `look` and `used`: of a plan that looks early, the number of the look that the estimate is of, from 1, and
    which units (n,) it is of. `lent`: scales with one unit, whose error the others lend.
    """

    estimate: Estimate
    verdict: Verdict
    mixed: tuple[str, ...] = ()
    deciding: str | None = None
    look: int | None = None
    used: tuple[bool, ...] | None = None
    lent: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Procedure:
    """Interval and p-value of a contrast that is a mean of values."""

    bounds: tuple[float, float] | None
    trials: float = math.inf

    def interval(self, found: Contrast, level: float) -> Interval | None:
        if not self.tells(found):
            return None
        if self.bounds is None:
            return normal.interval(found, level)
        return bounded.interval(found, self.bounds, level, self.trials)

    def p_value(self, found: Contrast, region: Region) -> float | None:
        """The larger of the one-sided tests at the ends of the region."""
        if not self.tells(found):
            return None
        tests = []
        for end, side in ((region.lo, -1), (region.hi, 1)):
            if end is None or self._at_bound(end, side, region):
                continue
            if self.bounds is None:
                tests.append(normal.p_value(found, end, side))
            elif self.bounds[0] <= end <= self.bounds[1]:
                tests.append(bounded.p_value(found, self.bounds, end, side, self.trials))
        return max(tests) if tests else 0.0

    def _at_bound(self, end: float, side: int, region: Region) -> bool:
        """Whether an end of a region is closed and the bound itself, so that nothing lies beyond it."""
        if self.bounds is None:
            return False
        if side < 0:
            return end <= self.bounds[0] and not region.lo_open
        return end >= self.bounds[1] and not region.hi_open

    def tells(self, found: Contrast) -> bool:
        """Whether anything tells the error of a contrast."""
        if found.variance is None:
            return False
        return self.bounds is not None or found.variance > 0


def settle(
    prediction: Prediction, sample: Sample, level: float, min_scales: int = 1, *, test: bool = True
) -> Settled:
    """The estimate over units and its verdict; `level` is that of the interval.

    Without `test` neither a p-value nor the distribution-free interval, which are the costliest part. With fewer than
    `min_scales` scales there is no verdict.
    """
    if not len(sample):
        return _nothing(math.nan, level, 0, "no run gives a value")
    analysis = prediction.analysis
    if isinstance(analysis, ACROSS) and sample.n_scales < 2:
        why = _NO_SLOPE if isinstance(analysis, Slope) else _ONE_SCALE
        return _nothing(math.nan, level, len(sample), why)
    if isinstance(analysis, LargestDifference):
        settled = _spread(prediction, sample, level, test)
    elif isinstance(analysis, Median):
        settled = _median(prediction, sample, level, test)
    elif isinstance(analysis, Slope):
        settled = _slope(prediction, sample, level, test)
    else:
        settled = _mean(prediction, sample, level, test)
    settled = replace(settled, lent=_lent(sample))
    n_scales = max(sample.n_scales, 1)
    if prediction.unit == "run" and n_scales < min_scales:
        why = f"{n_scales} scale{'s' if n_scales != 1 else ''}, but the plan needs {min_scales}"
        bare = replace(settled.estimate, interval=None, p_value=None, why_no_interval=why)
        return Settled(bare, Verdict.INCONCLUSIVE, settled.mixed)
    return settled


def _lent(sample: Sample) -> tuple[str, ...]:
    """Scales with one unit, where others have more."""
    counts = Counter(sample.strata)
    if max(counts.values()) < 2:
        return ()
    return tuple(str(name) for name, n in counts.items() if n == 1)


_NO_SLOPE = "all runs have one scale: a slope needs two"
_ONE_SCALE = "all runs have one scale: a difference of scales needs two"
AGREE = "all units agree as far as numbers can tell, and without bounds nothing tells the error"
_SINGLE = "no scale has two units, so that nothing tells the error"


def _nothing(value: float, level: float, n: int, why: str) -> Settled:
    return Settled(Estimate(value, None, level, None, None, n, "none", why), Verdict.INCONCLUSIVE)


# --- the mean, over scales or at each of them -------------------------------------------------


def _mean(prediction: Prediction, sample: Sample, level: float, test: bool) -> Settled:
    region, bounds = prediction.region, bounds_of(prediction.analysis)
    found = mean_contrast(sample.values, sample.strata)
    means = _Procedure(bounds, _trials(sample))
    per_scale = by_scale(
        sample.values, sample.strata, level, lambda c, at: _of_scale(c, at, sample, bounds)
    )
    scales = _scale_estimates(sample, per_scale)
    own = [s.interval for s in scales]
    estimate = Estimate(
        value=found.value,
        interval=means.interval(found, level),
        level=level,
        p_value=None,
        effect_size=_effect(prediction, sample, found.value),
        n_runs=len(sample),
        method=_method(bounds),
        why_no_interval=_why(means, found),
        stderr=found.stderr,
        df=found.df,
        free_interval=_free(sample, found, bounds, level) if test else None,
        scales=scales if len(scales) > 1 else (),
    )
    if not prediction.of_every_scale:
        if test:
            estimate = replace(estimate, p_value=means.p_value(found, region))
        verdict, mixed = average(
            estimate.interval, _contradicting(sample, per_scale, region, level), region
        )
        return Settled(estimate, verdict, tuple(map(str, mixed)) if len(scales) > 1 else ())
    known = [ends for ends in own if ends is not None]
    whole = len(known) == len(own)
    worst = _least_inside(scales, region)
    estimate = replace(
        estimate,
        interval=(min(e[0] for e in known), max(e[1] for e in known)) if whole else None,
        p_value=_every_p(sample, region, bounds) if test and whole else None,
        effect_size=_effect(prediction, sample, worst.value),
        method=f"{_method(bounds)} at each of {len(scales)} scales (intersection-union)",
        why_no_interval=None if whole else estimate.why_no_interval or _why_at(scales),
        free_interval=_free_hull(sample, bounds, level) if test else None,
    )
    verdict = every_scale(per_scale, region)
    outside = per_scale.outside(region)
    mixed = outside if len(outside) < len(scales) else []
    return Settled(estimate, verdict, tuple(map(str, mixed)), worst.scale)


def _contradicting(
    sample: Sample, per_scale: Scales, region: Region, level: float
) -> list[Hashable]:
    """Scales that lie outside a region for certain; and where scales differ for certain, those that lie outside."""
    outside = per_scale.outside(region)
    if sample.n_scales > 1:
        spread = largest_difference(sample.values, sample.strata, level).interval
        if spread is not None and spread[0] > 0:
            strata = np.array(sample.strata)
            outside += [
                name
                for name in per_scale.alone
                if name not in outside
                and not region.contains(float(sample.values[strata == name].mean()))
            ]
    return outside


def _trials(sample: Sample) -> float:
    return math.inf if sample.trials is None else float(sample.trials.sum())


def _of_scale(
    found: Contrast, level: float, sample: Sample, bounds: tuple[float, float] | None
) -> Interval | None:
    trials = math.inf
    if sample.trials is not None:
        trials = float(sample.trials[found.weights > 0].sum())
    return _Procedure(bounds, trials).interval(found, level)


def _scale_contrasts(sample: Sample) -> list[tuple[str, Contrast]]:
    stratum, names = codes(sample.strata), list(dict.fromkeys(sample.strata))
    return [
        (name, contrast(sample.values, stratum, np.eye(len(names))[number]))
        for number, name in enumerate(names)
    ]


def _scale_estimates(sample: Sample, per_scale: Scales) -> tuple[ScaleEstimate, ...]:
    """By size of the models."""
    strata = np.array(sample.strata)
    found = []
    for name in dict.fromkeys(sample.strata):
        mine = sample.values[strata == name]
        stderr = None
        if len(mine) > 1:
            stderr = 0.0 if agree(mine) else float(mine.std(ddof=1) / math.sqrt(len(mine)))
        size = float(sample.log10_params[strata == name].mean())
        one = ScaleEstimate(
            str(name),
            float(mine.mean()),
            len(mine),
            per_scale.alone[name],
            per_scale.together[name],
            stderr,
        )
        found.append((size, one))
    return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))


def _every_p(sample: Sample, region: Region, bounds: tuple[float, float] | None) -> float | None:
    """Intersection-union: the largest of the scales' own."""
    tests = []
    for _, found in _scale_contrasts(sample):
        trials = math.inf
        if sample.trials is not None:
            trials = float(sample.trials[found.weights > 0].sum())
        tests.append(_Procedure(bounds, trials).p_value(found, region))
    return None if any(p is None for p in tests) else max(p for p in tests if p is not None)


def _least_inside(scales: Sequence[ScaleEstimate], region: Region) -> ScaleEstimate:
    """The scale whose interval reaches farthest beyond the region, or comes nearest to its edge."""

    def depth(one: ScaleEstimate) -> float:
        lo, hi = one.interval or (one.value, one.value)
        ends = [lo - region.lo] if region.lo is not None else []
        ends += [region.hi - hi] if region.hi is not None else []
        return min(ends)

    return min(scales, key=depth)


def _free(
    sample: Sample, found: Contrast, bounds: tuple[float, float] | None, level: float
) -> Interval | None:
    return None if bounds is None else betting.interval(sample.values, found.weights, bounds, level)


def _free_hull(sample: Sample, bounds: tuple[float, float] | None, level: float) -> Interval | None:
    if bounds is None:
        return None
    strata = np.array(sample.strata)
    ends = []
    for name in dict.fromkeys(sample.strata):
        mine = sample.values[strata == name]
        ends.append(betting.interval(mine, np.full(len(mine), 1 / len(mine)), bounds, level))
    return min(e[0] for e in ends), max(e[1] for e in ends)


def _method(bounds: tuple[float, float] | None) -> str:
    if bounds is None:
        return "Student's t, errors from units within scales"
    shown = "" if bounds == (0.0, 1.0) else f" on [{bounds[0]:g}, {bounds[1]:g}]"
    return f"Korn-Graubard interval of a rate{shown}, and what unseen units could add"


def _why(means: _Procedure, found: Contrast) -> str | None:
    if means.tells(found):
        return None
    if found.variance is not None:
        return AGREE
    if len(found.weights) == 1:
        return "1 unit of replication: an interval needs two"
    return _SINGLE


def _why_at(scales: Sequence[ScaleEstimate]) -> str:
    """Why a scale has no interval where their mean has one."""
    agreeing = [s.scale for s in scales if s.interval is None and s.n_units > 1]
    return _agree_at(agreeing) if agreeing else _SINGLE


def _agree_at(scales: Sequence[str]) -> str:
    shown = " and ".join(scales[:2]) + (", ..." if len(scales) > 2 else "")
    return f"all units of {shown} agree as far as numbers can tell, and without bounds nothing tells the error there"


# --- medians ----------------------------------------------------------------------------------


def _median(prediction: Prediction, sample: Sample, level: float, test: bool) -> Settled:
    strata, region = np.array(sample.strata), prediction.region
    names = sorted(
        dict.fromkeys(sample.strata), key=lambda s: float(sample.log10_params[strata == s].mean())
    )
    simultaneous = 1 - (1 - level) / len(names)
    mine = {name: sample.values[strata == name] for name in names}
    scales = tuple(
        ScaleEstimate(
            str(name),
            float(np.median(x)),
            len(x),
            median_interval(x, level),
            median_interval(x, simultaneous),
            None,
        )
        for name, x in mine.items()
    )
    found = Scales({s.scale: s.interval for s in scales}, {s.scale: s.together for s in scales})
    known = [s.interval for s in scales if s.interval is not None]
    whole = len(known) == len(scales)
    worst = _least_inside(scales, region)
    p = None
    if test and whole:
        ends = ((region.lo, -1, region.lo_open), (region.hi, 1, region.hi_open))
        p = max(
            median_p(x, end, side, is_open)
            for x in mine.values()
            for end, side, is_open in ends
            if end is not None
        )
    estimate = Estimate(
        value=float(np.median([s.value for s in scales])),
        interval=(min(e[0] for e in known), max(e[1] for e in known)) if whole else None,
        level=level,
        p_value=p,
        effect_size=_effect(prediction, sample, worst.value),
        n_runs=len(sample),
        method=f"median by the sign test at each of {len(scales)} scales (intersection-union)",
        why_no_interval=None
        if whole
        else "a scale has too few units for an interval of its median",
        scales=scales if len(scales) > 1 else (),
    )
    outside = [str(name) for name in found.outside(region)]
    mixed = tuple(outside) if len(outside) < len(scales) else ()
    return Settled(estimate, every_scale(found, region), mixed, worst.scale)


# --- across scales ----------------------------------------------------------------------------


def _slope(prediction: Prediction, sample: Sample, level: float, test: bool) -> Settled:
    assert isinstance(prediction.analysis, Slope)
    per_decade = math.log10(prediction.analysis.over)
    try:
        found = slope_contrast(sample.values, sample.log10_params / per_decade, sample.strata)
    except ValueError as error:
        return _nothing(math.nan, level, len(sample), str(error))
    line = _Procedure(None)
    by_runs = max(np.bincount(codes(sample.strata))) > 1
    method = "slope over scale means, error from " + (
        "units within scales (Student's t)" if by_runs else "residuals of the line (Student's t)"
    )
    why = None
    if found.variance is None:
        why = "one unit at each of two scales has no error to judge a slope by"
    elif found.variance == 0:
        why = (
            AGREE
            if by_runs
            else "the units lie on a line as far as numbers can tell, which tells no error"
        )
    ends = line.interval(found, level)
    estimate = Estimate(
        found.value,
        ends,
        level,
        line.p_value(found, prediction.region) if test else None,
        None,
        len(sample),
        method,
        why,
        found.stderr,
        found.df,
    )
    if ends is None:
        return Settled(estimate, Verdict.INCONCLUSIVE)
    verdict = decide(ends, prediction.region)
    bent = _bends(sample, per_decade, prediction.region, level)
    if verdict is Verdict.REFUTED or not bent:
        return Settled(estimate, verdict)
    return Settled(estimate, Verdict.INCONCLUSIVE, bent)


def _bends(sample: Sample, per_decade: float, region: Region, level: float) -> tuple[str, ...]:
    """Pairs of scales between which the slope lies outside a region for certain, simultaneously over all pairs.

    Of a straight line no pair does, but for the error. Values that fall and rise again have pairs on either side, and their
    slope describes none.
    """
    stratum, names = codes(sample.strata), list(dict.fromkeys(sample.strata))
    at = np.bincount(stratum, sample.log10_params / per_decade) / np.bincount(stratum)
    pairs = pair_contrasts(sample.values, stratum)
    simultaneous, line = 1 - (1 - level) / len(pairs), _Procedure(None)
    found = []
    for (one, other), difference in pairs:
        ends = line.interval(difference, simultaneous)
        if ends is None or agree(at[[one, other]]):
            continue
        run = float(at[one] - at[other])
        lo, hi = sorted((ends[0] / run, ends[1] / run))
        if region.misses_interval(lo, hi):
            first, last = (one, other) if run < 0 else (other, one)
            found.append(f"{names[first]} to {names[last]}")
    return tuple(found)


def _spread(prediction: Prediction, sample: Sample, level: float, test: bool) -> Settled:
    estimate = spread_estimate(
        sample.values, sample.strata, prediction.region if test else None, level
    )
    if estimate.interval is None:
        why = _why_no_difference(sample)
        return Settled(replace(estimate, why_no_interval=why), Verdict.INCONCLUSIVE)
    return Settled(estimate, decide(estimate.interval, prediction.region))


def _why_no_difference(sample: Sample) -> str:
    """Why two scales tell no error of their difference."""
    counts, strata = Counter(sample.strata), np.array(sample.strata)
    if max(counts.values()) < 2:
        return _SINGLE
    agreeing = [str(n) for n, k in counts.items() if k > 1 and agree(sample.values[strata == n])]
    return _agree_at(agreeing) if 0 < len(agreeing) < len(counts) else AGREE


# --- effect sizes -----------------------------------------------------------------------------


def _effect(prediction: Prediction, sample: Sample, value: float) -> float | None:
    """How far inside the region: Cohen's h of shares, else in standard deviations of units within scales."""
    region = prediction.region
    nearest = region.nearest_boundary(value)
    if isinstance(prediction.analysis, Share):
        if not 0 <= nearest <= 1:
            return None
        size = abs(2 * math.asin(math.sqrt(value)) - 2 * math.asin(math.sqrt(nearest)))
    else:
        spread = within_sd(sample)
        if spread is None or spread == 0:
            return None
        size = abs(value - nearest) / spread
    return size if region.contains(value) else -size


def within_sd(sample: Sample) -> float | None:
    """Standard deviation of units within scales, pooled; None if no scale has two units, 0 if all agree."""
    strata = codes(sample.strata)
    counts = np.bincount(strata)
    if counts.max() < 2:
        return None
    residuals = sample.values - (np.bincount(strata, sample.values) / counts)[strata]
    if np.abs(residuals).max() <= rounding(sample.values):
        return 0.0
    return math.sqrt(float(residuals @ residuals) / float((counts - 1).sum()))
