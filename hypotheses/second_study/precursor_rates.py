"""Representation geometry leads emergence on hard tasks.

Estimands, one value a run: of the hard task-levels that emerge, the share whose RankMe recovered before for certain; that
rate less the rate of false alarms, the recoveries without an emergence by the end; and hard less easy. Supported if the
share is at least 0.75 at every scale, the recovery is specific, and hard exceeds easy ("hard only"). Task-levels that
never emerge are no successes.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    Mean,
    Needs,
    Prediction,
    Region,
    Reported,
    Share,
    class_contrast,
    leads,
    placebo,
    shuffled_answers,
    specificity,
    surrogate,
    varied,
)  # fmt: skip

from ._paper import (
    EASY,
    HARD,
    OTHER_POOLINGS,
    PAPER,
    POCKET,
    SHUFFLED,
    emergences,
    members,
    recoveries,
)


def pairs(run, regain, pooling, pairing):
    """Recovery and emergence of the same task-levels; "mismatched": of the next task of its class, level by level."""
    sign = recoveries(run, regain, pooling)
    event = emergences(run).at(sign.task_levels())
    if pairing == "mismatched":
        shift = np.arange(len(sign))
        for tasks in (EASY, HARD):
            mine = np.flatnonzero(members(sign, tasks))
            shift[mine] = np.roll(mine, -3)
        sign = sign.select(shift)
    return sign, event


def hard_leads(run, regain=1.25, pooling="mean", pairing="matched"):
    """Of the hard task-levels that emerge, those whose recovery came before."""
    sign, event = pairs(run, regain, pooling, pairing)
    hard = members(event, HARD)
    return leads(sign.select(hard), event.select(hard))


def hard_specificity(run, regain=1.25, pooling="mean", pairing="matched"):
    """The same rate less that of hard task-levels that recover and do not emerge."""
    sign, event = pairs(run, regain, pooling, pairing)
    hard = members(event, HARD)
    return specificity(sign.select(hard), event.select(hard))


def hard_less_easy(run, regain=1.25, pooling="mean", pairing="matched"):
    """Rate of hard task-levels that are led less that of easy ones, given that they emerge."""
    sign, event = pairs(run, regain, pooling, pairing)
    return class_contrast(sign, event, members(event, HARD))


precursor_rates = Hypothesis(
    claim=Claim(
        "On hard tasks, and only there, the recovery of RankMe precedes the emergence of the same task.",
        paper=PAPER,
        reported={
            "v1": Reported(estimate=0.86, text="smallest model (notes); 75-100% of hard tasks"),
            "v3": "100% at every size",
        },
    ),
    needs=Needs(["rankme", "accuracy"], further=OTHER_POOLINGS, layers="final", min_scales=2),
    predictions=[
        Prediction(
            "share leading", hard_leads, Region.at_least(0.75), Share(), scope="every scale"
        ),
        Prediction(
            "less false alarms",
            hard_specificity,
            Region.above(0.0),
            Mean((-1.0, 1.0)),
            scope="average",
        ),
        Prediction(
            "hard less easy", hard_less_easy, Region.above(0.0), Mean((-1.0, 1.0)), scope="average"
        ),
    ],
    design=POCKET,
    controls=[
        varied(
            "mismatched tasks",
            "the recovery of one task precedes the emergence of another",
            pairing="mismatched",
        ),
        shuffled_answers(SHUFFLED),
        surrogate("rankme"),
        placebo("rankme", by="weight_norm"),
    ],
    multiverse={"regain": [1.1, 1.25, 1.5], "pooling": ["mean", "answer", "unit"]},
)
