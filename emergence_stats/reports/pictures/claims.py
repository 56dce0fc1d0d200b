"""Pictures of a claim: effects against regions, and runs against size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.results import PredictionResult, Result
from emergence_stats.reports.pictures.style import (
    ACCENT,
    COLOUR,
    INK,
    MARKER,
    REGION,
    SMALL,
    WIDTH,
    in_style,
    log_axis,
)
from emergence_stats.traces.format import Manifest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 2
_MOST_PANELS = 10

# --- effects ----------------------------------------------------------------------------------


@in_style
def forest(result: Result) -> Figure:
    """Estimate and interval of each prediction against its claim region.

    Predictions that have a region in common share an axis.
    """
    from matplotlib.figure import Figure

    groups: dict[str, list[PredictionResult]] = {}
    for p in result.predictions:
        groups.setdefault(str(p.region), []).append(p)
    rows = [len(group) for group in groups.values()]
    figure = Figure(figsize=(WIDTH, 0.36 * sum(rows) + 0.62 * len(groups)))
    axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=[n + 0.6 for n in rows])
    for ax, group in zip(axes[:, 0], groups.values(), strict=True):
        _forest_of(ax, group)
    return figure


def _forest_of(axes: Axes, group: Sequence[PredictionResult]) -> None:
    region = group[0].region
    ends = [x for x in (region.lo, region.hi) if x is not None]
    for p in group:
        ends += [*(p.estimate.interval or ()), *([p.estimate.value] if p.estimate.n_runs else [])]
    _claim_band(axes, region, ends)
    for row, p in enumerate(group):
        colour, e = COLOUR[p.verdict], p.estimate
        if e.interval is not None:
            axes.plot(e.interval, [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        if e.n_runs:
            axes.plot([e.value], [row], MARKER[p.verdict], color=colour, markersize=5)
        axes.annotate(
            p.name if e.n_runs else f"{p.name}: no value",
            (0.0, row - 0.28),
            xycoords=("axes fraction", "data"),
            fontsize=SMALL,
            va="center",
        )
    axes.set_ylim(len(group) - 0.6, -0.7)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _claim_band(axes: Axes, region: Region, ends: Sequence[float]) -> None:
    margin = 0.12 * (max(ends) - min(ends)) or 0.1
    low, high = min(ends) - margin, max(ends) + margin
    axes.set_xlim(low, high)
    axes.axvspan(
        low if region.lo is None else region.lo,
        high if region.hi is None else region.hi,
        color=REGION,
        linewidth=0,
        zorder=0,
    )


# --- runs -------------------------------------------------------------------------------------


@in_style
def units(result: Result, manifests: Mapping[str, Manifest]) -> Figure | None:
    """The value of each run against its parameters (of each seed against its number), one panel
    per prediction; None if no prediction has values.
    """
    from matplotlib.figure import Figure

    shown = [p for p in result.predictions if p.values][:_MOST_PANELS]
    if not shown:
        return None
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    height = 1.75 if columns > 1 else 2.3
    figure = Figure(figsize=(WIDTH, height * rows))
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for ax, p in zip(axes, shown, strict=False):
        _units_of(ax, p, manifests)
    for ax in list(axes)[len(shown) :]:
        ax.set_axis_off()
    return figure


def _units_of(axes: Axes, p: PredictionResult, manifests: Mapping[str, Manifest]) -> None:
    y = np.array([v.value for v in p.values])
    first = [manifests[v.run_ids[0]] for v in p.values]
    of_runs = p.unit == "run"
    x = np.array([m.n_params if of_runs else m.seed for m in first], float)
    several = of_runs and len(set(x)) > 1
    if several:
        # the seeds of a scale side by side: they have one size
        seeds = np.array([m.seed for m in first])
        rank = np.searchsorted(np.unique(seeds), seeds) / max(len(np.unique(seeds)) - 1, 1)
        x = x * np.exp(0.5 * (rank - 0.5))
        log_axis(axes, "x")
    elif of_runs:
        x = np.arange(len(y), dtype=float)
    inside = np.array([not p.units_compare or p.region.contains(v) for v in y])
    axes.scatter(x[inside], y[inside], s=8, c=INK, alpha=0.55, linewidth=0)
    axes.scatter(x[~inside], y[~inside], s=10, c=COLOUR[Verdict.REFUTED], marker="x", linewidth=0.9)
    if p.units_compare:
        span = [*y, *(end for end in (p.region.lo, p.region.hi) if end is not None)]
        margin = 0.06 * (max(span) - min(span)) or 0.1
        low, high = min(span) - margin, max(span) + margin
        axes.set_ylim(low, high)
        axes.axhspan(
            low if p.region.lo is None else p.region.lo,
            high if p.region.hi is None else p.region.hi,
            color=REGION,
            linewidth=0,
            zorder=0,
        )
        if p.estimate.interval is not None:
            lo, hi = p.estimate.interval
            axes.axhspan(lo, hi, color=ACCENT, alpha=0.35, linewidth=0, zorder=1)
    axes.set_title(p.name, loc="left", fontsize=SMALL)
    axes.set_xlabel("parameters" if several else "run" if of_runs else "seed", fontsize=SMALL)
