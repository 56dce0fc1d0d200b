"""How noisy traces are, and traces of several measures made equally noisy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emergence_stats.core.events.onsets import largest_change
from emergence_stats.core.runs import TraceSet, Undefined

Floats = NDArray[np.float64]


def at_steps(traces: TraceSet, steps: NDArray[np.int64]) -> TraceSet:
    """The traces at these steps alone. Raises `Undefined` where one of them lacks some."""
    found = [np.isin(row[:n], steps) for row, n in zip(traces.steps, traces.length, strict=True)]
    if any(mask.sum() != len(steps) for mask in found):
        raise Undefined(f"{traces.measure!r} is not measured at all checkpoints of the others")
    index = np.array([np.flatnonzero(mask) for mask in found])
    rows = np.arange(len(traces))[:, None]
    return replace(
        traces,
        steps=traces.steps[rows, index],
        values=traces.values[rows, index],
        stderr=traces.stderr[rows, index],
        length=np.full(len(traces), len(steps)),
    )


def roughness(traces: TraceSet) -> Floats:
    """That of each trace (n,), by `roughness_of`."""
    return roughness_of(traces.values)


def roughness_of(values: Floats) -> Floats:
    """Standard deviation of what is not smooth from checkpoint to checkpoint: (..., k) -> (...), in the unit of the values.

    From the median size of second differences, which for independent errors of standard deviation s
    have standard deviation s sqrt(6); the median does not see a change that takes a few checkpoints.
    """
    second = np.abs(values[..., 2:] - 2 * values[..., 1:-1] + values[..., :-2])
    return np.median(second, axis=-1) / 0.6745 / np.sqrt(6.0)


def equally_noisy(
    measures: Sequence[TraceSet], seed: int, *, after: Floats | None = None
) -> list[TraceSet]:
    """The traces of several measures, with noise added until all are as noisy as the noisiest.

    Trace i of each belongs together; its noise is taken relative to the size of its largest change
    from `after` (n,) on. What is added is recorded in `stderr`. The same `seed` adds the same noise.
    """
    sizes = np.array([largest_change(traces, after=after).size for traces in measures])
    sizes = np.maximum(sizes, np.finfo(float).tiny)
    own = np.array([roughness(traces) for traces in measures]) / sizes
    added = sizes * np.sqrt(np.maximum(own.max(0) ** 2 - own**2, 0.0))
    rng = np.random.default_rng(seed)
    return [
        replace(
            traces,
            values=traces.values + rng.standard_normal(traces.values.shape) * sd[:, None],
            stderr=np.hypot(np.nan_to_num(traces.stderr, nan=0.0), sd[:, None]),
        )
        for traces, sd in zip(measures, added, strict=True)
    ]
