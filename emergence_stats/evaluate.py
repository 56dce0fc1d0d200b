"""Test hypotheses against a trace store: one pass over the runs that count, then verdicts.

Runs are read one at a time (one seed's runs at a time where a prediction compares scales), so
memory does not grow with the store.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from emergence_stats.errors import HypothesisError, TraceError
from emergence_stats.hypothesis import Count, Hypothesis, Prediction, Share, Slope
from emergence_stats.inference import Estimate, runs_needed
from emergence_stats.project import Loaded
from emergence_stats.registration import State, state_of
from emergence_stats.results import PredictionResult, Result, UnitValue
from emergence_stats.runs import Run, Undefined
from emergence_stats.schema import Manifest
from emergence_stats.selection import Selection, choose_runs, deviations, rests_on_unseen_runs
from emergence_stats.store import RunFile, Store
from emergence_stats.verdicts import COMBINE, Verdict, decide

READ_AHEAD = 4  # runs: enough to keep the reader busy, too few to fill the memory

Progress = Callable[[int, int], None]  # runs read, runs in all


@dataclass
class _Values:
    """What one prediction got: a value and the runs behind it for each unit.

    Of runs only what is known without their traces, so that those can go.
    """

    values: list[Any] = field(default_factory=list)
    runs: list[list[Manifest]] = field(default_factory=list)


@dataclass
class _Job:
    """One hypothesis on its way from runs to a verdict."""

    loaded: Loaded
    state: State
    selection: Selection
    chosen: set[str]
    collected: list[_Values]
    pooled: list[Any] = field(default_factory=list)

    @property
    def hypothesis(self) -> Hypothesis:
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
    jobs = [_job(loaded, store, suite) for loaded in hypotheses]
    used = [run for run in store.runs if any(run.manifest.run_id in job.chosen for job in jobs)]
    by_seed = any(p.unit == "seed" for job in jobs for p in job.hypothesis.predictions)
    groups = list(_groups(used, by_seed))
    done = 0
    with _ReadAhead(store, [file for group in groups for file in group], jobs) as reading:
        import scipy.special  # noqa: F401  # needed at the end; now the first runs are being read

        for group in groups:
            runs = []
            for _ in group:
                runs.append(reading.next())
                done += 1
                if progress is not None:
                    progress(done, len(used))
            for job in jobs:
                _collect(job, [run for run in runs if run.run_id in job.chosen])
    return [_conclude(job, store) for job in jobs]


def _job(loaded: Loaded, store: Store, suite: str | None) -> _Job:
    state = state_of(loaded)
    selection = choose_runs(loaded.hypothesis, state, store, suite)
    return _Job(
        loaded=loaded,
        state=state,
        selection=selection,
        chosen=set(selection.with_status("counted")),
        collected=[_Values() for _ in loaded.hypothesis.predictions],
    )


def _groups(runs: list[RunFile], by_seed: bool) -> Iterator[list[RunFile]]:
    if not by_seed:
        yield from ([run] for run in runs)
        return
    seeds: dict[int, list[RunFile]] = {}
    for run in runs:
        seeds.setdefault(run.manifest.seed, []).append(run)
    yield from (seeds[seed] for seed in sorted(seeds))


class _ReadAhead:
    """The runs in order; while one is worked on, a thread reads the next few."""

    def __init__(self, store: Store, files: Sequence[RunFile], jobs: list[_Job]) -> None:
        self._store, self._jobs = store, jobs
        self._files = iter(files)
        self._reader = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[Run]] = deque()
        for _ in range(READ_AHEAD):
            self._submit()

    def _submit(self) -> None:
        for file in islice(self._files, 1):
            self._waiting.append(self._reader.submit(_read, self._store, file, self._jobs))

    def next(self) -> Run:
        run = self._waiting.popleft().result()
        self._submit()
        return run

    def __enter__(self) -> _ReadAhead:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._reader.shutdown(cancel_futures=True)


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
            job.selection.refuse(run.run_id, f"lacks {', '.join(lacking)}")
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
                found.runs.append([run.manifest for run in unit])
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
            job.selection.refuse(run.run_id, f"{prediction.name}: {reason}")
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


def _label(prediction: Prediction, unit: Sequence[Run | Manifest]) -> str:
    return unit[0].run_id if prediction.unit == "run" else f"seed {unit[0].seed}"


# --- verdicts ---------------------------------------------------------------------------------


def _conclude(job: _Job, store: Store) -> Result:
    hypothesis, selection, registration = job.hypothesis, job.selection, job.state.registration
    selection.count_in_part(
        {run.run_id for found in job.collected for unit in found.runs for run in unit}
    )
    predictions = tuple(
        _predict(job, prediction, found)
        for prediction, found in zip(hypothesis.predictions, job.collected, strict=True)
    )
    verdict = COMBINE[hypothesis.combine](p.verdict for p in predictions)
    counted_ids = set(selection.with_status("counted"))
    counted = [run.manifest for run in store.runs if run.manifest.run_id in counted_ids]
    unseen = rests_on_unseen_runs(job.state, counted)
    latest = registration.latest if registration else None
    return Result(
        name=job.loaded.name,
        claim=hypothesis.claim.text,
        verdict=verdict,
        confirmatory=unseen and job.state.status == "registered",
        registration=job.state.status,
        reason=_reason(job, verdict, predictions, bool(counted)),
        predictions=predictions,
        reported=hypothesis.claim.reported,
        paper=hypothesis.claim.paper,
        pooled=_pooled(job),
        runs=tuple(selection.uses.values()),
        deviations=tuple(deviations(hypothesis, job.state, selection, store)),
        changes=job.state.changes,
        registered=latest["registered"] if latest else None,
        plan=latest["plan"] if latest else None,
        suite=selection.suite,
        store=store.uri,
    )


def _predict(job: _Job, prediction: Prediction, found: _Values) -> PredictionResult:
    level, needs = job.hypothesis.simultaneous_level, job.hypothesis.needs
    first_runs = [unit[0] for unit in found.runs]
    # A seed's unit holds all scales: there is nothing to stratify by.
    strata = [run.scale if prediction.unit == "run" else "" for run in first_runs]
    log10_params = [run.log10_params for run in first_runs]
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
    if job.selection.why_nothing is not None:
        return job.selection.why_nothing
    if not any_run:
        refused = [
            use for use in job.selection.uses.values() if use.status in ("refused", "excluded")
        ]
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
