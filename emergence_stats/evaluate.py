"""Test hypotheses against a trace store: which runs count, one pass over them, verdicts.

Runs are read one at a time (one seed's runs at a time where a prediction compares scales), so
memory does not grow with the store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from emergence_stats import registration as locks
from emergence_stats.errors import HypothesisError, TraceError
from emergence_stats.hypothesis import Count, Prediction, Share, Slope
from emergence_stats.inference import Estimate, runs_needed
from emergence_stats.project import Loaded
from emergence_stats.results import PredictionResult, Result, RunUse, UnitValue
from emergence_stats.runs import Run, Undefined
from emergence_stats.store import RunFile, Store
from emergence_stats.verdicts import COMBINE, Verdict, decide

Progress = Callable[[int, int], None]  # runs read, runs in all


@dataclass
class _Values:
    """What one prediction got: a value and the runs behind it for each unit."""

    values: list[Any] = field(default_factory=list)
    runs: list[list[Run]] = field(default_factory=list)


@dataclass
class _Job:
    """One hypothesis on its way from runs to a verdict."""

    loaded: Loaded
    state: locks.State
    suite: str | None
    why_nothing: str | None
    uses: dict[str, RunUse]
    chosen: set[str]
    collected: list[_Values]
    pooled: list[Any] = field(default_factory=list)

    @property
    def hypothesis(self):
        return self.loaded.hypothesis


def evaluate(
    hypotheses: Sequence[Loaded],
    store: Store,
    *,
    suite: str | None = None,
    progress: Progress | None = None,
) -> list[Result]:
    """A `Result` for each hypothesis, in order.

    Raises `TraceError` for a broken or empty store, `HypothesisError` for an estimate that fails,
    `RegistrationError` for a lock that was altered.
    """
    if not store.runs:
        raise TraceError(
            "the trace store is empty",
            file=store.uri,
            fix="Fill it with `emergence-stats collect`, or name another with --traces.",
        )
    jobs = [_choose_runs(loaded, store, suite) for loaded in hypotheses]
    used = [run for run in store.runs if any(run.manifest.run_id in job.chosen for job in jobs)]
    by_seed = any(p.unit == "seed" for job in jobs for p in job.hypothesis.predictions)
    done = 0
    for group in _groups(used, by_seed):
        runs = []
        for file in group:
            runs.append(_read(store, file, jobs))
            done += 1
            if progress is not None:
                progress(done, len(used))
        for job in jobs:
            _collect(job, [run for run in runs if run.run_id in job.chosen])
    return [_conclude(job, store) for job in jobs]


# --- which runs count -------------------------------------------------------------------------


def _choose_runs(loaded: Loaded, store: Store, suite: str | None) -> _Job:
    """Give every run of the store its place; those left as counted will be read."""
    hypothesis, state = loaded.hypothesis, locks.state_of(loaded)
    suites = sorted({run.manifest.suite for run in store.runs})
    why = None
    chosen_suite = suite
    if suite is None and hypothesis.design is not None and hypothesis.design.suite in suites:
        chosen_suite = hypothesis.design.suite
    elif suite is None and len(suites) == 1:
        chosen_suite = suites[0]
    elif suite is None:
        why = f"the store has suites {', '.join(suites)}; choose one with --suite"
    elif suite not in suites:
        why = f"the store has no runs of suite {suite!r}, only of {', '.join(suites)}"

    uses: dict[str, RunUse] = {}
    unseen, seen = [], []
    for run in store.runs:
        m = run.manifest
        if m.suite != chosen_suite:
            uses[m.run_id] = RunUse(m.run_id, "other suite", m.suite)
        elif m.n_layers < hypothesis.needs.min_layers:
            rule = f"{m.n_layers} blocks, and the plan needs {hypothesis.needs.min_layers}"
            uses[m.run_id] = RunUse(m.run_id, "excluded", rule)
        elif state.registration is not None and state.registration.saw(m):
            seen.append(m.run_id)
        else:
            unseen.append(m.run_id)
    # Unseen runs alone are evidence for a registered plan; before there are any, what it saw.
    counted = unseen or seen
    for run_id in counted:
        uses[run_id] = RunUse(run_id, "counted")
    for run_id in seen if unseen else []:
        uses[run_id] = RunUse(run_id, "pilot", "the plan had seen it when it was registered")
    return _Job(
        loaded=loaded,
        state=state,
        suite=chosen_suite,
        why_nothing=why,
        uses={run.manifest.run_id: uses[run.manifest.run_id] for run in store.runs},
        chosen=set(counted),
        collected=[_Values() for _ in hypothesis.predictions],
    )


def _groups(runs: list[RunFile], by_seed: bool) -> Iterator[list[RunFile]]:
    if not by_seed:
        yield from ([run] for run in runs)
        return
    seeds: dict[int, list[RunFile]] = {}
    for run in runs:
        seeds.setdefault(run.manifest.seed, []).append(run)
    yield from (seeds[seed] for seed in sorted(seeds))


def _read(store: Store, file: RunFile, jobs: list[_Job]) -> Run:
    needs = [j.hypothesis.needs for j in jobs if file.manifest.run_id in j.chosen]
    measures = {measure for need in needs for measure in need.measures}
    layers: set[int] | None = set()
    for need in needs:
        if need.layers == "all" or layers is None:
            layers = None
        elif need.layers == "blocks":
            layers |= set(range(1, file.manifest.n_layers + 1))
        else:
            layers.add(file.manifest.n_layers)
    return Run(file.manifest, store.read(file, measures, layers))


# --- one value a unit -------------------------------------------------------------------------


def _collect(job: _Job, runs: list[Run]) -> None:
    usable = []
    for run in runs:
        lacking = [m for m in job.hypothesis.needs.measures if m not in run.measures]
        if lacking:
            _refuse(job, run, f"lacks {', '.join(lacking)}")
        else:
            usable.append(run)
    if not usable:
        return
    for prediction, found in zip(job.hypothesis.predictions, job.collected, strict=True):
        units = [[run] for run in usable] if prediction.unit == "run" else [usable]
        for unit in units:
            argument = unit[0] if prediction.unit == "run" else unit
            value = _value(job, prediction, prediction.estimate, argument, unit)
            if value is not None:
                found.values.append(value)
                found.runs.append(unit)
    if job.hypothesis.pooled is not None:
        count = job.hypothesis.pooled.count
        for run in usable:
            try:
                job.pooled.append(count(run))
            except Undefined:
                continue  # the prediction has said so


def _value(job: _Job, prediction: Prediction, estimate, argument, unit: list[Run]) -> Any:
    label = _label(prediction, unit)
    where = f"{job.loaded.name}, prediction {prediction.name!r}, {label}"
    try:
        value = estimate(argument)
    except Undefined as reason:
        for run in unit:
            _refuse(job, run, f"{prediction.name}: {reason}")
        return None
    except Exception as error:
        import traceback

        last = traceback.extract_tb(error.__traceback__)[-1]
        raise HypothesisError(
            f"{where}: the estimate failed at {last.filename}:{last.lineno} with "
            f"{type(error).__name__}: {error}"
        ) from error
    if isinstance(prediction.analysis, Share):
        if not isinstance(value, tuple) or len(value) != 2:
            raise HypothesisError(f"{where}: Share needs a Count, and the estimate gave {value!r}")
        if not 0 <= value[0] <= value[1] or not value[1] > 0:
            raise HypothesisError(f"{where}: {value[0]!r} of {value[1]!r} is no share")
        return Count(float(value[0]), float(value[1]))
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise HypothesisError(f"{where}: the estimate gave {value!r}, not a number") from None
    if not math.isfinite(number):
        raise HypothesisError(
            f"{where}: the estimate gave {number}; raise Undefined where a run has no value"
        )
    return number


def _refuse(job: _Job, run: Run, why: str) -> None:
    use = job.uses[run.run_id]
    reasons = f"{use.why}; {why}" if use.status == "refused" else why
    job.uses[run.run_id] = RunUse(run.run_id, "refused", reasons)


def _label(prediction: Prediction, unit: list[Run]) -> str:
    return unit[0].run_id if prediction.unit == "run" else f"seed {unit[0].seed}"


# --- verdicts ---------------------------------------------------------------------------------


def _conclude(job: _Job, store: Store) -> Result:
    hypothesis, registration = job.hypothesis, job.state.registration
    # A run that one prediction could not use may still be counted by another.
    behind = {run.run_id for found in job.collected for unit in found.runs for run in unit}
    for run_id in behind:
        use = job.uses[run_id]
        if use.status == "refused":
            job.uses[run_id] = RunUse(run_id, "counted", f"in part: {use.why}")
    predictions = tuple(
        _predict(job, prediction, found)
        for prediction, found in zip(hypothesis.predictions, job.collected, strict=True)
    )
    verdict = COMBINE[hypothesis.combine](p.verdict for p in predictions)
    counted = [run for run in store.runs if job.uses[run.manifest.run_id].status == "counted"]
    unseen_alone = bool(counted) and not (
        registration is None or any(registration.saw(run.manifest) for run in counted)
    )
    latest = registration.latest if registration else None
    return Result(
        name=job.loaded.name,
        claim=hypothesis.claim.text,
        verdict=verdict,
        confirmatory=unseen_alone and job.state.status == "registered",
        registration=job.state.status,
        reason=_reason(job, verdict, predictions, bool(counted)),
        predictions=predictions,
        reported=hypothesis.claim.reported,
        paper=hypothesis.claim.paper,
        pooled=_pooled(job),
        runs=tuple(job.uses.values()),
        deviations=tuple(_deviations(job, store, counted, unseen_alone)),
        changes=job.state.changes,
        registered=latest["registered"] if latest else None,
        plan=latest["plan"] if latest else None,
        suite=job.suite,
        store=store.uri,
    )


def _predict(job: _Job, prediction: Prediction, found: _Values) -> PredictionResult:
    level, needs = job.hypothesis.simultaneous_level, job.hypothesis.needs
    first_runs = [unit[0] for unit in found.runs]
    # A seed's unit holds all scales: there is nothing to stratify by.
    strata = [run.scale if prediction.unit == "run" else "" for run in first_runs]
    log10_params = [run.manifest.log10_params for run in first_runs]
    runs = {run.run_id: run for unit in found.runs for run in unit}
    scales = {run.scale for run in runs.values()}
    if found.values:
        estimate = prediction.analysis.estimate(
            found.values, strata, log10_params, prediction.region, level
        )
    else:
        estimate = Estimate(math.nan, None, level, None, None, 0, "none", "no run gives a value")
    if len(scales) < needs.min_scales:
        why = f"{len(scales)} scales, and the plan needs {needs.min_scales}"
        estimate = replace(estimate, interval=None, p_value=None, why_no_interval=why)
    if estimate.interval is None:
        verdict, reason = Verdict.INCONCLUSIVE, estimate.why_no_interval or "no interval"
    else:
        verdict = decide(estimate.interval, prediction.region)
        reason = _interval_reason(prediction, estimate, verdict)
    shown = [v[0] / v[1] if isinstance(v, Count) else v for v in found.values]
    units = tuple(
        UnitValue(_label(prediction, unit), tuple(run.run_id for run in unit), value)
        for value, unit in zip(shown, found.runs, strict=True)
    )
    return PredictionResult(
        name=prediction.name,
        estimate=estimate,
        region=prediction.region,
        verdict=verdict,
        reason=reason,
        unit=prediction.unit,
        n_runs=len(runs),
        values=tuple(sorted(units, key=lambda u: u.label)),
        units_compare=not isinstance(prediction.analysis, Slope),
    )


def _interval_reason(prediction: Prediction, estimate: Estimate, verdict: Verdict) -> str:
    assert estimate.interval is not None
    lo, hi = estimate.interval
    shown = f"{prediction.name}: {estimate.value:.3g} [{lo:.3g}, {hi:.3g}]"
    if verdict is Verdict.SUPPORTED:
        return f"{shown} inside {prediction.region}"
    if verdict is Verdict.REFUTED:
        return f"{shown} outside {prediction.region}"
    needed = runs_needed(estimate, prediction.region)
    units = "runs" if prediction.unit == "run" else "seeds"
    more = f"; about {needed - estimate.n_runs} more {units} would settle it" if needed else ""
    return f"{shown} reaches across the edge of {prediction.region}{more}"


def _reason(
    job: _Job, verdict: Verdict, predictions: tuple[PredictionResult, ...], any_run: bool
) -> str:
    if job.why_nothing is not None:
        return job.why_nothing
    if not any_run:
        refused = [use for use in job.uses.values() if use.status in ("refused", "excluded")]
        why = f"no run can be used ({refused[0].run_id}: {refused[0].why})" if refused else "no run"
        if job.hypothesis.design is not None:
            return f"{why}; make them with: emergence-stats collect {job.loaded.name}"
        return f"{why}; it needs traces of {', '.join(job.hypothesis.needs.measures)}"
    deciding = [p for p in predictions if p.verdict is verdict] or list(predictions)
    others = len(deciding) - 1
    more = f"; {others} more prediction{'s' if others > 1 else ''} {verdict}" if others else ""
    return deciding[0].reason + more


def _pooled(job: _Job) -> dict[str, Any]:
    pooled = job.hypothesis.pooled
    if pooled is None or not job.pooled:
        return {}
    note = "pooled over runs and task-levels as the paper counts; not a test"
    if all(isinstance(item, tuple) for item in job.pooled):
        successes = float(sum(item[0] for item in job.pooled))
        trials = float(sum(item[1] for item in job.pooled))
        value = successes / trials if trials else None
        whole = successes.is_integer()
        return {
            "label": pooled.label,
            "successes": int(successes) if whole else successes,
            "trials": int(trials) if trials.is_integer() else trials,
            "value": value,
            "note": note,
        }
    mean = sum(float(item) for item in job.pooled) / len(job.pooled)
    return {"label": pooled.label, "value": mean, "note": note}


def _deviations(
    job: _Job, store: Store, counted: list[RunFile], unseen_alone: bool
) -> Iterator[str]:
    """What a reader of a registered result has to know besides the verdict."""
    registration, design = job.state.registration, job.hypothesis.design
    if registration is None:
        return
    if len(registration.entries) > 1:
        first = registration.entries[0]["registered"]
        yield f"registered {len(registration.entries)} times, first {first}"
    if not unseen_alone:
        return
    if job.state.status == "amended":
        yield "the hypothesis was edited after its registration, so the result is exploratory"
    early = [
        run.manifest.run_id
        for run in counted
        if _is_before(run.manifest.created, registration.latest["registered"])
    ]
    if early:
        yield (
            f"{len(early)} of the unseen runs are dated before the registration "
            f"({early[0]}{', ...' if len(early) > 1 else ''})"
        )
    if design is None:
        yield "the plan has no stopping rule (design), so any number of runs would have done"
        return
    if job.suite != design.suite:
        yield f"the runs are of suite {job.suite}, and the plan is for suite {design.suite}"
        return
    there = [
        (run.manifest.scale, run.manifest.seed)
        for run in store.runs
        if job.uses[run.manifest.run_id].status in ("counted", "refused")
    ]
    planned = set(design.runs())
    missing = planned - set(there)
    beyond = [key for key in there if key not in planned]
    twice = len(there) - len(set(there))
    if missing:
        scale, seed = sorted(missing)[0]
        yield (
            f"the confirmatory set is not complete: {len(missing)} of {len(planned)} runs are "
            f"missing ({scale} seed {seed}{', ...' if len(missing) > 1 else ''})"
        )
    if beyond:
        yield f"{len(beyond)} runs beyond the confirmatory set (first {beyond[0][0]} seed {beyond[0][1]})"
    if twice:
        yield f"{twice} runs repeat the scale and seed of another"


def _is_before(created: str, registered: str) -> bool:
    from datetime import UTC, datetime

    moments = []
    for text in (created, registered):
        moment = datetime.fromisoformat(text)
        moments.append(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return moments[0] < moments[1]
