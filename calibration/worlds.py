"""The shipped claims in simulated worlds: what they conclude where the truth is known.

A population of runs of one world is simulated once, and studies are drawn from it; the truth of each
estimand is the population's. The values of runs then have the shapes that traces give them: ties
of the grid, bounds, values that most runs share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.study import Outcome, run
from calibration.traces import World, population
from calibration.values import Cell, Design
from emergence_stats.claims.project import Loaded
from emergence_stats.core.analyses import kind_of
from emergence_stats.core.plan import Count
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.values import as_number
from emergence_stats.robustness.studies import Pilot, Study, pilot_units

POPULATION = 400

# Universal early events that have nothing to do with what is learned; the order of blocks is random.
NULLS = (
    World("nothing is related"),
    World("task-levels of a run agree", icc=1.0),
    World("task-levels are independent", icc=0.0),
    World("20 checkpoints", checkpoints=20),
    World("10 checkpoints", checkpoints=10),
    World("five times the noise", noise=0.1),
    World("30% never emerge", late=0.3),
)
# What the claims say is true.
TRUE = World("as claimed", related=True, top_down=True)

# Claims that are false in all of `NULLS`, and why.
FALSE = {
    "top_down": "the order of blocks is random",
    "precursor_rates": "recovery knows nothing of its own task",
    "coarse_difficulty": "recovery knows nothing of the tasks",
}


@dataclass(frozen=True)
class Population:
    """All values of a hypothesis in a world."""

    world: World
    loaded: Loaded
    pilots: Sequence[Pilot]

    def cells(self, design: Design) -> list[Cell]:
        """One for each prediction of a mean or share over runs, the truth that of the population."""
        found = []
        for number, prediction in enumerate(self.loaded.hypothesis.predictions):
            if kind_of(prediction.analysis) == "Slope" or prediction.unit == "seed":
                continue
            values = [p.values[number] for p in self.pilots if number in p.values]
            if len(values) < POPULATION // 2:
                continue  # hardly a run has a value: another matter
            found.append(
                Cell(
                    f"{self.loaded.name}: {prediction.name}",
                    design,
                    prediction.analysis,  # type: ignore[arg-type]  # of the first study
                    float(np.mean([as_number(value) for value in values])),
                    _drawing(values, design.runs),
                )
            )
        return found

    def outcomes(self, design: Design, repetitions: int) -> list[Outcome]:
        return [run(cell, repetitions) for cell in self.cells(design)]

    def verdicts(self, runs: Sequence[int], repetitions: int) -> dict[int, dict[Verdict, float]]:
        """Share of each verdict on the claim as it is declared, by number of runs."""
        if not self.pilots:
            return {n: {**dict.fromkeys(Verdict, 0.0), Verdict.INCONCLUSIVE: 1.0} for n in runs}
        study = Study(self.loaded.hypothesis, self.pilots, repetitions, max(runs), uncertain=False)
        return {n: dict(study.chances(n).chance) for n in runs}


def _drawing(
    values: Sequence[Count | float], n: int
) -> Callable[[np.random.Generator], list[Count | float]]:
    def draw(rng: np.random.Generator) -> list[Count | float]:
        return [values[i] for i in rng.integers(0, len(values), n)]

    return draw


def populate(
    world: World, hypotheses: Sequence[Loaded], size: int = POPULATION
) -> list[Population]:
    """One scale, `size` seeds."""
    runs = population(world, 1, size)
    return [
        Population(world, loaded, pilot_units(loaded.name, loaded.hypothesis, [[r] for r in runs]))
        for loaded in hypotheses
    ]
