"""Results in words: cells of tables and lines of text, the same in every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.results import ControlResult, PredictionResult, Result
from emergence_stats.support.words import number

if TYPE_CHECKING:
    from emergence_stats.core.estimates import Estimate

# A word and a symbol, never colour alone.
SYMBOL = {Verdict.SUPPORTED: "+", Verdict.REFUTED: "x", Verdict.INCONCLUSIVE: "?"}
OUTCOME = {
    Verdict.SUPPORTED: "PASS (supported)",
    Verdict.REFUTED: "FAIL (refuted)",
    Verdict.INCONCLUSIVE: "INCONCLUSIVE",
}


def p_text(p: float | None) -> str:
    if p is None:
        return "-"
    if p < 0.0001:
        return "<.0001"
    return f"{p:.4f}".lstrip("0") if p < 0.99995 else ">.9999"


def interval_text(estimate: Estimate) -> str:
    if estimate.interval is None:
        return "none"
    lo, hi = estimate.interval
    return f"[{number(lo)}, {number(hi)}]"


def value_text(estimate: Estimate) -> str:
    return f"{number(estimate.value)} {interval_text(estimate)}" if estimate.n_runs else "-"


def tally(results: Sequence[Result]) -> str:
    found = Counter(r.verdict for r in results)
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in Verdict)


def paper_text(result: Result) -> str:
    ledger = "; ".join(f"{version} {text}" for version, text in result.claim.reported.items())
    return f"{result.claim.paper}: {ledger}" if ledger else str(result.claim.paper or "-")


def pooled_text(result: Result) -> str | None:
    pooled = result.pooled
    if not pooled:
        return None
    count = f"{pooled['successes']}/{pooled['trials']} = " if "trials" in pooled else ""
    return f"{count}{number(pooled['value'])} {pooled['label']} (pooled, not a test)"


def controls_text(result: Result) -> str:
    """Names of the controls that earn the verdict too; empty if none does."""
    return ", ".join(control.name for control in result.controls if control.same)


def why_text(result: Result) -> str:
    same = controls_text(result)
    return f"{result.reason}; the control shows the same: {same}" if same else result.reason


def control_runs(control: ControlResult, result: Result) -> str:
    """How many runs of which suite a control rests on, and whether its basis is weaker than the claim's."""
    text = f"{control.n_runs} run{'s' if control.n_runs != 1 else ''}"
    if control.suite:
        text += f" of {control.suite}"
    if control.undefined:
        text += f", {control.undefined} without a value"
    weaker = control.n_runs and result.confirmatory and not control.confirmatory
    return f"{text}, exploratory" if weaker else text


def control_text(control: ControlResult, result: Result) -> str:
    """One control in a line: what it earns, and what that means."""
    if control.reason is not None:
        return f"{control.name}: no value, {control.reason}"
    text = f"{control.name} ({control_runs(control, result)}): {control.verdict}"
    return f"{text}; the control shows the same: {control.shows}" if control.same else text


def robustness_texts(result: Result) -> list[str]:
    """What is recorded of other analyses and of other numbers of runs, one line each."""
    found = [("multiverse", result.multiverse), ("power", result.power)]
    return [f"{what}  {recorded.statement}" for what, recorded in found if recorded is not None]


def control_rows(control: ControlResult) -> list[tuple[str, ...]]:
    """For each prediction its estimate in the control, and by how much the analysis exceeds it."""
    differences = {d.prediction: d.estimate for d in control.differences}
    return [
        (
            p.name,
            value_text(p.estimate),
            str(p.verdict),
            value_text(differences[p.name]) if p.name in differences else "-",
        )
        for p in control.predictions
    ]


def registration_text(result: Result) -> str:
    if result.registration == "unregistered":
        return "not registered, so exploratory"
    when = (
        f"{result.registration} {str(result.plan.registered)[:10]} ({str(result.plan.digest)[:7]})"
    )
    return f"{when}, {result.basis}" if result.counted else when


def runs_text(result: Result) -> str:
    found = Counter(use.status for use in result.runs)
    parts = [f"{count} {status}" for status, count in found.items()]
    return f"{', '.join(parts)} (suite {result.evidence.suite or '-'})"


PREDICTION_COLUMNS = ("prediction", "estimate", "CI", "region", "p", "effect", "runs", "verdict")


def prediction_row(result: PredictionResult) -> tuple[str, ...]:
    e = result.estimate
    runs = str(result.n_runs) if result.unit == "run" else f"{result.n_runs} ({e.n_runs} seeds)"
    return (
        result.name,
        number(e.value if e.n_runs else None),
        interval_text(e),
        str(result.region),
        p_text(e.p_value),
        number(e.effect_size),
        runs,
        f"{SYMBOL[result.verdict]} {result.verdict}",
    )


MULTIPLICITY_COLUMNS = ("hypothesis", "p", "Holm", "FDR", "verdict")


def multiplicity_rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """p-values of the claims that have one, smallest first, and adjusted over these."""
    some = [(r.adjusted, r) for r in results if r.adjusted is not None]
    return [
        (r.name, *map(p_text, (a.p, a.holm, a.fdr)), f"{SYMBOL[r.verdict]} {r.verdict}")
        for a, r in sorted(some, key=lambda pair: pair[0].p)
    ]


def deviations_text(results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Deviations from plans, each once, and whose they are: names, or "all"."""
    whose: dict[str, list[str]] = {}
    for result in results:
        for deviation in result.plan.deviations:
            whose.setdefault(deviation, []).append(result.name)
    for deviation, names in whose.items():
        yield deviation, "all" if len(names) == len(results) > 1 else ", ".join(names)
