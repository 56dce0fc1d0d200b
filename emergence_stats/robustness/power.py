"""Chance of each verdict by the number of runs, from pilot runs.

Runs are drawn from the pilots, with replacement within each scale, and the hypothesis is settled on
them by its own analysis; a run brings its values of all predictions, so that what varies together does
so here. Deviations from a scale's mean are widened by sqrt(m / (m - 1)), since m runs lie closer to
their own mean than to the true one.

The chances are those if the truth is what the pilots show. How far that may be wrong is not part of
them; few pilots that agree promise more than they know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration import state_of
from emergence_stats.claims.selection import choose_pilots
from emergence_stats.errors import UsageError
from emergence_stats.evaluation.predictions import settle
from emergence_stats.evaluation.reading import read_run
from emergence_stats.evaluation.values import Values, as_number, value_of
from emergence_stats.hypothesis import Count, Hypothesis, Mean, Prediction
from emergence_stats.runs import Run, Undefined
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import RunFile, Store
from emergence_stats.verdicts import COMBINE, Verdict

TARGETS = (0.8, 0.9)
_SEED = 20260217
_GRID = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 100, 150, 200)

Progress = Callable[[int], None]  # seeds a scale that are being simulated


@dataclass(frozen=True)
class Chances:
    """Chance of each verdict with so many seeds a scale."""

    seeds: int
    runs: int
    chance: Mapping[Verdict, float]


@dataclass(frozen=True)
class Power:
    """`rows` by number of seeds; `pilots`: runs that they rest on, all of them `seen` by the plan or,
    where it saw none, all there are; `planned`: seeds a scale of the plan.
    """

    name: str
    rows: tuple[Chances, ...]
    scales: tuple[str, ...]
    pilots: int
    seen: bool
    draws: int
    planned: int | None

    @classmethod
    def from_dict(cls, name: str, found: Mapping[str, Any]) -> Power:
        """What `to_dict` wrote."""
        rows = (
            Chances(row["seeds"], row["runs"], {v: row[str(v)] for v in Verdict})
            for row in found["rows"]
        )
        return cls(
            name,
            tuple(rows),
            tuple(found["scales"]),
            found["pilot_runs"],
            found["pilots_seen_by_plan"],
            found["draws"],
            found["planned_seeds"],
        )

    def needed(self, verdict: Verdict, chance: float) -> Chances | None:
        """The fewest seeds that give this verdict with this chance, None where none simulated do."""
        return next((row for row in self.rows if row.chance[verdict] >= chance), None)

    def at(self, seeds: int) -> Chances | None:
        return next((row for row in self.rows if row.seeds == seeds), None)

    def to_frame(self):
        """One row a number of seeds, as a pandas DataFrame (needs pandas)."""
        import pandas as pd

        chances = [{str(verdict): c for verdict, c in row.chance.items()} for row in self.rows]
        return pd.DataFrame(
            [
                {"seeds": r.seeds, "runs": r.runs, **c}
                for r, c in zip(self.rows, chances, strict=True)
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        decisive = (Verdict.SUPPORTED, Verdict.REFUTED)
        return {
            "name": self.name,
            "scales": list(self.scales),
            "pilot_runs": self.pilots,
            "pilots_seen_by_plan": self.seen,
            "planned_seeds": self.planned,
            "draws": self.draws,
            "rows": [
                {"seeds": r.seeds, "runs": r.runs, **{str(v): c for v, c in r.chance.items()}}
                for r in self.rows
            ],
            "needed": [
                {
                    "verdict": str(verdict),
                    "chance": chance,
                    "seeds": found.seeds if found else None,
                    "runs": found.runs if found else None,
                }
                for verdict in decisive
                for chance in TARGETS
                for found in [self.needed(verdict, chance)]
            ],
        }


def simulate(
    loaded: Loaded,
    store: Store,
    *,
    suite: str | None = None,
    draws: int = 1000,
    most: int = 64,
    progress: Progress | None = None,
) -> Power:
    """Chances of each verdict for 2 to `most` seeds a scale, by `draws` simulated studies each.

    Pilots are the runs that the plan had seen, or all where it saw none. Raises `UsageError` where
    there are too few: two of some scale.
    """
    if draws < 1 or most < 2:
        raise UsageError(f"{draws} studies of up to {most} seeds: 1 study and 2 seeds at least")
    hypothesis = loaded.hypothesis
    pilots, seen = choose_pilots(loaded.name, hypothesis, state_of(loaded), store, suite)
    planned = len(hypothesis.design.seeds) if hypothesis.design is not None else None
    longest = max(most, planned or 0)
    units = pilot_units(loaded.name, hypothesis, _read_by_seed(hypothesis, store, pilots))
    study = Study(hypothesis, units, draws, longest)
    found: dict[int, Chances] = {}

    def chances(seeds: int) -> Chances:
        if seeds not in found:
            if progress is not None:
                progress(seeds)
            found[seeds] = study.chances(seeds)
        return found[seeds]

    for seeds in [n for n in _GRID if n <= most] + ([planned] if planned else []):
        chances(seeds)
    for verdict in (Verdict.SUPPORTED, Verdict.REFUTED):
        for target in TARGETS:
            _refine(chances, sorted(found), verdict, target)
    rows = tuple(found[seeds] for seeds in sorted(found))
    scales = tuple(sorted(study.scales))
    return Power(loaded.name, rows, scales, len(pilots), seen, draws, planned)


def _refine(
    chances: Callable[[int], Chances], tried: Sequence[int], verdict: Verdict, target: float
) -> None:
    """Find the fewest seeds that reach the target between two that were tried."""
    above = next((n for n in tried if chances(n).chance[verdict] >= target), None)
    below = max((n for n in tried if above is not None and n < above), default=None)
    if above is None or below is None:
        return
    while above - below > 1:
        middle = (above + below) // 2
        if chances(middle).chance[verdict] >= target:
            above = middle
        else:
            below = middle


# --- pilots -----------------------------------------------------------------------------------


@dataclass
class Pilot:
    """A pilot unit: its runs, and its values by prediction number; lacking where undefined."""

    runs: list[Manifest]
    values: dict[int, Count | float]


def _read_by_seed(
    hypothesis: Hypothesis, store: Store, files: Sequence[RunFile]
) -> Iterator[list[Run]]:
    needs = hypothesis.needs
    by_seed: dict[int, list[RunFile]] = {}
    for file in files:
        by_seed.setdefault(file.manifest.seed, []).append(file)
    for some in by_seed.values():
        runs = [read_run(store, file, [needs], needs.measures) for file in some]
        yield [run for run in runs if all(m in run.measures for m in needs.measures)]


def pilot_units(name: str, hypothesis: Hypothesis, by_seed: Iterable[Sequence[Run]]) -> list[Pilot]:
    """Units of one run each, and of the runs of one seed, as far as predictions ask for them.

    `by_seed`: the runs of one seed after another. `name` is that of the hypothesis, for errors.
    """
    pilots = []
    for runs in by_seed:
        for kind, units in (("run", [[run] for run in runs]), ("seed", [runs] if runs else [])):
            for unit in units:
                pilot = Pilot([run.manifest for run in unit], {})
                for number, prediction in enumerate(hypothesis.predictions):
                    if prediction.unit == kind:
                        try:
                            pilot.values[number] = value_of(name, prediction, unit, {})
                        except Undefined:
                            continue
                if pilot.values:
                    pilots.append(pilot)
    return pilots


# --- simulated studies ------------------------------------------------------------------------


class Study:
    """Studies drawn from pilots: `strata` holds the units of each scale that one may draw.

    A unit that one may draw is the mean of its scale plus a deviation of one of its pilots. A scale with
    a single pilot shows no deviation, and borrows those of the other scales. A study of n seeds is the
    beginning of the same study of more, so that chances change smoothly with n.
    """

    def __init__(
        self, hypothesis: Hypothesis, pilots: Sequence[Pilot], draws: int, most: int
    ) -> None:
        self.hypothesis = hypothesis
        by_stratum: dict[tuple[str, str], list[Pilot]] = {}
        for pilot in pilots:
            unit = hypothesis.predictions[next(iter(pilot.values))].unit
            scale = pilot.runs[0].scale if unit == "run" else ""
            by_stratum.setdefault((unit, scale), []).append(pilot)
        deviations = {stratum: _deviations(some) for stratum, some in by_stratum.items()}
        self.strata: list[tuple[list[Manifest], list[dict[int, Count | float]]]] = []
        for (unit, scale), some in by_stratum.items():
            own = deviations[unit, scale]
            borrowed = [d for (u, _), more in deviations.items() if u == unit for d in more]
            if not own and not borrowed:
                raise UsageError(
                    f"{len(pilots)} pilot {unit}s with a value: two of some scale are needed, to see "
                    "how much they differ"
                )
            centre = _centre(some)
            units = [self._unit(centre, deviation) for deviation in own or borrowed]
            self.strata.append((some[0].runs, units))
        self.scales = {run.scale for pilot in pilots for run in pilot.runs}
        rng = np.random.default_rng(_SEED)
        self._drawn = [rng.integers(0, len(units), (draws, most)) for _, units in self.strata]

    def _unit(
        self, centre: dict[int, Count | float], deviation: dict[int, float]
    ) -> dict[int, Count | float]:
        return {
            number: _possible(
                self.hypothesis.predictions[number],
                centre[number],
                as_number(centre[number]) + deviation[number],
            )
            for number in centre.keys() & deviation.keys()
        }

    def chances(self, seeds: int) -> Chances:
        draws = len(self._drawn[0])
        counts = dict.fromkeys(Verdict, 0)
        for draw in range(draws):
            counts[self._verdict(draw, seeds)] += 1
        chance = {verdict: count / draws for verdict, count in counts.items()}
        return Chances(seeds, seeds * len(self.scales), chance)

    def _verdict(self, draw: int, seeds: int) -> Verdict:
        found = [Values() for _ in self.hypothesis.predictions]
        for (runs, units), drawn in zip(self.strata, self._drawn, strict=True):
            for i in drawn[draw, :seeds]:
                for number, value in units[i].items():
                    found[number].values.append(value)
                    found[number].runs.append(runs)
        verdicts = [
            settle(self.hypothesis, prediction, values, test=False)[1]
            for prediction, values in zip(self.hypothesis.predictions, found, strict=True)
        ]
        return COMBINE[self.hypothesis.combine](verdicts)


def _centre(pilots: Sequence[Pilot]) -> dict[int, Count | float]:
    """Mean value by prediction number; of counts the mean share, of the mean number of trials."""
    found: dict[int, Count | float] = {}
    for number in {number for pilot in pilots for number in pilot.values}:
        mine = [pilot.values[number] for pilot in pilots if number in pilot.values]
        share = float(np.mean([as_number(value) for value in mine]))
        counts = [value for value in mine if isinstance(value, Count)]
        trials = float(np.mean([count.trials for count in counts])) if counts else 0.0
        found[number] = Count(share * trials, trials) if counts else share
    return found


def _deviations(pilots: Sequence[Pilot]) -> list[dict[int, float]]:
    """Widened deviations of each pilot from the mean, by prediction number; none of a single pilot."""
    if len(pilots) < 2:
        return []
    centre = _centre(pilots)
    how_many = {n: sum(n in pilot.values for pilot in pilots) for n in centre}
    return [
        {
            n: (as_number(value) - as_number(centre[n])) * (how_many[n] / (how_many[n] - 1)) ** 0.5
            for n, value in pilot.values.items()
            if how_many[n] > 1
        }
        for pilot in pilots
    ]


def _possible(prediction: Prediction, value: Count | float, at: float) -> Count | float:
    """`at` as a value of this prediction: within its bounds, as a count where it is one."""
    if isinstance(value, Count):
        return Count(min(max(at, 0.0), 1.0) * value.trials, value.trials)
    bounds = prediction.analysis.bounds if isinstance(prediction.analysis, Mean) else None
    return at if bounds is None else min(max(at, bounds[0]), bounds[1])
