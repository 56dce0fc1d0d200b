"""Controls: the same analysis where what the claim says cannot be the reason.

A control takes the runs, or runs of another suite, with one thing changed, and everything else of the
hypothesis as it is: its estimates, regions, and level. A verdict that a control earns too does not
rest on what was changed, and the report says so. A control changes no verdict; a hypothesis that wants
to beat one declares a prediction about the difference.

Changes are fixed by a run's size and seed, so that two calls give the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from emergence_stats.errors import HypothesisError
from emergence_stats.onsets import at_steps, equally_noisy
from emergence_stats.runs import Run, TraceSet, Undefined


class Change(Protocol):
    """A run with something changed: as many variants as it takes to average over chance."""

    def variants(self, run: Run) -> list[Run]:
        """Raises `Undefined` where the run lacks what is to be changed."""
        ...


@dataclass(frozen=True)
class Control:
    """What is changed (`keywords` of the estimates, the run by `change`, or the `suite`), and what
    it `shows` if the verdict stays the same, as half a sentence after "then".

    `predictions`: names of those that it is about; none: all. `measures`: what it reads besides what
    the hypothesis needs.
    """

    name: str
    shows: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
    change: Change | None = None
    suite: str | None = None
    predictions: Sequence[str] = ()
    measures: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("predictions", "measures"):
            if isinstance(getattr(self, name), str):
                raise HypothesisError(f"control {self.name!r}: {name} is a list of names")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "keywords", MappingProxyType(dict(self.keywords)))
        if not self.keywords and self.change is None and self.suite is None:
            raise HypothesisError(f"control {self.name!r} changes nothing")


# --- changes ----------------------------------------------------------------------------------


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


# --- the usual controls -----------------------------------------------------------------------


def shuffled_answers(suite: str, predictions: Sequence[str] = ()) -> Control:
    """Runs of a suite that is trained on answers which do not belong to their problems."""
    return Control(
        "shuffled answers",
        "it takes no task that can be learned",
        suite=suite,
        predictions=predictions,
    )


def mismatched_tasks(*measures: str, predictions: Sequence[str] = ()) -> Control:
    return Control(
        "mismatched tasks",
        f"{' and '.join(measures)} of another task do as well",
        change=MismatchedTasks(measures),
        predictions=predictions,
    )


def placebo(measure: str, by: str, predictions: Sequence[str] = ()) -> Control:
    return Control(
        f"placebo: {by} for {measure}",
        f"{by} does as well",
        change=Placebo(measure, by),
        predictions=predictions,
        measures=[by],
    )


def surrogate(*measures: str, spread: float = 4.0, predictions: Sequence[str] = ()) -> Control:
    return Control(
        "surrogate traces",
        f"it does not matter when {' and '.join(measures)} move",
        change=Surrogate(measures, spread),
        predictions=predictions,
    )


def equal_noise(*measures: str, predictions: Sequence[str] = ()) -> Control:
    return Control(
        "equal noise",
        "it does not rest on which measure is the cleaner one",
        change=EqualNoise(measures),
        predictions=predictions,
    )


def varied(
    name: str,
    shows: str,
    predictions: Sequence[str] = (),
    measures: Sequence[str] = (),
    **keywords: Any,
) -> Control:
    """The estimates with other keywords, for a control that they know themselves."""
    return Control(name, shows, keywords=keywords, predictions=predictions, measures=measures)
