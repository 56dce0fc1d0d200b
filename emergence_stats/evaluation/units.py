"""The values of units: what runs give to the analysis of a hypothesis and to its controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emergence_stats.claims.registration.seen import sketch
from emergence_stats.core.plan import Count, Prediction, keyword_defaults
from emergence_stats.core.runs import Run, Undefined
from emergence_stats.evaluation.jobs import Arm, Job
from emergence_stats.evaluation.reading import Declared, read_for
from emergence_stats.evaluation.values import counted, label, value_of
from emergence_stats.support.foreign import code_of_a_claim
from emergence_stats.support.reads import at_work


def collect_values(job: Job, runs: Sequence[Run]) -> None:
    """Add what these runs give to every arm of a job; together they are one unit or more."""
    with at_work(job.loaded.reads):
        _collect(job, runs)


def _collect(job: Job, runs: Sequence[Run]) -> None:
    for arm in job.arms:
        usable = []
        for run in runs:
            if run.run_id not in arm.chosen:
                continue
            run = read_for(run, job.hypothesis.needs, job.measures(arm))
            lacking = [m for m in job.hypothesis.needs.measures if m not in run.measures]
            if not lacking:
                usable.append(run)
            else:
                why = f"lacks {', '.join(lacking)}{_where(job, run)}"
                arm.refuse(run.run_id, why)
                if arm.control is not None and arm.control.suite is not None:
                    arm.undefined.append(f"{run.run_id}: {why}")
        if usable:
            _collect_arm(job, arm, usable)
        if job.state.registration is not None:
            for run in usable:
                if run.run_id not in job.sketches:
                    job.sketches[run.run_id] = sketch(run, job.hypothesis.needs.measures)
        if arm.control is None and job.hypothesis.pooled is not None:
            for run in usable:
                where = f"{job.loaded.name}, as the paper counts, {run.run_id}: the count"
                try:
                    with code_of_a_claim(where, Undefined):
                        value = job.hypothesis.pooled.count(run)
                    job.pooled.append(counted(value, where))
                except Undefined:
                    continue  # the prediction reports it


def _where(job: Job, run: Run) -> str:
    """Of a claim that reads only some layers: which. Traces at others are not read, and may be there."""
    if job.hypothesis.needs.layers == "all":
        return ""
    blocks = "a block" if job.hypothesis.needs.layers == "blocks" else "the last block"
    return f" of the whole model or at {blocks} ({run.n_layers} in all), where the claim looks (es.Needs(layers=...))"


def _collect_arm(job: Job, arm: Arm, usable: list[Declared]) -> None:
    changed: dict[str, list[Run]] = {}
    change = arm.control.change if arm.control is not None else None
    if change is not None:
        for run in usable:
            where = f"{job.loaded.name}, {run.run_id}: the change of a control"
            try:
                with code_of_a_claim(where, Undefined):
                    changed[run.run_id] = run.variants(change)
            except Undefined as reason:
                arm.undefined.append(f"{run.run_id}: {reason}")
        usable = [run for run in usable if run.run_id in changed]
    for prediction in job.hypothesis.predictions:
        found = arm.collected.get(prediction.name)
        if found is None:
            continue
        units = [[run] for run in usable]
        if prediction.unit == "seed":
            units = [usable] if usable else []
        for unit in units:
            variants = [unit]
            if changed:  # as many variants of the unit as all of its runs have
                of_runs = (changed[run.run_id] for run in unit)
                variants = [list(some) for some in zip(*of_runs, strict=False)]
            value = _unit_value(job, arm, prediction, unit, variants)
            if value is not None:
                found.values.append(value)
                found.runs.append([run.manifest for run in unit])


def _unit_value(
    job: Job,
    arm: Arm,
    prediction: Prediction,
    unit: Sequence[Run],
    variants: Sequence[Sequence[Run]],
) -> Any:
    """The value of a unit, the mean over its variants; None if there is none, with the reason noted."""
    keywords = {}
    if arm.control is not None:
        known = keyword_defaults(prediction.estimate)
        keywords = {k: v for k, v in arm.control.keywords.items() if k in known}
    name, values, reason = job.loaded.name, [], ""
    if arm.control is not None:
        name = f"{name}, control {arm.control.name!r}"
    for variant in variants:
        try:
            values.append(value_of(name, prediction, variant, keywords))
        except Undefined as undefined:
            reason = str(undefined)
    if values:
        if isinstance(values[0], tuple):
            return Count(*(float(np.mean(column)) for column in zip(*values, strict=True)))
        return float(np.mean(values))
    if arm.control is None:
        for run in unit:
            arm.refuse(run.run_id, reason, prediction.name)
    else:
        arm.undefined.append(f"{label(prediction, unit)}: {reason}")
    return None
