"""The estimates of a multiverse with the choices behind them, and the chance of each verdict by the number of runs."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict
from emergence_stats.reports.html.charts.svg import (
    Axis,
    Drawing,
    bottom_axis,
    left_axis,
    marks,
    padded,
    path,
)
from emergence_stats.robustness.curve import Curve, Point
from emergence_stats.robustness.power import TARGETS, Power

_WIDTH, _RIGHT, _TOP = 400.0, 8.0, 20.0
_CURVE, _ROW = 150.0, 11.0
_POWER = 190.0


def specification_curve(curve: Curve, region: Region) -> Markup:
    """Estimates in all analyses, in their order, and below a mark for each choice; the dotted line: as registered."""
    # values that differ by rounding alone keep the order of the analyses, on every machine
    points = sorted(curve.points, key=lambda p: float(f"{p.value:.9g}"))
    rows = [
        (choice, which, f"{choice} = {text}")
        for choice, texts in curve.choices.items()
        for which, text in enumerate(texts)
    ]
    left = min(max([44.0, *(6.0 * len(text) + 10 for *_, text in rows)]), 170.0)
    bottom = _TOP + _CURVE
    drawing = Drawing(_WIDTH, bottom + 10 + _ROW * len(rows) + 16)
    lo, hi = padded(x for p in points for x in p.interval or (p.value,))
    x = Axis(-0.5, len(points) - 0.5, left, _WIDTH - _RIGHT)
    y = Axis(lo, hi, bottom, _TOP)
    if (region.lo is None or region.lo < hi) and (region.hi is None or region.hi > lo):
        top = hi if region.hi is None else region.hi
        drawing.rect(
            left, y(top), _WIDTH - _RIGHT, y(lo if region.lo is None else region.lo), "region"
        )
    _estimates(drawing, x, y, points)
    for i, point in enumerate(points):
        if curve.registered(point):
            drawing.line(x(i), _TOP, x(i), drawing.height - 16, "registered")
    left_axis(drawing, y, left)
    drawing.line(left, bottom, _WIDTH - _RIGHT, bottom, "axis")
    for row, (choice, which, text) in enumerate(rows):
        at = bottom + 10 + _ROW * row
        chosen = [i for i, p in enumerate(points) if p.chosen[choice] == which]
        drawing.add("path", d=marks((x(i), at, at + _ROW - 3) for i in chosen), class_="chosen")
        drawing.text(left - 5, at + _ROW - 3, text, "end", "tick")
    drawing.text(_WIDTH - _RIGHT, drawing.height - 3, f"{len(points)} analyses, by estimate", "end")
    return drawing.markup(f"{curve.prediction} in {len(points)} analyses")


def _estimates(drawing: Drawing, x: Axis, y: Axis, points: Sequence[Point]) -> None:
    """Each estimate with its interval, by verdict; the rarer lie above the more frequent, which would cover them."""
    by_verdict = [(v, [(i, p) for i, p in enumerate(points) if p.verdict is v]) for v in Verdict]
    by_verdict = sorted((one for one in by_verdict if one[1]), key=lambda one: -len(one[1]))
    for place, verdict in enumerate(
        v for v in Verdict if any(v is found for found, _ in by_verdict)
    ):
        count = sum(p.verdict is verdict for p in points)
        drawing.add("path", d=f"M{x.start + 118 * place:.1f} 8h10", class_=f"estimates {verdict}")
        drawing.text(x.start + 14 + 118 * place, 11, f"{verdict} ({count})")
    for verdict, mine in by_verdict:
        ends = [
            (x(i), y(hi), y(lo)) for i, p in mine for lo, hi in [p.interval or (p.value, p.value)]
        ]
        drawing.add("path", d=marks(ends), class_=f"ends {verdict}")
    for verdict, mine in by_verdict:
        d = "".join(f"M{x(i):.1f} {y(p.value):.1f}h0" for i, p in mine)
        drawing.add("path", d=d, class_=f"estimates {verdict}")


def power_curve(power: Power) -> Markup:
    """Chance of each verdict by the number of runs; dashed: as many as are planned."""
    drawing = Drawing(_WIDTH, _POWER)
    runs = [float(row.runs) for row in power.rows]
    x = Axis(min(runs), max(runs), 44.0, _WIDTH - _RIGHT - 4, log=True)
    y = Axis(0.0, 1.0, _POWER - 36, _TOP)
    for target in TARGETS:
        drawing.line(x.start, y(target), x.end, y(target), "faint")
    if power.planned is not None:
        planned = float(power.planned * len(power.scales))
        if min(runs) <= planned <= max(runs):
            drawing.line(x(planned), _TOP, x(planned), y.start, "registered")
    left_axis(drawing, y, x.start)
    bottom_axis(
        drawing,
        x,
        y.start,
        f"runs of {len(power.scales)} scale{'s' if len(power.scales) != 1 else ''} (log)",
    )
    for place, verdict in enumerate(Verdict):
        points = [(x(r), y(row.chance[verdict])) for r, row in zip(runs, power.rows, strict=True)]
        drawing.add("path", d=path(points), class_=f"interval {verdict}")
        drawing.add("path", d=f"M{x.start + 110 * place:.1f} 8h10", class_=f"interval {verdict}")
        drawing.text(x.start + 14 + 110 * place, 11, str(verdict))
    return drawing.markup(
        f"chance of each verdict by the number of runs, as {power.pilots} pilot runs show it"
    )
