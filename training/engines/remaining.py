"""How long runs still take, from when they passed their checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

_FORGETS = 0.9  # weight of a checkpoint against the next one: later ones may measure more
_LEAST = 3  # stretches between checkpoints


def seconds_left(passed: Sequence[tuple[int, float]], schedule: Sequence[int]) -> float | None:
    """Seconds until the end of a run. `passed`: step and time in seconds of its checkpoints so far; `schedule`: steps of all.

    A stretch takes so long a step and so long for its checkpoint, both by least squares: checkpoints are dense at first, so that a
    share of the steps says little. None while the stretches are too few, or too alike to tell the two apart where the rest
    is of other stretches.
    """
    if len(passed) <= _LEAST:
        return None
    steps, times = (np.array(x, dtype=float) for x in zip(*passed, strict=True))
    rest = np.diff([steps[-1], *(step for step in schedule if step > steps[-1])])
    lengths, took = np.diff(steps), np.diff(times)
    if len(rest) and lengths.max() < 2 * lengths.min() and rest.max() > 2 * lengths.max():
        return None
    weights = np.sqrt(_FORGETS ** np.arange(len(took))[::-1])
    design = np.column_stack([lengths, np.ones(len(took))])
    by_step, by_checkpoint = nnls(design * weights[:, None], took * weights)[0]
    return float(by_step * rest.sum() + by_checkpoint * len(rest))


def duration(seconds: float) -> str:
    """In two units at most: 45 s, 12 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
