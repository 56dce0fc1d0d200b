"""The rules by which values become a verdict: a plan is judged by those that it was registered under.

Plans of the first study are judged by the analysis that their locks hold (`emergence_stats/inference.py`), all others
by the core. What the core says of single scales is shown for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emergence_stats.core import settle as core
from emergence_stats.core.analyses import ACROSS, kind_of
from emergence_stats.core.intervals.estimates import Estimate
from emergence_stats.core.looks import settle_looks
from emergence_stats.core.plan import Count, Hypothesis, Prediction
from emergence_stats.core.settle import Sample, Settled
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.values import Values, as_number
from emergence_stats.support.words import listed

_FIELDS = (
    "value", "interval", "level", "p_value", "effect_size", "n_runs", "method", "why_no_interval", "stderr", "df",
)  # fmt: skip


FIRST = "first study"


def is_of_first_study(hypothesis: Hypothesis) -> bool:
    """Whether a hypothesis is made of the classes that the locks of the first study hold."""
    return not isinstance(hypothesis, Hypothesis)


def sample_of(prediction: Prediction, collected: Values) -> Sample:
    """The values of units as the core takes them."""
    first = [unit[0] for unit in collected.runs]
    counts = [value for value in collected.values if isinstance(value, tuple)]
    return Sample(
        values=np.array([as_number(value) for value in collected.values], float),
        # A seed's unit holds all scales: there is nothing to stratify by.
        strata=[run.scale if prediction.unit == "run" else "" for run in first],
        log10_params=np.array([run.log10_params for run in first], float),
        trials=np.array([count[1] for count in counts], float) if counts else None,
    )


def settle(
    hypothesis: Hypothesis, prediction: Prediction, collected: Values, *, test: bool = True
) -> Settled:
    """The estimate over units and its verdict; without `test`, the costliest part, no p-value."""
    if is_of_first_study(hypothesis):
        return _by_the_first_study(hypothesis, prediction, collected, test)
    design = hypothesis.design
    sample = sample_of(prediction, collected)
    needs, level = hypothesis.needs.min_scales, hypothesis.simultaneous_level
    if design is not None and design.sequential:
        units = [[(run.scale, run.seed) for run in unit] for unit in collected.runs]
        made = collected.made if collected.made is not None else {r for u in units for r in u}
        return settle_looks(prediction, sample, units, design, level, needs, made=made, test=test)
    settled = core.settle(prediction, sample, level, needs, test=test)
    if prediction.of_every_scale and design is not None:
        return _at_all_scales(settled, design.scales, collected)
    if prediction.unit == "seed":
        return _with_enough_scales(settled, collected, needs)
    return settled


def _at_all_scales(settled: Settled, scales: Sequence[str], collected: Values) -> Settled:
    """What is claimed of every scale of a design is not supported by some of them."""
    there = {run.scale for unit in collected.runs for run in unit}
    lacking = [scale for scale in scales if scale not in there]
    if not lacking or settled.verdict is not Verdict.SUPPORTED:
        return settled
    why = f"no value at {listed(lacking)}, and the prediction is about every scale"
    bare = replace(settled.estimate, interval=None, p_value=None, why_no_interval=why)
    return replace(settled, estimate=bare, verdict=Verdict.INCONCLUSIVE)


def _with_enough_scales(settled: Settled, collected: Values, needs: int) -> Settled:
    """Units that are seeds hold several scales each, which the core does not see."""
    scales = {run.scale for unit in collected.runs for run in unit}
    if not collected.values or len(scales) >= needs:
        return settled
    why = f"{len(scales)} scales, but the plan needs {needs}"
    bare = replace(settled.estimate, interval=None, p_value=None, why_no_interval=why)
    return Settled(bare, Verdict.INCONCLUSIVE, settled.mixed)


def _by_the_first_study(
    hypothesis: Hypothesis, prediction: Prediction, collected: Values, test: bool
) -> Settled:
    sample, level = sample_of(prediction, collected), hypothesis.simultaneous_level
    if not collected.values:
        return core.settle(by_core_prediction(prediction), sample, level)
    by_core = _of_scales(prediction, sample, level) if test else None
    from emergence_stats.verdicts import decide

    values = [Count(*v) if isinstance(v, tuple) else v for v in collected.values]
    found = prediction.analysis.estimate(  # type: ignore[union-attr]
        values,
        sample.strata,
        sample.log10_params.tolist(),
        prediction.region if test else None,
        level,
    )
    fields = {k: getattr(found, k) for k in _FIELDS}
    estimate, mixed = Estimate(**fields), tuple[str, ...]()
    if by_core is not None:
        free, scales = by_core.estimate.free_interval, by_core.estimate.scales
        estimate, mixed = replace(estimate, free_interval=free, scales=scales), by_core.mixed
    settled = _with_enough_scales(
        Settled(estimate, Verdict.INCONCLUSIVE, mixed),
        collected,
        hypothesis.needs.min_scales,
    )
    if settled.estimate.interval is None:
        return settled
    verdict = Verdict(str(decide(settled.estimate.interval, prediction.region)))  # type: ignore[arg-type]
    mixed = settled.mixed if verdict is not Verdict.REFUTED else ()
    return replace(settled, verdict=verdict, mixed=mixed)


def _of_scales(prediction: Prediction, sample: Sample, level: float) -> Settled:
    """What the core says of the single scales of a prediction of the first study."""
    return core.settle(by_core_prediction(prediction), sample, level)


def by_core_prediction(prediction: Prediction) -> Prediction:
    """A prediction of the first study, as one about the average of scales."""
    from emergence_stats.core import analyses, regions

    kind, region = kind_of(prediction.analysis), prediction.region
    analysis: analyses.Analysis = analyses.Mean(getattr(prediction.analysis, "bounds", None))
    if kind == "Share":
        analysis = analyses.Share()
    elif kind in ACROSS:
        analysis = analyses.Slope(prediction.analysis.over)  # type: ignore[union-attr]
    return Prediction(
        prediction.name,
        prediction.estimate,
        regions.Region(region.lo, region.hi, region.lo_open, region.hi_open),
        analysis,
        prediction.unit,
    )
