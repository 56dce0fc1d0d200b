"""Every unit evaluated a second time, in another process: what the traces alone decide comes out the same.

The other process imports claims and reads runs anew, takes claims and runs in the opposite order, and hashes text by
another seed, so that an estimate which rests on any of these gives another value.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emergence_stats.audit.facts import Repeated
from emergence_stats.claims.project import Project
from emergence_stats.errors import EmergenceStatsError, HypothesisError
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.evaluation.results import Result
from emergence_stats.support.reads import Reads
from emergence_stats.traces.store import Store

Values = dict[str, float]  # by label of the unit, which names the control and the prediction too


@dataclass
class Again:
    """What the other process found, by name of the claim: values of units, what the code of the claim read, or what failed."""

    values: dict[str, Values] = field(default_factory=dict)
    reads: dict[str, Reads] = field(default_factory=dict)
    failures: dict[str, EmergenceStatsError] = field(default_factory=dict)

    def values_of(self, name: str) -> Values:
        """Raises what failed there, though it did not here."""
        if name in self.failures:
            raise self.failures[name]
        return self.values[name]


@contextmanager
def evaluating_again(
    names: Sequence[str],
    project: Project,
    store: Store,
    suite: str | None = None,
    controls: bool = True,
) -> Iterator[Callable[[], Again]]:
    """These claims are evaluated once more while the caller goes on. `suite`, `controls`: as of the evaluation beside it.

    Gives a function that waits for it, and raises what `evaluate` raises of the store.
    """
    backwards = list(reversed(names))
    with _in_another_process(project, store, backwards, suite, controls) as wait:
        yield wait


def evaluate_elsewhere(project: Project, store: Store, name: str) -> Again:
    """One claim evaluated with its controls, in another process. Raises what `evaluate` raises."""
    with _in_another_process(project, store, [name], None, True) as wait:
        return wait()


@contextmanager
def _in_another_process(
    project: Project, store: Store, names: Sequence[str], suite: str | None, controls: bool
) -> Iterator[Callable[[], Again]]:
    context = multiprocessing.get_context("spawn")  # threads of pyarrow do not survive a fork
    with ProcessPoolExecutor(1, context) as pool:
        with _another_hash_seed():  # the process starts here
            work = pool.submit(_there, project.root, store.uri, names, suite, controls)

        def wait() -> Again:
            try:
                return work.result()
            except BrokenProcessPool:
                raise HypothesisError(
                    f"{', '.join(names)}: the second evaluation ended the process that it ran in; nothing was decided"
                ) from None

        yield wait


def _there(root: Path, uri: str, names: Sequence[str], suite: str | None, controls: bool) -> Again:
    project, found = Project(root), Again()
    loaded = [project.load(name) for name in names]
    results = evaluate(
        loaded,
        Store.open(uri),
        suite=suite,
        controls=controls,
        backwards=True,
        failures=found.failures,
    )
    found.values = {result.name: values_of(result) for result in results}
    found.reads = {one.name: one.reads for one in loaded}
    return found


@contextmanager
def _another_hash_seed() -> Iterator[None]:
    """Let processes that are started inside hash text in another way than this one does."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = "1" if before != "1" else "2"
    try:
        yield
    finally:
        del os.environ["PYTHONHASHSEED"]
        if before is not None:
            os.environ["PYTHONHASHSEED"] = before


def values_of(result: Result) -> Values:
    """The value of each unit, of the analysis and of its controls."""
    arms = [("", result.predictions), *((f"{c.name}, ", c.predictions) for c in result.controls)]
    return {
        f"{arm}{prediction.name}, {unit.label}": unit.value
        for arm, predictions in arms
        for prediction in predictions
        for unit in prediction.values
    }


def compared(first: Values, second: Values) -> Repeated:
    """How many values there are, and which are others the second time."""
    labels = sorted(first.keys() | second.keys())
    different = tuple(label for label in labels if first.get(label) != second.get(label))
    return Repeated(len(labels), different)
