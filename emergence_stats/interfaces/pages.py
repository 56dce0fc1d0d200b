"""The report as a page: values and words are gathered here, and drawn by `reports`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emergence_stats.audit.again import evaluating_again
from emergence_stats.audit.facts import Audit
from emergence_stats.claims.describing.methods import describe_lines
from emergence_stats.claims.project import Project
from emergence_stats.claims.registration import state_of
from emergence_stats.evaluation.results import Result
from emergence_stats.evaluation.watch import look
from emergence_stats.interfaces.audits import audits_of
from emergence_stats.reports.html import Background, Provenance, page
from emergence_stats.support.progress import Progress
from emergence_stats.traces.store import Store


def html_page(
    results: Sequence[Result],
    project: Project,
    store: Store,
    progress: Progress | None = None,
    *,
    suite: str | None = None,
    arguments: Sequence[str] | None = None,
    errors: Mapping[str, Exception] | None = None,
) -> str:
    """One HTML file of these results, with their audits. `suite`: as it was asked for; `arguments`: of the command
    that made it, by default this one's. `errors`: of hypotheses that have no result, by name.

    Raises what reading a run raises.
    """
    with evaluating_again(results, project, store, suite) as again:
        backgrounds = {}
        for result in results:
            loaded = project.load(result.name)
            plan = "\n".join(describe_lines(loaded, state_of(loaded)))
            backgrounds[result.name] = Background(plan, look(loaded, result, store))
        manifests = {run.manifest.run_id: run.manifest for run in store.runs}
        made = Provenance.now(project.root, store.uri, arguments)

        def audits() -> list[Audit]:
            return audits_of(results, project, store, again())

        return page(results, backgrounds, manifests, made, audits, progress, errors)
