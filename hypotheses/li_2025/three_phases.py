"""The representation passes through three phases: its rank collapses, then expands, then is compressed.

Estimands, one value a run, of RankMe in the last block, mean over task-levels: log of the initial rank over the early floor;
of the later peak over the floor; and of that peak over the end. Supported if each is above a factor of 1.1 at every scale. One
that is below for certain at one scale refutes.

A peak is the largest of many values, and so above the end even where nothing but noise moves; values are medians of three
neighbouring checkpoints, and the control keeps the traces and shifts them against one another. Reservations would mean: not
specific, that shuffled answers show the same; fragile, that it depends on centring or pooling. The paper: language models up
to 7B, rank of the last token's states, phases "warm-up", "entropy-seeking" and "compression-seeking". Abstract only was at hand.
"""

import functools
import math

import numpy as np

from emergence_stats import Claim, Hypothesis, Needs, Prediction, Region, shuffled_answers

from .._tasks import LONG, POOLINGS, SHUFFLED

LEAST = round(math.log(1.1), 4)
PHASES = ("collapse", "expansion", "compression")


def smoothed(values):
    """Each value but the ends as the median of itself and its neighbours."""
    inner = np.median([values[:, :-2], values[:, 1:-1], values[:, 2:]], axis=0)
    return np.concatenate([values[:, :1], inner, values[:, -1:]], axis=1)


def change(run, *, phase, pooling="answer, centred", within=300):
    """Mean log change of rank in a phase: to the floor by step `within`, from it to the peak, from the peak to the end."""
    traces = run.traces(POOLINGS[pooling], layers="final", tasks=True)
    values = np.log(smoothed(traces.values))
    early = np.where(traces.steps <= within, values, np.inf)
    at = early.argmin(1)
    floor = early.min(1)
    later = np.where(np.arange(values.shape[1]) >= at[:, None], values, -np.inf)
    peak, end = later.max(1), values[:, -3:].mean(1)
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
        further=[m for m in POOLINGS.values() if m != "rankme_answer_centred"],
        layers="final",
        min_scales=3,
    ),
    predictions=[
        Prediction(phase, functools.partial(change, phase=phase), Region.at_least(LEAST), scope="every scale")
        for phase in PHASES
    ],
    design=LONG,
    controls=[shuffled_answers(SHUFFLED)],
    multiverse={"pooling": list(POOLINGS), "within": [100, 300, 1000]},
)  # fmt: skip
