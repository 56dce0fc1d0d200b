"""Values of units under many choices: each computed once, in several processes, and kept."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from emergence_stats.claims.project import Loaded, Project
from emergence_stats.claims.registration import current_plan
from emergence_stats.core.plan import Prediction, keyword_defaults
from emergence_stats.core.runs import Undefined
from emergence_stats.evaluation.reading import read_run
from emergence_stats.evaluation.values import value_of
from emergence_stats.robustness.cache import ValueCache
from emergence_stats.robustness.multiverse import Choices
from emergence_stats.support.progress import Progress
from emergence_stats.support.reads import environment_watched
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import RunFile, Store


@dataclass(frozen=True)
class Request:
    """A value wanted of a unit: prediction number and the keywords that its estimate knows."""

    prediction: int
    keywords: tuple[tuple[str, Any], ...]

    @cached_property
    def key(self) -> str:
        return json.dumps([self.prediction, [[k, repr(v)] for k, v in self.keywords]])


def request_of(number: int, prediction: Prediction, choices: Choices) -> Request:
    """What an analysis wants of a prediction's estimate: `number`, and the choices that it knows."""
    known = keyword_defaults(prediction.estimate)
    used = {k: v for k, v in choices.items() if k in known and v != known[k]}
    return Request(number, tuple(sorted(used.items())))


@dataclass(frozen=True)
class Unit:
    """The runs of one unit of a suite."""

    suite: str
    files: tuple[RunFile, ...]

    @property
    def content(self) -> list[str]:
        return [file.manifest.sha256 for file in self.files]

    @property
    def manifests(self) -> list[Manifest]:
        return [file.manifest for file in self.files]


@dataclass(frozen=True)
class Found:
    """Values by request key, None where undefined. `keep`: whether source and traces alone decide them."""

    values: dict[str, Any]
    keep: bool


def _work(loaded: Loaded, store: Store, unit: Unit, wanted: Sequence[Request]) -> Found:
    """What one run, or the runs of one seed, give."""
    with environment_watched():
        values = _values(loaded, store, unit, wanted)
    plan = current_plan(loaded)
    return Found(values, keep=not plan.read and not plan.unfrozen)


def _values(loaded: Loaded, store: Store, unit: Unit, wanted: Sequence[Request]) -> dict[str, Any]:
    needs = loaded.hypothesis.needs
    measures = {*needs.measures, *needs.optional}
    runs = [read_run(store, file, [needs], measures) for file in unit.files]
    runs = [run for run in runs if all(measure in run.measures for measure in needs.measures)]
    found: dict[str, Any] = {}
    for request in wanted:
        prediction = loaded.hypothesis.predictions[request.prediction]
        try:
            if not runs:
                raise Undefined("no run has what is needed")
            found[request.key] = value_of(loaded.name, prediction, runs, dict(request.keywords))
        except Undefined:
            found[request.key] = None
    return found


_there: tuple[Loaded, Store] | None = None  # of a worker process


def _begin(root: str, name: str, uri: str) -> None:
    global _there
    _there = (Project(Path(root)).load(name), Store.open(uri))


def _work_there(job: tuple[Unit, Sequence[Request]]) -> Found:
    assert _there is not None
    return _work(*_there, *job)


def values_of_units(
    project: Project,
    loaded: Loaded,
    store: Store,
    jobs: Sequence[tuple[Unit, Sequence[Request]]],
    processes: int,
    cache: ValueCache,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    """For each unit its values by request key; what the cache has is not computed."""
    known = [cache.read(unit.content) for unit, _ in jobs]
    missing = [
        (i, (unit, lacking))
        for i, (unit, wanted) in enumerate(jobs)
        if (lacking := [request for request in wanted if request.key not in known[i]])
    ]
    done = len(jobs) - len(missing)
    for at, new in _computed(project, loaded, store, missing, processes):
        known[at].update(new.values)
        if new.keep:
            cache.write(jobs[at][0].content, known[at])
        done += 1
        if progress is not None:
            progress(done, len(jobs))
    return known


def _computed(
    project: Project,
    loaded: Loaded,
    store: Store,
    missing: Sequence[tuple[int, tuple[Unit, Sequence[Request]]]],
    processes: int,
) -> Iterator[tuple[int, Found]]:
    if processes == 1 or len(missing) < 2:
        for i, job in missing:
            yield i, _work(loaded, store, *job)
        return
    context = multiprocessing.get_context("spawn")  # threads of pyarrow do not survive a fork
    with ProcessPoolExecutor(
        processes, context, _begin, (str(project.root), loaded.name, store.uri)
    ) as pool:
        numbers = [i for i, _ in missing]
        yield from zip(numbers, pool.map(_work_there, [job for _, job in missing]), strict=True)
