"""Find the chances of each verdict by the number of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration import state_of
from emergence_stats.claims.selection import choose_pilots
from emergence_stats.core.verdicts import Verdict
from emergence_stats.errors import UsageError
from emergence_stats.robustness.power import TARGETS, Chances, Power
from emergence_stats.robustness.studies import Study, pilot_units, read_by_seed
from emergence_stats.support.progress import Progress
from emergence_stats.traces.store import Store

_TIMES = (1, 2, 4)  # the planned runs
_GRID = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 100, 150, 200)


def simulate(
    loaded: Loaded,
    store: Store,
    *,
    suite: str | None = None,
    draws: int = 1000,
    most: int = 64,
    progress: Progress | None = None,
) -> Power:
    """Chances of each verdict for 2 to `most` seeds per scale, from `draws` simulated studies each.

    Pilots are the runs that the plan had seen, or all if it saw none. Raises `UsageError` if there are
    too few: some scale needs two.
    """
    if draws < 1 or most < 2:
        raise UsageError(
            f"{draws} studies of up to {most} seeds: at least 1 study and 2 seeds needed"
        )
    hypothesis = loaded.hypothesis
    pilots, seen = choose_pilots(loaded.name, hypothesis, state_of(loaded), store, suite)
    if not pilots:
        raise UsageError(f"{loaded.name}: the store has no run that the plan could use as a pilot")
    planned = len(hypothesis.design.seeds) if hypothesis.design is not None else None
    longest = max(most, (planned or 0) * max(_TIMES))
    units = pilot_units(loaded.name, hypothesis, read_by_seed(hypothesis, store, pilots))
    if not units:
        raise UsageError(
            f"{loaded.name}: none of the {len(pilots)} runs that could be pilots has a value; "
            f"`emergence-stats test {loaded.name} -v` says why"
        )
    study = Study(hypothesis, units, draws, longest)
    by_seeds: dict[int, Chances] = {}

    def chances(seeds: int) -> Chances:
        if seeds not in by_seeds:
            if progress is not None:
                progress(seeds, longest)
            by_seeds[seeds] = study.chances(seeds)
        return by_seeds[seeds]

    times = [planned * factor for factor in _TIMES] if planned else []
    for seeds in [n for n in _GRID if n <= most] + [n for n in times if n <= longest]:
        chances(seeds)
    for verdict in (Verdict.SUPPORTED, Verdict.REFUTED):
        for target in TARGETS:
            _refine(chances, sorted(by_seeds), verdict, target)
    rows = tuple(by_seeds[seeds] for seeds in sorted(by_seeds))
    scales = tuple(sorted(study.scales))
    design = hypothesis.design
    of_plan = design is not None and pilots[0].manifest.suite == design.suite
    lacking = (
        [s for s in design.scales if s not in scales] if design is not None and of_plan else []
    )
    return Power(loaded.name, rows, scales, len(pilots), seen, draws, planned, tuple(lacking))


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
