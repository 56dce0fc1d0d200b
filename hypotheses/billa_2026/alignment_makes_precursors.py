"""Per-task precursors need the task in training: RankMe of a probe goes with its emergence where models train on the probes, and not on text.

The paper gives the lack of task-training alignment as the reason why Pythia has no per-task precursors. That is an interaction, and
tested as one, on an analogue: models of the same weights at the start are trained on text, on the probes alone, and on text with a tenth of
probes. Estimand, one value a seed: Harrell's C between recovery and emergence (as in `text_no_task_precursor`) in the arm with probes less that in
the arm of text, mean over sizes; a C below chance on text counts as chance. Supported if the median seed has at least 0.1 more both in the
probes alone and in the mixture; refuted if one of the two is below for certain. C asks whether geometry goes with the task, not whether it comes
first; the multiverse has the share of emergences that the own recovery led, less that for other probes. A precursor that comes before the floor cannot be
seen.

Reservations would mean: insensitive, that a relation planted in the arms with probes is not found. It is about these nine probes.
"""

import functools

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    Median,
    Needs,
    Prediction,
    Region,
    Undefined,
    with_options,
)

from .._tasks import POOLINGS
from ._paper import PAPER
from ._text import IN_ALL_ARMS, OTHERS, POOLING, SIZES, concordance, own_less_others

LEAST = 0.1
STATISTICS = {
    "C": (concordance, 0.5),
    "own less others": (own_less_others, 0.0),
}  # and their chance


def more_than_text(runs, *, arm, rise=1.25, pooling=POOLING, geometry="recovery", statistic="C"):
    """How much more recovery goes with emergence in an arm than on text, mean over sizes; "planted": than by chance."""
    by_name = {run.scale: run for run in runs}
    measure, chance = STATISTICS[statistic]
    found = []
    for size in SIZES:
        with_probes, on_text = (by_name.get(f"{size}-{one}") for one in (arm, "text"))
        if with_probes is None or on_text is None:
            raise Undefined(f"of size {size} an arm is missing")
        base = chance if geometry == "planted" else max(measure(on_text, rise, pooling), chance)
        found.append(measure(with_probes, rise, pooling, geometry) - base)
    return float(np.mean(found))


alignment_makes_precursors = Hypothesis(
    claim=Claim(
        "The RankMe of a task goes with its emergence where the task is trained on, more than where it comes with text, of nine probes.",
        paper=PAPER,
        reported={"v1": "naturalistic pretraining has no per-task precursors, since it lacks task-training alignment"},
    ),
    needs=Needs(["rankme_answer_centred", "accuracy"], optional=OTHERS, layers="final", min_scales=4, step_unit="optimiser steps"),
    predictions=[
        Prediction(f"C, {arm} less text", functools.partial(more_than_text, arm=arm), Region.at_least(LEAST), Median(), unit="seed")
        for arm in ("tasks", "mixed")
    ],
    design=IN_ALL_ARMS,
    controls=[
        with_options("planted relation", "this analysis sees no relation", finds="supported", geometry="planted"),
    ],
    multiverse={"rise": [1.1, 1.25, 1.5], "pooling": list(POOLINGS), "statistic": list(STATISTICS)},
)  # fmt: skip
