"""The traces behind verdicts in all runs that count: a line a run (of few tasks, a line a run and task), and their medians."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emergence_stats.core.plan import Needs
from emergence_stats.core.runs import Run, TraceSet, Undefined
from emergence_stats.evaluation.reading import ReadAhead, read_run
from emergence_stats.evaluation.watching.look import Asked
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import RunFile, Store

Floats = NDArray[np.float64]
_FEW_TASKS, _MOST_PANELS = 4, 12  # up to which tasks are kept apart


@dataclass(frozen=True)
class Line:
    """The mean over the `n_traces` traces of a run that were asked for, of one `task` or of all (""): `steps` (k,), `values` (k,)."""

    run: Manifest
    steps: NDArray[np.int64]
    values: Floats
    n_traces: int
    task: str = ""


@dataclass(frozen=True)
class Curves:
    """Lines of what was `asked`, ordered by size, task and seed; `lacking`: runs that have none of it."""

    asked: Asked
    lines: tuple[Line, ...]
    lacking: int

    def by_panel(self) -> dict[str, list[Line]]:
        """The lines of each scale, the smallest first, or of each scale and task."""
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            name = f"{line.run.scale}, {line.task}" if line.task else line.run.scale
            found.setdefault(name, []).append(line)
        return found

    @property
    def n_runs(self) -> int:
        """How many runs have a line."""
        return len({line.run.run_id for line in self.lines})


@dataclass(frozen=True)
class Wanted:
    """What a claim asks of which runs. `needs`: as it declares them."""

    needs: Needs
    asked: tuple[Asked, ...]
    run_ids: frozenset[str]


def curves_of(store: Store, wanted: Mapping[str, Wanted]) -> dict[str, list[Curves]]:
    """What each claim, by name, looks at, in the order in which it asks. Claims that ask the same of the same runs share it.

    Every run is read once. Raises `TraceError` for a store that is broken.
    """
    files = [
        run
        for run in store.runs
        if any(run.manifest.run_id in one.run_ids for one in wanted.values())
    ]
    lines: dict[Asked, dict[str, list[Line]]] = {}
    with ReadAhead(files, lambda file: _read(store, file, wanted.values())) as reading:
        for file in files:
            run = reading.next()
            for asked in _asked_of(file, wanted.values()):
                lines.setdefault(asked, {})[run.run_id] = _lines(run, asked)
    shared: dict[tuple[Asked, frozenset[str]], Curves] = {}
    found: dict[str, list[Curves]] = {}
    for name, one in wanted.items():
        for asked in one.asked:
            key = (asked, one.run_ids)
            if key not in shared:
                several = [some for i, some in lines.get(asked, {}).items() if i in one.run_ids]
                shared[key] = _curves(asked, several, len(one.run_ids))
            found.setdefault(name, []).append(shared[key])
    return found


def median_of(lines: Sequence[Line]) -> tuple[NDArray[np.int64], Floats]:
    """Steps (k,) at which any run was measured, and the median over the runs there (k,), each linear between its points.

    Only steps that every run spans, so that the median is always of the same runs.
    """
    steps = _common([line.steps for line in lines])
    return steps, np.median([np.interp(steps, line.steps, line.values) for line in lines], axis=0)


def _asked_of(file: RunFile, wanted: Iterable[Wanted]) -> list[Asked]:
    some = (one.asked for one in wanted if file.manifest.run_id in one.run_ids)
    return list(dict.fromkeys(asked for several in some for asked in several))


def _read(store: Store, file: RunFile, wanted: Iterable[Wanted]) -> Run:
    mine = [one for one in wanted if file.manifest.run_id in one.run_ids]
    measures = {asked.measure for one in mine for asked in one.asked}
    return read_run(store, file, [one.needs for one in mine], measures)


def _lines(run: Run, asked: Asked) -> list[Line]:
    """That of all traces, then those of each task; none if the run has no such traces."""
    try:
        traces = run.traces(asked.measure, layers=asked.layers, tasks=asked.tasks)
    except Undefined:
        return []
    tasks = sorted({str(task) for task in traces.task if task})
    parts = [("", traces), *((task, traces.select(traces.task == task)) for task in tasks)]
    lines = [Line(run.manifest, *_mean(some), len(some), task) for task, some in parts]
    return lines if all(len(line.steps) for line in lines) else []


def _curves(asked: Asked, several: Sequence[Sequence[Line]], n_runs: int) -> Curves:
    """Of few tasks at few scales, each task by itself: their mean would hide what a claim about one of them is about."""
    every = [line for some in several for line in some]
    tasks = {line.task for line in every if line.task}
    scales = {line.run.scale for line in every}
    apart = 1 < len(tasks) <= _FEW_TASKS and len(tasks) * len(scales) <= _MOST_PANELS
    mine = [line for line in every if bool(line.task) == apart]
    mine.sort(key=lambda line: (line.run.n_params, line.run.scale, line.task, line.run.seed))
    return Curves(asked, tuple(mine), n_runs - len({line.run.run_id for line in mine}))


def _mean(traces: TraceSet) -> tuple[NDArray[np.int64], Floats]:
    """The mean over traces (k,) at the steps (k,) that all of them span."""
    if (traces.length == traces.steps.shape[1]).all() and (traces.steps == traces.steps[0]).all():
        return traces.steps[0], traces.values.mean(axis=0)
    own = [
        (steps[:n], values[:n])
        for steps, values, n in zip(traces.steps, traces.values, traces.length, strict=True)
    ]
    steps = _common([at for at, _ in own])
    return steps, np.mean([np.interp(steps, at, values) for at, values in own], axis=0)


def _common(several: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Steps of any of these that lie within all of them."""
    steps = np.unique(np.concatenate(several))
    first, last = max(int(at[0]) for at in several), min(int(at[-1]) for at in several)
    return steps[(steps >= first) & (steps <= last)]
