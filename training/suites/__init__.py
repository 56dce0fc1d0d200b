"""The declared sets of runs, in one place: scales x seeds, and all that fixes a run.

Imports neither torch nor numpy, so that planning a collection needs neither.
"""

from __future__ import annotations

from .declared import Declared, Size, other_settings
from .paper import PAPER, PAPER_EARLY, PAPER_SCALES
from .pocket import DATA_CHOICES, LONG_CHOICES, POCKET, POCKET_DEEP, POCKET_LONG, SMOKE
from .published import POLYPYTHIAS, PYTHIA, Published, PublishedSuite
from .suite import DeepMeasures, LogSpaced, Scale, Suite
from .text import TEXT, Arm, TextSuite

__all__ = [
    "PAPER_SCALES",
    "PUBLISHED",
    "SUITES",
    "TEXTS",
    "Arm",
    "Declared",
    "DeepMeasures",
    "LogSpaced",
    "Published",
    "PublishedSuite",
    "Scale",
    "Size",
    "Suite",
    "TextSuite",
    "named",
    "other_settings",
]

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        SMOKE,
        POCKET,
        *DATA_CHOICES,
        POCKET_DEEP,
        POCKET_LONG,
        *LONG_CHOICES,
        PAPER,
        PAPER_EARLY,
    )
}

PUBLISHED: dict[str, PublishedSuite] = {suite.name: suite for suite in (PYTHIA, POLYPYTHIAS)}
TEXTS: dict[str, TextSuite] = {suite.name: suite for suite in (TEXT,)}


def named() -> dict[str, Declared]:
    """Every suite by its name: of the tasks, of language models that are trained here, and of published ones."""
    return {**SUITES, **TEXTS, **PUBLISHED}
