"""The value of every run, or of every seed, against the claim region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from emergence_stats.evaluation.results import PredictionResult
from emergence_stats.reports.html.charts.svg import Axis, Drawing, bottom_axis, left_axis, padded
from emergence_stats.support.words import number
from emergence_stats.traces.format import Manifest

_WIDTH, _HEIGHT = 400.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 8.0, 16.0, 36.0


def units(p: PredictionResult, manifests: Mapping[str, Manifest]) -> Markup:
    """A column for each scale; where a prediction compares scales, seeds by their number."""
    first = [manifests[value.run_ids[0]] for value in p.values]
    y_values = [value.value for value in p.values]
    span = list(y_values)
    if p.units_compare:
        span += [end for end in (p.region.lo, p.region.hi) if end is not None]
    lo, hi = padded(span)
    y = Axis(lo, hi, _HEIGHT - _BOTTOM, _TOP)
    drawing = Drawing(_WIDTH, _HEIGHT)
    if p.units_compare:
        top = hi if p.region.hi is None else p.region.hi
        bottom = lo if p.region.lo is None else p.region.lo
        drawing.rect(_LEFT, y(top), _WIDTH - _RIGHT, y(bottom), "region")
        if p.estimate.interval is not None:
            low, high = p.estimate.interval
            drawing.rect(_LEFT, y(low), _WIDTH - _RIGHT, min(y(high), y(low) - 1), "estimate")
    left_axis(drawing, y, _LEFT)
    drawing.text(_LEFT, 9, p.name)
    at, x = _across(drawing, p, first)
    outside = {value.label for value in p.outside()}
    for value, place in zip(p.values, at, strict=True):
        title = f"{value.label}: {number(value.value)}"
        px, py = x(place), y(value.value)
        if value.label in outside:
            d = f"M{px - 3:.1f} {py - 3:.1f}l6 6m0 -6l-6 6"
            drawing.linked(value.run_ids[0], "path", title, d=d, class_="cross outside")
        else:
            drawing.linked(
                value.run_ids[0],
                "circle",
                title,
                cx=f"{px:.1f}",
                cy=f"{py:.1f}",
                r=2.6,
                class_="dot",
            )
    return drawing.markup(f"{p.name}: the value of each of {len(p.values)} {p.unit}s")


def _across(
    drawing: Drawing, p: PredictionResult, first: Sequence[Manifest]
) -> tuple[list[float], Axis]:
    """Where each unit lies from left to right, and on which axis, which is drawn."""
    base = _HEIGHT - _BOTTOM
    if p.unit == "seed":
        seeds = [float(m.seed) for m in first]
        x = Axis(min(seeds), max(seeds), _LEFT + 6, _WIDTH - _RIGHT - 6)
        bottom_axis(drawing, x, base, "seed")
        return seeds, x
    places, scales = _of_scales(p, first)
    x = Axis(0.0, float(len(scales)), _LEFT, _WIDTH - _RIGHT)
    drawing.line(x.start, base, x.end, base, "axis")
    for column, scale in enumerate(scales):
        drawing.text(x(column + 0.5), base + 13, scale, "middle", "tick")
        if column:
            drawing.line(x(column), base, x(column), base + 5, "axis")
    drawing.text(x.end, base + 26, "scale; within one, runs by seed", "end")
    return places, x


def _of_scales(p: PredictionResult, first: Sequence[Manifest]) -> tuple[list[float], list[str]]:
    """A column for each scale, with its name; in it the place of each unit, by seed."""
    scales = list(
        dict.fromkeys(m.scale for m in sorted(first, key=lambda m: (m.n_params, m.scale)))
    )
    seeds = {scale: sorted({m.seed for m in first if m.scale == scale}) for scale in scales}
    places = [
        scales.index(m.scale) + (1 + seeds[m.scale].index(m.seed)) / (len(seeds[m.scale]) + 1)
        for m in first
    ]
    return places, scales
