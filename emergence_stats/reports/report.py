"""Results as text: tables on a terminal, plain lines in a pipe, Markdown, JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emergence_stats.evaluation.results import ControlResult, PredictionResult, Result, document
from emergence_stats.inference import Estimate
from emergence_stats.support.words import number
from emergence_stats.verdicts import Verdict

if TYPE_CHECKING:
    from rich.console import Console

# A word and a symbol, never colour alone.
SYMBOL = {Verdict.SUPPORTED: "+", Verdict.REFUTED: "x", Verdict.INCONCLUSIVE: "?"}
OUTCOME = {
    Verdict.SUPPORTED: "PASS (supported)",
    Verdict.REFUTED: "FAIL (refuted)",
    Verdict.INCONCLUSIVE: "INCONCLUSIVE",
}
_STYLE = {Verdict.SUPPORTED: "green", Verdict.REFUTED: "red", Verdict.INCONCLUSIVE: "yellow"}
_WORST_SHOWN = 3
_CONTROL_ROWS_SHOWN = 3


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
    """Names of the controls that earn the verdict too; empty where none does."""
    return ", ".join(control.name for control in result.controls if control.same)


def why_text(result: Result) -> str:
    same = controls_text(result)
    return f"{result.reason}; the control shows the same: {same}" if same else result.reason


def control_runs(control: ControlResult, result: Result) -> str:
    """How many runs of which suite a control rests on; and where its basis is another than the claim's."""
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
    """What is recorded of other analyses and of other numbers of runs, a line each."""
    found = [("multiverse", result.multiverse), ("power", result.power)]
    return [f"{what}  {recorded.statement}" for what, recorded in found if recorded is not None]


def control_rows(control: ControlResult) -> list[tuple[str, ...]]:
    """For each prediction its estimate in the control, and by how much the analysis is above."""
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


def interval_bar(result: PredictionResult, width: int = 41) -> str | None:
    """The interval ``[==o==]`` on a line where ``#`` is the claim region; None without interval."""
    if result.estimate.interval is None:
        return None
    lo, hi = result.estimate.interval
    ends = [x for x in (lo, hi, result.region.lo, result.region.hi) if x is not None]
    margin = 0.15 * (max(ends) - min(ends)) or 1.0
    left, right = min(ends) - margin, max(ends) + margin
    step = (right - left) / (width - 1)

    def column(x: float) -> int:
        return round((x - left) / step)

    line = ["#" if result.region.contains(left + i * step) else "-" for i in range(width)]
    a, b = column(lo), column(hi)
    if b > a:
        line[a : b + 1] = ["[", *"=" * (b - a - 1), "]"]
    line[column(result.estimate.value)] = "o"
    return f"{number(left):>7} |{''.join(line)}| {number(right)}"


_CONTROL_COLUMNS = ("hypothesis", "control", "runs", "earns", "the same?", "estimates")


def details_text(result: Result) -> str:
    """One hypothesis in full, with every run, as plain lines."""
    from io import StringIO

    from rich.console import Console

    buffer = StringIO()
    print_details(Console(file=buffer, width=200), result, verbose=True)
    return buffer.getvalue().rstrip()


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


def print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A rich table on a terminal; in a pipe, aligned columns without lines or wrapping."""
    if console.is_terminal:
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            style = next((_STYLE[v] for v in Verdict if any(c.endswith(str(v)) for c in row)), None)
            table.add_row(*map(Text, row), style=style)  # a name may look like markup
        console.print(table)
        return
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    for row in [columns, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print_line(console, "  ".join(cells).rstrip())


def print_line(console: Console, text: str = "", style: str | None = None) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def print_details(console: Console, result: Result, verbose: bool = False) -> None:
    """One hypothesis in full, as `test` shows it."""
    title = f"{result.name}  {OUTCOME[result.verdict]}"
    print_line(console, title, style=f"bold {_STYLE[result.verdict]}")
    print_line(console, f"  {result.claim.text}")
    print_line(console, f"  {registration_text(result)}; runs: {runs_text(result)}")
    rows = [prediction_row(p) for p in result.predictions]
    level = result.predictions[0].estimate.level
    columns = [f"{level:.1%} CI" if c == "CI" else c for c in PREDICTION_COLUMNS]
    print_table(console, columns, rows)
    wide = max(len(p.name) for p in result.predictions)
    for p in result.predictions:
        bar = interval_bar(p)
        if bar is not None:
            print_line(console, f"  {p.name.ljust(wide)}  {bar}")
    print_line(console, "  [==o==] interval, # claim region")
    for p in result.predictions:
        outside = p.outside()
        if outside and not verbose:
            worst = "  ".join(f"{v.label} {number(v.value)}" for v in outside[:_WORST_SHOWN])
            count = f"{len(outside)} of {len(p.values)} {p.unit}s"
            print_line(
                console, f"  {count} outside the region of {p.name}, worst: {worst}  (-v shows all)"
            )
    print_line(console, f"  why    {result.reason}")
    if result.claim.paper:
        print_line(console, f"  paper  {paper_text(result)}")
    pooled = pooled_text(result)
    if pooled:
        print_line(console, f"  as the paper counts: {pooled}")
    for control in result.controls:
        print_line(console, f"  control  {control_text(control, result)}")
        rows = control_rows(control) if control.reason is None else []
        if not verbose and len(rows) > _CONTROL_ROWS_SHOWN:
            continue
        for name, value, verdict, difference in rows:
            less = f"; analysis less control {difference}" if difference != "-" else ""
            print_line(console, f"           {name}: {value} {verdict}{less}")
    for text in robustness_texts(result):
        print_line(console, f"  {text}")
    for change in result.plan.changes:
        print_line(console, f"  amended: {change}")
    for deviation in result.deviations:
        print_line(console, f"  deviation: {deviation}")
    if verbose:
        for p in result.predictions:
            print_line(console, f"  {p.name} ({p.estimate.method}), {len(p.values)} {p.unit}s:")
            outside = p.outside()
            for v in p.values:
                mark = "*" if v in outside else " "
                print_line(console, f"    {mark} {v.label}  {v.value:.6g}")
        elsewhere = ("other suite", "not in the plan")
        others = Counter((use.status, use.why) for use in result.runs if use.status in elsewhere)
        for (status, why), n in others.items():
            print_line(console, f"    {n} run{'s' if n > 1 else ''} of {why}: {status}")
        for use in result.runs:
            if use.status in elsewhere:
                continue
            why = f": {use.why}" if use.why else ""
            print_line(console, f"    {use.run_id}  {use.status}{why}")
    print_line(console)


MULTIPLICITY_COLUMNS = ("hypothesis", "p", "Holm", "FDR", "verdict")


def multiplicity_rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """p-values of the claims that have one, smallest first, and adjusted over these."""
    some = [(r.adjusted, r) for r in results if r.adjusted is not None]
    return [
        (r.name, *map(p_text, (a.p, a.holm, a.fdr)), f"{SYMBOL[r.verdict]} {r.verdict}")
        for a, r in sorted(some, key=lambda pair: pair[0].p)
    ]


def print_summary(console: Console, results: Sequence[Result]) -> None:
    """The verdict table of `report`."""
    rows = [
        (r.name, f"{SYMBOL[r.verdict]} {r.verdict}", r.basis, str(r.counted), why_text(r))
        for r in results
    ]
    print_table(console, ("hypothesis", "verdict", "basis", "runs", "why"), rows)
    deviating: dict[str, list[str]] = {}
    for r in results:
        for deviation in r.deviations:
            deviating.setdefault(deviation, []).append(r.name)
    for deviation, names in deviating.items():
        whose = "all" if len(names) == len(results) > 1 else ", ".join(names)
        print_line(console, f"deviation, {whose}: {deviation}")
    print_line(console, tally(results))
    adjusted = multiplicity_rows(results)
    if adjusted:
        print_line(console)
        print_line(
            console,
            f"p-values of {len(adjusted)} claims (null hypothesis: not so), adjusted over them",
        )
        print_table(console, MULTIPLICITY_COLUMNS, adjusted)


def to_json(results: Sequence[Result]) -> str:
    return json.dumps(document(results), indent=2, allow_nan=False)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(columns), line(["---"] * len(columns)), *map(line, rows)]


def to_markdown(results: Sequence[Result]) -> str:
    """The verdicts, all predictions, and then what is to be said of each hypothesis."""
    verdicts = [
        (
            r.name,
            f"{SYMBOL[r.verdict]} {r.verdict}",
            r.basis,
            str(r.counted),
            why_text(r),
            paper_text(r),
        )
        for r in results
    ]
    lines = markdown_table(("hypothesis", "verdict", "basis", "runs", "why", "paper"), verdicts)
    predictions = [
        (r.name, row[0], row[1], f"{row[2]} at {100 * p.estimate.level:.4g}%", *row[3:])
        for r in results
        for p in r.predictions
        for row in [prediction_row(p)]
    ]
    lines += ["", *markdown_table(("hypothesis", *PREDICTION_COLUMNS), predictions)]
    controls = [
        (
            r.name,
            control.name,
            control_runs(control, r),
            str(control.verdict) if control.reason is None else f"- ({control.reason})",
            f"yes: {control.shows}" if control.same else "no",
            "; ".join(f"{name} {value}" for name, value, _, _ in control_rows(control)),
        )
        for r in results
        for control in r.controls
    ]
    if controls:
        lines += ["", *markdown_table(_CONTROL_COLUMNS, controls)]
    multiplicity = multiplicity_rows(results)
    if multiplicity:
        lines += ["", *markdown_table(MULTIPLICITY_COLUMNS, multiplicity)]
    robustness = [
        (r.name, *(x.statement if x is not None else "-" for x in (r.multiverse, r.power)))
        for r in results
        if r.multiverse is not None or r.power is not None
    ]
    if robustness:
        lines += ["", *markdown_table(("hypothesis", "multiverse", "power"), robustness)]
    for r in results:
        lines += ["", f"## {r.name}", "", r.claim.text, "", f"- {registration_text(r)}"]
        lines += [f"- runs: {runs_text(r)}", f"- paper: {paper_text(r)}"]
        pooled = pooled_text(r)
        lines += [f"- as the paper counts: {pooled}"] if pooled else []
        lines += [f"- {text}" for text in robustness_texts(r)]
        lines += [f"- deviation: {text}" for text in r.deviations]
        lines += [f"- amended: {text}" for text in r.plan.changes]
    lines += ["", tally(results), ""]
    return "\n".join(lines)
