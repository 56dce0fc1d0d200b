"""Representation geometry leads emergence on hard tasks.

Estimands, one value a run, of hard task-levels that emerge: the share whose RankMe recovered before for certain; that share
less the one of mismatched pairs of the same class; less the rate of false alarms, the recoveries without an emergence by the
end; and hard less easy. Supported if the share is at least 0.75 on average, and the median run of every scale shows more than
mismatched pairs, than false alarms, and than easy tasks ("hard only"); with ten runs a scale, that takes all ten. Task-levels that
never emerge are no successes, and a recovery is a false alarm only if there was time for a lead of a factor of four.

Reservations would mean: not specific, that the mean rank of all tasks, shifted traces, or a measure that knows nothing of tasks
lead as often. Not known of the paper: how it dates a recovery; it reads leads from the cross-correlation of whole traces.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    Median,
    Needs,
    Prediction,
    Region,
    Reported,
    Share,
    Undefined,
    class_contrast,
    leads,
    placebo,
    surrogate,
    with_options,
)

from .._tasks import (
    EASY,
    HARD,
    LONG,
    OTHER_POOLINGS,
    POOLINGS,
    emergences,
    members,
    recoveries,
)
from ._paper import PAPER


def pairs(run, rise, pooling, pairing="matched", shared=False):
    """Recovery and emergence of the same task-levels; "mismatched": of the next task of its class, level by level."""
    sign = recoveries(run, rise, pooling, shared=shared)
    event = emergences(run).at(sign.task_levels())
    if pairing == "mismatched":
        shift = np.arange(len(sign))
        for tasks in (EASY, HARD):
            mine = np.flatnonzero(members(sign, tasks))
            shift[mine] = np.roll(mine, -3)
        sign = sign.select(shift)
    return sign, event


def hard_leads(run, rise=1.25, pooling="mean", pairing="matched", shared=False):
    """Of the hard task-levels that emerge, those whose recovery came before."""
    sign, event = pairs(run, rise, pooling, pairing, shared)
    hard = members(event, HARD)
    return leads(sign.select(hard), event.select(hard))


def less_mismatched(run, rise=1.25, pooling="mean", shared=False):
    """The same share less that of mismatched pairs."""
    matched, other = (
        hard_leads(run, rise, pooling, how, shared) for how in ("matched", "mismatched")
    )
    return matched.successes / matched.trials - other.successes / other.trials


def less_false_alarms(run, rise=1.25, pooling="mean", shared=False):
    """The same share less that of hard task-levels that recover and do not emerge within a factor of four of the step."""
    sign, event = pairs(run, rise, pooling, shared=shared)
    hard = members(event, HARD)
    sign, event = sign.select(hard), event.select(hard)
    never = ~event.observed
    if not never.any():
        raise Undefined("every hard task-level emerges, so that none can be a false alarm")
    hits = leads(sign, event)
    end = event.lo[never].max()  # the last checkpoint at which one had not emerged
    return hits.successes / hits.trials - float((sign.hi[never] <= end / WITHIN).mean())


def hard_less_easy(run, rise=1.25, pooling="mean", shared=False):
    """Share of hard task-levels that are led less that of easy ones, given that they emerge."""
    sign, event = pairs(run, rise, pooling, shared=shared)
    return class_contrast(sign, event, members(event, HARD))


WITHIN = 4.0  # a recovery is a false alarm if nothing emerges by so many times its step
MORE = {
    "less mismatched": less_mismatched,
    "less false alarms": less_false_alarms,
    "hard less easy": hard_less_easy,
}

precursor_rates = Hypothesis(
    claim=Claim(
        "On hard tasks, and only there, the recovery of RankMe precedes the emergence of the same task.",
        paper=PAPER,
        reported={
            "v1": Reported(estimate=0.86, prediction="share leading", text="smallest model (notes); 75-100% of hard tasks"),
            "v3": Reported(estimate=1.0, prediction="share leading", text="at every size"),
        },
    ),
    needs=Needs(["rankme", "accuracy"], optional=OTHER_POOLINGS, layers="final", min_scales=2, step_unit="optimiser steps"),
    predictions=[
        Prediction("share leading", hard_leads, Region.at_least(0.75), Share(), scope="average"),
        *(Prediction(name, estimate, Region.above(0.0), Median(), scope="every scale") for name, estimate in MORE.items()),
    ],
    design=LONG,
    controls=[
        with_options("geometry of all tasks", "the mean rank of all tasks does as well", shared=True),
        surrogate("rankme"),
        placebo("rankme", by="weight_norm"),
    ],
    multiverse={"rise": [1.1, 1.25, 1.5], "pooling": list(POOLINGS)},
)  # fmt: skip
