"""The collapse reaches output-side layers first and moves toward the input.

Estimands, one value a run: by how many log steps the half-way fall of RankMe comes later for each block nearer to the
input (a slope over blocks, mean over task-levels); and Kendall's tau-b of depth and fall. Supported if a block falls at
least 0.05 log steps (5%) later than the next deeper one, and tau-b is below 0, at every scale. Refuted if one scale is
outside for certain. Gradients of rank at initialisation, and shuffled answers, show how much of it takes no task.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    Mean,
    Needs,
    Prediction,
    Region,
    collapse,
    floor,
    shuffled_answers,
    surrogate,
    varied,
)  # fmt: skip

from ._paper import BLOCKS, OTHER_POOLINGS, PAPER, POOLINGS, SHUFFLED


def falls(run, fraction=0.5, pooling="mean", within=None, quantity="collapse"):
    """Depth and log step of the fall of each block, (task-levels, blocks); `quantity` "initial rank": of log RankMe."""
    lowest = floor(run, POOLINGS[pooling], layers="blocks", within=within)
    events = collapse(lowest, fraction)
    at = np.log(np.sqrt(np.maximum(events.lo, 1.0) * np.maximum(events.hi, 1.0)))
    if quantity == "initial rank":
        at = np.log(lowest.initial)
    known = np.where(np.isfinite(at), at, np.nan).reshape(-1, run.n_layers)
    return events.layer.reshape(known.shape).astype(float), known


def steps_per_block(run, fraction=0.5, pooling="mean", within=None, quantity="collapse"):
    """By how many log steps a block falls later than the next deeper one."""
    depth, at = falls(run, fraction, pooling, within, quantity)
    usable = np.isfinite(at).all(1)
    centred = depth[usable] - depth[usable].mean(1, keepdims=True)
    return float(-((centred * at[usable]).sum(1) / (centred**2).sum(1)).mean())


def depth_order(run, fraction=0.5, pooling="mean", within=None):
    """Mean over task-levels of the tau-b between depth and fall: -1 is from the output to the input."""
    return (
        collapse(floor(run, POOLINGS[pooling], layers="blocks", within=within), fraction)
        .layer_order()
        .mean()
    )


top_down = Hypothesis(
    claim=Claim(
        "The rank collapse reaches output-side layers first and moves toward the input.",
        paper=PAPER,
        reported={"v1": "32/32 task x model", "v3": "28/32", "v4": "top-down"},
    ),
    needs=Needs(["rankme"], further=OTHER_POOLINGS, layers="blocks", min_layers=4, min_scales=2),
    predictions=[
        Prediction("log steps per block", steps_per_block, Region.at_least(0.05), scope="every scale"),
        Prediction(
            "tau-b", depth_order, Region.below(0.0), Mean((-1.0, 1.0)), scope="every scale"
        ),
    ],
    design=BLOCKS,
    controls=[
        shuffled_answers(SHUFFLED),
        surrogate("rankme"),
        varied(
            "gradient at initialisation", "the rank before training has the same gradient",
            ["log steps per block"], quantity="initial rank",
        ),
    ],
    multiverse={"fraction": [0.25, 0.5, 0.75], "within": [None, 100, 200], "pooling": ["mean", "answer", "unit"]},
)  # fmt: skip
