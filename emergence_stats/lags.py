"""By how much a measure lags behind behaviour in one run: one number from many noisy traces.

A single trace of a noisy measure seldom tells when it changes. The task-levels of a run tell it
together, if what is asked for is not each onset but the lag that they have in common: the lag d that
makes sigmoids with midpoints y[i] + d explain most of the traces, where y[i] is the log step at which
behaviour i changes. The direction and size of each change are its own; every trace counts alike, by the
share of its variance that is explained, so that none rules the others by its scale.

All this is inside one run, whose task-levels are not independent. What the lag of a run is worth shows
in how it differs from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emergence_stats.onsets import Fit
from emergence_stats.runs import Undefined

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CommonLag:
    """`lag` in log steps, positive after behaviour; `explained`: the mean share of variance there."""

    lag: float
    explained: float


def lags_between(lo: float, hi: float) -> Floats:
    """Lags to try, 0.02 apart: a tenth of the spacing of log-spaced checkpoints."""
    return np.linspace(lo, hi, round((hi - lo) / 0.02) + 1)


def within_reach(fit: Fit | None, behaviour: float, lags: Floats) -> bool:
    """Whether a trace could show its change at all of the `lags` from `behaviour` (a log step).

    Task-levels that could not must be left out: at the lags that they cannot show they would speak
    against any.
    """
    return (
        fit is not None
        and bool(np.isfinite(behaviour))
        and behaviour + lags[0] >= fit.midpoints[0]
        and behaviour + lags[-1] <= fit.midpoints[-1]
    )


def explained_at(fit: Fit, behaviour: float, lags: Floats) -> Floats:
    """Share of a trace's variance that a sigmoid explains at each lag from `behaviour`.

    0 where its midpoint would lie outside the trace: there is no change to be seen.
    """
    return np.interp(behaviour + lags, fit.midpoints, fit.share, left=0.0, right=0.0)


def common_lag(fits: Sequence[Fit], behaviour: Sequence[float], lags: Floats) -> CommonLag:
    """The lag that traces have in common, trace i from `behaviour` i, all within reach.

    Where several lags do equally well, the middle of these. Raises `Undefined` where no lag explains
    anything, as of traces that do not move.
    """
    shares = [explained_at(fit, y, lags) for fit, y in zip(fits, behaviour, strict=True)]
    mean = np.mean(shares, axis=0)
    if not mean.max() > 0:
        raise Undefined("no common lag explains anything of the traces")
    best = np.flatnonzero(mean >= mean.max() - 1e-9)
    return CommonLag(float(lags[best].mean()), float(mean.max()))
