"""The charts of each claim, with their captions and what is saved of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from emergence_stats.evaluation.results import Result
from emergence_stats.evaluation.watching.curves import Curves
from emergence_stats.evaluation.watching.look import Asked, Looked
from emergence_stats.reports.html.charts.curves import curves
from emergence_stats.reports.html.charts.events import lead_times, order_of_layers
from emergence_stats.reports.html.charts.robustness import power_curve, specification_curve
from emergence_stats.reports.html.charts.units import units
from emergence_stats.robustness.curve import Curve
from emergence_stats.robustness.power import Power
from emergence_stats.support.words import counted
from emergence_stats.traces.format import Manifest

_MOST_OF_UNITS = 10  # predictions of a claim whose units are drawn; the tables have all


@dataclass(frozen=True)
class Drawn:
    """A chart of the page. `name`: of the file that is saved; `csv`: name and arguments of the table in the page's script that
    holds its numbers, empty if there is none; `anchor`: where it can be found.
    """

    name: str
    chart: Markup
    caption: str
    csv: tuple[str | int, ...] = ()
    anchor: str = ""


@dataclass(frozen=True)
class Background:
    """What a page shows of a claim besides its result: the plan in words, what was `looked` at in a
    typical run, None if no run has a value, and the same `curves` of all runs that count.
    """

    plan: str
    looked: Looked | None
    curves: Sequence[Curves] = ()


@dataclass(frozen=True)
class Section:
    """One claim: the result, its background, and charts by the place where they stand."""

    result: Result
    background: Background
    effects: Sequence[Drawn]
    traces: Sequence[Drawn]
    events: Sequence[Drawn]
    multiverse: Sequence[Drawn]
    power: Sequence[Drawn]


def section(
    result: Result,
    background: Background,
    manifests: Mapping[str, Manifest],
    traces: Mapping[int, Drawn],
) -> Section:
    """`traces`: the charts of all curves, by `id` of the curves."""
    return Section(
        result=result,
        background=background,
        effects=list(_units(result, manifests)),
        traces=[traces[id(found)] for found in background.curves if id(found) in traces],
        events=list(_events(result, background.looked)),
        multiverse=list(_multiverse(result)),
        power=list(_power(result)),
    )


def drawn_traces(several: Sequence[Curves]) -> list[Drawn]:
    """A chart for each of these curves, which have a line each."""
    return [
        Drawn(
            name=f"{found.asked.measure}-{number}",
            chart=curves(found),
            caption=_curves_caption(found),
            csv=("traces", number),
            anchor=f"page-traces-{number}",
        )
        for number, found in enumerate(several)
    ]


def _curves_caption(found: Curves) -> str:
    counts = sorted({line.n_traces for line in found.lines})
    n = found.n_runs
    text = f"{found.asked.measure}{_where(found.asked)}: {counted(n, 'run')}"
    if counts[-1] > 1:
        text += f", each the mean of {' or '.join(map(str, counts)) if len(counts) < 4 else f'{counts[0]} to {counts[-1]}'} traces"
    text += "; bold: the median of a panel"
    return f"{text}; {found.lacking} more have none of it." if found.lacking else f"{text}."


def _where(asked: Asked) -> str:
    if asked.layers is None:
        at = ""
    elif isinstance(asked.layers, str):
        at = {"final": " at the last block", "blocks": " at all blocks", "all": " at all layers"}[
            asked.layers
        ]
    else:
        at = f" at layer{'s' if len(asked.layers) > 1 else ''} {', '.join(map(str, asked.layers))}"
    if isinstance(asked.tasks, tuple):
        return f"{at} of {', '.join(asked.tasks)}"
    return at + {True: " of task-levels", False: " of the whole model", None: ""}[asked.tasks]


def _units(result: Result, manifests: Mapping[str, Manifest]) -> Iterator[Drawn]:
    for number, p in enumerate(result.predictions):
        if not p.values or number >= _MOST_OF_UNITS:
            continue
        caption = f"{p.name}: each {p.unit}."
        if p.units_compare:
            caption += " Shaded light: the claim region; darker: the interval of the estimate; crosses: outside the region."
        name = f"{result.name}-{p.name}"
        yield Drawn(name, units(p, manifests), caption, ("units", result.name, number))


def _events(result: Result, looked: Looked | None) -> Iterator[Drawn]:
    if looked is None:
        return
    run = looked.run.run_id
    layers, leads = order_of_layers(looked), lead_times(looked)
    if layers is not None:
        caption = f"{run}: when each layer has fallen half-way to its floor, a line each task-level; bold: their median."
        yield Drawn(f"{result.name}-layers", layers, caption)
    if leads is not None:
        caption = (
            f"{run}: intervals between checkpoints in which events lie; arrows: not by the end."
        )
        yield Drawn(f"{result.name}-events", leads, caption)


def _multiverse(result: Result) -> Iterator[Drawn]:
    numbers = result.multiverse.numbers if result.multiverse is not None else None
    if not numbers or "curve" not in numbers:
        return
    curve = Curve.from_dict(result.name, numbers["curve"])
    if curve.points:
        region = next(p.region for p in result.predictions if p.name == curve.prediction)
        caption = f"{curve.prediction} in every declared analysis, and the choices of each; dotted: as registered."
        name = f"{result.name}-multiverse"
        yield Drawn(name, specification_curve(curve, region), caption, ("analyses", result.name))


def _power(result: Result) -> Iterator[Drawn]:
    numbers = result.power.numbers if result.power is not None else None
    if numbers and "scales" in numbers:
        chart = power_curve(Power.from_dict(result.name, numbers))
        caption = "Chance of each verdict by the number of runs, if the truth is what pilots show; dotted: as planned."
        yield Drawn(f"{result.name}-power", chart, caption, ("power", result.name))
