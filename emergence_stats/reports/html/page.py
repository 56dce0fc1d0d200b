"""Results as an HTML page: all claims at one sight, one section per claim, and the provenance of every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from emergence_stats.audit.facts import Audit
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.results import Result
from emergence_stats.reports import audit, summary, words
from emergence_stats.reports.html.charts.strips import strip
from emergence_stats.reports.html.charts.svg import run_anchor
from emergence_stats.reports.html.embedded import embedded
from emergence_stats.reports.html.provenance import Provenance
from emergence_stats.reports.html.sections import Background, drawn_traces, section
from emergence_stats.support.progress import Progress
from emergence_stats.traces.format import Manifest

_HERE = Path(__file__).parent
_FEW = 2  # claims: a page of no more shows them open


def page(
    results: Sequence[Result],
    backgrounds: Mapping[str, Background],
    manifests: Mapping[str, Manifest],
    provenance: Provenance,
    audits: Callable[[], Sequence[Audit]],
    progress: Progress | None = None,
    errors: Mapping[str, Exception] | None = None,
) -> str:
    """The whole page. Every string that comes from a store or a hypothesis is escaped.

    `backgrounds`: by name of the hypothesis. `manifests`: of all runs of the store, by run_id. `audits`: gives one for
    each result; it is called last, since it may have to wait. `errors`: of hypotheses that have no result.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    shared = {id(c): c for r in results for c in backgrounds[r.name].curves if c.lines}
    traces = dict(zip(shared, drawn_traces(list(shared.values())), strict=True))
    sections = []
    for done, result in enumerate(results):
        if progress is not None:
            progress(done, len(results))
        sections.append(section(result, backgrounds[result.name], manifests, traces))
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found = list(audits())
    return environment.get_template("page.html.jinja").render(
        sections=sections,
        results=results,
        errors=[str(error) for error in (errors or {}).values()],
        few=_FEW,
        traces=list(traces.values()),
        provenance=provenance,
        runs=_used(results, manifests),
        files=_files(found),
        committed={run.run_id: run.committed for one in found for run in one.runs if run.committed},
        verdicts=list(Verdict),
        text=words,
        audits=audit,
        audited={one.name: one for one in found},
        decisive=summary.decisive,
        estimate_text=summary.estimate_text,
        region_text=summary.region_text,
        strip=strip,
        anchor=run_anchor,
        use_counts=_use_counts,
        document=embedded(results, found, list(shared.values())),
        style=(_HERE / "page.css").read_text("utf-8"),
        chart_style=(_HERE / "charts.css").read_text("utf-8"),
        script=(_HERE / "page.js").read_text("utf-8"),
    )


def _used(results: Sequence[Result], manifests: Mapping[str, Manifest]) -> list[Manifest]:
    """Runs that any result counts, or counts in a control."""
    used = {use.run_id for r in results for use in r.runs if use.status == "counted"}
    used |= {
        run_id
        for r in results
        for control in r.controls
        for p in control.predictions
        for value in p.values
        for run_id in value.run_ids
    }
    return sorted(
        (m for run_id, m in manifests.items() if run_id in used),
        key=lambda m: (m.suite, m.n_params, m.seed, m.run_id),
    )


def _files(audits: Sequence[Audit]) -> list[list[str]]:
    """Files that verdicts rest on, each once with the claims whose it is; those that changed first."""
    whose: dict[tuple[str, ...], list[str]] = {}
    for one in audits:
        for row in audit.file_rows(one.files):
            whose.setdefault(tuple(row), []).append(one.name)
    rows = [[*row, words.who_text(names, len(audits))] for row, names in whose.items()]
    return sorted(rows, key=lambda row: (row[3] == "as registered", row[0]))


def _use_counts(result: Result) -> list[tuple[str, str, int]]:
    """Runs by what became of them and why, those that count first."""
    found = Counter((use.status, use.why) for use in result.runs)
    rows = [(status, why, n) for (status, why), n in found.items()]
    return sorted(rows, key=lambda row: (row[0] != "counted", row[0], -row[2], row[1]))
