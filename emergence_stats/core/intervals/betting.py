"""An interval of a bounded mean that assumes nothing about the distribution of values.

Somebody bets a small share of his wealth on each run that the mean is higher (or lower) than m. If it is not, his wealth
is no more than at the beginning on average, so that it exceeds 1 / alpha with probability alpha at most (Ville's
inequality): the m at which it does are ruled out. Wealth is the mean over a grid of shares that are bet throughout
(Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", section on grid-Kelly), so
that the order of runs does not matter.

Runs of several scales have several means. The mean over scales is bet on by weighing each run as its scale counts: the
logarithm is concave, so that the expected wealth is still at most 1 where the mean over scales is m.
"""

from __future__ import annotations

import numpy as np

from emergence_stats.core.intervals.contrasts import Array

_SHARES = 40  # of the largest share that could be bet without ruin
_STEPS = 200
_CLOSE = 1e-11


def interval(
    values: Array, weights: Array, bounds: tuple[float, float], level: float
) -> tuple[float, float]:
    """Confidence interval of ``sum(weights * values)``; `values` and `weights` (n_runs,), weights that sum to 1."""
    lo, width = bounds[0], bounds[1] - bounds[0]
    x = np.clip((values - lo) / width, 0.0, 1.0)
    share = weights * len(x)  # 1 each where all runs count alike
    alpha = (1 - level) / 2
    upper = 1 - _lower_end(1 - x, share, alpha)
    return lo + width * _lower_end(x, share, alpha), lo + width * upper


def _lower_end(x: Array, share: Array, alpha: float) -> float:
    """The largest m that betting on a higher mean rules out, 0 if it rules out none."""
    goal = -float(np.log(alpha))
    low, high = 0.0, float(np.mean(share * x))
    above = _log_wealth(x, share, low) - goal
    if above < 0:
        return 0.0
    below = _log_wealth(x, share, high) - goal  # at the mean nothing is won
    last = 0
    for _ in range(_STEPS):  # Illinois: false position, halving the end that stays
        middle = (low * below - high * above) / (below - above)
        at = _log_wealth(x, share, middle) - goal
        if abs(at) < _CLOSE or high - low < _CLOSE:
            return middle
        if at >= 0:
            low, above = middle, at
            below /= 2 if last > 0 else 1
            last = 1
        else:
            high, below = middle, at
            above /= 2 if last < 0 else 1
            last = -1
    return low


def _log_wealth(x: Array, share: Array, m: float) -> float:
    """Log of the mean wealth over the grid of shares, against the mean `m` on [0, 1]."""
    largest = 1 / max(m * float(share.max()), 1e-12)
    bets = largest * (np.arange(1, _SHARES + 1) / (_SHARES + 1))
    logs = np.log1p(bets[:, None] * share * (x - m)).sum(axis=1)
    top = logs.max()
    return float(top + np.log(np.mean(np.exp(logs - top))))
