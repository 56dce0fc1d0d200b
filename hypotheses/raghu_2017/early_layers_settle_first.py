"""Layers settle from the input to the output: early layers are what they will be before late ones are.

Estimands, one value a run: how many log steps later a block settles than the one before it (a slope over blocks), and Kendall's
tau of depth and settling. A block has settled when its likeness with its own end (SVCCA) has gone half of the way from the start
of training to 1 and stays there. Supported if a block settles at least 0.05 log steps (5%) later than the one before it, and
tau is above 0, at every scale. Refuted if one scale is outside for certain.

It is the rival of `top_down`, which has the collapse go the other way. Reservations would mean: fragile, that it depends on the
likeness (SVCCA or CKA) or on how far is settled; not specific, that layers settle in this order on shuffled answers too. SVCCA of
early layers with few directions is high from the start, which is why the way and not the
likeness is halved. The paper: convolutional and recurrent networks, SVCCA against the end of training.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    Median,
    Needs,
    Prediction,
    Region,
    Undefined,
    shuffled_answers,
)

from .._tasks import LONG, SHUFFLED, smoothed

LIKENESS = {"svcca": "svcca_end", "cka": "cka_end"}


def settled(run, fraction, likeness):
    """Log step at which each block has settled (blocks,), shallowest first."""
    traces = run.traces(LIKENESS[likeness], layers="blocks", tasks=False)
    values = smoothed(traces.values)
    start, end = values[:, :1], values[:, -1:]
    if (end <= start).any():
        raise Undefined("a block is no more like its end than it was at the start")
    way = (values - start) / (end - start)
    below = way < fraction
    last = np.array([np.flatnonzero(row)[-1] for row in below])  # the start is always below
    rows = np.arange(len(last))
    if (last == 0).any():
        raise Undefined(
            "a block settles before the first checkpoint after the start, so that nothing tells when"
        )
    t = np.log(np.maximum(traces.steps, 1.0))
    before, after = way[rows, last], way[rows, last + 1]
    return t[rows, last] + (fraction - before) / (after - before) * (
        t[rows, last + 1] - t[rows, last]
    )


def steps_per_block(run, fraction=0.5, likeness="svcca"):
    """By how many log steps a block settles later than the one before it."""
    at = settled(run, fraction, likeness)
    depth = np.arange(len(at)) - (len(at) - 1) / 2
    return float(at @ depth / (depth @ depth))


def depth_order(run, fraction=0.5, likeness="svcca"):
    """Kendall's tau between depth and settling: 1 is from the input to the output."""
    at = settled(run, fraction, likeness)
    i, j = np.triu_indices(len(at), 1)
    return float(np.sign(at[j] - at[i]).mean())


early_layers_settle_first = Hypothesis(
    claim=Claim(
        "Layers settle from the input to the output.",
        paper="arXiv:1706.05806",
        reported={"abstract": "networks converge bottom up"},
    ),
    needs=Needs(["svcca_end"], optional=["cka_end"], layers="blocks", min_layers=4, min_scales=2),
    predictions=[
        Prediction("log steps per block", steps_per_block, Region.at_least(0.05), scope="every scale"),
        Prediction("tau of depth and settling", depth_order, Region.above(0.0), Median(), scope="every scale"),
    ],
    design=LONG,
    controls=[shuffled_answers(SHUFFLED, ["log steps per block"])],
    multiverse={"fraction": [0.25, 0.5, 0.75], "likeness": list(LIKENESS)},
)  # fmt: skip
