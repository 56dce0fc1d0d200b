"""Traces of all runs that count, laid over one another: a panel for each scale (and task, if they are few), the median in bold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from emergence_stats.evaluation.watching.curves import Curves, Line, median_of
from emergence_stats.reports.html.charts.svg import (
    Axis,
    Drawing,
    bottom_axis,
    left_axis,
    padded,
    path,
)

_COLUMNS, _WIDTH, _PANEL = 2, 400.0, 112.0
_LEFT, _RIGHT, _TITLE, _BOTTOM = 40.0, 6.0, 16.0, 20.0
_WIDE = 30  # largest over smallest: from here on an axis is logarithmic


def curves(found: Curves) -> Markup:
    """A line for each run, which leads to it, and the median of each scale.

    Steps are shown by the logarithm of the step plus 1, so that step 0 has a place.
    """
    panels = found.by_panel()
    rows = -(-len(panels) // _COLUMNS)
    drawing = Drawing(_WIDTH, rows * _PANEL + 12)
    values = np.concatenate([line.values for line in found.lines])
    log = bool(values.min() > 0 and values.max() > _WIDE * values.min())
    lo, hi = (float(values.min()), float(values.max())) if log else padded(values)
    last = max(float(line.steps[-1]) for line in found.lines)
    for number, (name, lines) in enumerate(panels.items()):
        row, column = divmod(number, _COLUMNS)
        left = column * _WIDTH / _COLUMNS
        x = Axis(0.0, last, left + _LEFT, left + _WIDTH / _COLUMNS - _RIGHT, log=True, shift=1.0)
        top = row * _PANEL
        y = Axis(lo, hi, top + _PANEL - _BOTTOM, top + _TITLE, log=log)
        _panel(drawing, x, y, name, lines)
    drawing.text(_WIDTH - _RIGHT, drawing.height - 2, "steps + 1 (log)", "end")
    return drawing.markup(f"{found.asked.measure} over training in {found.n_runs} runs, by scale")


def _panel(drawing: Drawing, x: Axis, y: Axis, name: str, lines: Sequence[Line]) -> None:
    drawing.text(x.start, y.end - 5, f"{name} ({len(lines)})")
    left_axis(drawing, y, x.start, most=3)
    bottom_axis(drawing, x, y.start, most=4)
    for line in lines:
        points = [(x(s), y(v)) for s, v in zip(line.steps, line.values, strict=True)]
        drawing.linked(line.run.run_id, "path", line.run.run_id, d=path(points), class_="run")
    steps, median = median_of(lines)
    if len(steps) > 1 and len(lines) > 1:
        points = [(x(s), y(v)) for s, v in zip(steps, median, strict=True)]
        drawing.add("path", d=path(points), class_="median")
