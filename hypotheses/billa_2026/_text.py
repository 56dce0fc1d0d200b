"""Language models that are trained here, for the claims about them: the runs, the probes, and when a probe emerges and its geometry moves.

An analogue of what the paper says of Pythia and no replication: models of 28K to 1M parameters on 10 MB of addresses of presidents, with
nine probes that are mined from the same texts (`training/suites/text.py`, docs/language.md). Each seed of a size is trained on text, on
the probes alone, and on text with a tenth of probes. Definitions were fixed on pilots, seed 100. Chance is that of a guess.

The probes are nine, and fixed: what is found is of these nine, and more seeds make it no more general.

Geometry is that of the states at the last token of a context, centred, in the last block. The mean over a context, as RankMe is taken elsewhere, says
nothing of a probe: on the pilots all 27 recovered at one checkpoint, since all contexts are of one kind of text.
"""

import numpy as np

from emergence_stats import (
    Design,
    Events,
    Run,
    Undefined,
    emergence,
    interval_order,
    leads,
    recovery,
)

from .._tasks import POOLINGS, floors

SIZES = ("d16L4", "d32L4", "d64L4", "d128L4")
SEEDS = range(101, 109)
WITHIN = 200  # steps, of the floor: on the pilots all were there by step 168
ON_TEXT = Design("text", [f"{size}-text" for size in SIZES], SEEDS)
IN_ALL_ARMS = Design(
    "text", [f"{size}-{arm}" for size in SIZES for arm in ("text", "tasks", "mixed")], SEEDS
)

CHANCE = {
    **{
        (name, level): 1 / 2
        for name in ("agreement", "capital", "form", "frequency", "matching", "order", "topic")
        for level in range(3)
    },
    **{("phrase", level): 1 / 4 for level in range(3)},
    ("copy", 0): 1 / 3, ("copy", 1): 1 / 4, ("copy", 2): 1 / 4,
}  # fmt: skip
POOLING = "answer, centred"
OTHERS = [measure for name, measure in POOLINGS.items() if name != POOLING]
FEWEST = 6  # probes and levels that emerge, for a value of a run
LEAD = 4.0  # of planted signs, a factor of the step of emergence
NOISE = 0.4  # of them, in log steps


def emergences(run: Run, rise=0.25, persistence=3) -> Events:
    """Emergence of each probe and level: accuracy a quarter of the way from chance to 1, three checkpoints running."""
    return emergence(run, rise=rise, persistence=persistence, chance=CHANCE)


def signs_and_emergences(run: Run, rise, pooling, geometry) -> tuple[Events, Events]:
    """Recovery of RankMe and emergence of each probe and level; "planted": signs a factor of four before each emergence, with noise.

    Undefined where hardly any probe emerges.
    """
    sign = recovery(floors(run, pooling=pooling, within=WITHIN), rise)
    event = emergences(run).at(sign.task_levels())
    if np.count_nonzero(event.observed) < FEWEST:
        raise Undefined(
            f"{np.count_nonzero(event.observed)} of {len(event)} probes and levels emerge"
        )
    if geometry == "planted":
        noise = np.random.default_rng([run.n_params, run.seed, 3]).normal(0.0, NOISE, len(event))
        step = np.exp(noise) / LEAD * np.where(event.observed, event.hi, np.inf)
        sign = Events(event.task, event.level, event.layer, step * (1 - 1e-9), step)
    return sign, event


def concordance(run: Run, rise=1.25, pooling=POOLING, geometry="recovery", least=0.5) -> float:
    """Harrell's C between recovery and emergence, over pairs of different probes; a tie in geometry counts half.

    Undefined where fewer than `least` of the pairs have an order in geometry: then it says nothing of probes.
    """
    sign, event = signs_and_emergences(run, rise, pooling, geometry)
    i, j = np.triu_indices(len(event), 1)
    later = interval_order(event.lo, event.hi)[i, j]
    moved = interval_order(sign.lo, sign.hi)[i, j]
    comparable = (event.task[i] != event.task[j]) & (later != 0)
    if not comparable.any():
        raise Undefined("no two probes emerge at distinct times")
    if (moved != 0)[comparable].mean() < least:
        raise Undefined("most pairs are tied in geometry, which says nothing of how it orders")
    return float(((moved == later) + 0.5 * (moved == 0))[comparable].mean())


def own_less_others(run: Run, rise=1.25, pooling=POOLING, geometry="recovery") -> float:
    """Share of emergences that the recovery of the same probe led, less the mean of that share over the other probes of its level."""
    sign, event = signs_and_emergences(run, rise, pooling, geometry)
    if len(sign) % 3 or (sign.task.reshape(-1, 3)[:, :1] != sign.task.reshape(-1, 3)).any():
        raise Undefined(
            "not every probe has three levels, so that probes cannot be exchanged level by level"
        )
    shares = []
    for shift in range(len(sign) // 3):
        found = leads(sign.select(np.roll(np.arange(len(sign)), -3 * shift)), event)
        shares.append(found.successes / found.trials)
    return shares[0] - float(np.mean(shares[1:]))
