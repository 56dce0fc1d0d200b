"""Test hypotheses against a trace store: one pass over the runs that count, then verdicts.

Runs are read one at a time (one seed's runs at a time where a prediction compares scales), so
memory does not grow with the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from emergence_stats.claims.project import Loaded
from emergence_stats.core.runs import Run
from emergence_stats.errors import (
    EmergenceStatsError,
    HypothesisError,
    RegistrationError,
    TraceError,
)
from emergence_stats.evaluation.halves import beside, split
from emergence_stats.evaluation.jobs import Job, Part, make_job
from emergence_stats.evaluation.judging.conclude import conclude
from emergence_stats.evaluation.reading import ReadAhead, read_run
from emergence_stats.evaluation.results import Result
from emergence_stats.evaluation.units import collect_values
from emergence_stats.support.intact import check_intact
from emergence_stats.support.progress import Progress
from emergence_stats.support.reads import environment_watched
from emergence_stats.traces.store import RunFile, Store
from emergence_stats.traces.store import by_seed as seeds_of


def evaluate(
    hypotheses: Sequence[Loaded],
    store: Store,
    *,
    suite: str | None = None,
    progress: Progress | None = None,
    controls: bool = True,
    backwards: bool = False,
    beside_others: bool = False,
    failures: dict[str, EmergenceStatsError] | None = None,
) -> list[Result]:
    """A `Result` for each hypothesis, in order; without `controls` only for the analysis itself.

    `backwards`: look at the last runs first, which changes no value of an estimate that keeps nothing. `beside_others`: half of
    the runs in another process, where that is safe (`halves`). `failures`: if given, a hypothesis whose own code or lock is at
    fault has no result, and its error is put here by its name; the others are judged.
    Raises `TraceError` for a broken or empty store, `HypothesisError` for an estimate that fails or
    a claim that replaced functions of this package, `RegistrationError` for a lock that was altered.
    """
    if not store.runs:
        raise TraceError(
            "the trace store is empty",
            file=store.uri,
            fix="Fill it with `emergence-stats collect`, or name another with --traces.",
        )
    names = [loaded.name for loaded in hypotheses]
    check_intact(names)
    jobs = []
    for loaded in hypotheses:
        with _apart(loaded.name, failures):
            jobs.append(make_job(loaded, store, suite, controls))
    used = [run for run in store.runs if any(job.reads(run.manifest.run_id) for job in jobs)]
    by_seed = any(p.unit == "seed" for job in jobs for p in job.hypothesis.predictions)
    groups = seeds_of(used) if by_seed else [[run] for run in used]
    if backwards:
        groups.reverse()
    mine, theirs = split(groups) if beside_others else (groups, [])
    with beside((lambda: _there(jobs, store, theirs, names)) if theirs else None) as wait:
        _collect(jobs, store, mine, failures, progress, len(used))
        parts = wait()
    if parts is None:
        _collect(jobs, store, theirs, failures, progress, len(used))
    else:
        for job, part in zip(jobs, parts, strict=True):
            job.add(part)
    check_intact(names)  # estimates run code too
    results = []
    for job in jobs:
        if failures is None or job.loaded.name not in failures:
            with _apart(job.loaded.name, failures):
                job.look_again()
                results.append(conclude(job, store))
    return results


@contextmanager
def _apart(name: str, failures: dict[str, EmergenceStatsError] | None) -> Iterator[None]:
    """What is wrong with one hypothesis inside is noted, if errors are kept; a store at fault is that of all."""
    try:
        yield
    except (HypothesisError, RegistrationError) as error:
        if failures is None:
            raise
        failures.setdefault(name, error)


def _collect(
    jobs: list[Job],
    store: Store,
    groups: Sequence[list[RunFile]],
    failures: dict[str, EmergenceStatsError] | None = None,
    progress: Progress | None = None,
    total: int = 0,
) -> None:
    """Give the runs of these groups to every job, reading ahead."""
    done = 0
    in_order = [file for group in groups for file in group]
    with (
        environment_watched(),
        ReadAhead(in_order, lambda file: _read(store, file, jobs)) as reading,
    ):
        import scipy.special  # noqa: F401  # needed at the end; imported while the first runs are read

        for group in groups:
            runs = []
            for _ in group:
                runs.append(reading.next())
                done += 1
                if progress is not None:
                    progress(done, total)
            for job in jobs:
                if failures is None or job.loaded.name not in failures:
                    with _apart(job.loaded.name, failures):
                        collect_values(job, runs)


def _there(
    jobs: list[Job], store: Store, groups: Sequence[list[RunFile]], names: list[str]
) -> list[Part]:
    """The same in another process: what its runs gave."""
    _collect(jobs, store, groups)
    check_intact(names)
    return [job.part() for job in jobs]


def _read(store: Store, file: RunFile, jobs: list[Job]) -> Run:
    wanted = [(job.hypothesis.needs, job.reads(file.manifest.run_id)) for job in jobs]
    needs = [need for need, measures in wanted if measures]
    measures = {measure for _, some in wanted for measure in some}
    return read_run(store, file, needs, measures)
