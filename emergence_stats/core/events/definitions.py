"""When a trace does something: interval-censored event times.

An event that happens between two checkpoints is known only to lie in ``(lo, hi]``, in optimiser
steps. One that was not seen by the end is right-censored: ``(last step, inf]``. One that had
happened at the first checkpoint is ``(-inf, first step]``. Nothing is dropped. Times are in the unit of the run's steps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from emergence_stats.core.runs import NONE, Run, TraceSet, Undefined

Floats = NDArray[np.float64]
MIN_FALL = 1.25  # a smaller fall, initial over floor, is not called a collapse


@dataclass(frozen=True)
class Events:
    """Event times of n traces: keys (n,) as in `TraceSet`, and the intervals `lo`, `hi` (n,)."""

    task: NDArray[np.str_]
    level: NDArray[np.int64]
    layer: NDArray[np.int64]
    lo: Floats
    hi: Floats

    def __len__(self) -> int:
        return len(self.task)

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Where the event was seen (n,); elsewhere it is right-censored."""
        return np.isfinite(self.hi)

    def select(self, mask: NDArray) -> Events:
        return Events(
            self.task[mask], self.level[mask], self.layer[mask], self.lo[mask], self.hi[mask]
        )

    def task_levels(self) -> list[tuple[str, int]]:
        return [(str(t), int(v)) for t, v in zip(self.task, self.level, strict=True)]

    def at(self, task_levels: Collection[tuple[str, int]]) -> Events:
        """Events of these task-levels, in their order. `Undefined` where one is absent."""
        where = {key: i for i, key in enumerate(self.task_levels())}
        absent = [f"{t} level {v}" for t, v in task_levels if (t, v) not in where]
        if absent:
            raise Undefined(f"no traces of {', '.join(absent)}")
        return self.select(np.array([where[key] for key in task_levels], dtype=np.int64))

    def layer_order(self) -> Floats:
        """Kendall's tau-b between layer and event time, for each task-level (m,).

        -1: the deepest layer first. A task-level whose layers all have their event in one
        interval shows no order and has 0.
        """
        _, task = np.unique(self.task, return_inverse=True)
        _, key = np.unique(task * (self.level.max() + 2) + self.level, return_inverse=True)
        rows = np.argsort(key, kind="stable")
        sizes = np.bincount(key)
        starts = np.cumsum(sizes) - sizes
        taus = np.empty(len(sizes))
        for size in np.unique(sizes):  # task-levels of as many layers, together
            same = np.flatnonzero(sizes == size)
            at = rows[starts[same][:, None] + np.arange(size)]
            taus[same] = kendall_tau_b(self.layer[at], self.lo[at], self.hi[at])
        return taus


def precedence(first: Events, second: Events) -> NDArray[np.int64]:
    """+1 where the first event came before the second, -1 where after, 0 unresolved (n,).

    Before means for certain: the right end of one interval is at or left of the other's left end.
    """
    before = first.hi <= second.lo
    after = second.hi <= first.lo
    return before.astype(np.int64) - after.astype(np.int64)


def interval_order(lo: Floats, hi: Floats) -> NDArray[np.int64]:
    """Sign of time_i - time_j for all pairs (..., n, n), 0 where their intervals overlap."""
    before = hi[..., :, None] <= lo[..., None, :]
    return before.swapaxes(-1, -2).astype(np.int64) - before.astype(np.int64)


def kendall_tau_b(x: NDArray, lo: Floats, hi: Floats) -> Floats:
    """Kendall's tau-b of a number and an interval-censored time (..., n); unresolved pairs are ties.

    On a shared grid the same as tau-b of the interval's rank (Kendall 1945). 0 where either side
    is all ties.
    """
    i, j = np.triu_indices(np.shape(x)[-1], 1)
    order_x = np.sign(np.asarray(x, float)[..., i] - np.asarray(x, float)[..., j])
    before, after = hi[..., i] <= lo[..., j], hi[..., j] <= lo[..., i]
    order_t = after.astype(np.int64) - before.astype(np.int64)
    untied = np.count_nonzero(order_x, axis=-1) * np.count_nonzero(order_t, axis=-1)
    return (order_x * order_t).sum(-1) / np.sqrt(np.maximum(untied, 1))


def recorded(run: Run, name: str, measure: str = "accuracy") -> Events:
    """Events that the authors of a run dated themselves and its manifest holds, under `name`.

    A recorded step stands for the interval from the checkpoint of `measure` before it; one that never came ("step"
    null) is right-censored at the last checkpoint. Raises `Undefined` where the run has no such events.
    """
    events = run.manifest.further.get("events")
    listed = events.get(name) if isinstance(events, dict) else None
    if not listed:
        raise Undefined(f"run {run.run_id} has no recorded events called {name!r}")
    checkpoints = np.unique(run.traces(measure).steps)
    lo, hi = [], []
    for one in listed:
        step = one.get("step")
        before = checkpoints if step is None else checkpoints[checkpoints < step]
        lo.append(float(before[-1]) if len(before) else -np.inf)
        hi.append(np.inf if step is None else float(step))
    return Events(
        np.array([one.get("task") or "" for one in listed], np.str_),
        np.array([NONE if one.get("level") is None else one["level"] for one in listed], np.int64),
        np.full(len(listed), NONE),
        np.array(lo),
        np.array(hi),
    )


# --- finding events in traces -----------------------------------------------------------------


def first_lasting(traces: TraceSet, condition: NDArray[np.bool_], persistence: int) -> Events:
    """When `condition` (n, k) first holds at `persistence` checkpoints running.

    The event time is the first of them. Where a trace ends too soon to see them all, the event
    is right-censored at the checkpoint before.
    """
    if persistence < 1:
        raise ValueError(f"persistence is {persistence}; at least 1 checkpoint")
    n, k = condition.shape
    real = np.arange(k) < traces.length[:, None]
    holds = condition & real
    lasting = holds.copy()
    for ahead in range(1, persistence):
        shifted = np.zeros_like(holds)
        shifted[:, : k - ahead] = holds[:, ahead:]
        lasting &= shifted
    seen = lasting.any(1)
    rows = np.arange(n)
    index = np.where(seen, lasting.argmax(1), 0)
    hi = np.where(seen, traces.steps[rows, index], np.inf)
    before = traces.steps[rows, np.maximum(index - 1, 0)].astype(float)
    lo = np.where(index > 0, before, -np.inf)
    # Unseen: the last checkpoint at which it had certainly not begun to hold to the end.
    trailing = np.cumprod((holds | ~real)[:, ::-1], axis=1)[:, ::-1].astype(bool)
    start = np.where(trailing.any(1), trailing.argmax(1), k)
    start = np.minimum(start, traces.length)
    last = np.where(start > 0, traces.steps[rows, np.maximum(start - 1, 0)], -np.inf)
    lo = np.where(seen, lo, last)
    return Events(traces.task, traces.level, traces.layer, lo, hi)


def emergence(
    run: Run,
    *,
    measure: str = "accuracy",
    rise: float = 0.25,
    persistence: int = 3,
    chance: Mapping[tuple[str, int], float] | None = None,
) -> Events:
    """When each task-level is first solved better than by chance, and stays so.

    The threshold is ``chance + rise * (1 - chance)`` on `accuracy`, with `chance` the accuracy of
    the best constant answer (0 for task-levels it does not name). For another measure, which has
    no ceiling of 1, the threshold lies `rise` of the way from the first value to the highest.

    Raises `ValueError` for a rise that is not above 0 and at most 1, and for a chance of something else than a pair (task,
    level), or outside of 0 to 1; `Undefined` where chance names a task-level that the run lacks, and one that it has is called
    nearly so.
    """
    _check_chance(chance or {}, rise)
    key = ("emergence", measure, rise, persistence, tuple(sorted((chance or {}).items())))

    def find() -> Events:
        traces = run.traces(measure, tasks=True)
        if measure == "accuracy":
            table = chance or {}
            _check_named(run, traces, table)
            base = np.array([
                table.get((str(t), int(v)), 0.0)
                for t, v in zip(traces.task, traces.level, strict=True)
            ])  # fmt: skip
            top = np.ones(len(traces))
        else:
            base, top = traces.values[:, 0], traces.values.max(1)
        threshold = base + rise * (top - base)
        rises = (top > base)[:, None] & (traces.values >= threshold[:, None])
        return first_lasting(traces, rises, persistence)

    return run.cached(key, find)


def _check_chance(chance: Mapping[tuple[str, int], float], rise: float) -> None:
    if not 0 < rise <= 1:
        raise ValueError(
            f"rise is {rise}: a share of the way from chance to 1, above 0 and at most 1"
        )
    for key, value in chance.items():
        pair = isinstance(key, tuple) and len(key) == 2 and isinstance(key[0], str)
        if not pair or not isinstance(key[1], int | np.integer):
            raise ValueError(
                f"chance of {key!r}: keys are pairs of a task and a level, ({str(key)!r}, {NONE}) without levels"
            )
        if not 0 <= value < 1:
            raise ValueError(f"chance of {key!r} is {value}, and not a share from 0 to below 1")


def _check_named(run: Run, traces: TraceSet, chance: Mapping[tuple[str, int], float]) -> None:
    """Raise `Undefined` for a task-level of `chance` that is not there, where one that is nearly called so has no chance."""
    there = {(str(t), int(v)) for t, v in zip(traces.task, traces.level, strict=True)}
    bare = there - chance.keys()
    for task, level in chance.keys() - there if bare else ():
        close = get_close_matches(task, sorted({other for other, _ in bare}), 1)
        if close:
            like = sorted(other for other in bare if other[0] == close[0])
            raise Undefined(
                f"chance is of {(task, level)!r}, which run {run.run_id} lacks, and says nothing of {like[0]!r}, which it has"
            )


@dataclass(frozen=True)
class Floor:
    """The lowest point of each trace (n,): its value, its step, and the value it started from."""

    traces: TraceSet
    initial: Floats
    value: Floats
    step: NDArray[np.int64]
    index: NDArray[np.int64]

    @property
    def fall(self) -> Floats:
        """log(initial / floor), at least 0 (n,)."""
        return np.log(self.initial / self.value)


def floor(
    run: Run,
    measure: str = "rankme",
    *,
    layers: Collection[int] | str = "final",
    within: int | None = None,
    before: Events | None = None,
) -> Floor:
    """The lowest value of each trace among its early checkpoints.

    `within`: only checkpoints up to this step. `before`: only checkpoints up to the emergence of
    the same task-level. What falls after a task was learned is another phenomenon. Both windows
    always hold the first checkpoint; `Undefined` is raised where they hold no other of any trace.
    """
    key = ("floor", measure, str(layers), within, None if before is None else id(before))

    def find() -> tuple[Events | None, Floor]:
        traces = run.traces(measure, layers=layers, tasks=True)
        limit = np.full(len(traces), np.inf if within is None else float(within))
        if before is not None:
            keys = [(str(t), int(v)) for t, v in zip(traces.task, traces.level, strict=True)]
            limit = np.minimum(limit, before.at(keys).hi)
        allowed = traces.steps <= np.maximum(limit, traces.steps[:, 0])[:, None]
        index = np.where(allowed, traces.values, np.inf).argmin(1)
        real = np.arange(traces.steps.shape[1]) < traces.length[:, None]
        if not (allowed & real)[:, 1:].any():
            until = "" if np.isinf(limit).any() else f" up to step {np.max(limit):g}"
            raise Undefined(
                f"run {run.run_id} has {measure!r} at its first checkpoint alone{until}, where no fall can be seen"
            )
        rows = np.arange(len(traces))
        lowest = Floor(
            traces=traces,
            initial=traces.values[:, 0],
            value=traces.values[rows, index],
            step=traces.steps[rows, index],
            index=index,
        )
        return before, lowest  # `before` is kept so that its id stays its own

    return run.cached(key, find)[1]


def collapse(lowest: Floor, fraction: float = 0.5) -> Events:
    """When each trace first has fallen `fraction` of the way from its start to its floor.

    A trace that falls by less than a factor `MIN_FALL` has no collapse: right-censored at its
    last step.
    """
    traces = lowest.traces
    threshold = lowest.initial - fraction * (lowest.initial - lowest.value)
    collapsed = lowest.initial >= MIN_FALL * lowest.value
    fallen = (traces.values <= threshold[:, None]) & collapsed[:, None]
    return first_lasting(traces, fallen, persistence=1)


def recovery(lowest: Floor, rise: float = 1.25, persistence: int = 3) -> Events:
    """When each trace, after its floor, is first at `rise` times the floor and stays there."""
    traces = lowest.traces
    later = np.arange(traces.values.shape[1]) > lowest.index[:, None]
    risen = later & (traces.values >= rise * lowest.value[:, None])
    return first_lasting(traces, risen, persistence)
