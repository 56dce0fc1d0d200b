"""The collapse reaches output-side layers first and moves toward the input.

Estimands, one value a run: by how many log steps the half-way fall of RankMe comes later for each block nearer to the input
(a slope over blocks, mean over the task-levels that collapse in every block, which have to be half of them); and Kendall's tau of
depth and fall. Supported if a block falls at least 0.05 log steps (5%) later than the next deeper one, and tau is below 0, at
every scale. Refuted if one scale is outside for certain.

Reservations would mean: not specific, that the order is there with shuffled answers (it takes no task), or where all blocks
move equally far at every step (else it is an order of step sizes). Not known of the
paper: how it dates a layer's collapse. Its rival is `early_layers_settle_first`.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Control,
    Hypothesis,
    Median,
    Needs,
    Prediction,
    Region,
    Undefined,
    collapse,
    floor,
    shuffled_answers,
)

from .._tasks import LONG, OTHER_POOLINGS, POOLINGS, SHUFFLED
from ._paper import PAPER


def falls(run, fraction, pooling, within):
    """Depth and log step of the fall of each block (task-levels, blocks), of task-levels that collapse in every block.

    Between two checkpoints a trace is taken as straight, since blocks may fall within one step of each other.
    """
    lowest = floor(run, POOLINGS[pooling], layers="blocks", within=within)
    traces, events = lowest.traces, collapse(lowest, fraction)
    level = lowest.initial - fraction * (lowest.initial - lowest.value)
    after = np.maximum(
        (traces.steps < events.hi[:, None]).sum(1).clip(max=traces.steps.shape[1] - 1), 1
    )
    rows = np.arange(len(after))
    (t0, t1), (v0, v1) = (
        (x[rows, after - 1], x[rows, after]) for x in (traces.steps, traces.values)
    )
    at = t0 + (v0 - level) / np.where(v0 > v1, v0 - v1, 1.0) * (t1 - t0)
    shape = (-1, run.n_layers)
    at = np.log(np.where(events.observed, np.maximum(at, 0.5), np.nan)).reshape(shape)
    usable = np.isfinite(at).all(1)
    if usable.mean() < 0.5:
        raise Undefined(f"{usable.sum()} of {len(usable)} task-levels collapse in every block")
    return events.layer.reshape(shape)[usable].astype(float), at[usable]


def steps_per_block(run, fraction=0.5, pooling="mean", within=300):
    """By how many log steps a block falls later than the next deeper one."""
    depth, at = falls(run, fraction, pooling, within)
    centred = depth - depth.mean(1, keepdims=True)
    return float(-((centred * at).sum(1) / (centred**2).sum(1)).mean())


def depth_order(run, fraction=0.5, pooling="mean", within=300):
    """Mean over task-levels of Kendall's tau between depth and fall: -1 is from the output to the input."""
    _, at = falls(run, fraction, pooling, within)
    i, j = np.triu_indices(run.n_layers, 1)
    return float(np.sign(at[:, j] - at[:, i]).mean())


top_down = Hypothesis(
    claim=Claim(
        "The rank collapse reaches output-side layers first and moves toward the input.",
        paper=PAPER,
        reported={
            "v1": "32/32 task x model pairs",
            "v3": "28/32 task x model pairs",
            "v4": "top-down",
        },
    ),
    needs=Needs(["rankme"], optional=OTHER_POOLINGS, layers="blocks", min_layers=4, min_scales=2, step_unit="optimiser steps"),
    predictions=[
        Prediction("log steps per block", steps_per_block, Region.at_least(0.05), scope="every scale"),
        Prediction("tau", depth_order, Region.below(0.0), Median(), scope="every scale"),
    ],
    design=LONG,
    controls=[
        shuffled_answers(SHUFFLED, ["log steps per block"]),
        Control(
            "equal steps", "it is an order of how far blocks are moved", suite="pocket_long_equal_steps",
            predictions=["log steps per block"],
        ),
    ],
    multiverse={"fraction": [0.25, 0.5, 0.75], "within": [100, 200, 300], "pooling": list(POOLINGS)},
)  # fmt: skip
