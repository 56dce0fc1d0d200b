"""The verdict under every declared analysis choice (Steegen et al. 2016).

A choice is a keyword of the estimates, or the suite that the runs are of. All combinations are
analysed, each as the hypothesis is: same regions, same level, same rule. The analyses share their
data, so no p-value is put on the whole; what is reported is in what share of the analyses each verdict
holds, and which single choices take the registered analysis to another one.
"""

from __future__ import annotations

import itertools
import json
import math
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from emergence_stats.claims.project import Loaded, Project
from emergence_stats.claims.registration import state_of
from emergence_stats.claims.selection import choose_runs
from emergence_stats.claims.source import code_digests
from emergence_stats.errors import UsageError
from emergence_stats.evaluation.predictions import settle
from emergence_stats.evaluation.reading import read_run
from emergence_stats.evaluation.values import Values, value_of
from emergence_stats.hypothesis import SUITE, Hypothesis, Prediction, keyword_defaults
from emergence_stats.inference import Estimate
from emergence_stats.robustness.cache import ValueCache
from emergence_stats.runs import Undefined
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import RunFile, Store
from emergence_stats.verdicts import COMBINE, Verdict

Choices = Mapping[str, Any]
Progress = Callable[[int, int], None]  # units done, units in all

# --- the analyses -----------------------------------------------------------------------------


def choices_of(hypothesis: Hypothesis, suite: str | None) -> dict[str, tuple[Any, ...]]:
    """Values of each declared choice, the registered one first; it is added where it is not declared.

    `suite`: that of the registered analysis. A keyword whose default differs between estimates has no
    registered value that all share, so it varies among the declared ones alone.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for name, values in hypothesis.multiverse.items():
        defaults = [suite] if name == SUITE else _defaults(hypothesis, name)
        shared = [] if any(d != defaults[0] for d in defaults) else defaults[:1]
        found[name] = (*shared, *(v for v in values if v not in shared))
    return found


def _defaults(hypothesis: Hypothesis, keyword: str) -> list[Any]:
    every = (keyword_defaults(p.estimate) for p in hypothesis.predictions)
    return [defaults[keyword] for defaults in every if keyword in defaults]


def specifications(choices: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """All combinations, the registered one first."""
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


@dataclass(frozen=True)
class Analysis:
    """One analysis: its choices, and what came out. `estimates` by prediction."""

    choices: Choices
    verdict: Verdict
    estimates: Mapping[str, Estimate]
    verdicts: Mapping[str, Verdict]
    n_runs: int

    @property
    def counts(self) -> bool:
        """Whether any of its estimates has an interval."""
        return any(estimate.interval is not None for estimate in self.estimates.values())


class Flip(NamedTuple):
    """A single choice that takes the registered analysis to another verdict, and the runs it then has."""

    choice: str
    value: Any
    verdict: Verdict
    n_runs: int


@dataclass(frozen=True)
class Multiverse:
    """All analyses of a hypothesis, the registered one first; `choices` with the registered values first.

    Analyses without any interval, as of a pooling that the runs were not measured with or of a suite with
    a single run, are `empty` and count for nothing. `why_not`: suites that are declared and not in the store.
    """

    name: str
    choices: Mapping[str, tuple[Any, ...]]
    analyses: tuple[Analysis, ...]
    why_not: tuple[str, ...] = ()

    @property
    def registered(self) -> Analysis:
        return self.analyses[0]

    @property
    def empty(self) -> int:
        return sum(not a.counts for a in self.analyses)

    def share(self, verdict: Verdict, keyword: str | None = None, value: Any = None) -> float:
        """Share of the analyses with this verdict, of all or of those in which a choice has a value.

        NaN where there are none.
        """
        some = [
            a
            for a in self.analyses
            if a.counts and (keyword is None or a.choices[keyword] == value)
        ]
        return sum(a.verdict is verdict for a in some) / len(some) if some else math.nan

    def flips(self) -> list[Flip]:
        """Single choices that take the registered analysis to another verdict."""
        base = self.registered
        found = []
        for a in self.analyses:
            changed = [k for k in a.choices if a.choices[k] != base.choices[k]]
            if len(changed) == 1 and a.counts and a.verdict is not base.verdict:
                found.append(Flip(changed[0], a.choices[changed[0]], a.verdict, a.n_runs))
        return found

    def to_frame(self):
        """One row an analysis and prediction, as a pandas DataFrame (needs pandas).

        `verdict` is that of the analysis, `prediction_verdict` that of the prediction in it.
        """
        import pandas as pd

        rows = []
        for a in self.analyses:
            for name, e in a.estimates.items():
                lo, hi = e.interval or (math.nan, math.nan)
                numbers = {
                    "estimate": e.value if e.n_runs else math.nan,
                    "ci_low": lo,
                    "ci_high": hi,
                }
                said = {"prediction_verdict": str(a.verdicts[name]), "verdict": str(a.verdict)}
                rows.append(
                    {**a.choices, "n_runs": a.n_runs, "prediction": name, **numbers, **said}
                )
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        def one(a: Analysis) -> dict[str, Any]:
            return {
                "choices": dict(a.choices),
                "verdict": str(a.verdict),
                "n_runs": a.n_runs,
                "predictions": [
                    {
                        "name": name,
                        "estimate": e.value if e.n_runs else None,
                        "interval": list(e.interval) if e.interval else [None, None],
                        "verdict": str(a.verdicts[name]),
                    }
                    for name, e in a.estimates.items()
                ],
            }

        def shares(keyword: str | None, value: Any) -> dict[str, float | None]:
            found = {str(v): self.share(v, keyword, value) for v in Verdict}
            return {v: None if math.isnan(share) else share for v, share in found.items()}

        return {
            "name": self.name,
            "analyses": len(self.analyses),
            "empty": self.empty,
            "registered": str(self.registered.verdict),
            "shares": shares(None, None),
            "by_choice": {
                k: [{"value": v, **shares(k, v)} for v in values]
                for k, values in self.choices.items()
            },
            "flips": [{**flip._asdict(), "verdict": str(flip.verdict)} for flip in self.flips()],
            "without": list(self.why_not),
            "specifications": [one(a) for a in self.analyses],
        }


# --- values of all units under all choices ----------------------------------------------------


@dataclass(frozen=True)
class _Request:
    """A value that is wanted of a unit: prediction number and the keywords that its estimate knows."""

    prediction: int
    keywords: tuple[tuple[str, Any], ...]

    @property
    def key(self) -> str:
        return json.dumps([self.prediction, [[k, repr(v)] for k, v in self.keywords]])


def _request(number: int, prediction: Prediction, choices: Choices) -> _Request:
    known = keyword_defaults(prediction.estimate)
    used = {k: v for k, v in choices.items() if k in known and v != known[k]}
    return _Request(number, tuple(sorted(used.items())))


@dataclass(frozen=True)
class _Unit:
    """The runs of one unit of a suite."""

    suite: str
    files: tuple[RunFile, ...]

    @property
    def content(self) -> list[str]:
        return [file.manifest.sha256 for file in self.files]

    @property
    def manifests(self) -> list[Manifest]:
        return [file.manifest for file in self.files]


def _work(loaded: Loaded, store: Store, unit: _Unit, wanted: Sequence[_Request]) -> dict[str, Any]:
    """Values by request key, None where undefined. The unit of one run, or the runs of one seed."""
    needs = loaded.hypothesis.needs
    measures = {*needs.measures, *needs.further}
    runs = [read_run(store, file, [needs], measures) for file in unit.files]
    runs = [run for run in runs if all(measure in run.measures for measure in needs.measures)]
    found: dict[str, Any] = {}
    for request in wanted:
        prediction = loaded.hypothesis.predictions[request.prediction]
        try:
            if not runs:
                raise Undefined("no run has what is needed")
            found[request.key] = value_of(loaded.name, prediction, runs, dict(request.keywords))
        except Undefined:
            found[request.key] = None
    return found


_there: tuple[Loaded, Store] | None = None  # of a worker process


def _begin(root: str, name: str, uri: str) -> None:
    global _there
    _there = (Project(Path(root)).load(name), Store.open(uri))


def _work_there(job: tuple[_Unit, Sequence[_Request]]) -> dict[str, Any]:
    assert _there is not None
    return _work(*_there, *job)


def _values(
    project: Project,
    loaded: Loaded,
    store: Store,
    jobs: Sequence[tuple[_Unit, Sequence[_Request]]],
    processes: int,
    cache: ValueCache,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    """For each unit its values by request key; what the cache has is not computed."""
    known = [cache.read(unit.content) for unit, _ in jobs]
    missing = [
        (i, (unit, lacking))
        for i, (unit, wanted) in enumerate(jobs)
        if (lacking := [request for request in wanted if request.key not in known[i]])
    ]
    done = len(jobs) - len(missing)
    for at, new in _computed(project, loaded, store, missing, processes):
        known[at].update(new)
        cache.write(jobs[at][0].content, known[at])
        done += 1
        if progress is not None:
            progress(done, len(jobs))
    return known


def _computed(
    project: Project,
    loaded: Loaded,
    store: Store,
    missing: Sequence[tuple[int, tuple[_Unit, Sequence[_Request]]]],
    processes: int,
) -> Iterator[tuple[int, dict[str, Any]]]:
    if processes == 1 or len(missing) < 2:
        for i, job in missing:
            yield i, _work(loaded, store, *job)
        return
    context = multiprocessing.get_context("spawn")  # threads of pyarrow do not survive a fork
    with ProcessPoolExecutor(
        processes, context, _begin, (str(project.root), loaded.name, store.uri)
    ) as pool:
        numbers = [i for i, _ in missing]
        yield from zip(numbers, pool.map(_work_there, [job for _, job in missing]), strict=True)


# --- the whole --------------------------------------------------------------------------------


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

    `processes`: default one a core; 1 starts none. `cache`: a folder for values of units. Raises
    `UsageError` where no suite is chosen or the hypothesis declares no multiverse, and what `evaluate`
    raises.
    """
    loaded = project.load(name)
    hypothesis = loaded.hypothesis
    if not hypothesis.multiverse:
        raise UsageError(f"{name} declares no multiverse: there is one analysis, that of `test`")
    chosen, suites = _suites(loaded, store, suite)
    choices = choices_of(hypothesis, chosen)
    absent = tuple(other for other, runs in suites.items() if not runs)
    if SUITE in choices:
        choices[SUITE] = tuple(s for s in choices[SUITE] if s not in absent)
    every = list(specifications(choices))
    wanted = _wanted(hypothesis, every)
    jobs = [
        (unit, requests)
        for its_suite, runs in suites.items()
        for by_seed, requests in wanted.items()
        for unit in (_units(its_suite, runs, by_seed) if requests else ())
    ]
    found = _values(
        project,
        loaded,
        store,
        jobs,
        processes or os.cpu_count() or 1,
        ValueCache(cache, code_digests(Path(str(loaded.module.__file__))) if cache else {}),
        progress,
    )
    by_suite: dict[tuple[str, bool], list[tuple[_Unit, dict[str, Any]]]] = {}
    for (unit, requests), values in zip(jobs, found, strict=True):
        by_suite.setdefault((unit.suite, requests is wanted[True]), []).append((unit, values))
    analyses = [_analyse(hypothesis, spec, by_suite, spec.get(SUITE, chosen)) for spec in every]
    return Multiverse(name, choices, tuple(analyses), absent)


def _suites(
    loaded: Loaded, store: Store, suite: str | None
) -> tuple[str, dict[str, list[RunFile]]]:
    """The suite of the registered analysis, and the runs that count of it and of each declared one."""
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


def _wanted(hypothesis: Hypothesis, every: Sequence[Choices]) -> dict[bool, list[_Request]]:
    """Requests of all analyses, those a run (False) and those a seed (True), each once."""
    wanted: dict[bool, dict[_Request, None]] = {False: {}, True: {}}
    for number, prediction in enumerate(hypothesis.predictions):
        for choices in every:
            wanted[prediction.unit == "seed"][_request(number, prediction, choices)] = None
    return {by_seed: list(requests) for by_seed, requests in wanted.items()}


def _units(suite: str, files: Sequence[RunFile], by_seed: bool) -> list[_Unit]:
    if not by_seed:
        return [_Unit(suite, (file,)) for file in files]
    seeds: dict[int, list[RunFile]] = {}
    for file in files:
        seeds.setdefault(file.manifest.seed, []).append(file)
    return [_Unit(suite, tuple(some)) for _, some in sorted(seeds.items())]


def _analyse(
    hypothesis: Hypothesis,
    choices: Choices,
    by_suite: Mapping[tuple[str, bool], Sequence[tuple[_Unit, dict[str, Any]]]],
    suite: str,
) -> Analysis:
    estimates, verdicts, runs = {}, {}, set()
    for number, prediction in enumerate(hypothesis.predictions):
        key = _request(number, prediction, choices).key
        found = Values()
        for unit, values in by_suite.get((suite, prediction.unit == "seed"), ()):
            if values[key] is not None:
                found.values.append(values[key])
                found.runs.append(unit.manifests)
                runs |= {manifest.run_id for manifest in unit.manifests}
        estimates[prediction.name], verdicts[prediction.name] = settle(
            hypothesis, prediction, found, test=False
        )
    verdict = COMBINE[hypothesis.combine](verdicts.values())
    return Analysis(choices, verdict, estimates, verdicts, len(runs))
