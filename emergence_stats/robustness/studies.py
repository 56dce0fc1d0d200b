"""Studies drawn from pilot runs, and what each would have concluded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emergence_stats.claims.project import Loaded
from emergence_stats.core.analyses import bounds_of
from emergence_stats.core.intervals.estimates import Estimate
from emergence_stats.core.plan import Count, Hypothesis, Prediction
from emergence_stats.core.runs import Run, Undefined
from emergence_stats.core.verdicts import COMBINE, Verdict
from emergence_stats.errors import UsageError
from emergence_stats.evaluation.judging.rules import settle
from emergence_stats.evaluation.reading import read_run
from emergence_stats.evaluation.values import Values, as_number, value_of
from emergence_stats.robustness.power import Chances
from emergence_stats.support.intact import check_intact
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import RunFile, Store
from emergence_stats.traces.store import by_seed as seeds_of

_SEED = 20260217


@dataclass
class Pilot:
    """A pilot unit: its runs, and its values by prediction number, without undefined ones."""

    runs: list[Manifest]
    values: dict[int, Count | float]


def read_by_seed(
    hypothesis: Hypothesis, store: Store, files: Sequence[RunFile]
) -> Iterator[list[Run]]:
    """Runs that have what the hypothesis needs, one seed after another."""
    needs = hypothesis.needs
    for some in seeds_of(files):
        runs = [read_run(store, file, [needs], needs.measures) for file in some]
        yield [run for run in runs if all(m in run.measures for m in needs.measures)]


def pilot_units(name: str, hypothesis: Hypothesis, by_seed: Iterable[Sequence[Run]]) -> list[Pilot]:
    """Units of one run each, and of the runs of one seed, as predictions ask for them.

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
    check_intact([name])
    return pilots


# --- simulated studies ------------------------------------------------------------------------


class Study:
    """Studies drawn from pilots: `strata` holds the units of each scale that may be drawn.

    Such a unit is the mean of its scale plus a deviation of one of its pilots. A scale with a single
    pilot, or a single one with a value of a prediction, shows no deviation, and borrows those of the other scales. A study of n seeds is the beginning
    of the same study with more, so that chances change smoothly with n.

    Where the pilots' mean lies is uncertain too: each study has a truth of its own, the mean of as many pilots drawn anew;
    not so if the pilots are the whole population (`uncertain` False).
    """

    def __init__(
        self,
        hypothesis: Hypothesis,
        pilots: Sequence[Pilot],
        draws: int,
        most: int,
        *,
        uncertain: bool = True,
    ) -> None:
        self.hypothesis = hypothesis
        by_stratum: dict[tuple[str, str], list[Pilot]] = {}
        for pilot in pilots:
            unit = hypothesis.predictions[next(iter(pilot.values))].unit
            scale = pilot.runs[0].scale if unit == "run" else ""
            by_stratum.setdefault((unit, scale), []).append(pilot)
        deviations = {stratum: _deviations(some) for stratum, some in by_stratum.items()}
        self.strata: list[_Stratum] = []
        rng = np.random.default_rng(_SEED)
        for (unit, scale), some in by_stratum.items():
            borrowed = [d for (u, _), more in deviations.items() if u == unit for d in more]
            own = _completed(deviations[unit, scale], _centre(some), borrowed)
            if not own and not borrowed:
                raise UsageError(
                    f"{len(pilots)} pilot {unit}s with a value: two of some scale are needed, to see "
                    "how much they differ"
                )
            usable = own or borrowed
            truth = rng.integers(0, len(usable), (draws, len(some) if uncertain else 0))
            drawn = rng.integers(0, len(usable), (draws, most))
            self.strata.append(_Stratum(some[0].runs, _centre(some), usable, truth, drawn))
        self.scales = {run.scale for pilot in pilots for run in pilot.runs}
        self.draws = draws

    def chances(self, seeds: int) -> Chances:
        counts = dict.fromkeys(Verdict, 0)
        for draw in range(self.draws):
            counts[self._verdict(draw, seeds)] += 1
        chance = {verdict: count / self.draws for verdict, count in counts.items()}
        return Chances(seeds, seeds * len(self.scales), chance)

    def _verdict(self, draw: int, seeds: int) -> Verdict:
        """Of the first look that decides, if the plan looks early."""
        for look in self._looks(seeds):
            found = self._values(draw, look)
            verdicts = [
                settle(self.hypothesis, prediction, values, test=False, looks=False).verdict
                for prediction, values in zip(self.hypothesis.predictions, found, strict=True)
            ]
            verdict = COMBINE[self.hypothesis.combine](verdicts)
            if verdict is not Verdict.INCONCLUSIVE:
                break
        return verdict

    def _looks(self, seeds: int) -> list[int]:
        design = self.hypothesis.design
        if design is None or not design.sequential:
            return [seeds]
        return [n for n in design.looks if n < seeds] + [seeds]

    def _values(self, draw: int, seeds: int) -> list[Values]:
        """The values of a study of so many seeds, by prediction."""
        found = [Values() for _ in self.hypothesis.predictions]
        for stratum in self.strata:
            truth = stratum.shift(draw)
            for i in stratum.drawn[draw, :seeds]:
                deviation = stratum.deviations[i]
                for number in stratum.centre.keys() & deviation.keys():
                    centre = stratum.centre[number]
                    at = as_number(centre) + truth.get(number, 0.0) + deviation[number]
                    prediction = self.hypothesis.predictions[number]
                    found[number].values.append(_possible(prediction, centre, at))
                    found[number].runs.append(stratum.runs)
        return found


@dataclass(frozen=True)
class _Stratum:
    """The units of one scale: their centre and deviations by prediction number; which are drawn for each study, and for
    its truth.
    """

    runs: list[Manifest]
    centre: dict[int, Count | float]
    deviations: list[dict[int, float]]
    truth: NDArray[np.int64]
    drawn: NDArray[np.int64]

    def shift(self, draw: int) -> dict[int, float]:
        """How far the truth of a study lies from the pilots' mean."""
        some = [self.deviations[i] for i in self.truth[draw]]
        if not some:
            return {}
        return {
            number: float(np.mean([d.get(number, 0.0) for d in some])) for number in self.centre
        }


def _centre(pilots: Sequence[Pilot]) -> dict[int, Count | float]:
    """Mean value by prediction number; of counts the mean share, of the mean number of trials."""
    found: dict[int, Count | float] = {}
    for number in {number for pilot in pilots for number in pilot.values}:
        mine = [pilot.values[number] for pilot in pilots if number in pilot.values]
        share = float(np.mean([as_number(value) for value in mine]))
        counts = [value for value in mine if isinstance(value, tuple)]
        trials = float(np.mean([count[1] for count in counts])) if counts else 0.0
        found[number] = Count(share * trials, trials) if counts else share
    return found


def _deviations(pilots: Sequence[Pilot]) -> list[dict[int, float]]:
    """Widened deviations of each pilot from the mean, by prediction number; none for a single pilot."""
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


def _completed(
    own: list[dict[int, float]],
    centre: Mapping[int, Count | float],
    others: Sequence[dict[int, float]],
) -> list[dict[int, float]]:
    """The deviations of a scale, with those of other scales in predictions of which it has one value."""
    found = [dict(deviation) for deviation in own]
    for number in centre:
        lent = [d[number] for d in others if number in d]
        if lent and not any(number in deviation for deviation in own):
            for place, deviation in enumerate(found):
                deviation[number] = lent[place % len(lent)]
    return found


def _possible(prediction: Prediction, value: Count | float, at: float) -> Count | float:
    """`at` as a value of this prediction: within its bounds, as a count where it is one."""
    if isinstance(value, tuple):
        return Count(min(max(at, 0.0), 1.0) * value[1], value[1])
    bounds = bounds_of(prediction.analysis)
    return at if bounds is None else min(max(at, bounds[0]), bounds[1])


def estimates_of_sets(
    loaded: Loaded, store: Store, sets: Mapping[str, Sequence[RunFile]]
) -> list[dict[str, Estimate]]:
    """For each prediction the estimate of each set of runs."""
    hypothesis = loaded.hypothesis
    found: list[dict[str, Estimate]] = [{} for _ in hypothesis.predictions]
    for name, runs in sets.items():
        pilots = pilot_units(loaded.name, hypothesis, read_by_seed(hypothesis, store, runs))
        made = frozenset((run.manifest.scale, run.manifest.seed) for run in runs)
        for number, prediction in enumerate(hypothesis.predictions):
            mine = [p for p in pilots if number in p.values]
            values = Values([p.values[number] for p in mine], [p.runs for p in mine], made)
            found[number][name] = settle(hypothesis, prediction, values, test=False).estimate
    return found
