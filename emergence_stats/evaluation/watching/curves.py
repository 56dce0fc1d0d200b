"""The traces behind verdicts in all runs that count: one line a run, and their median at each scale."""

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


@dataclass(frozen=True)
class Line:
    """The mean over the `n_traces` traces of a run that were asked for: `steps` (k,), `values` (k,)."""

    run: Manifest
    steps: NDArray[np.int64]
    values: Floats
    n_traces: int


@dataclass(frozen=True)
class Curves:
    """One line a run of what was `asked`, ordered by size and seed; `lacking`: runs that have none of it."""

    asked: Asked
    lines: tuple[Line, ...]
    lacking: int

    def by_scale(self) -> dict[str, list[Line]]:
        """The lines of each scale, by its name, the smallest first."""
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            found.setdefault(line.run.scale, []).append(line)
        return found


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
    lines: dict[Asked, dict[str, Line]] = {}
    with ReadAhead(files, lambda file: _read(store, file, wanted.values())) as reading:
        for file in files:
            run = reading.next()
            for asked in _asked_of(file, wanted.values()):
                line = _line(run, asked)
                if line is not None:
                    lines.setdefault(asked, {})[run.run_id] = line
    shared: dict[tuple[Asked, frozenset[str]], Curves] = {}
    found: dict[str, list[Curves]] = {}
    for name, one in wanted.items():
        for asked in one.asked:
            key = (asked, one.run_ids)
            if key not in shared:
                mine = [line for i, line in lines.get(asked, {}).items() if i in one.run_ids]
                mine.sort(key=lambda line: (line.run.n_params, line.run.scale, line.run.seed))
                shared[key] = Curves(asked, tuple(mine), len(one.run_ids) - len(mine))
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


def _line(run: Run, asked: Asked) -> Line | None:
    """None if the run has no such traces, or at no time two of them."""
    try:
        traces = run.traces(asked.measure, layers=asked.layers, tasks=asked.tasks)
    except Undefined:
        return None
    steps, values = _mean(traces)
    return Line(run.manifest, steps, values, len(traces)) if len(steps) else None


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
