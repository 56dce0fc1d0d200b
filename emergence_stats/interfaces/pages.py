"""The report as a page: values and words are gathered here, and drawn by `reports`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from emergence_stats.audit.again import Again
from emergence_stats.audit.facts import Audit
from emergence_stats.claims.describing.methods import describe_lines
from emergence_stats.claims.project import Project
from emergence_stats.claims.registration import state_of
from emergence_stats.evaluation.results import Result
from emergence_stats.evaluation.watching.curves import Wanted, curves_of
from emergence_stats.evaluation.watching.look import look
from emergence_stats.interfaces.audits import audits_of
from emergence_stats.reports.html import Background, Provenance, page
from emergence_stats.support.progress import Progress
from emergence_stats.traces.store import Store


def html_page(
    results: Sequence[Result],
    project: Project,
    store: Store,
    again: Callable[[], Again],
    progress: Progress | None = None,
    *,
    arguments: Sequence[str] | None = None,
    errors: Mapping[str, Exception] | None = None,
) -> str:
    """One HTML file of these results, with their audits. `again`: waits for the second evaluation; `arguments`: of the command
    that made it, by default this one's. `errors`: of hypotheses that have no result, by name.

    Raises what reading a run raises.
    """
    backgrounds = _backgrounds(results, project, store)
    manifests = {run.manifest.run_id: run.manifest for run in store.runs}
    made = Provenance.now(project.root, store.uri, arguments)

    def audits() -> list[Audit]:
        return audits_of(results, project, store, again())

    return page(results, backgrounds, manifests, made, audits, progress, errors)


def _backgrounds(
    results: Sequence[Result], project: Project, store: Store
) -> dict[str, Background]:
    """What the page shows of each claim besides its result, by name."""
    loaded = {result.name: project.load(result.name) for result in results}
    looked = {result.name: look(loaded[result.name], result, store) for result in results}
    wanted = {}
    for result in results:
        seen = looked[result.name]
        if seen is not None:
            counted = frozenset(use.run_id for use in result.runs if use.status == "counted")
            wanted[result.name] = Wanted(loaded[result.name].hypothesis.needs, seen.asked, counted)
    curves = curves_of(store, wanted)
    return {
        name: Background(
            "\n".join(describe_lines(one, state_of(one))), looked[name], curves.get(name, ())
        )
        for name, one in loaded.items()
    }
