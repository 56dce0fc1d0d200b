"""What pingouin says: a t test at the nearest end of the region with a Bayes factor and Hedges' g, and equivalence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from emergence_stats.evaluation.opinions.units import Opinion, Units


def opinions(units: Units) -> Iterator[Opinion]:
    """Units as one sample, without scales."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of plotting libraries that it imports
        import pingouin

        p, x = units.prediction, units.values
        at = p.region.nearest_boundary(float(x.mean()))
        found = pingouin.ttest(x, at).iloc[0]
        yield Opinion(
            p.name,
            f"Bayes factor against {at:g}, scales ignored",
            "pingouin ttest",
            float(found["BF10"]),
            None,
            f"{'for' if float(found['BF10']) > 1 else 'against'} a difference from {at:g} of the mean of units, {x.mean():.4g}",
        )
        d = float((x.mean() - at) / x.std(ddof=1))
        g = float(pingouin.convert_effsize(d, "cohen", "hedges", nx=len(x), ny=len(x)))
        yield Opinion(
            p.name,
            f"Hedges' g from {at:g}",
            "pingouin convert_effsize",
            g,
            None,
            "positive: above it",
        )
        if p.region.lo is not None and p.region.hi is not None:
            middle, bound = (p.region.lo + p.region.hi) / 2, (p.region.hi - p.region.lo) / 2
            tost = pingouin.tost(x - middle, np.zeros(1)[0], bound=bound).iloc[0]
            name = next(column for column in tost.index if column.lower().startswith("p"))
            p_value = float(tost[name])
            said = "equivalent" if p_value <= (1 - p.estimate.level) / 2 else "not shown equivalent"
            yield Opinion(p.name, "p of equivalence", "pingouin tost", p_value, None, said)
