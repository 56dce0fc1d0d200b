"""Results in words: cells of tables and lines of text, the same in every format."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emergence_stats.core.reported import reported_text
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.results import ControlResult, PredictionResult, Result
from emergence_stats.robustness.words import explained_texts as explained_texts
from emergence_stats.support.words import counted, listed, number, visible

if TYPE_CHECKING:
    from emergence_stats.core.intervals.estimates import Estimate

# A word and a symbol, never colour alone.
SYMBOL = {Verdict.SUPPORTED: "+", Verdict.REFUTED: "x", Verdict.INCONCLUSIVE: "?"}
_MOST_LOG = 700.0  # e to more is no float
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
    return ends_text(estimate.interval)


def in_unit(p: PredictionResult, value: float | None) -> str:
    """A value of a prediction, or an end of its region, in the unit in which it is shown."""
    if value is None or math.isnan(value):  # of a comparison of scales where there is one
        return number(None)
    if p.shown_as is None:
        return number(value)
    if p.shown_as == "percent":
        return f"{number(100 * value)}%"
    return f"x{number(math.exp(value))}" if value < _MOST_LOG else "x inf"


def ends_in_unit(p: PredictionResult, ends: tuple[float, float] | None) -> str:
    return "none" if ends is None else f"[{in_unit(p, ends[0])}, {in_unit(p, ends[1])}]"


def region_in_unit(p: PredictionResult) -> str:
    """The claim region, as a sign and a number where it has one end."""
    region = p.region
    if region.lo is not None and region.hi is not None:
        return ends_in_unit(p, (region.lo, region.hi))
    if p.shown_as is None:
        return str(region)
    sign = str(region).split(" ")[0]
    return f"{sign} {in_unit(p, region.hi if region.lo is None else region.lo)}"


def unit_text(p: PredictionResult) -> str | None:
    """The estimate once more in its unit, and what was claimed; None where it has none but its own."""
    if p.shown_as is None or not p.estimate.has_value:
        return None
    scales = "; ".join(
        f"{s.scale} {in_unit(p, s.value)} {ends_in_unit(p, s.interval)}" for s in p.estimate.scales
    )
    whole = f"{in_unit(p, p.estimate.value)} {ends_in_unit(p, p.estimate.interval)}"
    return f"{p.name}, as a {p.shown_as}: {whole}, claimed {region_in_unit(p)}" + (
        f"; {scales}" if scales else ""
    )


def value_text(estimate: Estimate) -> str:
    return f"{number(estimate.value)} {interval_text(estimate)}" if estimate.has_value else "-"


def tally(results: Sequence[Result], errors: int = 0) -> str:
    """Verdicts counted: those that stand as they are, and those that come with reservations, apart; and claims that failed."""
    found = Counter((r.verdict, r.qualified) for r in results)
    parts = []
    for verdict in Verdict:
        parts.append(f"{found[verdict, False]} {verdict}")
        if found[verdict, True]:
            parts.append(f"{found[verdict, True]} {verdict} with reservations")
    if errors:
        parts.append(counted(errors, "error"))
    return ", ".join(parts)


def outcome(result: Result) -> str:
    """The headline of one hypothesis."""
    text = OUTCOME[result.verdict]
    return f"{text[:-1]}, with reservations)" if result.qualified else text


def verdict_cell(result: Result) -> str:
    """Symbol and verdict; an asterisk is for reservations, never left out where the verdict stands."""
    return f"{SYMBOL[result.verdict]} {result.verdict}{' *' if result.qualified else ''}"


def kinds_of(result: Result) -> list[str]:
    """The kinds of qualifiers, each once; of a verdict that is not specific, whether only for want of a control."""
    missing = {c.name for c in result.controls if c.reason is not None or not c.differences}
    kinds: dict[str, list[bool]] = {}
    for q in result.qualifiers:
        kinds.setdefault(q.kind, []).append(any(repr(name) in q.text for name in missing))
    return [
        "not specific (control missing)" if kind == "not specific" and all(absent) else kind
        for kind, absent in kinds.items()
    ]


def kinds_text(result: Result) -> str:
    """The kinds of qualifiers, each once."""
    return ", ".join(kinds_of(result))


def qualifier_texts(result: Result) -> list[str]:
    """Each qualifier in a line."""
    return [f"{q.kind}: {q.text}" for q in result.qualifiers]


def scale_texts(prediction: PredictionResult) -> list[str]:
    """The estimate at each scale, in a line each; empty if the prediction compares scales or has one."""
    return [
        f"{s.scale}: {number(s.value)} {ends_text(s.interval)}, {counted(s.n_units, prediction.unit)}"
        + (", outside the region" if s.scale in prediction.mixed else "")
        for s in prediction.estimate.scales
    ]


def comparison_texts(result: Result) -> list[str]:
    """Ours beside each number of the paper."""
    found = []
    for c in result.comparisons:
        text = f"{c.version} reports {number(c.theirs)}"
        if c.their_interval is not None:
            text += f" {ends_text(c.their_interval)}"
        text += f", ours is {number(c.ours)} ({c.prediction})"
        if c.agrees is None:
            text += f": {c.why}, so that nothing says whether they agree"
        else:
            text += (
                f": {'agrees' if c.agrees else 'does not agree'} (expected {ends_text(c.expected)})"
            )
        found.append(text)
    return found


def shows_text(control: ControlResult) -> str:
    """Whether the analysis exceeds a control, or whether a positive one is found."""
    if control.reason is not None:
        return "not compared"
    if control.found is not None:
        return "positive control, found" if control.found else "positive control, not found"
    if control.expects == "the same":
        return "was to be the same, not shown" if control.same else "the same, as expected"
    if control.same:
        return f"no: {control.shows}"
    return "yes" if any(d.exceeds for d in control.differences) else "not shown"


def reported_rows(result: Result) -> list[tuple[str, str]]:
    """Versions of the paper, and what each reports."""
    return [(version, reported_text(said)) for version, said in result.claim.reported.items()]


def heterogeneity_text(found: Mapping[str, Any]) -> str:
    """How scales differ, in a line."""
    if found.get("why") is not None:
        return f"scales: {found['why']}"
    ends = found["prediction_interval"]
    return (
        f"scales differ by Q = {found['q']:.3g} (df {found['df']:.0f}, p {p_text(found['p'])}), "
        f"I2 = {100 * found['i2']:.0f}%; a new scale is expected in "
        f"{ends_text(None if ends is None else (ends[0], ends[1]))}"
    )


OPINION_COLUMNS = ("prediction", "what", "by", "value", "interval", "says")


def opinion_rows(result: Result) -> list[tuple[str, ...]]:
    """What other packages say of the same data."""
    rows: list[tuple[str, ...]] = []
    for one in (result.opinions or {}).get("others", ()):
        ends = one["interval"]
        rows.append(
            (
                one["prediction"],
                one["what"],
                one["by"],
                (p_text if one["what"].startswith("p ") else number)(one["value"]),
                "-" if ends is None else ends_text((ends[0], ends[1])),
                one["says"],
            )
        )
    return rows


def ends_text(ends: tuple[float, float] | None) -> str:
    return "none" if ends is None else f"[{number(ends[0])}, {number(ends[1])}]"


def paper_text(result: Result) -> str:
    reported = result.claim.reported.items()
    ledger = "; ".join(f"{version} {reported_text(text)}" for version, text in reported)
    return f"{result.claim.paper}: {ledger}" if ledger else str(result.claim.paper or "-")


def pooled_text(result: Result) -> str | None:
    pooled = result.pooled
    if not pooled:
        return None
    count = f"{pooled['successes']}/{pooled['trials']} = " if "trials" in pooled else ""
    return f"{count}{number(pooled['value'])} {pooled['label']} (pooled, not a test)"


def controls_text(result: Result) -> str:
    """Names of the controls that show as much; empty if none does."""
    return ", ".join(control.name for control in result.controls if control.same)


def why_text(result: Result) -> str:
    """The reason, and the kinds of what qualifies it; the controls that show as much by name."""
    kinds = kinds_text(result)
    if not kinds:
        return result.reason
    same = controls_text(result)
    named = kinds.replace("not specific", f"not specific ({same})") if same else kinds
    return (
        f"{result.reason}; with reservations: {named}"
        if result.qualified
        else f"{result.reason}; {named}"
    )


def control_runs(control: ControlResult, result: Result) -> str:
    """How many runs of which suite a control rests on, and whether its basis is weaker than the claim's."""
    text = counted(control.n_runs, "run")
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
    if control.found is not None:
        said = "found" if control.found else "not found, so that the analysis is insensitive"
        return f"{text}; a positive control, {said}"
    if control.same and control.expects == "the same":
        return f"{text}; it was to make no difference, which is not shown"
    return f"{text}; the analysis does not exceed it: {control.shows}" if control.same else text


def robustness_texts(result: Result) -> list[str]:
    """What is recorded of other analyses and of other numbers of runs, one line each."""
    found = [("multiverse", result.multiverse), ("power", result.power)]
    return [f"{what}  {recorded.statement}" for what, recorded in found if recorded is not None]


def control_rows(control: ControlResult) -> list[tuple[str, ...]]:
    """For each prediction its estimate in the control, and by how much the analysis exceeds it."""
    differences = {d.prediction: d for d in control.differences}
    return [
        (
            p.name,
            value_text(p.estimate),
            str(p.verdict),
            f"{value_text(differences[p.name].estimate)}, {differences[p.name].judgement}"
            if p.name in differences
            else "-",
        )
        for p in control.predictions
    ]


def registration_text(result: Result) -> str:
    if result.registration == "unregistered":
        return "not registered, so exploratory"
    when = (
        f"{result.registration} {str(result.plan.registered)[:10]} ({str(result.plan.digest)[:7]})"
    )
    if result.plan.supersedes is not None:
        when += f", supersedes {visible(result.plan.supersedes)}"
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
        number(e.value if e.has_value else None),
        interval_text(e),
        str(result.region),
        p_text(e.p_value),
        effect_text(result),
        runs,
        f"{SYMBOL[result.verdict]} {result.verdict}",
    )


def effect_text(result: PredictionResult) -> str:
    """How far inside the region, with its kind: h of shares (Cohen), else standard deviations of units within scales."""
    if result.estimate.effect_size is None:
        return "-"
    kind = "h" if any(v.trials is not None for v in result.values) else "SD"
    return f"{number(result.estimate.effect_size)} {kind}"


MULTIPLICITY_COLUMNS = ("hypothesis", "p", "Holm", "FDR", "verdict")


def multiplicity_rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """p-values of the claims that have one, smallest first, and adjusted over these."""
    some = [(r.adjusted, r) for r in results if r.adjusted is not None]
    return [
        (r.name, *map(p_text, (a.p, a.holm, a.fdr)), verdict_cell(r))
        for a, r in sorted(some, key=lambda pair: pair[0].p)
    ]


def supersedes_text(results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Each earlier study that was closed once, with the names of those that supersede it."""
    whose: dict[str, list[str]] = {}
    for result in results:
        if result.plan.supersedes is not None:
            whose.setdefault(visible(result.plan.supersedes), []).append(result.name)
    for study, names in whose.items():
        yield study, who_text(names, len(results))


def bases_text(results: Sequence[Result]) -> Iterator[str]:
    """Which verdicts are confirmatory; one line, since they seldom differ."""
    of: dict[str, list[str]] = {}
    for result in results:
        if result.counted:
            of.setdefault(result.basis, []).append(result.name)
    if len(of) == 1:
        yield f"every estimate is {next(iter(of))}" if len(results) > 1 else next(iter(of))
    elif of:
        fewer, more = sorted(of, key=lambda basis: len(of[basis]))
        yield f"{fewer}: {', '.join(of[fewer])}; the other estimates are {more}"


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T[\d:.]+(?:Z|[+-]\d\d:\d\d)")
_FEW = 3  # names that a line lists


def deviations_text(results: Sequence[Result]) -> Iterator[str]:
    """Deviations from plans, a line for each that is the same but for the time of day, with whose it is."""
    whose: dict[str, list[str]] = {}
    for result in results:
        for deviation in result.plan.deviations:
            whose.setdefault(_MOMENT.sub(r"\1", deviation), []).append(result.name)
    for deviation, names in whose.items():
        who = who_text(names, len(results))
        if deviation.startswith("registered "):
            yield f"{who} {'were' if len(names) > 1 else 'was'} {deviation}"
        else:
            yield f"deviation, {who}: {deviation}"


def who_text(names: Sequence[str], of: int) -> str:
    """Claims of a report by name, or how many of them they are."""
    if len(names) <= _FEW:
        return listed(names)
    return f"all {of} claims" if len(names) == of else f"{len(names)} claims"
