"""At the end of training the rank of the representation falls with depth: later layers compress.

Estimands, one value a run, of centred RankMe at the last three checkpoints, mean over task-levels: Kendall's tau between
depth and rank over the blocks, and the log rank that a block adds (a slope). Supported if tau is below 0 and a block lowers
the rank by at least 5% at every scale. Refuted if one scale is outside for certain.

Four blocks are few: the paper's "tunnel" is the later part of networks with many more layers than the task needs. Reservations
would mean: not specific, that the rank falls with depth before training too; fragile, that it depends
on centring or pooling. The paper measures the numerical rank of features of all classes at the end of training.
"""

import numpy as np

from emergence_stats import (
    Claim,
    Hypothesis,
    Median,
    Needs,
    Prediction,
    Region,
    with_options,
)

from .._tasks import LONG, POOLINGS

LEAST = 0.05


def log_ranks(run, pooling, when):
    """Log rank of every block (task-levels, blocks), shallowest first; `when` "end" or "initialisation"."""
    traces = run.traces(POOLINGS[pooling], layers="blocks", tasks=True)
    values = traces.values[:, :1] if when == "initialisation" else traces.values[:, -3:]
    return np.log(values).mean(1).reshape(-1, run.n_layers)


def depth_order(run, pooling="mean, centred", when="end"):
    """Mean over task-levels of Kendall's tau between depth and rank: -1 where every block has less than the one before."""
    ranks = log_ranks(run, pooling, when)
    i, j = np.triu_indices(run.n_layers, 1)
    return float(np.sign(ranks[:, j] - ranks[:, i]).mean())


def change_per_block(run, pooling="mean, centred", when="end"):
    """Mean slope of log rank on depth."""
    depth = np.arange(run.n_layers) - (run.n_layers - 1) / 2
    return float((log_ranks(run, pooling, when) @ depth / (depth @ depth)).mean())


later_layers_compress = Hypothesis(
    claim=Claim(
        "At the end of training the rank of the representation falls with depth.",
        paper="arXiv:2305.19753",
        reported={"abstract": "the tunnel compresses representations, which begins early in training"},
    ),
    needs=Needs(
        ["rankme_centred"],
        optional=[m for m in POOLINGS.values() if m != "rankme_centred"],
        layers="blocks",
        min_layers=4,
        min_scales=2,
    ),
    predictions=[
        Prediction("tau of depth and rank", depth_order, Region.below(0.0), Median(), scope="every scale"),
        Prediction("log rank per block", change_per_block, Region.at_most(-LEAST), scope="every scale"),
    ],
    design=LONG,
    controls=[
        with_options(
            "before training", "the rank falls with depth before training", ["log rank per block"], when="initialisation"
        ),
    ],
    multiverse={"pooling": list(POOLINGS)},
)  # fmt: skip
