"""What a verdict means, in one sentence: a file beside the claims, `meaning.toml`, since it is no part of any plan.

    [top_down]
    supported = "The early fall of the rank comes to blocks near the output first."
    refuted = "It does not, at some size."

A table for each claim, a line for each verdict; best written before the runs are there. Shown beside the verdict that it is of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from emergence_stats.core.verdicts import Verdict
from emergence_stats.errors import UsageError
from emergence_stats.evaluation.results import Result
from emergence_stats.evaluation.watching.beside import tables
from emergence_stats.support.words import near

if TYPE_CHECKING:
    from emergence_stats.claims.project import Project

FILE = "meaning.toml"


def with_meanings(results: Sequence[Result], project: Project) -> list[Result]:
    """The results with what their verdicts mean; without a run there is nothing that could mean anything.

    Raises `UsageError` for what the file has wrong.
    """
    verdicts = [str(verdict) for verdict in Verdict]
    found = []
    for result, sentences, file in tables(results, project, FILE, "verdicts"):
        for verdict, sentence in sentences.items():
            if verdict not in verdicts:
                raise UsageError(
                    f"{file}: {result.name}: there is no verdict {verdict!r}{near(verdict, verdicts)}; there are {', '.join(verdicts)}"
                )
            if not sentence.strip() or "\n" in sentence:
                raise UsageError(
                    f"{file}: {result.name}: {verdict!r} has to be a sentence on one line"
                )
        said = sentences.get(str(result.verdict)) if result.counted else None
        found.append(replace(result, meaning=said) if said is not None else result)
    return found
