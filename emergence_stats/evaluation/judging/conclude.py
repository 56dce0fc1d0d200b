"""The result of one hypothesis, assembled once all values are known."""

from __future__ import annotations

from typing import Any

from emergence_stats.claims.backend import can_be_collected
from emergence_stats.claims.selection import Selection, deviations
from emergence_stats.core import VERSION
from emergence_stats.core.verdicts import Verdict
from emergence_stats.errors import HypothesisError
from emergence_stats.evaluation.jobs import Job
from emergence_stats.evaluation.judging.controls import conclude_control
from emergence_stats.evaluation.judging.missing import missing_of
from emergence_stats.evaluation.judging.outcomes import best_of
from emergence_stats.evaluation.judging.predictions import combined, predict_all
from emergence_stats.evaluation.judging.qualifiers import qualifiers_of
from emergence_stats.evaluation.judging.replication import comparisons_of
from emergence_stats.evaluation.results import (
    ControlResult,
    Evidence,
    PlanState,
    PredictionResult,
    Qualifier,
    Result,
)
from emergence_stats.support.words import listed
from emergence_stats.traces.store import Store


def conclude(job: Job, store: Store) -> Result:
    """The verdict on a hypothesis and everything that it rests on."""
    hypothesis, state = job.hypothesis, job.state
    selection = job.main.concluded()
    predictions = predict_all(job, job.main)
    verdict = combined(hypothesis, predictions)
    controls = tuple(conclude_control(job, arm, predictions, verdict) for arm in job.controls)
    missing = list(missing_of(job, selection))
    qualifiers = qualifiers_of(verdict, predictions, controls, missing)
    reason = _reason(job, selection, verdict, predictions)
    reason += _looks_text(job, verdict, predictions)
    not_found = _not_found(job, verdict, controls)
    if not_found is not None:
        verdict, reason = Verdict.INCONCLUSIVE, f"{not_found}; else {verdict}: {reason}"
    latest = state.registration.latest if state.registration else None
    return Result(
        name=job.loaded.name,
        claim=hypothesis.claim,
        verdict=verdict,
        reason=reason,
        predictions=predictions,
        controls=controls,
        pooled=_pooled(job),
        combine=hypothesis.combine,
        plan=PlanState(
            registration=state.status,
            confirmatory=selection.is_confirmatory(state),
            registered=latest["registered"] if latest else None,
            digest=latest["plan"] if latest else None,
            changes=state.changes,
            rules=f"core {VERSION}",
            supersedes=state.registration.superseded() if state.registration else None,
            deviations=(
                *deviations(hypothesis, state, selection, store),
                *(some.text() for some in missing if state.registration is not None),
            ),
        ),
        evidence=Evidence(store.uri, selection.suite, tuple(selection.uses.values())),
        qualifiers=(*qualifiers, *_not_looked_at(job, verdict)),
        comparisons=tuple(comparisons_of(hypothesis.claim, predictions, hypothesis.level)),
    )


def _not_found(job: Job, verdict: Verdict, controls: tuple[ControlResult, ...]) -> str | None:
    """Why a verdict does not stand: a positive control that has to earn the opposite one is not found.

    An analysis that does not see a relation that is there says nothing by not seeing one.
    """
    if verdict is Verdict.INCONCLUSIVE:
        return None
    for control in controls:
        if control.found is False and control.finds != str(verdict):
            return f"the positive control {control.name!r} is not found ({control.reason or control.verdict})"
    return None


def _looks_text(job: Job, verdict: Verdict, predictions: tuple[PredictionResult, ...]) -> str:
    """Of a plan that looks early: which look was the last, and whether to stop."""
    design = job.hypothesis.design
    values = any(found.values for found in job.main.collected.values())
    if design is None or not design.sequential or not values:
        return ""
    made = next(iter(job.main.collected.values())).made or frozenset()
    looks, n = design.reached(made), len(design.looks)
    if not looks:
        return f"; go on: the first of {n} looks is at {design.looks[0]} seeds a scale"
    if verdict is not Verdict.INCONCLUSIVE:
        deciding = _deciding_look(job.hypothesis.combine, verdict, predictions) or len(looks)
        later = ", and what was made after it is not looked at" if deciding < len(looks) else ""
        return f"; stop now: decided by look {deciding} of {n}{later}"
    if len(looks) == n:
        return f"; stop now: that was the last of {n} looks"
    return f"; go on: look {len(looks)} of {n} does not decide, the next is at {design.looks[len(looks)]} seeds a scale"


def _deciding_look(
    combine: str, verdict: Verdict, predictions: tuple[PredictionResult, ...]
) -> int | None:
    """The look at which a verdict stood: where one prediction makes it, the first that did, else the last that had to."""
    found = [p.look for p in predictions if p.verdict is verdict and p.look is not None]
    one_is_enough = verdict is (Verdict.REFUTED if combine == "all" else Verdict.SUPPORTED)
    return (min if one_is_enough else max)(found, default=None)


def _not_looked_at(job: Job, verdict: Verdict) -> tuple[Qualifier, ...]:
    """Controls that were left out on request."""
    if job.controls or verdict is Verdict.INCONCLUSIVE:
        return ()
    found = []
    for kind, positive in (("not specific", False), ("insensitive", True)):
        names = [repr(c.name) for c in job.hypothesis.controls if (c.finds is not None) == positive]
        if names:
            what = f"{'positive ' if positive else ''}control{'s' if len(names) > 1 else ''}"
            was = "were" if len(names) > 1 else "was"
            found.append(Qualifier(kind, f"the {what} {listed(names)} {was} not looked at"))
    return tuple(found)


def _reason(
    job: Job,
    selection: Selection,
    verdict: Verdict,
    predictions: tuple[PredictionResult, ...],
) -> str:
    if selection.why_nothing is not None:
        return f"{selection.why_nothing}{_advice(job, ', or make its runs with')}"
    if not selection.with_status("counted"):
        refused = [use for use in selection.uses.values() if use.status in ("refused", "excluded")]
        why = f"no run can be used ({refused[0].run_id}: {refused[0].why})" if refused else "no run"
        if job.hypothesis.design is None:
            return f"{why}; it needs traces of {', '.join(job.hypothesis.needs.measures)}"
        # runs that are there and cannot be used are often somebody's own: no command here mends them
        return (
            why if selection.with_status("refused") else f"{why}{_advice(job, '; make them with')}"
        )
    deciding = [p for p in predictions if p.verdict is verdict] or list(predictions)
    others = len(deciding) - 1
    more = f"; {others} more prediction{'s' if others > 1 else ''} {verdict}" if others else ""
    return deciding[0].reason + more


def _advice(job: Job, make: str) -> str:
    """How the planned runs are made (`make`, in words), where `collect` can, and what one run at each scale can say at best, which is little."""
    design = job.hypothesis.design
    if design is None or not can_be_collected(design.suite):
        return ""
    advice = f"{make}: emergence-stats collect {job.loaded.name}"
    if len(design.seeds) > 1:
        return advice
    runs = len(design.runs())
    some = " or ".join(map(str, best_of(job.hypothesis)))
    plural = "s" if runs > 1 else ""
    if not some:
        return f"{advice}. Its {runs} run{plural}, one at each scale, leave it inconclusive whatever they show"
    return f"{advice}. Its {runs} run{plural}, one at each scale, can make it {some} at best"


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
    if any(isinstance(item, tuple) for item in job.pooled):
        raise HypothesisError(
            f"{job.loaded.name}, as the paper counts: the count gave a Count for some runs and a number for others"
        )
    mean = sum(float(item) for item in job.pooled) / len(job.pooled)
    return {"label": pooled.label, "value": mean, "note": note}
