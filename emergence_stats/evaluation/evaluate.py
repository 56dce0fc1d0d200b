"""Test hypotheses against a trace store: one pass over the runs that count, then verdicts.

Runs are read one at a time (one seed's runs at a time where a prediction compares scales), so
memory does not grow with the store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration import State, state_of
from emergence_stats.claims.selection import Selection, choose_runs, deviations
from emergence_stats.controls import Control
from emergence_stats.errors import TraceError
from emergence_stats.evaluation.conclude import predict
from emergence_stats.evaluation.results import (
    ControlResult,
    Difference,
    PredictionResult,
    Result,
)
from emergence_stats.evaluation.values import (
    Declared,
    Values,
    as_number,
    label,
    read_for,
    read_run,
    value_of,
)
from emergence_stats.hypothesis import (
    Count,
    Hypothesis,
    Mean,
    Prediction,
    Slope,
    keyword_defaults,
)
from emergence_stats.runs import Run, Undefined
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import RunFile, Store
from emergence_stats.verdicts import COMBINE, Verdict

READ_AHEAD = 4  # runs: enough to keep the reader busy, too few to fill the memory

Progress = Callable[[int, int], None]  # runs read, runs in all


@dataclass
class _Arm:
    """The analysis of a hypothesis (`control` None), or one of its controls, on the way to a verdict.

    `chosen`: the runs that may count. `collected`: one for each prediction. `refusals`: why runs could not
    be used, by run_id. `undefined`: why units of a control had no value.
    """

    control: Control | None
    selection: Selection
    chosen: frozenset[str]
    collected: dict[str, Values]
    refusals: dict[str, list[str]] = field(default_factory=dict)
    undefined: list[str] = field(default_factory=list)

    def refuse(self, run_id: str, why: str) -> None:
        self.refusals.setdefault(run_id, []).append(why)


@dataclass
class _Job:
    """One hypothesis: its analysis, its controls, and the statistic as the paper counts it."""

    loaded: Loaded
    state: State
    main: _Arm
    controls: list[_Arm]
    pooled: list[Any] = field(default_factory=list)

    @property
    def hypothesis(self) -> Hypothesis:
        return self.loaded.hypothesis

    @property
    def arms(self) -> list[_Arm]:
        return [self.main, *self.controls]

    def reads(self, run_id: str) -> set[str]:
        """Measures that are wanted of a run, none where it is not used."""
        arms = (arm for arm in self.arms if run_id in arm.chosen)
        return {measure for arm in arms for measure in self.measures(arm)}

    def measures(self, arm: _Arm) -> tuple[str, ...]:
        """Those that an arm looks at."""
        more = arm.control.measures if arm.control is not None else ()
        return (*self.hypothesis.needs.measures, *more)


def evaluate(
    hypotheses: Sequence[Loaded],
    store: Store,
    *,
    suite: str | None = None,
    progress: Progress | None = None,
    controls: bool = True,
) -> list[Result]:
    """A `Result` for each hypothesis, in order; without `controls` only of the analysis itself.

    Raises `TraceError` for a broken or empty store, `HypothesisError` for an estimate that fails,
    `RegistrationError` for a lock that was altered.
    """
    if not store.runs:
        raise TraceError(
            "the trace store is empty",
            file=store.uri,
            fix="Fill it with `emergence-stats collect`, or name another with --traces.",
        )
    jobs = [_job(loaded, store, suite, controls) for loaded in hypotheses]
    used = [run for run in store.runs if any(job.reads(run.manifest.run_id) for job in jobs)]
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
                _collect(job, runs)
    return [_conclude(job, store) for job in jobs]


def _job(loaded: Loaded, store: Store, suite: str | None, controls: bool) -> _Job:
    state, hypothesis = state_of(loaded), loaded.hypothesis
    main = _arm(hypothesis, choose_runs(hypothesis, state, store, suite), None)
    arms = []
    for control in hypothesis.controls if controls else ():
        selection = main.selection
        if control.suite is not None:
            selection = choose_runs(hypothesis, state, store, control.suite)
        arms.append(_arm(hypothesis, selection, control))
    return _Job(loaded, state, main, arms)


def _arm(hypothesis: Hypothesis, selection: Selection, control: Control | None) -> _Arm:
    names = [p.name for p in hypothesis.predictions]
    if control is not None and control.predictions:
        names = [name for name in names if name in control.predictions]
    chosen = frozenset(selection.with_status("counted"))
    return _Arm(control, selection, chosen, {name: Values() for name in names})


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
    wanted = [(job.hypothesis.needs, job.reads(file.manifest.run_id)) for job in jobs]
    needs = [need for need, measures in wanted if measures]
    measures = {measure for _, some in wanted for measure in some}
    return read_run(store, file, needs, measures)


# --- one value a unit -------------------------------------------------------------------------


def _collect(job: _Job, runs: list[Run]) -> None:
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
                arm.refuse(run.run_id, f"lacks {', '.join(lacking)}")
        if usable:
            _collect_arm(job, arm, usable)
        if arm.control is None and job.hypothesis.pooled is not None:
            for run in usable:
                try:
                    job.pooled.append(job.hypothesis.pooled.count(run))
                except Undefined:
                    continue  # the prediction has said so


def _collect_arm(job: _Job, arm: _Arm, usable: list[Declared]) -> None:
    changed: dict[str, list[Run]] = {}
    change = arm.control.change if arm.control is not None else None
    if change is not None:
        for run in usable:
            try:
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
    job: _Job,
    arm: _Arm,
    prediction: Prediction,
    unit: Sequence[Run],
    variants: Sequence[Sequence[Run]],
) -> Any:
    """The value of a unit, the mean over its variants; None where there is none, with the reason."""
    keywords = {}
    if arm.control is not None:
        known = keyword_defaults(prediction.estimate)
        keywords = {k: v for k, v in arm.control.keywords.items() if k in known}
    values, reason = [], ""
    for variant in variants:
        try:
            values.append(value_of(job.loaded.name, prediction, variant, keywords))
        except Undefined as undefined:
            reason = str(undefined)
    if values:
        if isinstance(values[0], Count):
            return Count(*(float(np.mean(column)) for column in zip(*values, strict=True)))
        return float(np.mean(values))
    if arm.control is None:
        for run in unit:
            arm.refuse(run.run_id, f"{prediction.name}: {reason}")
    else:
        arm.undefined.append(f"{label(prediction, unit)}: {reason}")
    return None


# --- verdicts ---------------------------------------------------------------------------------


def _conclude(job: _Job, store: Store) -> Result:
    hypothesis, registration = job.hypothesis, job.state.registration
    selection = job.main.selection.refusing(job.main.refusals, _runs_with_values(job.main))
    predictions = _predict_all(job, job.main)
    verdict = COMBINE[hypothesis.combine](p.verdict for p in predictions)
    latest = registration.latest if registration else None
    return Result(
        name=job.loaded.name,
        claim=hypothesis.claim.text,
        verdict=verdict,
        confirmatory=selection.is_confirmatory(job.state),
        registration=job.state.status,
        reason=_reason(job, selection, verdict, predictions),
        predictions=predictions,
        controls=tuple(_conclude_control(job, arm, verdict) for arm in job.controls),
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
        combine=hypothesis.combine,
    )


def _runs_with_values(arm: _Arm) -> set[str]:
    return {run.run_id for v in arm.collected.values() for unit in v.runs for run in unit}


def _conclude_control(job: _Job, arm: _Arm, verdict: Verdict) -> ControlResult:
    """What a control earns, and whether that is the verdict itself."""
    assert arm.control is not None
    predictions = _predict_all(job, arm)
    earned = COMBINE[job.hypothesis.combine](p.verdict for p in predictions)
    used = _runs_with_values(arm)
    reason = None
    if not used:
        reason = arm.selection.why_nothing or (arm.undefined[0] if arm.undefined else "no run")
        if arm.control.suite is not None and arm.selection.why_nothing is not None:
            reason += f"; make them with: emergence-stats collect --suite {arm.control.suite}"
    # A suite that the plan names for a control alone is of the plan, whatever its seeds.
    selection = arm.selection.refusing(arm.refusals, used)
    if arm.control.suite is not None:
        selection = replace(selection, planned=True)
    return ControlResult(
        name=arm.control.name,
        shows=arm.control.shows,
        verdict=earned,
        same=earned is verdict and verdict is not Verdict.INCONCLUSIVE,
        suite=arm.selection.suite,
        confirmatory=bool(used) and selection.is_confirmatory(job.state),
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


def _difference(job: _Job, arm: _Arm, prediction: Prediction) -> Difference | None:
    """The analysis less the control, unit by unit: of the same run, or of the same scale and seed.

    None where no units belong together.
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


def _predict_all(job: _Job, arm: _Arm) -> tuple[PredictionResult, ...]:
    return tuple(
        predict(job.hypothesis, prediction, arm.collected[prediction.name])
        for prediction in job.hypothesis.predictions
        if prediction.name in arm.collected
    )


def _reason(
    job: _Job,
    selection: Selection,
    verdict: Verdict,
    predictions: tuple[PredictionResult, ...],
) -> str:
    if selection.why_nothing is not None:
        return selection.why_nothing
    if not selection.with_status("counted"):
        refused = [use for use in selection.uses.values() if use.status in ("refused", "excluded")]
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
