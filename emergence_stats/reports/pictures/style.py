"""How pictures look and are written: SVG, PNG or PDF, the same bytes for the same input.

Pictures are narrow, so that a phone shows their text at a readable size, and transparent. An SVG
has a style sheet of its own with the colours for readers who prefer dark pages.
Verdicts differ by marker and word as well as by colour.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from emergence_stats.core.verdicts import Verdict
from emergence_stats.errors import UsageError
from emergence_stats.support.files import check_folder
from emergence_stats.support.words import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
F = TypeVar("F")  # a figure, or None where there is nothing to draw

SUFFIXES = (".svg", ".png", ".pdf")
WIDTH = 4.1  # inches: 394 pixels, which a phone shows nearly whole, so that text stays readable

SMALL = 8  # points

INK, MUTED, FAINT = "#24292f", "#6a737d", "#d0d7de"
REGION = "#cfe3f8"  # the claim region
ACCENT = "#0b62c1"
COLOUR = {Verdict.SUPPORTED: "#1b7837", Verdict.REFUTED: "#b2182b", Verdict.INCONCLUSIVE: "#8a6d00"}
MARKER = {Verdict.SUPPORTED: "o", Verdict.REFUTED: "x", Verdict.INCONCLUSIVE: "s"}
_DARK = {
    INK: "#e6edf3",
    MUTED: "#9aa4af",
    FAINT: "#3d444d",
    REGION: "#1f3d5c",
    ACCENT: "#6cb2ff",
    COLOUR[Verdict.SUPPORTED]: "#56c271",
    COLOUR[Verdict.REFUTED]: "#ff8a80",
    COLOUR[Verdict.INCONCLUSIVE]: "#e0bb3c",
}
_STYLE: Any = {  # matplotlib's stubs want the name of every setting as a type
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.titley": 1.0,  # with a fixed place, matplotlib does not measure every label for it
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "emergence-stats",
    "text.parse_math": False,  # a task's name may hold a dollar sign
}


def in_style(draw: Callable[P, F]) -> Callable[P, F]:
    """A function that draws, in the style of this module."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> F:
        import matplotlib as mpl
        from matplotlib.text import Text

        with mpl.rc_context(_STYLE):
            figure = draw(*args, **kwargs)
            if figure is not None:
                for text in figure.findobj(Text):  # type: ignore[attr-defined]  # names may hold anything
                    text.set_text(visible(text.get_text()))
        if figure is not None:  # a notebook shows it without `%matplotlib inline`
            figure._repr_svg_ = functools.partial(svg, figure)  # type: ignore[attr-defined,arg-type]
        return figure

    return styled


def log_axis(axes: Axes, which: str) -> None:
    """Make the "x" or "y" axis logarithmic, with plain numbers at powers of ten, or at 1, 2 and 5 where these are not two."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log"})
    low, high = sorted(axis.get_data_interval())
    decades = np.floor(np.log10(high)) - np.ceil(np.log10(low)) + 1 if 0 < low < np.inf else 6
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if decades < 2 else (1,), numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.set_minor_locator(NullLocator())


def short(value: float) -> str:
    """A power of ten in a few characters: 0.1, 100, 10k, 1M."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:g}{letter}"
    return f"{value:g}"


def check_suffix(path: Path) -> None:
    """Raise `UsageError` for a file that is not a picture, before hours of work are lost."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: pictures end in {', '.join(SUFFIXES)}")
    check_folder(path)


def save(figure: Figure, path: Path) -> None:
    """Write a picture in the format that its suffix names. Raises `UsageError` for any other."""
    check_suffix(path)
    if path.suffix == ".svg":
        path.write_text(svg(figure), "utf-8")
        return
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        figure.savefig(path, bbox_inches="tight", facecolor="white", dpi=200)


def svg(figure: Figure) -> str:
    """A figure as an SVG document that is readable on light and on dark pages."""
    import matplotlib as mpl

    buffer = StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    head, tag, body = text.partition("<defs>")
    return f"{head}{_dark_style()}{tag}{body}"


def data_uri(figure: Figure) -> str:
    """A figure as a data URI, for an image that needs no other file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(figure).encode()).decode()


def _dark_style() -> str:
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in _DARK.items()
        for what in ("fill", "stroke")
    )
    return f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>\n"
