"""Elements of an SVG, and axes that turn values into pixels.

Classes, not colours, are given to elements: the page's style sheet (`charts.css`) has the colours of light and dark pages,
and goes along with a chart that is saved.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import quote

from markupsafe import Markup

from emergence_stats.reports.pictures.style import short
from emergence_stats.support.words import number, visible

Points = Sequence[tuple[float, float]]


@dataclass
class Drawing:
    """A chart of `width` and `height` pixels; elements lie over those that were added before."""

    width: float
    height: float
    elements: list[Markup] = field(default_factory=list)

    def add(
        self, tag: str, text: str | None = None, title: str | None = None, **values: object
    ) -> None:
        """An element. `title`: what is shown where the pointer rests; names of `values` are written with hyphens, `class_` as class."""
        self.elements.append(element(tag, text, title, **values))

    def text(
        self, x: float, y: float, text: str, anchor: str = "start", class_: str = "label"
    ) -> None:
        self.add("text", text, x=_px(x), y=_px(y), text_anchor=anchor, class_=class_)

    def line(self, x1: float, y1: float, x2: float, y2: float, class_: str) -> None:
        self.add("path", d=f"M{_px(x1)} {_px(y1)}L{_px(x2)} {_px(y2)}", class_=class_)

    def rect(self, x1: float, y1: float, x2: float, y2: float, class_: str) -> None:
        x, y = min(x1, x2), min(y1, y2)
        self.add(
            "rect",
            x=_px(x),
            y=_px(y),
            width=_px(abs(x2 - x1)),
            height=_px(abs(y2 - y1)),
            class_=class_,
        )

    def linked(self, run_id: str, tag: str, title: str, **values: object) -> None:
        """An element that leads to its run."""
        inner = element(tag, None, title, **values)
        self.elements.append(Markup('<a href="{}">{}</a>').format(run_anchor(run_id), inner))

    def markup(self, alt: str, class_: str = "chart") -> Markup:
        """The whole as markup. `alt`: what it shows, for those who do not see it."""
        return Markup(
            '<svg class="{}" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">{}</svg>'
        ).format(
            class_, visible(alt), _px(self.width), _px(self.height), _px(self.width), _px(self.height),
            Markup("").join(self.elements),
        )  # fmt: skip


def element(
    tag: str, text: str | None = None, title: str | None = None, **values: object
) -> Markup:
    """One element with its attributes, everything escaped."""
    attributes = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), value)
        for name, value in values.items()
    )
    inside = Markup("<title>{}</title>").format(visible(title)) if title is not None else Markup("")
    if text is not None:
        inside += visible(text)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), attributes, inside)


def run_anchor(run_id: str) -> str:
    """Where the page tells of a run."""
    return "#run-" + quote(run_id, safe="")


def path(points: Points) -> str:
    """A line through points in pixels, to a tenth of a pixel, in few characters."""
    tenths = [(round(10 * x), round(10 * y)) for x, y in points]
    moves = [(x2 - x1, y2 - y1) for (x1, y1), (x2, y2) in pairwise(tenths)]
    (x, y), *_ = tenths
    rest = " ".join(f"{_tenth(dx)} {_tenth(dy)}" for dx, dy in moves)
    return f"M{_tenth(x)} {_tenth(y)}{f'l{rest}' if rest else 'h0'}"


def marks(verticals: Iterable[tuple[float, float, float]]) -> str:
    """Vertical lines (x, top, bottom) as one path: as elements of their own, thousands of them would be megabytes."""
    return "".join(f"M{_px(x)} {_px(top)}V{_px(bottom)}" for x, top, bottom in verticals)


def _tenth(tenths: int) -> str:
    return f"{tenths / 10:g}"


def _px(pixels: float) -> str:
    return f"{pixels:.1f}".removesuffix(".0")


@dataclass(frozen=True)
class Axis:
    """Values from `lo` to `hi` on pixels from `start` to `end`; `log`: by the logarithm of the value plus `shift`."""

    lo: float
    hi: float
    start: float
    end: float
    log: bool = False
    shift: float = 0.0

    def __call__(self, value: float) -> float:
        """Pixels of a value; one beyond an end is put there."""
        if self.hi == self.lo:
            return (self.start + self.end) / 2
        share = (self._scaled(value) - self._scaled(self.lo)) / (
            self._scaled(self.hi) - self._scaled(self.lo)
        )
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def _scaled(self, value: float) -> float:
        return math.log10(max(value + self.shift, 1e-300)) if self.log else value

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """At most so many round values between the ends, with their text."""
        return self._powers(most) if self.log else self._round(most)

    def _powers(self, most: int) -> list[tuple[float, str]]:
        first = math.ceil(math.log10(max(self.lo + self.shift, 1e-300)) - 1e-9)
        last = math.floor(math.log10(max(self.hi + self.shift, 1e-300)) + 1e-9)
        every = max(math.ceil((last - first + 1) / most), 1)
        values = [10.0**p for p in range(first, last + 1, every)]
        if len(values) < 2:  # less than a power of ten
            some = (m * 10.0**p for p in range(first - 1, last + 1) for m in (1, 2, 5))
            values = [v for v in some if self.lo <= v - self.shift <= self.hi]
        if len(values) < 2:
            evenly = Axis(self.lo + self.shift, self.hi + self.shift, self.start, self.end)
            values = [value for value, _ in evenly.ticks(most)]
        return [(value - self.shift, short(value)) for value in values]

    def _round(self, most: int) -> list[tuple[float, str]]:
        width = self.hi - self.lo
        if width <= 0:
            return [(self.lo, number(self.lo))]
        power = 10.0 ** math.floor(math.log10(width / most))
        for step in (m * power for m in (1, 2, 5, 10, 20)):
            first, last = math.ceil(self.lo / step - 1e-9), math.floor(self.hi / step + 1e-9)
            if last - first < most:
                break
        return [(i * step, f"{i * step:.6g}") for i in range(first, last + 1)]


def bottom_axis(drawing: Drawing, x: Axis, y: float, name: str = "", most: int = 5) -> None:
    """A line at height `y` with ticks and their values below it."""
    drawing.line(x.start, y, x.end, y, "axis")
    for value, text in x.ticks(most):
        drawing.line(x(value), y, x(value), y + 3, "axis")
        drawing.text(x(value), y + 13, text, "middle", "tick")
    if name:
        drawing.text(x.end, y + 25, name, "end")


def left_axis(drawing: Drawing, y: Axis, x: float, most: int = 4) -> None:
    """Values on the left of `x`, with faint lines to be read along."""
    for value, text in y.ticks(most):
        drawing.line(x - 3, y(value), x, y(value), "axis")
        drawing.text(x - 5, y(value) + 3, text, "end", "tick")


def padded(values: Iterable[float], share: float = 0.06) -> tuple[float, float]:
    """Ends that leave a margin around these values."""
    some = [value for value in values if math.isfinite(value)] or [0.0]
    margin = share * (max(some) - min(some)) or 0.1 * abs(some[0]) or 1.0
    return min(some) - margin, max(some) + margin
