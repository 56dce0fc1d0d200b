"""Which layer stands for the last block in a claim, where the last was not measured: ``last_layer = 19``.

The claim reads that layer wherever it asks for the last block; what it says of all blocks stays undefined without all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from emergence_stats.core.plan import Hypothesis, Needs
from emergence_stats.core.runs import Run, TraceSet
from emergence_stats.errors import UsageError

NAME = "last_layer"


class _UpTo(Run):
    """A run whose last block, to an estimate, is another layer; what is found in it is kept apart in the run itself."""

    def __init__(self, run: Run, last: int) -> None:
        super().__init__(run.manifest, run._table)
        self._run, self._last = run, last

    def _by_measure(self) -> dict[str, TraceSet]:
        return self._run._by_measure()

    def traces(
        self,
        measure: str,
        *,
        layers: Collection[int] | str | None = None,
        tasks: bool | str | Collection[str] | None = None,
    ) -> TraceSet:
        at = (self._last,) if isinstance(layers, str) and layers == "final" else layers
        return self._run.traces(measure, layers=at, tasks=tasks)

    def replacing(self, traces: Mapping[str, TraceSet]) -> Run:
        return _UpTo(self._run.replacing(traces), self._last)

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        return self._run.cached((NAME, self._last, key), make)


def with_last_layer(hypothesis: Hypothesis, last: Any, claim: str) -> Hypothesis:
    """The hypothesis with estimates that read layer `last` for the last block. Raises `UsageError` if that is no layer."""
    if not isinstance(last, int) or isinstance(last, bool) or last < 1:
        raise UsageError(
            f"[tool.emergence_stats.claims.{claim}] {NAME} is {last!r}, not the number of a layer (1 for the first block)"
        )
    predictions = [replace(p, estimate=_reading(p.estimate, last)) for p in hypothesis.predictions]
    pooled = hypothesis.pooled
    if pooled is not None:
        pooled = replace(pooled, count=_reading(pooled.count, last))
    return replace(
        hypothesis, predictions=predictions, pooled=pooled, needs=_every_layer(hypothesis.needs)
    )


def _every_layer(needs: Needs) -> Needs:
    """A claim that reads the last block alone has to be given the layer that stands for it."""
    return replace(needs, layers="all") if needs.layers == "final" else needs


def _reading(estimate: Callable[..., Any], last: int) -> Callable[..., Any]:
    @functools.wraps(estimate)
    def reading(unit: Any, **keywords: Any) -> Any:
        some = [_UpTo(run, last) for run in unit] if isinstance(unit, list) else _UpTo(unit, last)
        return estimate(some, **keywords)

    return reading
