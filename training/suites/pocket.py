"""Suites of up to 1.6M parameters: the first study, the second, and their controls."""

from __future__ import annotations

from dataclasses import replace

from ..measures.sampler import Sampler
from .suite import DeepMeasures, LogSpaced, Scale, Suite

POCKET = Suite(
    name="pocket",
    scales=(Scale(16, 2), Scale(24, 4), Scale(48, 4), Scale(96, 4), Scale(184, 4)),
    seeds=(*range(13), *range(30, 35)),
    steps=4000,
    batch=64,
    dense_steps=30,
    checkpoints=84,
)

# What a claim should not depend on, and what it should: training at half and at twice the
# learning rate, and on answers that do not belong to their problems.
DATA_CHOICES = (
    replace(POCKET, name="pocket_slow", seeds=(0, 1, 2), learning_rate_times_width=0.08),
    replace(POCKET, name="pocket_fast", seeds=(0, 1, 2), learning_rate_times_width=0.32),
    replace(POCKET, name="pocket_shuffled", seeds=(0, 30, 31, 32), shuffled_answers=True),
)

# Taken from docs/llc/: the walk settles within the burn-in, stays in the basins of learned tasks, and
# half the step gives the same value.
_POCKET_LLC = Sampler(
    step_size=2e-5,
    localisation=5000.0,
    inverse_temperature=100.0,
    chains=8,
    burn_in=30,
    draws=40,
    antithetic=True,
)

# The second study: twice as long as `pocket`, so that most task-levels emerge well before the end; data and weights of
# every run from a stream of its own; all measures in the same runs. Seeds 100 and 101 of each suite are pilots. Five sizes of
# four blocks, so that size is width alone, and from one that learns nearly all task-levels: with two blocks of width 16, a
# pilot learned 17 of 24.
_LONG_DEEP = DeepMeasures(
    every=1,
    llc=dict.fromkeys(("d24L4", "d32L4", "d48L4"), _POCKET_LLC),
    since=90,
    measures=("gradient_rank", "fisher_rank", "hessian_top", "llc"),
)
POCKET_LONG = replace(
    POCKET,
    name="pocket_long",
    scales=tuple(Scale(width, 4) for width in (24, 32, 48, 96, 184)),
    seeds=tuple(range(100, 112)),
    steps=8000,
    checkpoints=96,
    own_streams=True,
    centred=True,
    log_spaced=LogSpaced(),
    deep=_LONG_DEEP,
)
_SHALLOW = replace(POCKET_LONG, log_spaced=None, deep=None)
LONG_CHOICES = (
    # The collapse takes fewer than a hundred steps: many seeds of those, at some twenty checkpoints.
    replace(
        _SHALLOW,
        name="pocket_start",
        seeds=tuple(range(100, 140)),
        until=100,
        dense_steps=4,
        checkpoints=40,
    ),
    replace(
        _SHALLOW,
        name="pocket_long_shuffled",
        seeds=tuple(range(100, 106)),
        until=4000,
        shuffled_answers=True,
        log_spaced=LogSpaced(sharpness_samples=0),
    ),
    # Is it size, or the learning rate that comes with it?
    replace(
        _SHALLOW,
        name="pocket_long_one_rate",
        scales=tuple(Scale(width, 4) for width in (24, 48, 96)),
        seeds=tuple(range(100, 110)),
        until=4000,
        one_rate=0.16 / 48,
    ),
    # Is the order of blocks that of how far the optimiser moves them?
    replace(
        _SHALLOW,
        name="pocket_long_equal_steps",
        seeds=tuple(range(100, 108)),
        until=300,
        equal_steps=True,
    ),
    # Does what comes late come with the fall of the learning rate?
    replace(
        POCKET_LONG,
        name="pocket_long_constant",
        scales=POCKET_LONG.scales[:3],
        seeds=tuple(range(100, 112)),
        final_learning_rate=1.0,
        deep=replace(_LONG_DEEP, measures=("hessian_top",)),
    ),
    *(
        replace(
            _SHALLOW,
            name=f"pocket_long_{speed}",
            scales=POCKET_LONG.scales[:4],
            seeds=tuple(range(100, 105)),
            learning_rate_times_width=peak,
        )
        for speed, peak in (("slow", 0.08), ("fast", 0.32))
    ),
)

SMOKE = Suite(
    name="smoke",
    scales=(Scale(8, 2, heads=2), Scale(16, 4, heads=2)),
    seeds=(0, 1),
    steps=60,
    batch=32,
    dense_steps=10,
    checkpoints=20,
)

# Seed 0 is the pilot. The other seeds are not used in `pocket`: a run of the same scale and seed is the same training, and
# would not be new.
POCKET_DEEP = replace(
    POCKET,
    name="pocket_deep",
    scales=(Scale(24, 4), Scale(48, 4)),
    seeds=(0, *range(20, 28), *range(40, 48)),
    deep=DeepMeasures(every=2, llc={"d24L4": _POCKET_LLC, "d48L4": _POCKET_LLC}),
)
