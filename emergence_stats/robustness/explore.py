"""Run all analyses that a hypothesis declares."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emergence_stats.claims.project import Loaded, Project
from emergence_stats.claims.registration import state_of
from emergence_stats.claims.selection import choose_runs
from emergence_stats.claims.source import code_digests
from emergence_stats.core.plan import SUITE, Hypothesis
from emergence_stats.core.verdicts import COMBINE
from emergence_stats.errors import UsageError
from emergence_stats.evaluation.judging.rules import settle
from emergence_stats.evaluation.values import Values
from emergence_stats.robustness.cache import ValueCache
from emergence_stats.robustness.multiverse import (
    Analysis,
    Choices,
    Multiverse,
    choices_of,
    specifications,
)
from emergence_stats.robustness.values import Request, Unit, request_of, values_of_units
from emergence_stats.support.intact import check_intact
from emergence_stats.support.progress import Progress
from emergence_stats.traces.store import RunFile, Store
from emergence_stats.traces.store import by_seed as seeds_of


def explore(
    project: Project,
    name: str,
    store: Store,
    *,
    suite: str | None = None,
    processes: int | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Multiverse:
    """All declared analyses of a hypothesis of `project` on `store`.

    `processes`: by default one per core; 1 starts none. `cache`: a folder for values of units. Raises
    `UsageError` if no suite is chosen or the hypothesis declares no multiverse, and what `evaluate`
    raises.
    """
    loaded = project.load(name)
    check_intact([name])
    hypothesis = loaded.hypothesis
    if not hypothesis.multiverse:
        raise UsageError(f"{name} declares no multiverse: there is one analysis, that of `test`")
    chosen, suites = _suites(loaded, store, suite)
    choices = choices_of(hypothesis, chosen)
    absent = tuple(other for other, runs in suites.items() if not runs)
    if SUITE in choices:
        # the registered analysis stays, though it has no run
        choices[SUITE] = tuple(s for s in choices[SUITE] if s not in absent or s == chosen)
    every = list(specifications(choices))
    wanted = _wanted(hypothesis, every)
    jobs = [
        (unit, requests)
        for its_suite, runs in suites.items()
        for by_seed, requests in wanted.items()
        for unit in (_units(its_suite, runs, by_seed) if requests else ())
    ]
    found = values_of_units(
        project,
        loaded,
        store,
        jobs,
        processes or os.cpu_count() or 1,
        ValueCache(
            cache,
            code_digests(Path(str(loaded.module.__file__)), loaded.source.home) if cache else {},
        ),
        progress,
    )
    by_suite: dict[tuple[str, bool], list[tuple[Unit, dict[str, Any]]]] = {}
    for (unit, requests), values in zip(jobs, found, strict=True):
        by_suite.setdefault((unit.suite, requests is wanted[True]), []).append((unit, values))
    analyses = [_analyse(hypothesis, spec, by_suite, spec.get(SUITE, chosen)) for spec in every]
    return Multiverse(name, choices, tuple(analyses), absent)


def _suites(
    loaded: Loaded, store: Store, suite: str | None
) -> tuple[str, dict[str, list[RunFile]]]:
    """The suite of the registered analysis, and the runs that count of it and of each declared suite."""
    hypothesis, state = loaded.hypothesis, state_of(loaded)
    selection = choose_runs(hypothesis, state, store, suite)
    if selection.suite is None or selection.why_nothing is not None:
        raise UsageError(f"{loaded.name}: {selection.why_nothing}")
    selections = {selection.suite: selection}
    for other in hypothesis.multiverse.get(SUITE, ()):
        if other not in selections:
            selections[other] = choose_runs(hypothesis, state, store, other)
    files = {run.manifest.run_id: run for run in store.runs}
    return selection.suite, {
        name: [files[run_id] for run_id in chosen.with_status("counted")]
        for name, chosen in selections.items()
    }


def runs_of_multiverse(loaded: Loaded, store: Store) -> list[RunFile]:
    """All runs that `explore` would read."""
    return [run for runs in _suites(loaded, store, None)[1].values() for run in runs]


def _wanted(hypothesis: Hypothesis, every: Sequence[Choices]) -> dict[bool, list[Request]]:
    """Requests of all analyses, those per run (False) and those per seed (True), each once."""
    wanted: dict[bool, dict[str, Request]] = {False: {}, True: {}}
    for number, prediction in enumerate(hypothesis.predictions):
        for choices in every:
            request = request_of(number, prediction, choices)
            wanted[prediction.unit == "seed"][request.key] = request
    return {by_seed: list(requests.values()) for by_seed, requests in wanted.items()}


def _units(suite: str, files: Sequence[RunFile], by_seed: bool) -> list[Unit]:
    if not by_seed:
        return [Unit(suite, (file,)) for file in files]
    return [Unit(suite, tuple(some)) for some in seeds_of(files)]


def _analyse(
    hypothesis: Hypothesis,
    choices: Choices,
    by_suite: Mapping[tuple[str, bool], Sequence[tuple[Unit, dict[str, Any]]]],
    suite: str,
) -> Analysis:
    estimates, verdicts, runs = {}, {}, set()
    for number, prediction in enumerate(hypothesis.predictions):
        key = request_of(number, prediction, choices).key
        units = by_suite.get((suite, prediction.unit == "seed"), ())
        made = frozenset((m.scale, m.seed) for unit, _ in units for m in unit.manifests)
        found = Values(made=made)
        for unit, values in units:
            if values[key] is not None:
                found.values.append(values[key])
                found.runs.append(unit.manifests)
                runs |= {manifest.run_id for manifest in unit.manifests}
        settled = settle(hypothesis, prediction, found, test=False)
        estimates[prediction.name] = settled.estimate
        verdicts[prediction.name] = settled.verdict
    verdict = COMBINE[hypothesis.combine](verdicts.values())
    return Analysis(choices, verdict, estimates, verdicts, len(runs))
