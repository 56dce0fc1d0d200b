"""A picture of what was measured in one run: a panel for each measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from emergence_stats.reports.pictures.style import (
    ACCENT,
    MUTED,
    SMALL,
    WIDTH,
    in_style,
    log_axis,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from emergence_stats.core.runs import TraceSet

_COLUMNS = 2
_HEIGHT = 1.5  # inches of a panel
_TITLE = 34  # characters of a title that fit


@in_style
def measures_of(sets: Mapping[str, TraceSet], unit: str = "optimiser steps") -> Figure:
    """Each measure over log steps, which count `unit`: every trace thin, and the median of those that share their steps in bold."""
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(sets))
    rows = -(-len(sets) // columns)
    figure = Figure(figsize=(WIDTH, rows * _HEIGHT + 0.3))
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax, (name, one) in zip(axes.flat, sets.items(), strict=False):
        for steps, values, n in zip(one.steps, one.values, one.length, strict=True):
            ax.plot(steps[:n] + 1, values[:n], color=MUTED, lw=0.4, alpha=0.5)
        if (one.length == one.length[0]).all() and (one.steps == one.steps[0]).all():
            ax.plot(one.steps[0] + 1, np.median(one.values, axis=0), color=ACCENT, lw=1.6)
        log_axis(ax, "x")
        title = f"{name} ({len(one)})"
        ax.set_title(title, fontsize=SMALL * min(1, _TITLE / len(title)), loc="left")
    for ax in axes.flat[len(sets) :]:
        ax.set_axis_off()
    text = f"{unit} + 1 (log scale); in brackets: traces; bold: their median"
    figure.supxlabel(text, fontsize=SMALL)
    return figure
