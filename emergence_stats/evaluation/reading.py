"""Runs as a hypothesis sees them: read ahead, and narrowed to what it declares."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from emergence_stats.core.controls.changes import Change
from emergence_stats.core.plan import Needs
from emergence_stats.core.runs import NONE, Run, TraceSet, Undefined
from emergence_stats.support.words import near
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import RunFile, Store

AHEAD = 4  # runs: enough to keep the reader busy, too few to fill the memory
R = TypeVar("R", bound=Run)


def read_run(store: Store, file: RunFile, needs: Sequence[Needs], measures: Collection[str]) -> Run:
    """A run with these measures, at the layers that any of `needs` asks for."""
    return read_as(Run, store, file, needs, measures)


def read_as(
    kind: type[R],
    store: Store,
    file: RunFile,
    needs: Sequence[Needs],
    measures: Collection[str],
) -> R:
    """The same as a `kind` of run."""
    layers: set[int] | None = set()
    for need in needs:
        more = _layers(need, file.manifest)
        layers = None if layers is None or more is None else layers | more
    return kind(file.manifest, store.read(file, measures, layers))


def _layers(needs: Needs, run: Manifest) -> set[int] | None:
    """Layers that are read, None for all."""
    if needs.layers == "all":
        return None
    return set(range(1, run.n_layers + 1)) if needs.layers == "blocks" else {run.n_layers}


class Declared(Run):
    """A run of which only some measures are visible; what is found in it is kept with the run itself."""

    def __init__(self, whole: Run, measures: Collection[str]) -> None:
        super().__init__(whole.manifest, whole._table)
        self._whole, self._seen, self._cache = whole, frozenset(measures), whole._cache

    def _by_measure(self) -> dict[str, TraceSet]:
        whole = self._whole._by_measure().items()
        return {name: traces for name, traces in whole if name in self._seen and len(traces)}

    def traces(
        self,
        measure: str,
        *,
        layers: Collection[int] | str | None = None,
        tasks: bool | str | Collection[str] | None = None,
    ) -> TraceSet:
        """As of any run; what is missing is said with what is there, and with what to do."""
        try:
            return super().traces(measure, layers=layers, tasks=tasks)
        except Undefined as reason:
            why = self._why_none(measure, layers, tasks)
            raise Undefined(why or str(reason)) from None

    def _why_none(
        self,
        measure: str,
        layers: Collection[int] | str | None,
        tasks: bool | str | Collection[str] | None,
    ) -> str | None:
        if measure not in self._seen:
            declared = ", ".join(sorted(self._seen)) or "none"
            hint = near(measure, self._seen)
            return (
                f"the estimate reads {measure!r}, and the claim does not name it among the measures that it needs ({declared})"
                + (hint or ": add it to es.Needs(measures=[...])")
            )
        there = self._by_measure().get(measure)
        if there is None:
            return None
        if tasks and not (there.task != "").any():
            return (
                f"run {self.run_id} has {measure!r} of the whole model alone, and this asks for traces of tasks, as the events of tasks "
                "do (es.emergence). Give the traces a task at their import (--set task=NAME), or use run.traces"
            )
        if tasks is False and (there.task != "").all():
            return f"run {self.run_id} has {measure!r} of tasks alone, and this asks for that of the whole model"
        if layers is None:
            return None
        asked = f"layers {layers!r}" if isinstance(layers, str) else f"layers {sorted(layers)}"
        at = sorted({int(layer) for layer in there.layer} - {NONE})
        has = f"at layers {at}" if at else "of no layer, but of the whole model"
        said = f"run {self.run_id} has {measure!r} {has}, and none at {asked} of its {self.n_layers} blocks"
        return (
            said
            if at
            else f"{said}; if it is of a layer, import it with --set layer=N --set n_layers=N"
        )

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """Hypotheses share what one module finds; modules that happen to use the same key do not."""
        return super().cached((getattr(make, "__module__", ""), key), make)

    def variants(self, change: Change) -> list[Run]:
        """What a control makes of the run; hypotheses share these variants and the events in them."""
        found = self._whole.cached(change, lambda: change.variants(self._whole))
        return [Declared(variant, self._seen) for variant in found]


def read_for(run: Run, needs: Needs, measures: Collection[str]) -> Declared:
    """The run as if it had been read for one hypothesis alone: with these measures, at its layers.

    What an estimate sees must not depend on what else is tested at the same time.
    """
    layers = _layers(needs, run.manifest)
    if layers is None:
        return Declared(run, measures)
    at = [NONE, *sorted(layers)]

    def narrow() -> Run:
        whole = ((name, run.traces(name)) for name in run.measures)
        return run.replacing({name: t.select(np.isin(t.layer, at)) for name, t in whole})

    return Declared(run.cached(("at layers", *at), narrow), measures)


class ReadAhead:
    """The runs in order; while one is used, a thread reads the next few.

    `read`: how to read one.
    """

    def __init__(self, files: Iterable[RunFile], read: Callable[[RunFile], Run]) -> None:
        self._read, self._files = read, iter(files)
        self._reader = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[Run]] = deque()
        for _ in range(AHEAD):
            self._submit()

    def _submit(self) -> None:
        for file in islice(self._files, 1):
            self._waiting.append(self._reader.submit(self._read, file))

    def next(self) -> Run:
        """The next run. Raises what reading it raises."""
        run = self._waiting.popleft().result()
        self._submit()
        return run

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._reader.shutdown(cancel_futures=True)
