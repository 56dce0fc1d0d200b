"""Events of one run: when each happened at each task-level, and when each layer had fallen half-way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from emergence_stats.evaluation.watching.look import Looked
from emergence_stats.reports.html.charts.svg import Axis, Drawing, bottom_axis, path

if TYPE_CHECKING:
    from emergence_stats.core.events.definitions import Events

_WIDTH, _LEFT, _RIGHT = 400.0, 110.0, 8.0
_ROW = 12.0
_KINDS = 3  # events that are told apart by colour
_LAYERS_HEIGHT = 150.0

Times = dict[tuple[str, int], tuple[float, float]]


def lead_times(looked: Looked) -> Markup | None:
    """The intervals of up to three events of each task-level, a row each; an arrow: not seen by the end.

    None if fewer than two kinds of events were looked at, or no task-level has two.
    """
    times = {name: _by_task_level(looked.events[name]) for name in list(looked.events)[:_KINDS]}
    keys = list(dict.fromkeys(key for by_key in times.values() for key in by_key))
    keys = [key for key in keys if sum(key in by_key for by_key in times.values()) > 1]
    if not keys:
        return None
    keys.sort(key=lambda key: min(by_key.get(key, (0, np.inf))[1] for by_key in times.values()))
    ends = (x for by_key in times.values() for interval in by_key.values() for x in interval)
    last = max((x for x in ends if np.isfinite(x)), default=1.0)
    top = 8 + _ROW * len(times)
    drawing = Drawing(_WIDTH, top + _ROW * len(keys) + 34)
    x = Axis(0.0, last, _LEFT, _WIDTH - _RIGHT, log=True, shift=1.0)
    for kind, (name, by_key) in enumerate(times.items()):
        drawing.line(_LEFT, 6 + _ROW * kind, _LEFT + 18, 6 + _ROW * kind, f"event kind{kind}")
        drawing.text(_LEFT + 24, 9 + _ROW * kind, name)
        for row, key in enumerate(keys):
            if key in by_key:
                y = top + _ROW * (row + 0.5) + 3 * (kind - (len(times) - 1) / 2)
                _interval(drawing, x, y, by_key[key], kind)
    for row, (task, level) in enumerate(keys):
        text = f"{task} {level}" if level >= 0 else task
        drawing.text(_LEFT - 6, top + _ROW * (row + 0.5) + 3, text, "end", "tick")
    bottom_axis(drawing, x, drawing.height - 30, "steps + 1 (log)")
    return drawing.markup(f"{looked.run.run_id}: {' and '.join(times)} of {len(keys)} task-levels")


def _interval(drawing: Drawing, x: Axis, y: float, ends: tuple[float, float], kind: int) -> None:
    lo, hi = ends
    left = x(max(lo, 0.0))
    if np.isfinite(hi):
        drawing.line(left, y, max(x(hi), left + 1), y, f"event kind{kind}")
        return
    right = x.end
    d = f"M{left:.1f} {y:.1f}L{right:.1f} {y:.1f}m-3 -2l3 2l-3 2"
    drawing.add("path", d=d, class_=f"censored kind{kind}")


def _by_task_level(events: Events) -> Times:
    return {
        key: (float(lo), float(hi))
        for key, lo, hi in zip(events.task_levels(), events.lo, events.hi, strict=True)
    }


def order_of_layers(looked: Looked) -> Markup | None:
    """When each layer has fallen half-way to its floor, a line for each task-level, and the median over those in bold.

    None if no floors by layer were looked at, or no layer was seen to fall.
    """
    if not looked.falls:
        return None
    name, falls = next(iter(looked.falls.items()))
    middle = np.sqrt((np.maximum(falls.lo, 0) + 1) * (falls.hi + 1)) - 1
    seen = np.isfinite(middle)
    if not seen.any():
        return None
    layers = np.unique(falls.layer)
    drawing = Drawing(_WIDTH, _LAYERS_HEIGHT)
    x = Axis(
        float(middle[seen].min()), float(middle[seen].max()), 60.0, _WIDTH - 12, log=True, shift=1.0
    )
    y = Axis(float(layers.min()), float(layers.max()), _LAYERS_HEIGHT - 40, 22)
    drawing.text(4, 12, "layer, the deepest on top")
    for layer in layers:
        drawing.text(54, y(layer) + 3, str(layer), "end", "tick")
    for task, level in dict.fromkeys(falls.task_levels()):
        here = np.flatnonzero((falls.task == task) & (falls.level == level) & seen)
        here = here[np.argsort(falls.layer[here])]
        points = [(x(middle[i]), y(falls.layer[i])) for i in here]
        if len(points) > 1:
            title = f"{task} {level}" if level >= 0 else task
            drawing.add("path", None, title, d=path(points), class_="run")
    medians = [
        (np.median(middle[seen & (falls.layer == n)]), n)
        for n in layers
        if (seen & (falls.layer == n)).any()
    ]
    points = [(x(when), y(n)) for when, n in medians]
    drawing.add("path", d=path(points), class_="median")
    for px, py in points:
        drawing.add("circle", cx=f"{px:.1f}", cy=f"{py:.1f}", r=3, class_="mean")
    bottom_axis(drawing, x, _LAYERS_HEIGHT - 30, "steps + 1 (log)")
    return drawing.markup(f"{looked.run.run_id}: {name}, by layer")
