"""What the measures of a checkpoint yield, and the long table that they become."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .. import tasks


@dataclass(frozen=True)
class Reading:
    """One measure at one checkpoint.

    `values`: () of the whole model; (24,) by task-level, in the order of `tasks.TASK_LEVELS` (or of others, which `to_table` is
    told); (24, L + 2) by layer too; or, with `of_layers`, (L + 2,) by layer alone. NaN where the measure has no value: no row is
    written. `stderr`: of the same shape, if the values are Monte-Carlo estimates.
    """

    name: str
    values: NDArray[np.float64]
    stderr: NDArray[np.float64] | None = None
    of_layers: bool = False


def to_table(
    readings: Iterable[tuple[int, Reading]],
    task_levels: Sequence[tuple[str, int]] = tasks.TASK_LEVELS,
) -> pa.Table:
    """Long form of (step, reading), one row per measurement. `task_levels`: those of the values, in order."""
    kinds: dict[tuple[str, int, bool], list[tuple[int, Reading]]] = {}
    for step, reading in readings:
        kind = (reading.name, reading.values.ndim, reading.of_layers)
        kinds.setdefault(kind, []).append((step, reading))
    return pa.concat_tables(_rows(name, some, task_levels) for (name, *_), some in kinds.items())


def _rows(
    name: str, readings: list[tuple[int, Reading]], task_levels: Sequence[tuple[str, int]]
) -> pa.Table:
    values = np.stack([reading.values for _, reading in readings])  # (steps, [24], [L + 2])
    known = ~np.isnan(values)
    step = np.array([step for step, _ in readings]).reshape(-1, *[1] * (values.ndim - 1))
    task = level = layer = None
    if readings[0][1].of_layers:
        layer = np.arange(values.shape[1])
    elif values.ndim > 1:
        beyond = [1] * (values.ndim - 2)
        task, level = (np.array(x).reshape(-1, *beyond) for x in zip(*task_levels, strict=True))
        layer = np.arange(values.shape[2]) if values.ndim > 2 else None
    errors = [reading.stderr for _, reading in readings]
    stderr = np.stack([np.full_like(values[0], np.nan) if e is None else e for e in errors])

    def column(index: NDArray | None, kind: pa.DataType) -> pa.Array:
        if index is None:
            return pa.nulls(int(known.sum()), kind)
        return pa.array(np.broadcast_to(index, values.shape)[known], kind)

    return pa.table(
        {
            "step": column(step, pa.int64()),
            "task": column(task, pa.string()),
            "level": column(level, pa.int16()),
            "layer": column(layer, pa.int16()),
            "measure": pa.array([name] * int(known.sum()), pa.string()),
            "value": column(values, pa.float64()),
            "stderr": pa.array(stderr[known], pa.float64(), from_pandas=True),  # NaN: null
        }
    )
