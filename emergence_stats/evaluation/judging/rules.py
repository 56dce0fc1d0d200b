"""How values become an estimate and a verdict: what the core says of them, of a whole design and of its looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emergence_stats.core import settle as core
from emergence_stats.core.looks import settle_looks
from emergence_stats.core.plan import Design, Hypothesis, Prediction
from emergence_stats.core.settle import Sample, Settled
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.values import Values, as_number
from emergence_stats.support.words import listed
from emergence_stats.traces.format import Manifest


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
    hypothesis: Hypothesis,
    prediction: Prediction,
    collected: Values,
    *,
    test: bool = True,
    looks: bool = True,
) -> Settled:
    """The estimate over units and its verdict; without `test`, the costliest part, no p-value.

    `looks`: whether a plan that looks early does so here; else all units are looked at together.
    """
    design = hypothesis.design
    sample = sample_of(prediction, collected)
    needs, level = hypothesis.needs.min_scales, hypothesis.simultaneous_level

    def guard(settled: Settled, used: NDArray[np.bool_]) -> Settled:
        units = [unit for unit, kept in zip(collected.runs, used, strict=True) if kept]
        return _with_its_scales(settled, hypothesis, prediction, units)

    if looks and design is not None and design.sequential:
        units = [[(run.scale, run.seed) for run in unit] for unit in collected.runs]
        made = collected.made if collected.made is not None else {r for u in units for r in u}
        return settle_looks(
            prediction, sample, units, design, level, needs, made=made, test=test, guard=guard
        )
    settled = core.settle(prediction, sample, level, needs, test=test)
    return guard(settled, np.ones(len(sample), bool))


def _with_its_scales(
    settled: Settled,
    hypothesis: Hypothesis,
    prediction: Prediction,
    units: Sequence[Sequence[Manifest]],
) -> Settled:
    """The same, unless scales are missing that the core does not know of."""
    runs = [run for unit in units for run in unit]
    if prediction.of_every_scale and hypothesis.design is not None:
        return _at_all_scales(settled, hypothesis.design, runs)
    if prediction.unit == "seed":
        return _with_enough_scales(settled, runs, hypothesis.needs.min_scales)
    return settled


def _at_all_scales(settled: Settled, design: Design, runs: Sequence[Manifest]) -> Settled:
    """What is claimed of every scale of a design is not supported by some of them.

    Runs of another suite, or of somebody else, have scales of their own, and every one of those counts.
    """
    if all(run.suite != design.suite for run in runs):
        return settled
    there = {run.scale for run in runs}
    lacking = [scale for scale in design.scales if scale not in there]
    if not lacking or settled.verdict is not Verdict.SUPPORTED:
        return settled
    why = f"no value at {listed(lacking)}, and the prediction is about every scale"
    bare = replace(settled.estimate, interval=None, p_value=None, why_no_interval=why)
    return replace(settled, estimate=bare, verdict=Verdict.INCONCLUSIVE)


def _with_enough_scales(settled: Settled, runs: Sequence[Manifest], needs: int) -> Settled:
    """Units that are seeds hold several scales each, which the core does not see."""
    scales = {run.scale for run in runs}
    if not runs or len(scales) >= needs:
        return settled
    why = f"{len(scales)} scales, but the plan needs {needs}"
    bare = replace(settled.estimate, interval=None, p_value=None, why_no_interval=why)
    return Settled(bare, Verdict.INCONCLUSIVE, settled.mixed)
