"""What an estimate gives for one unit of replication: a checked number, or the reason why none."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from emergence_stats.controls import Change
from emergence_stats.errors import HypothesisError
from emergence_stats.hypothesis import Count, Needs, Prediction, Share
from emergence_stats.runs import NONE, Run, TraceSet, Undefined
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import RunFile, Store


@dataclass
class Values:
    """What one prediction got: a value and the runs behind it for each unit.

    Of runs only what is known without their traces, so that those can go.
    """

    values: list[Any] = field(default_factory=list)
    runs: list[list[Manifest]] = field(default_factory=list)


def label(prediction: Prediction, unit: Sequence[Run | Manifest]) -> str:
    return unit[0].run_id if prediction.unit == "run" else f"seed {unit[0].seed}"


def as_number(value: Count | float) -> float:
    return value[0] / value[1] if isinstance(value, Count) else value


def read_run(store: Store, file: RunFile, needs: Sequence[Needs], measures: Collection[str]) -> Run:
    """A run with these measures, at the layers that any of `needs` asks for."""
    return read_as(Run, store, file, needs, measures)


R = TypeVar("R", bound=Run)


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
    """A run of which some measures can be seen; what is found in it is kept with the run itself."""

    def __init__(self, whole: Run, measures: Collection[str]) -> None:
        super().__init__(whole.manifest, whole._table)
        self._whole, self._seen, self._cache = whole, frozenset(measures), whole._cache

    def _by_measure(self) -> dict[str, TraceSet]:
        whole = self._whole._by_measure().items()
        return {name: traces for name, traces in whole if name in self._seen and len(traces)}

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """Hypotheses share what one module finds; modules that happen to use the same key do not."""
        return super().cached((getattr(make, "__module__", ""), key), make)

    def variants(self, change: Change) -> list[Run]:
        """What a control makes of the run; hypotheses share these, and with them the events in these."""
        found = self._whole.cached(change, lambda: change.variants(self._whole))
        return [Declared(variant, self._seen) for variant in found]


def read_for(run: Run, needs: Needs, measures: Collection[str]) -> Declared:
    """The run as if it had been read for one hypothesis alone: with these measures, at its layers.

    What an estimate sees must not hang on what else is tested at the same time.
    """
    layers = _layers(needs, run.manifest)
    if layers is None:
        return Declared(run, measures)
    at = [NONE, *sorted(layers)]

    def narrow() -> Run:
        whole = ((name, run.traces(name)) for name in run.measures)
        return run.replacing({name: t.select(np.isin(t.layer, at)) for name, t in whole})

    return Declared(run.cached(("at layers", *at), narrow), measures)


def value_of(
    name: str, prediction: Prediction, unit: Sequence[Run], keywords: Mapping[str, Any]
) -> Count | float:
    """The estimate of one unit, checked. Raises `Undefined` as the estimate does, and
    `HypothesisError` where it fails or gives no number; `name` is that of the hypothesis.
    """
    where = f"{name}, prediction {prediction.name!r}, {label(prediction, unit)}"
    try:
        value = prediction.estimate(unit[0] if prediction.unit == "run" else unit, **keywords)
    except Undefined:
        raise
    except Exception as error:
        import traceback

        last = traceback.extract_tb(error.__traceback__)[-1]
        raise HypothesisError(
            f"{where}: the estimate failed at {last.filename}:{last.lineno} with "
            f"{type(error).__name__}: {error}"
        ) from error
    if isinstance(prediction.analysis, Share):
        if not isinstance(value, tuple) or len(value) != 2:
            raise HypothesisError(f"{where}: Share needs a Count, and the estimate gave {value!r}")
        if not 0 <= value[0] <= value[1] or not value[1] > 0:
            raise HypothesisError(f"{where}: {value[0]!r} of {value[1]!r} is no share")
        return Count(float(value[0]), float(value[1]))
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise HypothesisError(f"{where}: the estimate gave {value!r}, not a number") from None
    if not math.isfinite(number):
        raise HypothesisError(
            f"{where}: the estimate gave {number}; raise Undefined where a run has no value"
        )
    return number
