"""The largest step of a trace: where what comes after differs most from what came before.

    D(i) = |median(values of the next w checkpoints) - median(values of the w before)|

and the onset lies between checkpoints i - 1 and i with the largest D: a change-point by two windows, which needs no model of the
trace. A trace that moves and comes back, as the part of a task in the local learning coefficient does when the task is learned, has
its step where it leaves; one that drifts through all of training has a step somewhere, though not where tasks are learned.

With s the roughness of the trace (`noise.roughness_of`), independent normal noise has a largest D of at most 3.5 s in 99% of
traces of 30 to 96 checkpoints, and a D varies by 0.77 s (tests/core/test_steps.py). A smaller step is none; and the interval of an
onset holds every place whose D is less than two of those below the largest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emergence_stats.core.events.definitions import Events
from emergence_stats.core.events.noise import roughness_of
from emergence_stats.core.events.sigmoids import window
from emergence_stats.core.runs import TraceSet

Floats = NDArray[np.float64]

WIDTH = 4  # checkpoints on either side
CLEAR = 3.5  # times the roughness: what noise alone does not reach
SPREAD = 0.77  # times the roughness: standard deviation of D


def largest_step(
    traces: TraceSet, *, after: Floats | None = None, least: float = 0.0, width: int = WIDTH
) -> Events:
    """When each trace makes its largest step; unknown, ``(-inf, inf]``, where noise could have made it.

    `after` (n,): only checkpoints at or after this step count. `least`: a smaller step is none. `width`: w, in checkpoints;
    the first and last w have no step. Raises `ValueError` for a width below 2.
    """
    if width < 2:
        raise ValueError(f"width is {width}; two checkpoints on either side at least")
    begin, end = window(traces, after)
    n = len(traces)
    lo, hi = np.full(n, -np.inf), np.full(n, np.inf)
    for i in range(n):
        values = traces.values[i, begin[i] : end[i] + 1]
        steps = traces.steps[i, begin[i] : end[i] + 1]
        if len(values) < 2 * width + 1:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(values, width)
        medians = np.median(windows, axis=1)
        size = np.abs(medians[width:] - medians[:-width])  # at checkpoints `width` and on
        rough = float(roughness_of(values))
        if size.max() <= max(CLEAR * rough, least):
            continue
        open_ = np.flatnonzero(size >= size.max() - 2 * SPREAD * rough)
        lo[i], hi[i] = steps[open_[0] + width - 1], steps[open_[-1] + width]
    return Events(traces.task, traces.level, traces.layer, lo, hi)
