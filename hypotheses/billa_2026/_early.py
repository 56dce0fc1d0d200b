"""The collapse at the paper's own sizes, for the claims about it: the runs, the steps that count, and when blocks fall.

Suite `paper_early`: 405K to 85M parameters, 2 to 12 blocks, the beginning of 7,000 steps. On pilots of the three smaller sizes that are not shipped (1,000
steps) floors of the last block by step 600 were within a factor of 1.21 of those by step 1,000. The last checkpoint, 581, serves to smooth the one
before it, so that a floor has to last for two.
"""

import numpy as np

from emergence_stats import Design, Run, collapse, floor

from .._tasks import POOLINGS

SIZES = ("d128L2", "d256L4", "d384L6", "d512L8", "d768L12")
SEEDS = range(101, 106)
EARLY = Design("paper_early", SIZES, SEEDS)
DEEPER = Design("paper_early", SIZES[1:], SEEDS)  # two blocks have no order that could be by chance
WITHIN = 500


def fall_times(run: Run, fraction, pooling, within) -> np.ndarray:
    """Log step of the fall of each block (task-levels, blocks), from the input on; that of the last checkpoint of the window if there is none.

    Between two checkpoints a trace is taken as straight, since blocks may fall within one step of each other.
    """
    lowest = floor(run, POOLINGS[pooling], layers="blocks", within=within)
    traces, events = lowest.traces, collapse(lowest, fraction)
    level = lowest.initial - fraction * (lowest.initial - lowest.value)
    after = (traces.steps < events.hi[:, None]).sum(1).clip(1, traces.steps.shape[1] - 1)
    rows = np.arange(len(after))
    (t0, t1), (v0, v1) = (
        (x[rows, after - 1], x[rows, after]) for x in (traces.steps, traces.values)
    )
    at = t0 + (v0 - level) / np.where(v0 > v1, v0 - v1, 1.0) * (t1 - t0)
    end = traces.steps[traces.steps <= within].max()
    at = np.where(events.observed, np.maximum(at, 0.5), end)
    return np.log(at).reshape(-1, run.n_layers)


def delays(run: Run, fraction, pooling, within) -> np.ndarray:
    """By how many log steps the first block falls later than the last one, of each task-level (task-levels,).

    The median over pairs of blocks of the difference a block (Theil and Sen), so that no single block makes it, times the blocks between the
    first and the last. Blocks that do not fall are late; where none falls it is 0.
    """
    at = fall_times(run, fraction, pooling, within)
    i, j = np.triu_indices(run.n_layers, 1)
    return -np.median((at[:, j] - at[:, i]) / (j - i), axis=1) * (run.n_layers - 1)
