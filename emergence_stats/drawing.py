"""How pictures look, and writing them: SVG, PNG or PDF, the same bytes for the same input.

Pictures are narrow, so that a phone shows their text at a size that can be read, and transparent. An
SVG says in a style sheet of its own what its colours become where the reader prefers dark pages.
Verdicts differ by marker and word as well as by colour.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

from emergence_stats.errors import UsageError
from emergence_stats.verdicts import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")

SUFFIXES = (".svg", ".png", ".pdf")
WIDTH = 4.5  # inches: 430 pixels of a screen, less than half as much again as a phone has

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
_STYLE = {
    "font.size": 8.5,
    "axes.titlesize": 8.5,
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
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
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


def in_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """A function that draws, in the style of this module."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        import matplotlib as mpl

        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


def check_suffix(path: Path) -> None:
    """`UsageError` for a file that is no picture, before hours of work are lost on it."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: pictures end in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")


def save(figure: Figure, path: Path) -> None:
    """Write a picture in the format that its suffix names. Raises `UsageError` for another one."""
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
    """A figure as an address that holds it, for an image that needs no other file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(figure).encode()).decode()


def _dark_style() -> str:
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in _DARK.items()
        for what in ("fill", "stroke")
    )
    return f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>\n"
