"""When a trace rises, and how well that is known: onsets that carry measurement error.

Measures as unlike as a rank, an eigenvalue and an estimate by Monte Carlo can be put in order of time
only if "it moved" means the same for each. Here it means the trace's largest rise, from its lowest
point to the highest one after it, of which two moments are taken, both relative to the rise itself:

half-way    the first crossing of the middle between the two points
centroid    the mean time of the rise, each step of time weighted by how much of the rise it holds
            (Elmore 1948); it uses every point of the rise, so that noise averages out

Time is the logarithm of the optimiser step. An absolute threshold, or one in units of the trace's
own noise, would date the cleaner trace first.

Where a value has a standard error, an onset is known less well than the checkpoints would allow,
and its interval says so: it holds the moments that the errors leave open. A rise that the errors
could have made is none, and its onset is unknown, ``(-inf, inf]``: not late, and not absent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emergence_stats.events import Events
from emergence_stats.runs import TraceSet

Floats = NDArray[np.float64]

Z = 1.645  # errors: 90% of a normal distribution
# The largest rise in k points of noise alone stays below this many standard errors of the difference
# of two points in 99% of traces of 30 points.
CLEAR = 4.0
MIN_RISE = 1.25  # for traces without errors and above zero: the highest over the lowest


@dataclass(frozen=True)
class Rise:
    """The largest rise of each trace (n,): indices of its lowest and its highest point.

    `clear` (n,): whether it is more than errors could make.
    """

    traces: TraceSet
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    clear: NDArray[np.bool_]

    @property
    def size(self) -> Floats:
        rows = np.arange(len(self.traces))
        return self.traces.values[rows, self.high] - self.traces.values[rows, self.low]
