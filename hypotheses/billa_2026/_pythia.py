"""Pythia, for the claims that the paper makes of it: the runs, the probes, and when a probe emerges.

A model of each size was trained once: three runs, which no analysis over runs can make more of. The probes are this project's
(`training/language/sets/`), not the paper's, which are not public; chance is that of a guess.
"""

from emergence_stats import Design, Events, Run, emergence

PYTHIA = Design("pythia", ("160m", "410m", "2.8b"), (0,))
EARLY = (
    1000  # steps: the published checkpoints are 0, the powers of two to 512, and every thousandth
)

CHANCE = {
    **{("syntax", level): 1 / 2 for level in range(3)},
    **{(name, level): 1 / 4 for name in ("semantics", "arithmetic", "facts", "general") for level in range(3)},
    ("in_context", 0): 0.361, ("in_context", 1): 0.319, ("in_context", 2): 0.425,
    ("reasoning", 0): 0.494, ("reasoning", 1): 0.389, ("reasoning", 2): 0.328,
}  # fmt: skip


def emergences(run: Run, rise=0.25, persistence=3) -> Events:
    """Emergence of each probe and level: accuracy a quarter of the way from chance to 1, three checkpoints running."""
    return emergence(run, rise=rise, persistence=persistence, chance=CHANCE)
