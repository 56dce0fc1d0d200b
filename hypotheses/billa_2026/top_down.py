"""The collapse reaches output-side layers first and moves toward the input.

Estimands, one value a run: by how many log steps the half-way fall of RankMe comes later for each block nearer to the input
(a slope over blocks, mean over task-levels); and Kendall's tau-b of depth and fall. Supported if a block falls at least 0.05
log steps (5%) later than the next deeper one, and tau-b is below 0, at every scale. Refuted if one scale is outside for certain.

Reservations would mean: not specific, that the order is there with shuffled answers (it takes no task), or where all blocks
move equally far at every step (else it is an order of step sizes), or as a gradient of rank before training. Not known of the
paper: how it dates a layer's collapse. Its rival is `early_layers_settle_first`.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Control,
    Hypothesis,
    Mean,
    Needs,
    Prediction,
    Region,
    Undefined,
    collapse,
    floor,
    shuffled_answers,
    surrogate,
    varied,
)

from .._tasks import BLOCKS, OTHER_POOLINGS, POOLINGS, SHUFFLED
from ._paper import PAPER


def falls(run, fraction, pooling, within, quantity="collapse"):
    """Depth and log step of the fall of each block, (task-levels, blocks); `quantity` "initial rank": of log RankMe."""
    lowest = floor(run, POOLINGS[pooling], layers="blocks", within=within)
    events = collapse(lowest, fraction)
    at = np.log(np.sqrt(np.maximum(events.lo, 1.0) * np.maximum(events.hi, 1.0)))
    if quantity == "initial rank":
        at = np.log(lowest.initial)
    known = np.where(np.isfinite(at), at, np.nan).reshape(-1, run.n_layers)
    return events.layer.reshape(known.shape).astype(float), known


def steps_per_block(run, fraction=0.5, pooling="mean", within=300, quantity="collapse"):
    """By how many log steps a block falls later than the next deeper one."""
    depth, at = falls(run, fraction, pooling, within, quantity)
    usable = np.isfinite(at).all(1)
    if not usable.any():
        raise Undefined("no task-level collapses in every block")
    centred = depth[usable] - depth[usable].mean(1, keepdims=True)
    return float(-((centred * at[usable]).sum(1) / (centred**2).sum(1)).mean())


def depth_order(run, fraction=0.5, pooling="mean", within=300):
    """Mean over task-levels of the tau-b between depth and fall: -1 is from the output to the input."""
    lowest = floor(run, POOLINGS[pooling], layers="blocks", within=within)
    return collapse(lowest, fraction).layer_order().mean()


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
    needs=Needs(["rankme"], further=OTHER_POOLINGS, layers="blocks", min_layers=4, min_scales=2),
    predictions=[
        Prediction("log steps per block", steps_per_block, Region.at_least(0.05), scope="every scale"),
        Prediction("tau-b", depth_order, Region.below(0.0), Mean((-1.0, 1.0)), scope="every scale"),
    ],
    design=BLOCKS,
    controls=[
        shuffled_answers(SHUFFLED),
        Control("equal steps", "it is an order of how far blocks are moved", suite="pocket_long_equal_steps"),
        surrogate("rankme"),
        varied(
            "gradient at initialisation", "the rank before training has the same gradient",
            ["log steps per block"], quantity="initial rank",
        ),
    ],
    multiverse={"fraction": [0.25, 0.5, 0.75], "within": [100, 200, 300], "pooling": list(POOLINGS)},
)  # fmt: skip
