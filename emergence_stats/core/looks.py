"""Plans that look early: the verdict of the first look that decides.

Each look has its share of the error (`Hypothesis.simultaneous_level`), so that the intervals of all looks hold together
whenever one stops (union bound). What comes after the look that decided changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from emergence_stats.core.plan import Design, Prediction
from emergence_stats.core.settle import Sample, Settled, settle
from emergence_stats.core.verdicts import Verdict

# What else a verdict needs of the units that it rests on, a mask (n,): the same, or one that is less.
Guard = Callable[[Settled, np.ndarray], Settled]


def settle_looks(
    prediction: Prediction,
    sample: Sample,
    units: Sequence[Sequence[tuple[str, int]]],
    design: Design,
    level: float,
    min_scales: int,
    *,
    made: Iterable[tuple[str, int]],
    test: bool = True,
    guard: Guard | None = None,
) -> Settled:
    """The first look that decides, else the last that is reached.

    `units`: scale and seed of the runs of each unit. `made`: of all runs that were made, whether or not they gave a
    value: a look for which one was not made is not reached, whatever the others say. Runs that the plan does not name
    are looked at together, once: a verdict on them is exploratory. `guard`: see `Guard`.
    """

    def settled_of(mask: np.ndarray, test: bool = test) -> Settled:
        settled = settle(prediction, _first(sample, mask), level, min_scales, test=test)
        return settled if guard is None else guard(settled, mask)

    order = {seed: number for number, seed in enumerate(design.seeds)}
    planned = {(s, seed) for s, seed in design.runs()}
    if not units or any(run not in planned for unit in units for run in unit):
        return settled_of(np.ones(len(units), bool))
    number = np.array([max(order[seed] for _, seed in unit) for unit in units])
    at = design.reached(made)
    if not at:
        settled = settled_of(np.ones(len(units), bool), test=False)
        first = design.looks[0]
        why = f"the first look is at {first} seeds a scale, and these are not all there"
        bare = replace(settled.estimate, interval=None, p_value=None, why_no_interval=why)
        return Settled(bare, Verdict.INCONCLUSIVE)
    for look in at:
        settled = settled_of(number < look)
        if settled.verdict is not Verdict.INCONCLUSIVE or look == at[-1]:
            break
    how = f"{settled.estimate.method}; look {design.looks.index(look) + 1} of {len(design.looks)}"
    estimate = replace(settled.estimate, method=f"{how} ({look} seeds)")
    used = tuple(map(bool, number < look))
    return replace(settled, estimate=estimate, look=design.looks.index(look) + 1, used=used)


def _first(sample: Sample, mask: np.ndarray) -> Sample:
    return Sample(
        sample.values[mask],
        [stratum for stratum, kept in zip(sample.strata, mask, strict=True) if kept],
        sample.log10_params[mask],
        sample.trials[mask] if sample.trials is not None else None,
    )
