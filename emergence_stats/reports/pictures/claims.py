"""The picture of a claim: effects against regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emergence_stats.core.regions import Region
from emergence_stats.evaluation.results import PredictionResult, Result
from emergence_stats.reports.pictures.style import (
    COLOUR,
    MARKER,
    REGION,
    SMALL,
    WIDTH,
    in_style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
        ends += [
            *(p.estimate.interval or ()),
            *([p.estimate.value] if p.estimate.has_value else []),
        ]
    _claim_band(axes, region, ends)
    for row, p in enumerate(group):
        colour, e = COLOUR[p.verdict], p.estimate
        if e.interval is not None:
            axes.plot(e.interval, [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        if e.has_value:
            axes.plot([e.value], [row], MARKER[p.verdict], color=colour, markersize=5)
        axes.annotate(
            p.name if e.has_value else f"{p.name}: no value",
            (0.01, row - 0.28),
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
