"""An estimate against its claim region on one line, turned so that the claim is true on the right, or inside a band.

Every row of a table of claims can thus be read alike, whatever its unit is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.results import PredictionResult
from emergence_stats.reports.html.charts.svg import Drawing
from emergence_stats.reports.words import in_unit, region_in_unit

WIDTH, HEIGHT = 260.0, 34.0
_MIDDLE, _BELOW = 12.0, 31.0  # heights of the interval, and of the text under it
_EDGE = 8.0  # pixels that are kept free at each side
_BAND = 0.2  # half of a band that has two ends, as a share of the width


@dataclass(frozen=True)
class _Turned:
    """Where values lie: the edge of the region in the middle, or its two edges beside it; beyond the ends, at them."""

    middle: float
    unit: float  # of the value, for one pixel; negative where smaller values lie on the right

    @classmethod
    def of(cls, region: Region, values: list[float]) -> _Turned:
        lo, hi = region.lo, region.hi
        values = [value for value in values if math.isfinite(value)]
        if lo is not None and hi is not None:
            half = (hi - lo) / 2
            farthest = max([abs(v - lo - half) for v in values] + [half * 1.5])
            by_band, by_reach = half / (_BAND * WIDTH), farthest / (WIDTH / 2 - _EDGE)
            return cls(lo + half, max(by_band, by_reach) or 1.0)
        edge = lo if lo is not None else hi
        assert edge is not None
        farthest = max((abs(v - edge) for v in values), default=0.0) or abs(edge) or 1.0
        unit = farthest / (WIDTH / 2 - _EDGE)
        return cls(edge, unit if lo is not None else -unit)

    def __call__(self, value: float) -> float:
        x = WIDTH / 2 + (value - self.middle) / self.unit
        return min(max(x, _EDGE / 2), WIDTH - _EDGE / 2)


def strip(p: PredictionResult) -> Markup:
    """Interval and estimate, with a small mark for each scale; shaded: the claim region, with its ends below.

    Of a prediction about every scale, the estimate is that of the scale which decides. Empty without an estimate.
    """
    e = p.estimate
    if not e.has_value:
        return Markup("")
    shown = next((s for s in e.scales if s.scale == p.deciding), e)
    values = [shown.value, *(shown.interval or ()), *(s.value for s in e.scales)]
    at = _Turned.of(p.region, values)
    drawing = Drawing(WIDTH, HEIGHT)
    _region(drawing, p, at)
    for scale in e.scales:
        x = at(scale.value)
        title = f"{scale.scale}: {in_unit(p, scale.value)}"
        drawing.add("path", None, title, d=f"M{x:.1f} 1V7", class_="scale")
    if shown.interval is not None:
        drawing.line(
            at(shown.interval[0]), _MIDDLE, at(shown.interval[1]), _MIDDLE, f"interval {p.verdict}"
        )
    mark(drawing, at(shown.value), _MIDDLE, p.verdict)
    ends = (
        "no interval"
        if shown.interval is None
        else f"interval {in_unit(p, shown.interval[0])} to {in_unit(p, shown.interval[1])}"
    )
    return drawing.markup(
        f"{p.name}: {in_unit(p, shown.value)}, {ends}; claimed {region_in_unit(p)}: {p.verdict}",
        "strip",
    )


def _region(drawing: Drawing, p: PredictionResult, at: _Turned) -> None:
    ends = [end for end in (p.region.lo, p.region.hi) if end is not None]
    edges = sorted(at(end) for end in ends)
    left, right = edges if len(edges) == 2 else (edges[0], WIDTH)
    drawing.line(0, _MIDDLE, WIDTH, _MIDDLE, "faint")
    drawing.rect(left, 0, right, 20, "region")
    for end in ends:
        drawing.line(at(end), 0, at(end), 22, "edge")
        drawing.text(at(end), _BELOW, in_unit(p, end), "middle", "tick")


def mark(drawing: Drawing, x: float, y: float, verdict: Verdict, size: float = 4.0) -> None:
    """The mark of a verdict: a disc, a cross or a square, so that colour is never alone."""
    if verdict is Verdict.SUPPORTED:
        drawing.add("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=size, class_=f"mark {verdict}")
    elif verdict is Verdict.REFUTED:
        d = f"M{x - size:.1f} {y - size:.1f}l{2 * size:g} {2 * size:g}m0 {-2 * size:g}l{-2 * size:g} {2 * size:g}"
        drawing.add("path", d=d, class_=f"cross {verdict}")
    else:
        drawing.rect(
            x - size + 0.5, y - size + 0.5, x + size - 0.5, y + size - 0.5, f"mark {verdict}"
        )
