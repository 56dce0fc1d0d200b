"""Pictures of a multiverse and of power."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emergence_stats.core.verdicts import Verdict
from emergence_stats.errors import UsageError
from emergence_stats.reports.pictures.style import (
    COLOUR,
    FAINT,
    INK,
    MARKER,
    MUTED,
    REGION,
    WIDTH,
    in_style,
    log_axis,
)
from emergence_stats.robustness.curve import Curve, Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from emergence_stats.core.regions import Region
    from emergence_stats.robustness.power import Power


_LARGE_UP_TO = 300  # analyses whose marks still stand apart
_LARGE, _SMALL_MARK = 2.6, 1.0  # points


@in_style
def specification_curve(curve: Curve, region: Region) -> Figure:
    """Estimates in all analyses, in their order, and below the choices of each.

    Raises `UsageError` if no analysis has data.
    """
    from matplotlib.figure import Figure

    if not curve.points:
        raise UsageError(f"{curve.name}: no analysis of {curve.prediction!r} has data to draw")
    # values that differ by rounding alone keep the order of the analyses, on every machine
    points = sorted(curve.points, key=lambda p: float(f"{p.value:.9g}"))
    rows = [
        (choice, which, f"{choice} = {text}")
        for choice, texts in curve.choices.items()
        for which, text in enumerate(texts)
    ]
    below = 0.15 * len(rows)
    figure = Figure(figsize=(WIDTH, 2.5 + below))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2.0, below])
    shade(top, region, [x for p in points for x in p.interval or (p.value,)])
    _estimates(top, points)
    for number, point in enumerate(points):
        if curve.registered(point):
            for axes in (top, bottom):
                axes.axvline(number, color=INK, linewidth=0.8, linestyle=":", zorder=0)
    top.set_ylabel(curve.prediction)
    top.set_title(f"{len(points)} analyses; dotted: as registered", loc="left")
    _choices(bottom, points, rows)
    bottom.set_xlim(-0.02 * len(points) - 0.5, 1.02 * len(points) - 0.5)
    bottom.set_xlabel("analyses, by estimate")
    return figure


def _estimates(axes: Axes, points: Sequence[Point]) -> None:
    """Each estimate with its interval, in the colour of its verdict."""
    size = _LARGE if len(points) <= _LARGE_UP_TO else _SMALL_MARK
    by_verdict = [(v, [(i, p) for i, p in enumerate(points) if p.verdict is v]) for v in Verdict]
    # Where thousands lie side by side, the more frequent verdicts would cover the others.
    for verdict, mine in sorted(by_verdict, key=lambda one: -len(one[1])):
        if not mine:
            continue
        at, colour = [i for i, _ in mine], COLOUR[verdict]
        ends = [p.interval or (p.value, p.value) for _, p in mine]
        lower, upper = zip(*ends, strict=True)
        _ticks(axes, at, lower, upper, edgecolor=colour, alpha=0.4, linewidth=0.8)
        axes.plot(
            at,
            [p.value for _, p in mine],
            MARKER[verdict],
            color=colour,
            markersize=size,
            markeredgewidth=0.3 * size,
            label=f"{verdict} ({len(mine)})",
            zorder=3,
        )
    axes.legend(loc="best", markerscale=_LARGE / size)


def _choices(axes: Axes, points: Sequence[Point], rows: Sequence[tuple[str, int, str]]) -> None:
    """A mark for each analysis in the row of each of its choices."""
    for row, (choice, which, _) in enumerate(rows):
        at = [i for i, p in enumerate(points) if p.chosen[choice] == which]
        _ticks(axes, at, [row - 0.3] * len(at), [row + 0.3] * len(at), edgecolor=INK, linewidth=0.7)
    axes.set_yticks(range(len(rows)), [text for *_, text in rows], fontsize=6.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)


def _ticks(
    axes: Axes, at: Sequence[int], lower: Sequence[float], upper: Sequence[float], **style: Any
) -> None:
    """Vertical lines as one path: as separate objects, thousands of them would be megabytes."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    ends = [(x, y) for x, lo, hi in zip(at, lower, upper, strict=True) for y in (lo, hi)]
    if ends:
        path = Path(ends, [Path.MOVETO, Path.LINETO] * len(at))
        axes.add_patch(PathPatch(path, facecolor="none", **style))


@in_style
def power_curve(power: Power) -> Figure:
    """Chance of each verdict by the number of runs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 2.7))
    axes = figure.subplots()
    runs = [row.runs for row in power.rows]
    for verdict in Verdict:
        axes.plot(
            runs,
            [row.chance[verdict] for row in power.rows],
            color=COLOUR[verdict],
            marker=MARKER[verdict],
            markersize=3.5,
            linewidth=1.2,
            label=str(verdict),
        )
    for target in (0.8, 0.9):
        axes.axhline(target, color=FAINT, linewidth=0.8, zorder=0)
    if power.planned is not None:
        planned = power.planned * len(power.scales)
        axes.axvline(planned, color=MUTED, linewidth=0.8, linestyle="--", label="planned")
    log_axis(axes, "x")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(f"runs ({len(power.scales)} scale{'s' if len(power.scales) != 1 else ''})")
    axes.set_ylabel("chance of each verdict")
    axes.set_title(f"as {power.pilots} pilot runs show it", loc="left")
    axes.legend()
    return figure


def shade(axes: Axes, region: Region, ends: Sequence[float]) -> None:
    """The claim region, as far up and down as `ends` and a margin reach; sets the limits."""
    margin = 0.05 * (max(ends) - min(ends)) or 1.0
    low, high = min(ends) - margin, max(ends) + margin
    axes.set_ylim(low, high)
    lo = low if region.lo is None else max(low, region.lo)
    hi = high if region.hi is None else min(high, region.hi)
    if lo < hi:
        axes.axhspan(lo, hi, color=REGION, linewidth=0, zorder=0, label=f"claim: {region}")
