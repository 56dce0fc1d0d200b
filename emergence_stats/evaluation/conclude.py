"""The result of one hypothesis, assembled once all values are known."""

from __future__ import annotations

from typing import Any

from emergence_stats.claims.selection import Selection, deviations
from emergence_stats.evaluation.controls import conclude_control
from emergence_stats.evaluation.jobs import Job
from emergence_stats.evaluation.predictions import combined, predict_all
from emergence_stats.evaluation.results import Evidence, PlanState, PredictionResult, Result
from emergence_stats.traces.store import Store
from emergence_stats.verdicts import Verdict


def conclude(job: Job, store: Store) -> Result:
    """The verdict on a hypothesis and everything that it rests on."""
    hypothesis, state = job.hypothesis, job.state
    selection = job.main.concluded()
    predictions = predict_all(job, job.main)
    verdict = combined(hypothesis, predictions)
    latest = state.registration.latest if state.registration else None
    return Result(
        name=job.loaded.name,
        claim=hypothesis.claim,
        verdict=verdict,
        reason=_reason(job, selection, verdict, predictions),
        predictions=predictions,
        controls=tuple(conclude_control(job, arm, verdict) for arm in job.controls),
        pooled=_pooled(job),
        combine=hypothesis.combine,
        plan=PlanState(
            registration=state.status,
            confirmatory=selection.is_confirmatory(state),
            registered=latest["registered"] if latest else None,
            digest=latest["plan"] if latest else None,
            changes=state.changes,
            deviations=tuple(deviations(hypothesis, state, selection, store)),
        ),
        evidence=Evidence(store.uri, selection.suite, tuple(selection.uses.values())),
    )


def _reason(
    job: Job,
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


def _pooled(job: Job) -> dict[str, Any]:
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
