"""Pictures as SVG, PNG or PDF by the file's suffix; the same input gives the same bytes of SVG.

Verdicts differ by marker and word as well as by colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emergence_stats.errors import UsageError
from emergence_stats.hypothesis import Prediction
from emergence_stats.verdicts import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from emergence_stats.multiverse import Multiverse
    from emergence_stats.power import Power
    from emergence_stats.regions import Region

SUFFIXES = (".svg", ".png", ".pdf")
COLOUR = {Verdict.SUPPORTED: "#1b7837", Verdict.REFUTED: "#b2182b", Verdict.INCONCLUSIVE: "#9a7d0a"}
MARKER = {Verdict.SUPPORTED: "o", Verdict.REFUTED: "x", Verdict.INCONCLUSIVE: "s"}


def check_suffix(path: Path) -> None:
    """`UsageError` for a file that is no picture, before hours of work are lost on it."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: pictures end in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")


def save(figure: Figure, path: Path) -> None:
    import matplotlib as mpl

    check_suffix(path)
    metadata = {"Date": None} if path.suffix == ".svg" else None
    with mpl.rc_context({"svg.hashsalt": "emergence-stats"}):
        figure.savefig(path, metadata=metadata, bbox_inches="tight")


def specification_curve(multiverse: Multiverse, prediction: Prediction) -> Figure:
    """Estimates of one prediction in all analyses, in their order, and below the choices of each.

    Raises `UsageError` where no analysis has data.
    """
    from matplotlib.figure import Figure

    name = prediction.name
    analyses = [a for a in multiverse.analyses if a.estimates[name].n_runs]
    if not analyses:
        raise UsageError(f"{multiverse.name}: no analysis of {name!r} has data to draw")
    analyses.sort(key=lambda a: a.estimates[name].value)
    rows: list[tuple[str, Any]] = [
        (choice, value) for choice, values in multiverse.choices.items() for value in values
    ]
    figure = Figure(figsize=(7.5, 2.6 + 0.2 * len(rows)))
    top, bottom = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [2.2, 0.2 * len(rows)]}
    )
    every = [x for a in analyses for e in [a.estimates[name]] for x in e.interval or (e.value,)]
    _shade(top, prediction.region, every)
    for verdict in Verdict:
        mine = [
            (i, a.estimates[name]) for i, a in enumerate(analyses) if a.verdicts[name] is verdict
        ]
        if not mine:
            continue
        x, y = [i for i, _ in mine], [e.value for _, e in mine]
        ends = [e.interval or (e.value, e.value) for _, e in mine]
        top.vlines(
            x, [lo for lo, _ in ends], [hi for _, hi in ends], colors=COLOUR[verdict], alpha=0.35
        )
        top.scatter(
            x,
            y,
            s=9,
            c=COLOUR[verdict],
            marker=MARKER[verdict],
            label=f"{verdict} ({len(mine)})",
            zorder=3,
        )
    registered = next((i for i, a in enumerate(analyses) if a is multiverse.registered), None)
    if registered is not None:
        for axes in (top, bottom):
            axes.axvline(registered, color="black", linewidth=0.7, linestyle=":")
    top.set_ylabel(name)
    top.set_title(f"{multiverse.name}: {len(analyses)} analyses; dotted: as registered", fontsize=9)
    top.legend(fontsize=7, loc="best")
    for row, (choice, value) in enumerate(rows):
        x = [i for i, a in enumerate(analyses) if a.choices[choice] == value]
        bottom.scatter(x, [row] * len(x), s=6, c="black", marker="|")
    bottom.set_yticks(
        range(len(rows)), [f"{choice} = {value}" for choice, value in rows], fontsize=6
    )
    bottom.set_ylim(len(rows) - 0.5, -0.5)
    bottom.set_xlabel("analyses, by estimate")
    return figure


def power_curve(power: Power) -> Figure:
    """Chance of each verdict by the number of runs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3.2))
    axes = figure.subplots()
    runs = [row.runs for row in power.rows]
    for verdict in Verdict:
        chance = [row.chance[verdict] for row in power.rows]
        axes.plot(
            runs,
            chance,
            color=COLOUR[verdict],
            marker=MARKER[verdict],
            markersize=4,
            label=str(verdict),
        )
    for target in (0.8, 0.9):
        axes.axhline(target, color="grey", linewidth=0.6, linestyle=":")
    if power.planned is not None:
        planned = power.planned * len(power.scales)
        axes.axvline(planned, color="black", linewidth=0.7, linestyle="--", label="planned")
    axes.set_xscale("log")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(f"runs ({len(power.scales)} scales)")
    axes.set_ylabel("chance")
    axes.set_title(f"{power.name}, as {power.pilots} pilot runs show it", fontsize=9)
    axes.legend(fontsize=7)
    return figure


def _shade(axes: Axes, region: Region, ends: Sequence[float]) -> None:
    """The claim region, as far as values at `ends` and a margin reach."""
    margin = 0.05 * (max(ends) - min(ends)) or 1.0
    low, high = min(ends) - margin, max(ends) + margin
    axes.set_ylim(low, high)
    lo = low if region.lo is None else max(low, region.lo)
    hi = high if region.hi is None else min(high, region.hi)
    if lo < hi:
        axes.axhspan(lo, hi, color="#c6dbef", alpha=0.5, linewidth=0, label=f"claim: {region}")
