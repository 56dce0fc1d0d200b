"""Results as an HTML page: a table of verdicts, one section per claim, and the provenance of every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emergence_stats.audit.facts import Audit
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.results import Result, document
from emergence_stats.evaluation.watch import Looked
from emergence_stats.reports import audit, words
from emergence_stats.reports.html.provenance import Provenance
from emergence_stats.reports.pictures import claims, traces
from emergence_stats.reports.pictures.robustness import power_curve, specification_curve
from emergence_stats.reports.pictures.style import data_uri
from emergence_stats.robustness.curve import Curve
from emergence_stats.robustness.power import Power
from emergence_stats.support.progress import Progress
from emergence_stats.traces.format import Manifest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    """An image with what it shows, for those who see it (`caption`) and those who do not (`alt`)."""

    uri: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Background:
    """What a page shows of a claim besides its result: the plan in words, and what was `looked` at in a
    typical run, None if no run has a value.
    """

    plan: str
    looked: Looked | None


@dataclass(frozen=True)
class Section:
    """One claim: the result, its background, and pictures by the place where they stand."""

    result: Result
    background: Background
    effects: Sequence[Picture]
    evidence: Sequence[Picture]
    robustness: Mapping[str, Picture]


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

    sections = []
    for done, result in enumerate(results):
        if progress is not None:
            progress(done, len(results))
        sections.append(_section(result, backgrounds[result.name], manifests))
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    audited = {found.name: found for found in audits()}
    template = environment.get_template("page.html.jinja")
    return template.render(
        sections=sections,
        results=results,
        errors=[str(error) for error in (errors or {}).values()],
        provenance=provenance,
        manifests=_used(results, manifests),
        verdicts=list(Verdict),
        text=words,
        audits=audit,
        audited=audited,
        use_counts=_use_counts,
        document={**document(results), "audits": [found.to_dict() for found in audited.values()]},
        style=(_HERE / "page.css").read_text("utf-8"),
        script=(_HERE / "page.js").read_text("utf-8"),
    )


def _section(result: Result, background: Background, manifests: Mapping[str, Manifest]) -> Section:
    looked = background.looked
    return Section(
        result=result,
        background=background,
        effects=list(_effects(result, manifests)),
        evidence=list(_evidence(looked)) if looked is not None else [],
        robustness=dict(_robustness(result)),
    )


def _effects(result: Result, manifests: Mapping[str, Manifest]) -> Iterator[Picture]:
    said = "; ".join(
        f"{p.name} {words.value_text(p.estimate)} against {p.region}: {p.verdict}"
        for p in result.predictions
    )
    if any(p.estimate.n_runs for p in result.predictions):
        yield _picture(
            claims.forest(result), "Estimates and intervals; shaded: the claim is true.", said
        )
    figure = claims.units(result, manifests)
    if figure is not None:
        caption = (
            "The value of each run. Shaded light: the claim region; darker: the interval of the "
            "estimate; crosses: outside the region."
        )
        yield _picture(figure, caption, f"Values of {result.counted} runs of {result.name}.")


def _evidence(looked: Looked) -> Iterator[Picture]:
    run = looked.run.run_id
    draw: list[tuple[Callable[[], Figure | None], str]] = [
        (
            partial(traces.order_of_layers, looked),
            f"{run}: when each layer has fallen half-way to its floor.",
        ),
        (
            partial(traces.lead_times, looked),
            f"{run}: intervals between checkpoints in which events lie; arrows: not by the end.",
        ),
    ]
    for measure in looked.traces:
        caption = f"{run}: {measure}."
        if measure in looked.floors:
            caption += " Dots: floors."
        if looked.events:
            caption += " Bands: events of the same task-level."
        draw.append((partial(traces.traces, looked, measure), caption))
    for make, caption in draw:
        figure = make()
        if figure is not None:
            yield _picture(figure, caption, caption)


def _robustness(result: Result) -> Iterator[tuple[str, Picture]]:
    multiverse, power = result.multiverse, result.power
    if multiverse is not None and multiverse.numbers and "curve" in multiverse.numbers:
        curve = Curve.from_dict(result.name, multiverse.numbers["curve"])
        region = next(p.region for p in result.predictions if p.name == curve.prediction)
        if curve.points:
            caption = f"{curve.prediction} in every declared analysis, and the choices of each."
            figure = specification_curve(curve, region)
            yield "multiverse", _picture(figure, caption, multiverse.statement)
    if power is not None and power.numbers and "scales" in power.numbers:
        figure = power_curve(Power.from_dict(result.name, power.numbers))
        caption = "Chance of each verdict by the number of runs, if the truth is what pilots show."
        yield "power", _picture(figure, caption, power.statement)


def _picture(figure: Figure, caption: str, alt: str) -> Picture:
    return Picture(data_uri(figure), caption, alt)


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


def _use_counts(result: Result) -> list[tuple[str, str, int]]:
    """Runs by what became of them and why, those that count first."""
    found = Counter((use.status, use.why) for use in result.runs)
    rows = [(status, why, n) for (status, why), n in found.items()]
    return sorted(rows, key=lambda row: (row[0] != "counted", row[0], -row[2], row[1]))
