"""The lag of one trace behind another by cross-correlation: another definition than onsets, and the paper's own words.

Both are put on one grid in log steps and differenced, so that what is correlated is when they change and not where they
stand. The lag is where the correlation is largest, in size: a measure may fall as behaviour rises.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emergence_stats.core.runs import Undefined

Floats = NDArray[np.float64]
SPACING = 0.05  # of the grid, in log steps
FEWEST = 8  # grid points that the two have in common at every lag


def cross_correlation_lag(
    steps: Floats,
    values: Floats,
    behaviour_steps: Floats,
    behaviour: Floats,
    reach: float,
    spacing: float = SPACING,
) -> float:
    """Log steps by which `values` at `steps` (n,) change after `behaviour` at `behaviour_steps` (m,).

    Lags up to `reach` either way are tried. `Undefined` where one of the two does not change, where they have too little
    in common, and where the largest correlation lies at an end of the lags: there is no optimum.
    """
    t, s = np.log1p(np.asarray(steps, float)), np.log1p(np.asarray(behaviour_steps, float))
    grid = np.arange(max(t[0], s[0]), min(t[-1], s[-1]) + spacing / 2, spacing)
    shifts = round(reach / spacing)
    if len(grid) - 1 - shifts < FEWEST:
        raise Undefined("the two traces have too little in common for lags of that size")
    x, y = np.diff(np.interp(grid, t, values)), np.diff(np.interp(grid, s, behaviour))
    size = float(np.sqrt((x @ x) * (y @ y)))
    if not size > 0:
        raise Undefined("one of the two traces does not change")
    lags = np.arange(-shifts, shifts + 1)
    found = np.array([_product(x, y, int(lag)) / size for lag in lags])
    at = int(np.abs(found).argmax())
    if at in (0, len(lags) - 1):
        raise Undefined("the largest correlation lies at an end of the lags that were tried")
    before, here, after = np.abs(found[at - 1 : at + 2])
    bend = before - 2 * here + after
    between = 0.5 * (before - after) / bend if bend < 0 else 0.0  # vertex of a parabola
    return float((lags[at] + between) * spacing)


def _product(x: Floats, y: Floats, lag: int) -> float:
    """Of x, `lag` places later, with y, over what they have in common.

    Not a correlation of its own: tails of two changes are alike at any lag.
    """
    if lag >= 0:
        return float(x[lag:] @ y[: len(y) - lag])
    return float(x[:lag] @ y[-lag:])
