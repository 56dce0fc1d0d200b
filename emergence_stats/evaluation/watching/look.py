"""What the estimates of a claim ask a typical run for, which no claim has to declare."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emergence_stats.claims.project import Loaded
from emergence_stats.core.events.definitions import Events, Floor, collapse, recovery
from emergence_stats.core.plan import Prediction
from emergence_stats.core.runs import Run, TraceSet, Undefined
from emergence_stats.evaluation.reading import read_as
from emergence_stats.evaluation.results import PredictionResult, Result, UnitValue
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import Store


@dataclass(frozen=True)
class Asked:
    """What an estimate asked a run for: the arguments of `Run.traces`."""

    measure: str
    layers: tuple[int, ...] | str | None
    tasks: bool | tuple[str, ...] | None


class WatchedRun(Run):
    """A run that remembers what was asked of it."""

    def __init__(self, manifest: Manifest, table: Any) -> None:
        super().__init__(manifest, table)
        self.asked: dict[Asked, TraceSet] = {}
        self.found: dict[Any, Any] = {}

    def traces(
        self,
        measure: str,
        *,
        layers: Collection[int] | str | None = None,
        tasks: bool | str | Collection[str] | None = None,
    ) -> TraceSet:
        traces = super().traces(measure, layers=layers, tasks=tasks)
        at = layers if isinstance(layers, str) or layers is None else tuple(map(int, layers))
        of = tasks if isinstance(tasks, bool) or tasks is None else tuple(np.unique(traces.task))
        self.asked[Asked(measure, at, of)] = traces
        return traces

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        value = super().cached(key, make)
        self.found[key] = value
        return value


@dataclass(frozen=True)
class Looked:
    """One run and what the estimates asked of it.

    `asked`: of each measure, at the fewest layers that were asked for; `events`: those
    of a task-level by name, at most one each; `falls`: half-way points of collapses by layer.
    `why`: why this run is shown.
    """

    run: Manifest
    why: str
    asked: tuple[Asked, ...]
    events: Mapping[str, Events]
    falls: Mapping[str, Events]


def look(loaded: Loaded, result: Result, store: Store) -> Looked | None:
    """What the predictions of a hypothesis look at in a typical run, None if no run has a value."""
    shown = next((p for p in result.predictions if p.values), None)
    if shown is None:
        return None
    unit = _median(shown)
    files = {file.manifest.run_id: file for file in store.runs}
    needs = loaded.hypothesis.needs
    runs = sorted(
        (
            read_as(WatchedRun, store, files[run_id], [needs], needs.measures)
            for run_id in unit.run_ids
        ),
        key=lambda run: run.n_params,
    )
    for prediction in loaded.hypothesis.predictions:
        if prediction.unit == shown.unit:  # one of another is of other runs than these
            _estimate(prediction, runs)
    run = runs[len(runs) // 2]
    why = f"its value of {shown.name!r} is the median"
    if shown.unit == "seed":
        why = f"of {unit.label}, whose value of {shown.name!r} is the median"
    return Looked(run.manifest, why, _fewest(run), *_events(run))


def _median(prediction: PredictionResult) -> UnitValue:
    ordered = sorted(prediction.values, key=lambda v: (v.value, v.label))
    return ordered[len(ordered) // 2]


def _estimate(prediction: Prediction, runs: Sequence[WatchedRun]) -> None:
    units: list[Any] = [list(runs)] if prediction.unit == "seed" else list(runs)
    for unit in units:
        try:
            prediction.estimate(unit)
        except Undefined:
            continue


def _fewest(run: WatchedRun) -> tuple[Asked, ...]:
    fewest: dict[str, Asked] = {}
    for asked, traces in run.asked.items():
        before = fewest.get(asked.measure)
        if before is None or len(traces) < len(run.asked[before]):
            fewest[asked.measure] = asked
    return tuple(fewest.values())


def _events(run: WatchedRun) -> tuple[dict[str, Events], dict[str, Events]]:
    """Events that were asked for, and for each floor the recovery from it, or by layer the
    fall to it, by the default definitions of `recovery` and `collapse`.
    """
    events: dict[str, Events] = {}
    falls: dict[str, Events] = {}
    for key, value in run.found.items():
        name = key if isinstance(key, str) else str(key[0])
        if isinstance(value, Events):
            if _one_a_task_level(value):
                events.setdefault(name, value)
            continue
        # `events.floor` keeps what it was limited by beside the floor
        floor = value[1] if isinstance(value, tuple) and len(value) == 2 else value
        if not isinstance(floor, Floor):
            continue
        measure = floor.traces.measure
        if _one_a_task_level(floor.traces):
            events.setdefault(f"recovery of {measure}", recovery(floor))
        else:
            falls.setdefault(f"half-way fall of {measure}", collapse(floor))
    return events, falls


def _one_a_task_level(keyed: Events | TraceSet) -> bool:
    pairs = np.char.add(np.char.add(keyed.task.astype(str), "/"), keyed.level.astype(str))
    return len(np.unique(pairs)) == len(pairs)
