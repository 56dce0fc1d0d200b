"""Pictures of what the estimates looked at in one run: traces, events, and the order of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.watch import Looked
from emergence_stats.reports.pictures.style import (
    ACCENT,
    COLOUR,
    FAINT,
    MUTED,
    SMALL,
    WIDTH,
    in_style,
    log_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from emergence_stats.core.events.definitions import Events
    from emergence_stats.core.runs import TraceSet

_COLUMNS = 2
_MOST_PANELS = 10
_WIDE = 100  # values that differ by more than this factor are drawn on a logarithmic scale
_LAYERS = (
    (0.17, 0.38, 0.67),
    (0.24, 0.66, 0.47),
)  # first and last block: both stand out on any page


@in_style
def traces(looked: Looked, measure: str) -> Figure:
    """Traces of one measure over log steps: one panel per task at its lowest level, one line per layer.

    Dots: floors. Vertical bands: the intervals in which events of the task-level lie.
    """
    from matplotlib.figure import Figure

    mine = looked.traces[measure]
    panels = _panels(mine)
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    bands = _band_styles(looked.events)
    handles = _legend(mine, looked, bands)
    height = 1.05 if columns > 1 else 1.9
    above = 0.25 + 0.17 * -(-len(handles) // 2)
    figure = Figure(figsize=(WIDTH, rows * (height + _GAP) + above + 0.2), layout="none")  # type: ignore[arg-type]
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=len(panels) > 1)
    _place(figure, columns, above, height)
    lowest, highest = mine.values.min(), mine.values.max()
    # a share, such as accuracy, is small where it means nothing
    wide = lowest > 0 and highest > max(_WIDE * lowest, 1.0)
    for ax, (task, level) in zip(axes.flat, panels, strict=False):
        _traces_of(ax, looked, mine, task, level, bands)
        if wide:
            log_axis(ax, "y")
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    figure.supxlabel("optimiser steps (log scale)", fontsize=SMALL, y=0.01, va="bottom")
    if handles:
        figure.legend(handles=handles, loc="upper left", ncols=2, fontsize=SMALL)
    return figure


_GAP = 0.3  # inches between panels: a title


def _place(figure: Figure, columns: int, above: float, height: float) -> None:
    """Margins of panels of this height, in inches.

    By hand, since a layout that measures every label takes longer than drawing a page.
    """
    width, whole = figure.get_size_inches()
    left, right, below = 0.45, 0.08, 0.45
    figure.subplots_adjust(
        left=left / width,
        right=1 - right / width,
        bottom=below / whole,
        top=1 - above / whole,
        hspace=_GAP / height,
        wspace=0.12 * columns / 2,
    )


def _panels(mine: TraceSet) -> list[tuple[str, int]]:
    lowest: dict[str, int] = {}
    for task, level in zip(mine.task, mine.level, strict=True):
        lowest[str(task)] = min(int(level), lowest.get(str(task), int(level)))
    return list(lowest.items())[:_MOST_PANELS]


def _traces_of(
    axes: Axes,
    looked: Looked,
    mine: TraceSet,
    task: str,
    level: int,
    bands: Mapping[str, dict[str, Any]],
) -> None:
    rows = np.flatnonzero((mine.task == task) & (mine.level == level))
    layers = sorted({int(layer) for layer in mine.layer})
    for row in rows:
        n = mine.length[row]
        colour = _layer_colour(layers, int(mine.layer[row]))
        axes.plot(mine.steps[row, :n] + 1, mine.values[row, :n], color=colour, linewidth=1)
    floor = looked.floors.get(mine.measure)
    if floor is not None:
        at = floor.traces
        here = (at.task == task) & (at.level == level) & np.isin(at.layer, layers)
        for i in np.flatnonzero(here):
            colour = _layer_colour(layers, int(at.layer[i]))
            axes.plot([floor.step[i] + 1], [floor.value[i]], "o", color=colour, markersize=3)
    for name, style in bands.items():
        events = looked.events[name]
        for i in np.flatnonzero((events.task == task) & (events.level == level)):
            if np.isfinite(events.hi[i]):
                axes.axvspan(max(events.lo[i], 0) + 1, events.hi[i] + 1, **style)
    log_axis(axes, "x")
    name = task or "whole model"
    axes.set_title(name if level < 0 else f"{name}, level {level}", loc="left", fontsize=SMALL)


def _layer_colour(layers: Sequence[int], layer: int) -> tuple[float, float, float]:
    if len(layers) == 1:
        return _LAYERS[0]
    share = layers.index(layer) / (len(layers) - 1)
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(*_LAYERS, strict=True))
    return red, green, blue


def _band_styles(events: Mapping[str, Events]) -> dict[str, dict[str, Any]]:
    colours = (COLOUR[Verdict.REFUTED], COLOUR[Verdict.INCONCLUSIVE], ACCENT)
    return {
        name: {"color": colour, "alpha": 0.45, "linewidth": 0.8}
        for name, colour in zip(events, colours, strict=False)
    }


def _legend(mine: TraceSet, looked: Looked, bands: Mapping[str, dict[str, Any]]) -> list[Any]:
    """What the lines, dots and bands mean."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    layers = sorted({int(layer) for layer in mine.layer})
    handles: list[Any] = []
    if len(layers) > 1 or layers[0] >= 0:
        for layer in {layers[0]: None, layers[-1]: None}:
            colour = _layer_colour(layers, layer)
            handles.append(Line2D([], [], color=colour, label=f"layer {layer}"))
    if mine.measure in looked.floors:
        handles.append(
            Line2D([], [], color=MUTED, marker="o", linewidth=0, markersize=3, label="floor")
        )
    return handles + [
        Patch(color=s["color"], alpha=s["alpha"], label=name) for name, s in bands.items()
    ]


# --- events -----------------------------------------------------------------------------------


@in_style
def lead_times(looked: Looked) -> Figure | None:
    """The intervals of up to three events of each task-level, one row per task-level; an arrow: not
    seen by the end. None if fewer than two kinds of events were looked at.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    names = list(_band_styles(looked.events))
    if len(names) < 2:
        return None
    times = {name: _by_task_level(looked.events[name]) for name in names}
    keys = list(dict.fromkeys(key for name in names for key in times[name]))
    keys = [key for key in keys if sum(key in times[name] for name in names) > 1]
    if not keys:
        return None
    last = max(
        x for by_key in times.values() for interval in by_key.values() for x in interval
        if np.isfinite(x)
    )  # fmt: skip
    keys.sort(key=lambda key: min(times[name].get(key, (0, np.inf))[1] for name in names))
    figure = Figure(figsize=(WIDTH, 0.14 * len(keys) + 0.9))
    axes = figure.subplots()
    styles = _band_styles(looked.events)
    for i, name in enumerate(names):
        colour = styles[name]["color"]
        for row, key in enumerate(keys):
            if key not in times[name]:
                continue
            lo, hi = times[name][key]
            y = row + 0.22 * (i - (len(names) - 1) / 2)
            seen = np.isfinite(hi)
            ends = [max(lo, 0) + 1, (hi if seen else last) + 1]
            axes.plot(ends, [y, y], color=colour, linewidth=2.5 if seen else 0.8)
            axes.plot(ends[1:], [y], "|" if seen else ">", color=colour, markersize=4)
    log_axis(axes, "x")
    axes.set_yticks(range(len(keys)), [f"{t} {v}" if v >= 0 else t for t, v in keys], fontsize=7)
    axes.set_ylim(len(keys) - 0.4, -0.6)
    axes.grid(axis="y", color=FAINT, linewidth=0.4)
    axes.set_xlabel("optimiser steps (log scale)")
    handles = [Line2D([], [], color=styles[name]["color"], linewidth=2.5, label=name) for name in names]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=SMALL)
    return figure


def _by_task_level(events: Events) -> dict[tuple[str, int], tuple[float, float]]:
    return {
        key: (float(lo), float(hi))
        for key, lo, hi in zip(events.task_levels(), events.lo, events.hi, strict=True)
    }


@in_style
def order_of_layers(looked: Looked) -> Figure | None:
    """When each layer has fallen half-way to its floor, one line per task-level and the median of all
    in bold; None if no floors by layer were looked at.
    """
    from matplotlib.figure import Figure

    if not looked.falls:
        return None
    name, falls = next(iter(looked.falls.items()))
    figure = Figure(figsize=(WIDTH, 2.2))
    axes = figure.subplots()
    layers = np.unique(falls.layer)
    middle = np.sqrt((np.maximum(falls.lo, 0) + 1) * (falls.hi + 1))
    for task, level in dict.fromkeys(falls.task_levels()):
        here = np.flatnonzero((falls.task == task) & (falls.level == level))
        here = here[np.isfinite(middle[here])]
        axes.plot(middle[here], falls.layer[here], color=MUTED, alpha=0.35, linewidth=0.8)
    seen = np.isfinite(middle)
    median = [
        np.median(middle[seen & (falls.layer == layer)]) if (seen & (falls.layer == layer)).any()
        else np.nan
        for layer in layers
    ]  # fmt: skip
    axes.plot(median, layers, color=ACCENT, linewidth=2, marker="o", markersize=4)
    log_axis(axes, "x")
    axes.set_yticks(layers)
    axes.set_ylabel("layer (deepest on top)")
    axes.set_xlabel("optimiser steps (log scale)")
    axes.set_title(f"{name}; bold: median of task-levels", loc="left")
    return figure
