"""The representation passes through three phases: its rank collapses, then expands, then is compressed.

Estimands, one value a run, of RankMe in the last block, mean over task-levels: log of the initial rank over the early floor;
of the later peak over the floor; and of that peak over the end. Supported if each is above a factor of 1.1 at every scale. One
that is below for certain at one scale refutes.

A peak is the largest of many values, and so above the end even where nothing but noise moves: it is looked for in the other
task-levels, and values are medians of three neighbouring checkpoints. Reservations would mean: not specific, that runs with
shuffled answers, which end before a compression could be seen, collapse or expand as much; fragile, that it depends on centring or pooling. The paper: language models up
to 7B, rank of the last token's states, phases "warm-up", "entropy-seeking" and "compression-seeking". Abstract only was at hand.
"""

import functools
import math

import numpy as np

from emergence_stats import Claim, Control, Hypothesis, Needs, Prediction, Region

from .._tasks import LONG, POOLINGS, SHUFFLED, smoothed

LEAST = round(math.log(1.1), 4)
PHASES = ("collapse", "expansion", "compression")


def change(run, *, phase, pooling="answer, centred", within=300):
    """Mean log change of rank in a phase: to the floor by step `within`, from it to the peak, from the peak to the end.

    Floor and peak of a task-level lie where the mean of the others has them: the extreme of its own trace is that of its noise.
    """
    traces = run.traces(POOLINGS[pooling], layers="final", tasks=True)
    values, steps, rows = np.log(smoothed(traces.values)), traces.steps[0], np.arange(len(traces))
    others = (values.sum(0) - values) / (len(values) - 1)
    at = np.where(steps <= within, others, np.inf).argmin(1)
    later = np.where(np.arange(len(steps)) >= at[:, None], others, -np.inf).argmax(1)
    floor, peak, end = values[rows, at], values[rows, later], values[:, -3:].mean(1)
    found = {"collapse": values[:, 0] - floor, "expansion": peak - floor, "compression": peak - end}
    return float(found[phase].mean())


three_phases = Hypothesis(
    claim=Claim(
        "The rank of the representation collapses, then expands, then is compressed.",
        paper="arXiv:2509.23024",
        reported={"abstract": "three phases, in all models"},
    ),
    needs=Needs(
        ["rankme_answer_centred"],
        optional=[m for m in POOLINGS.values() if m != "rankme_answer_centred"],
        layers="final",
        min_scales=3,
        step_unit="optimiser steps",
    ),
    predictions=[
        Prediction(phase, functools.partial(change, phase=phase), Region.at_least(LEAST), scope="every scale")
        for phase in PHASES
    ],
    design=LONG,
    controls=[
        Control(f"shuffled answers, {phase}", "it takes no task that can be learned", suite=SHUFFLED, predictions=[phase])
        for phase in PHASES[:2]
    ],
    multiverse={"pooling": list(POOLINGS), "within": [100, 300, 1000]},
)  # fmt: skip
