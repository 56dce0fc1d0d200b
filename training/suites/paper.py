"""The paper's own sizes, 405K to 85M parameters: whole trainings for a GPU, and the collapse alone for a CPU."""

from __future__ import annotations

from dataclasses import replace

from .pocket import POCKET
from .suite import Scale, Suite

PAPER_SCALES = (
    Scale(128, 2),
    Scale(256, 4),
    Scale(384, 6, heads=6),
    Scale(512, 8, heads=8),
    Scale(768, 12, heads=12),
)

PAPER = Suite(
    name="paper",
    scales=PAPER_SCALES,
    seeds=tuple(range(3)),
    steps=7000,
    batch=512,
    dense_steps=50,
    checkpoints=200,
    precision="bf16",
)

# The collapse needs its first few hundred steps alone: on the learning rates of 7,000 steps, with a batch that a CPU can do.
# Seed 100 of each size is a pilot.
PAPER_EARLY = replace(
    POCKET,
    name="paper_early",
    scales=PAPER_SCALES,
    seeds=tuple(range(100, 107)),
    steps=7000,
    until=600,
    dense_steps=4,
    checkpoints=50,
    own_streams=True,
    centred=True,
)
