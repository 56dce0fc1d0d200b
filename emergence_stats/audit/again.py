"""Every unit evaluated a second time: what the traces alone decide comes out the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emergence_stats.audit.facts import Repeated
from emergence_stats.claims.project import Project
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.evaluation.results import Result
from emergence_stats.support.progress import Progress
from emergence_stats.traces.store import Store


def evaluate_again(
    results: Sequence[Result],
    project: Project,
    store: Store,
    suite: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Repeated]:
    """By name of the claim; `suite` as it was for `results`.

    Claims are imported anew, runs are read anew, and the claims are evaluated in the opposite order. Raises what
    `evaluate` raises.
    """
    anew = Project(project.root)
    loaded = [anew.load(result.name) for result in reversed(results)]
    controls = any(result.controls for result in results)
    again = Store.open(store.uri)
    second = evaluate(loaded, again, suite=suite, progress=progress, controls=controls)
    by_name = {result.name: dict(_values(result)) for result in second}
    return {
        result.name: _compared(dict(_values(result)), by_name[result.name]) for result in results
    }


def _values(result: Result) -> Iterator[tuple[str, float]]:
    """Label and value of each unit, of the analysis and of its controls."""
    arms = [("", result.predictions), *((f"{c.name}, ", c.predictions) for c in result.controls)]
    for arm, predictions in arms:
        for prediction in predictions:
            for unit in prediction.values:
                yield f"{arm}{prediction.name}, {unit.label}", unit.value


def _compared(first: dict[str, float], second: dict[str, float]) -> Repeated:
    labels = sorted(first.keys() | second.keys())
    different = tuple(label for label in labels if first.get(label) != second.get(label))
    return Repeated(len(labels), different)
