"""Audits of results: gathered for the command line and the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from emergence_stats.audit.again import evaluate_again
from emergence_stats.audit.facts import Audit
from emergence_stats.audit.gather import gather, history_of
from emergence_stats.claims.project import Project
from emergence_stats.evaluation.results import Result
from emergence_stats.support.progress import Progress
from emergence_stats.traces.store import Store


def audits_of(
    results: Sequence[Result],
    project: Project,
    store: Store,
    *,
    suite: str | None = None,
    repeat: bool = True,
    trusted: Sequence[Path] | None = None,
    progress: Progress | None = None,
) -> list[Audit]:
    """One audit for each result. `suite`: as it was asked for; `repeat`: evaluate every unit again; `trusted`:
    certificates of timestamp authorities, by default those of the project.
    """
    again = evaluate_again(results, project, store, suite, progress) if repeat else {}
    history = history_of(store)
    roots = project.authorities if trusted is None else trusted
    return [
        gather(project.load(r.name), r, store, history, again.get(r.name), roots) for r in results
    ]
