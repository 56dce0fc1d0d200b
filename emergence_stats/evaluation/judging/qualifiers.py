"""What a verdict is to be read with: computed, so that nobody has to be honest about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emergence_stats.core.controls.control import SAME
from emergence_stats.core.intervals.estimates import Estimate
from emergence_stats.core.verdicts import Verdict, decide
from emergence_stats.evaluation.judging.missing import Missing
from emergence_stats.evaluation.results import ControlResult, PredictionResult, Qualifier
from emergence_stats.support.words import listed, number

FRAGILE = 0.1  # of the declared analyses, with another verdict


def qualifiers_of(
    verdict: Verdict,
    predictions: Sequence[PredictionResult],
    controls: Sequence[ControlResult],
    missing: Sequence[Missing],
) -> tuple[Qualifier, ...]:
    """All but that of the multiverse, which is recorded elsewhere (`fragility`)."""
    return (
        *_not_specific(controls),
        *_mixed(verdict, predictions),
        *_insensitive(controls),
        *_at_bound(verdict, predictions),
        *_guarantee(verdict, predictions),
        *_incomplete(missing),
    )


def fragility(verdict: Verdict, shares: dict[str, float | None], analyses: int) -> Qualifier | None:
    """Of the shares of the declared analyses in which each verdict holds, by verdict."""
    others = {k: v for k, v in shares.items() if k != str(verdict) and v}
    share = sum(v for v in others.values() if v is not None)
    if verdict is Verdict.INCONCLUSIVE or share <= FRAGILE:
        return None
    said = listed([f"{100 * (v or 0):.0f}% {k}" for k, v in others.items()])
    return Qualifier("fragile", f"of {analyses} declared analyses {said}")


def _carrying(verdict: Verdict, predictions: Sequence[PredictionResult]) -> list[PredictionResult]:
    """The predictions that a verdict rests on."""
    return [p for p in predictions if p.verdict is verdict] or list(predictions)


def _not_specific(controls: Sequence[ControlResult]) -> Iterator[Qualifier]:
    for control in controls:
        if not control.same:
            continue
        if control.reason is not None or not control.differences:
            why = control.reason or "no unit of the analysis has one in the control"
            yield Qualifier(
                "not specific", f"the control {control.name!r} was not compared ({why})"
            )
            continue
        said = listed([f"{d.prediction} {_shown(d.estimate)}" for d in control.differences[:3]])
        judgements = {d.judgement for d in control.differences}
        if control.expects == SAME:
            yield Qualifier(
                "not specific",
                f"the control {control.name!r} was to make no difference beyond its margin, and that is not shown (analysis less "
                f"control: {said})",
            )
            continue
        how = "cannot be told apart from the control"
        others = [d.prediction for d in control.differences if not d.exceeds]
        if len(others) < len(control.differences):
            n = control.undefined
            lacking = (
                f"{n} unit{'s have' if n != 1 else ' has'} no value to compare with in the control"
            )
            how = f"{listed(others)} cannot be told apart from the control" if others else lacking
        elif judgements == {"the same"}:
            how = "it is the same in the control"
        elif "differs" in judgements:
            how = "it is no less in the control"
        yield Qualifier(
            "not specific",
            f"{how} {control.name!r} (analysis less control: {said}); then {control.shows}",
        )


def _mixed(verdict: Verdict, predictions: Sequence[PredictionResult]) -> Iterator[Qualifier]:
    for p in _carrying(verdict, predictions):
        if p.mixed and p.verdict is not Verdict.REFUTED:
            values = {s.scale: f"{s.scale} ({number(s.value)})" for s in p.estimate.scales}
            said = listed([values.get(name, name) for name in p.mixed])
            yield Qualifier("mixed across scales", f"{p.name} lies outside {p.region} at {said}")


def _insensitive(controls: Sequence[ControlResult]) -> Iterator[Qualifier]:
    for control in controls:
        if control.found is False:
            why = control.reason or f"{control.verdict}, not {control.finds}"
            yield Qualifier(
                "insensitive", f"the positive control {control.name!r} is not found ({why})"
            )


def _at_bound(verdict: Verdict, predictions: Sequence[PredictionResult]) -> Iterator[Qualifier]:
    for p in _carrying(verdict, predictions):
        if 2 * p.at_bound >= len(p.values) and p.at_bound:
            yield Qualifier(
                "at bound",
                f"{p.name}: {p.at_bound} of {len(p.values)} {p.unit}s lie at an end of the range that was searched, "
                "where there is no optimum",
            )


def _guarantee(verdict: Verdict, predictions: Sequence[PredictionResult]) -> Iterator[Qualifier]:
    if verdict is Verdict.INCONCLUSIVE:
        return
    for p in _carrying(verdict, predictions):
        if p.lent and p.verdict is verdict:
            yield Qualifier(
                "guarantee differs",
                f"{p.name}: {listed(p.lent)} ha{'s' if len(p.lent) == 1 else 've'} one {p.unit}, whose error is taken from the "
                "others",
            )
        free = p.estimate.free_interval
        if free is None or p.estimate.interval is None or p.verdict is not verdict:
            continue
        other = decide(free, p.region)
        if other is not p.verdict:
            yield Qualifier(
                "guarantee differs",
                f"{p.name}: {other} by the interval that assumes nothing about how runs vary "
                f"([{number(free[0])}, {number(free[1])}])",
            )


def _incomplete(missing: Sequence[Missing]) -> Iterator[Qualifier]:
    for some in missing:
        yield Qualifier("incomplete", some.text())


def _shown(estimate: Estimate) -> str:
    if estimate.interval is None:
        return number(estimate.value)
    lo, hi = estimate.interval
    return f"{number(estimate.value)} [{number(lo)}, {number(hi)}]"
