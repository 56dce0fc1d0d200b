"""Audits of results: gathered for the command line and the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from emergence_stats.audit.again import Again, compared, values_of
from emergence_stats.audit.facts import Audit
from emergence_stats.audit.gather import gather, history_of
from emergence_stats.claims.project import Project
from emergence_stats.errors import UsageError
from emergence_stats.evaluation.results import Result
from emergence_stats.traces.store import Store


def audits_of(
    results: Sequence[Result],
    project: Project,
    store: Store,
    again: Again | None,
    trusted: Sequence[Path] | None = None,
) -> list[Audit]:
    """One audit for each result. `again`: the second evaluation, if there was one; `trusted`: certificates of timestamp
    authorities, by default those of the project. Raises `UsageError` if one is not there, and what failed in the second evaluation
    alone.
    """
    roots = project.authorities if trusted is None else trusted
    for path in roots:
        if not path.is_file():
            raise UsageError(f"{path}: there is no such file of certificates")
    history = history_of(store)
    audits = []
    for result in results:
        repeated, loaded = None, project.load(result.name)
        if again is not None:
            repeated = compared(values_of(result), again.values_of(result.name))
            loaded.reads.add(again.reads[result.name])
        audits.append(gather(loaded, result, store, history, repeated, roots))
    return audits
