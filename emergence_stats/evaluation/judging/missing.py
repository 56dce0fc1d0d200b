"""Planned runs that gave no value, and what the verdict would be with the lowest and the highest that they could have.

A run that is left out for what happened in it leaves a set that no plan chose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emergence_stats.claims.selection import Selection
from emergence_stats.core.analyses import Share, bounds_of
from emergence_stats.core.plan import Count, Hypothesis, Prediction
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.jobs import Job
from emergence_stats.evaluation.judging.rules import settle
from emergence_stats.evaluation.values import Values
from emergence_stats.support.words import ranges


@dataclass(frozen=True)
class Missing:
    """Units of a prediction that the plan names and that gave no value.

    `verdicts`: with the lowest and with the highest values that they could have had; none if nothing bounds these.
    """

    prediction: str
    units: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    def text(self) -> str:
        """In one sentence."""
        few = ranges(self.units)
        shown = ", ".join(few[:4]) + (", ..." if len(few) > 4 else "")
        n = len(self.units)
        head = (
            f"{n} planned unit{'s' if n > 1 else ''} of {self.prediction!r} gave no value ({shown})"
        )
        if not self.verdicts:
            return f"{head}, and nothing bounds what {'they' if n > 1 else 'it'} could have been"
        low, high = self.verdicts
        if low is high:
            return f"{head}; with the lowest or the highest possible values it would be {low}"
        return f"{head}; with the lowest possible values it would be {low}, with the highest {high}"


@dataclass(frozen=True)
class _Stand:
    """A run that is not there, as an analysis sees one."""

    scale: str
    seed: int
    log10_params: float
    suite: str
    run_id: str = ""


def missing_of(job: Job, selection: Selection) -> Iterator[Missing]:
    """For each prediction the planned units without a value, where the plan names the runs."""
    design = job.hypothesis.design
    if design is None or selection.suite != design.suite or not selection.planned:
        return
    made = next(iter(job.main.collected.values())).made or frozenset()
    planned = design.wanted(made) if design.sequential else design.runs()
    for prediction in job.hypothesis.predictions:
        collected = job.main.collected[prediction.name]
        if not collected.values:
            continue
        absent = _absent(prediction, design.suite, planned, collected)
        if absent:
            kept = _whole_units(collected, absent)
            yield _with_fills(job.hypothesis, prediction, kept, absent)


def _absent(
    prediction: Prediction, suite: str, planned: list[tuple[str, int]], collected: Values
) -> list[_Stand]:
    size = {run.scale: run.log10_params for unit in collected.runs for run in unit}
    if prediction.unit == "seed":
        there = {(run.scale, run.seed) for unit in collected.runs for run in unit}
        lacking = dict.fromkeys(seed for scale, seed in planned if (scale, seed) not in there)
        return [_Stand("", seed, 0.0, suite) for seed in lacking]
    there = {(unit[0].scale, unit[0].seed) for unit in collected.runs}
    return [
        _Stand(scale, seed, size.get(scale, 0.0), suite)
        for scale, seed in planned
        if (scale, seed) not in there
    ]


def _whole_units(collected: Values, absent: list[_Stand]) -> Values:
    """Without the units of seeds that lack a run at some scale: their value is of what was left."""
    seeds = {stand.seed for stand in absent if not stand.scale}
    kept = [i for i, unit in enumerate(collected.runs) if unit[0].seed not in seeds]
    values, runs = ([x[i] for i in kept] for x in (collected.values, collected.runs))
    return Values(values, runs, collected.made)


def _with_fills(
    hypothesis: Hypothesis,
    prediction: Prediction,
    collected: Values,
    absent: list[_Stand],
) -> Missing:
    names = tuple(f"{s.scale}-s{s.seed}" if s.scale else f"seed {s.seed}" for s in absent)
    bounds = bounds_of(prediction.analysis)
    if bounds is None:
        return Missing(prediction.name, names, ())
    found = []
    for end in bounds:
        values: list[float | Count] = [float(end)] * len(absent)
        if isinstance(prediction.analysis, Share):
            trials = float(np.median([value[1] for value in collected.values] or [1.0]))
            values = [Count(end * trials, trials)] * len(absent)
        runs = [*collected.runs, *([stand] for stand in absent)]
        filled = Values([*collected.values, *values], runs, collected.made)  # type: ignore[arg-type]
        found.append(settle(hypothesis, prediction, filled, test=False).verdict)
    return Missing(prediction.name, names, tuple(found))
