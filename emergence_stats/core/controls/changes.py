"""What a control changes about a run, and leaves all else as it is.

Changes are fixed by a run's size and seed, so that two calls give the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from emergence_stats.core.events.noise import at_steps, equally_noisy
from emergence_stats.core.runs import Run, TraceSet, Undefined


class Change(Protocol):
    """A run with something changed: as many variants as it takes to average over chance."""

    def variants(self, run: Run) -> list[Run]:
        """Raises `Undefined` where the run lacks what is to be changed."""
        ...


@dataclass(frozen=True)
class MismatchedTasks:
    """`measures` of each task are those of another task of the same run, level by level.

    The variants pair task i with task i + 1, i + 2 and so on, around, so that each pair comes once.
    """

    measures: tuple[str, ...]

    def variants(self, run: Run) -> list[Run]:
        whole = {measure: run.traces(measure, tasks=True) for measure in self.measures}
        tasks = np.unique(np.concatenate([traces.task for traces in whole.values()]))
        if len(tasks) < 2:
            raise Undefined("mismatched tasks need two")
        number = {task: i for i, task in enumerate(tasks)}
        found = []
        for shift in range(1, len(tasks)):
            moved = {}
            for measure, traces in whole.items():
                new = tasks[(np.array([number[t] for t in traces.task]) - shift) % len(tasks)]
                moved[measure] = _sorted(replace(traces, task=new))
            found.append(run.replacing(moved))
        return found


@dataclass(frozen=True)
class Placebo:
    """Measure `by`, which cannot be the reason, stands in the place of `measure`.

    One of the whole model stands for all task-levels, and one without layers for all layers.
    """

    measure: str
    by: str

    def variants(self, run: Run) -> list[Run]:
        old = run.traces(self.measure)
        try:
            new = run.traces(self.by, tasks=True)
        except Undefined:
            new = run.traces(self.by, tasks=False)
        row = {
            (str(t), int(v)): i for i, (t, v) in enumerate(zip(new.task, new.level, strict=True))
        }
        keys = [(str(t), int(v)) for t, v in zip(old.task, old.level, strict=True)]
        of_model = row.get(("", -1))
        index = np.array([row.get(key, of_model) for key in keys], dtype=object)
        there = np.array([i is not None for i in index])
        if not there.any():
            raise Undefined(f"no {self.by!r} of the task-levels of {self.measure!r}")
        taken = new.select(index[there].astype(np.int64))
        kept = old.select(there)
        placebo = replace(
            taken, measure=self.measure, task=kept.task, level=kept.level, layer=kept.layer
        )
        return [run.replacing({self.measure: placebo})]


@dataclass(frozen=True)
class Surrogate:
    """Each trace of `measures` is shifted in log time, by a factor of its own.

    The factor is drawn between 1 / `spread` and `spread`: a trace is as smooth as it was, and at no
    moment of its own. Ends are filled with the first and the last value.
    """

    measures: tuple[str, ...]
    spread: float = 4.0
    draws: int = 10

    def variants(self, run: Run) -> list[Run]:
        rng = np.random.default_rng([run.n_params, run.seed, 1])
        whole = {measure: run.traces(measure) for measure in self.measures}
        return [
            run.replacing({name: self._shifted(rng, traces) for name, traces in whole.items()})
            for _ in range(self.draws)
        ]

    def _shifted(self, rng: np.random.Generator, traces: TraceSet) -> TraceSet:
        limit = np.log(self.spread)
        values, stderr = traces.values.copy(), traces.stderr.copy()
        for i, (n, shift) in enumerate(
            zip(traces.length, rng.uniform(-limit, limit, len(traces)), strict=True)
        ):
            t = np.log1p(traces.steps[i, :n])
            for x in (values, stderr):
                x[i, :n] = np.interp(t - shift, t, x[i, :n])
                x[i, n:] = x[i, n - 1]
        return replace(traces, values=values, stderr=stderr)


@dataclass(frozen=True)
class EqualNoise:
    """`measures` have noise added until all are as noisy as the noisiest.

    At the checkpoints that all of them have. A noisier trace crosses a threshold later. Of measures by layer only those of `layers`.
    """

    measures: tuple[str, ...]
    layers: str = "final"

    def variants(self, run: Run) -> list[Run]:
        whole = [self._traces(run, measure) for measure in self.measures]
        keys = [list(zip(t.task.tolist(), t.level.tolist(), strict=True)) for t in whole]
        common = sorted(set.intersection(*map(set, keys)))
        if not common:
            raise Undefined(f"no task-level has all of {', '.join(self.measures)}")
        rows = [
            traces.select(np.array([mine.index(key) for key in common], np.int64))
            for traces, mine in zip(whole, keys, strict=True)
        ]
        steps = set.intersection(
            *(set(r[:n]) for t in rows for r, n in zip(t.steps, t.length, strict=True))
        )
        seed = 1_000_003 * run.n_params + run.seed
        noisy = equally_noisy([at_steps(t, np.array(sorted(steps), np.int64)) for t in rows], seed)
        return [run.replacing(dict(zip(self.measures, noisy, strict=True)))]

    def _traces(self, run: Run, measure: str) -> TraceSet:
        traces = run.traces(measure, tasks=True)
        if (traces.layer >= 0).any():
            return run.traces(measure, tasks=True, layers=self.layers)
        return traces


def _sorted(traces: TraceSet) -> TraceSet:
    return traces.select(np.lexsort((traces.layer, traces.level, traces.task)))
