"""Looking at runs from Python: load them, as tables, as pictures."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emergence_stats.claims.project import Project
from emergence_stats.core.events.definitions import Events
from emergence_stats.core.runs import NONE, Run, TraceSet
from emergence_stats.errors import UsageError
from emergence_stats.support.words import near
from emergence_stats.traces.store import Store as StoreOfRuns

if TYPE_CHECKING:
    import pyarrow.fs as pafs
    from matplotlib.axes import Axes
    from pandas import DataFrame

_MOST_LABELS = 12  # lines with a name in a legend


class Store(StoreOfRuns):
    """A trace store, as `Store("data")`: how many runs it has, one by its name, and all of them in turn.

    ``len(store)``, ``store["pocket-d24L4-s0"]``, ``for run in store``: each a `Run`, read when it is asked for. `runs` has the
    manifests without reading any. Raises `TraceError` if there is no store, or what is read is broken.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str],
        filesystem: pafs.FileSystem | None = None,
        base: str | None = None,
    ) -> None:
        if filesystem is None or base is None:
            opened = StoreOfRuns.open(uri)
            filesystem, base = opened.filesystem, opened.base
        super().__init__(os.fspath(uri), filesystem, base)

    def __len__(self) -> int:
        return len(self.runs)

    def __bool__(self) -> bool:
        return True  # an empty store is one

    def __iter__(self) -> Iterator[Run]:
        return (Run(file.manifest, self.read(file)) for file in self.runs)

    def __contains__(self, run_id: object) -> bool:
        return any(file.manifest.run_id == run_id for file in self.runs)

    def __getitem__(self, run_id: str) -> Run:
        """Raises `KeyError` for an unknown run, with the nearest name."""
        for file in self.runs:
            if file.manifest.run_id == run_id:
                return Run(file.manifest, self.read(file))
        hint = near(run_id, [f.manifest.run_id for f in self.runs])
        raise KeyError(f"{self.uri} has no run {run_id!r}{hint}")


def load_runs(
    traces: str | os.PathLike[str] | None = None,
    *,
    suite: str | Collection[str] | None = None,
    scale: str | Collection[str] | None = None,
    seed: int | Collection[int] | None = None,
    measures: str | Collection[str] | None = None,
    project: str | os.PathLike[str] | None = None,
) -> list[Run]:
    """Runs of a store, by suite, parameters and seed; with these measures only, if some are named.

    `traces`: a store, by default the project's. Raises `UsageError` if there is no such run, or none with a measure, and says
    which there are.
    """
    here = Project(Path(project) if project is not None else None)
    store = Store(traces or here.traces)
    wanted = {"suite": suite, "scale": scale, "seed": seed}
    found = list(store.runs)
    for name, value in wanted.items():
        if value is None:
            continue
        some = {value} if isinstance(value, str | int) else set(value)
        there = sorted({getattr(file.manifest, name) for file in found})
        found = [file for file in found if getattr(file.manifest, name) in some]
        if not found:
            shown = ", ".join(map(str, there)) or "none"
            raise UsageError(f"{store.uri} has no run of {name} {value!r}; it has {shown}")
    found.sort(
        key=lambda f: (f.manifest.suite, f.manifest.n_params, f.manifest.seed, f.manifest.run_id)
    )
    only = [measures] if isinstance(measures, str) else measures
    runs = [Run(file.manifest, store.read(file, measures=only)) for file in found]
    for measure in only or ():
        if all(measure not in run.measures for run in runs):
            known = Run(found[0].manifest, store.read(found[0])).measures
            raise UsageError(
                f"{store.uri}: no run has a measure {measure!r}{near(measure, known)}; {found[0].manifest.run_id} has "
                f"{', '.join(sorted(known))}"
            )
    return runs


@singledispatch
def to_frame(thing: Any) -> DataFrame:
    """A run, its traces, events or a result as a pandas DataFrame, one row per checkpoint, event or prediction.

    Raises `TypeError` for anything else.
    """
    if hasattr(thing, "to_frame"):
        frame: DataFrame = thing.to_frame()
        return frame
    raise TypeError(f"{type(thing).__name__} is neither a run nor traces, events or a result")


@to_frame.register(TraceSet)
def _(traces: TraceSet) -> DataFrame:
    import pandas as pd

    real = np.arange(traces.steps.shape[1]) < traces.length[:, None]
    rows, _ = np.nonzero(real)
    return pd.DataFrame(
        {
            **_keys(traces.task[rows], traces.level[rows], traces.layer[rows]),
            "step": traces.steps[real],
            "value": traces.values[real],
            "stderr": traces.stderr[real],
        }
    )


@to_frame.register(Run)
def _(run: Run) -> DataFrame:
    import pandas as pd

    parts = []
    for measure in sorted(run.measures):
        part = to_frame(run.traces(measure))
        part.insert(0, "measure", measure)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@to_frame.register(Events)
def _(events: Events) -> DataFrame:
    import pandas as pd

    keys = _keys(events.task, events.level, events.layer)
    return pd.DataFrame({**keys, "lo": events.lo, "hi": events.hi, "observed": events.observed})


def _keys(task: Any, level: Any, layer: Any) -> dict[str, Any]:
    """What tells traces apart, with gaps where there is none."""
    import pandas as pd

    return {
        "task": pd.array([t or None for t in task.tolist()], dtype="string"),
        "level": pd.array([None if n == NONE else n for n in level.tolist()], dtype="Int64"),
        "layer": pd.array([None if n == NONE else n for n in layer.tolist()], dtype="Int64"),
    }


@singledispatch
def plot(thing: Any, ax: Axes | None = None, events: Events | None = None) -> Axes:
    """Traces as lines over steps, or events as intervals, drawn into matplotlib axes, which are returned.

    `events`: of the same traces, as bands in their colours, from the last checkpoint before each to the first after it.
    Raises `TypeError` for anything else; results have a `plot` of their own.
    """
    raise TypeError(
        f"{type(thing).__name__} is neither traces nor events; of a run, plot run.traces(MEASURE)"
    )


@plot.register(TraceSet)
def _(traces: TraceSet, ax: Axes | None = None, events: Events | None = None) -> Axes:
    ax = _axes(ax)
    names = _names(traces.task, traces.level, traces.layer)
    for i, name in enumerate(names):
        n = traces.length[i]
        steps, values, error = traces.steps[i, :n], traces.values[i, :n], traces.stderr[i, :n]
        (line,) = ax.plot(steps, values, lw=1.2, label=name or traces.measure)
        if np.isfinite(error).any():
            low, high = values - error, values + error
            ax.fill_between(steps, low, high, color=line.get_color(), alpha=0.2, lw=0)
        for lo, hi in _times(events, traces, i):
            ax.axvspan(max(lo, float(steps[0])), hi, color=line.get_color(), alpha=0.3, lw=0)
    _over_steps(ax)
    ax.set_ylabel(traces.measure)
    if 1 < len(names) <= _MOST_LABELS:
        ax.legend(frameon=False, fontsize="small")
    return ax


def _times(events: Events | None, traces: TraceSet, i: int) -> list[tuple[float, float]]:
    """The intervals of events of a trace, those that were seen."""
    if events is None:
        return []
    same = (events.task == traces.task[i]) & (events.level == traces.level[i])
    same &= (events.layer == traces.layer[i]) & events.observed
    return [(float(lo), float(hi)) for lo, hi in zip(events.lo[same], events.hi[same], strict=True)]


@plot.register(Events)
def _(thing: Events, ax: Axes | None = None, events: Events | None = None) -> Axes:
    """An interval a row; an event that was not seen by the end has an arrow."""
    if events is not None:
        raise TypeError("events are drawn over traces: plot(traces, events=...)")
    events = thing
    ax = _axes(ax)
    names = _names(events.task, events.level, events.layer)
    for i, name in enumerate(names):
        lo = max(float(events.lo[i]), 0.0)
        if events.observed[i]:
            ax.plot([lo, events.hi[i]], [i, i], lw=3, color="C0", solid_capstyle="butt")
        else:
            ax.plot([lo], [i], marker=">", color="0.5", label=f"{name}: not seen")
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    _over_steps(ax)
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(6.4, 3.8), layout="constrained").subplots()


def _over_steps(ax: Axes) -> None:
    """Steps on an axis that is linear up to 1 and logarithmic from there, as checkpoints are spaced."""
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xlabel("step")
    ax.spines[["top", "right"]].set_visible(False)


def _names(task: Any, level: Any, layer: Any) -> Sequence[str]:
    """Task, level and layer in words, of each trace as far as they differ from nothing."""
    return [
        " ".join(
            [
                *([str(t)] if t else []),
                *([str(v)] if v != NONE else []),
                *([f"layer {n}"] if n != NONE else []),
            ]
        )
        for t, v, n in zip(task, level, layer, strict=True)
    ]
