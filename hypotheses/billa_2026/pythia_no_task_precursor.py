"""On Pythia no per-task precursor is found: what RankMe does for a probe says nothing of when that probe emerges.

Estimand, one value a model: of the probes and levels that emerge, the share whose RankMe recovered before for certain, less the same
share of mismatched pairs, recovery of one probe and emergence of the next. "Does not replicate" is supported if that difference is
at most 0.1 on average over models, and a planted relation is found; refuted if it is above for certain.

Three models are three observations, one at each size, so that the verdict is inconclusive whatever they show. Not known of the
paper: its probes, and how it dates a recovery; it reads leads from the cross-correlation of whole traces.
"""

from dataclasses import replace

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    Mean,
    Needs,
    Prediction,
    Region,
    Undefined,
    floor,
    leads,
    recovery,
    with_options,
)

from .._tasks import OTHER_POOLINGS, POOLINGS
from ._paper import PAPER
from ._pythia import EARLY, PYTHIA, emergences

MOST = 0.1
LEAD = 4.0  # of planted signs, a factor of the step of emergence


def less_mismatched(run, rise=1.25, pooling="mean", within=EARLY, geometry="recovery"):
    """Share of emergences that are led by the recovery of the same probe, less that by the recovery of the next."""
    sign = recovery(floor(run, POOLINGS[pooling], within=within), rise)
    event = emergences(run).at(sign.task_levels())
    if geometry == "planted":
        sign = replace(event, lo=event.lo / LEAD, hi=event.hi / LEAD)
    if event.observed.sum() < 3:
        raise Undefined(f"{event.observed.sum()} of {len(event)} probes and levels emerge")
    matched = leads(sign, event)
    other = leads(sign.select(np.roll(np.arange(len(sign)), -3)), event)
    return matched.successes / matched.trials - other.successes / other.trials


pythia_no_task_precursor = Hypothesis(
    claim=Claim(
        "On Pythia the RankMe of a probe is no precursor of the emergence of that probe.",
        paper=PAPER,
        reported={
            "v1": "none",
            "v3": "none",
            "v4": "none on seven easy benchmarks; about 49K steps on one that was chosen after screening seven more (notes)",
        },
    ),
    needs=Needs(["rankme", "accuracy"], optional=OTHER_POOLINGS, layers="final", min_scales=3, step_unit="optimiser steps"),
    predictions=[
        Prediction("less mismatched", less_mismatched, Region.at_most(MOST), Mean((-1.0, 1.0)), scope="average"),
    ],
    design=PYTHIA,
    controls=[
        with_options("planted relation", "this analysis sees no relation", finds="refuted", geometry="planted"),
    ],
    multiverse={"rise": [1.1, 1.25, 1.5], "pooling": list(POOLINGS), "within": [512, 1000, 2000]},
)  # fmt: skip
