"""The interface for Python: ``import emergence_stats as es; es.test("top_down")``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from emergence_stats.claims.project import Project
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.evaluation.watching.meaning import with_meanings
from emergence_stats.evaluation.watching.notes import check_suite, with_notes
from emergence_stats.evaluation.watching.shown import in_units
from emergence_stats.interfaces.notebook import (
    ShownMultiverse,
    ShownPower,
    ShownReport,
    ShownResult,
)
from emergence_stats.robustness.cache import default_folder
from emergence_stats.robustness.explore import explore
from emergence_stats.robustness.recorded import attach
from emergence_stats.robustness.simulate import simulate
from emergence_stats.traces.store import Store

if TYPE_CHECKING:
    from pandas import DataFrame


@overload
def test(
    name: str,
    traces: str | os.PathLike[str] | None = None,
    suite: str | None = None,
    project: str | os.PathLike[str] | None = None,
) -> ShownResult: ...


@overload
def test(
    name: list[str] | tuple[str, ...],
    traces: str | os.PathLike[str] | None = None,
    suite: str | None = None,
    project: str | os.PathLike[str] | None = None,
) -> ShownReport: ...


def test(
    name: str | list[str] | tuple[str, ...],
    traces: str | os.PathLike[str] | None = None,
    suite: str | None = None,
    project: str | os.PathLike[str] | None = None,
) -> ShownResult | ShownReport:
    """Test one hypothesis and return its result: a table by `.to_frame()`, a picture by `.plot()`; of several, a report.

    `traces`: a store, by default the project's. `project`: a folder in it, by default the
    current one. Raises `EmergenceStatsError` for what the caller can fix.
    """
    here = _project(project)
    names = [name] if isinstance(name, str) else list(name)
    store = Store.open(traces or here.traces)
    loaded = [here.load(one) for one in names]
    check_suite(suite, store, loaded)
    results = evaluate(loaded, store, suite=suite)
    results = with_meanings(in_units(with_notes(results, here, store), here), here)
    if suite is None:
        results = attach(results, here, store)
    shown = ShownReport(ShownResult.of(result) for result in results)
    return shown[0] if isinstance(name, str) else shown


def report(
    names: Sequence[str] | None = None,
    traces: str | os.PathLike[str] | None = None,
    suite: str | None = None,
    project: str | os.PathLike[str] | None = None,
) -> ShownReport:
    """The results of all hypotheses of the project, or of those named, in one table; as `test` otherwise."""
    here = _project(project)
    return test(list(names or here.sources), traces, suite, project)


def describe(name: str, project: str | os.PathLike[str] | None = None) -> str:
    """What a hypothesis claims and how it is tested, in words, as a section on methods."""
    from emergence_stats.claims.describing.methods import describe_lines
    from emergence_stats.claims.registration import state_of

    loaded = _project(project).load(name)
    return "\n".join(describe_lines(loaded, state_of(loaded)))


def compare(
    name: str,
    suites: Sequence[str],
    traces: str | os.PathLike[str] | None = None,
    project: str | os.PathLike[str] | None = None,
) -> DataFrame:
    """One hypothesis on several suites of a store: a row per prediction and suite, as a pandas DataFrame.

    A suite that is not that of the plan gives exploratory evidence; the column `basis` says so.
    """
    import pandas as pd

    frames = []
    for suite in suites:
        result = test(name, traces, suite, project)
        frame = result.to_frame()
        frame.insert(0, "suite", suite)
        frame["basis"] = result.basis
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def multiverse(
    name: str,
    traces: str | os.PathLike[str] | None = None,
    suite: str | None = None,
    project: str | os.PathLike[str] | None = None,
    *,
    jobs: int | None = None,
) -> ShownMultiverse:
    """The verdict on one hypothesis under every analysis choice that it declares.

    `jobs`: processes, by default what the project's settings say, or one per core. Otherwise as `test`;
    also raises `UsageError` if the hypothesis declares no choice.
    """
    here = _project(project)
    found = explore(
        here,
        name,
        Store.open(traces or here.traces),
        suite=suite,
        processes=jobs or here.settings["jobs"],
        cache=default_folder(),
    )
    return ShownMultiverse.of(found, here.load(name).hypothesis)


def power(
    name: str,
    traces: str | os.PathLike[str] | None = None,
    suite: str | None = None,
    project: str | os.PathLike[str] | None = None,
    *,
    draws: int = 1000,
    most: int = 64,
) -> ShownPower:
    """Chance of each verdict on one hypothesis by the number of runs, from pilot runs.

    `draws`: simulated studies for each number; `most`: most seeds per scale. Otherwise as `test`; also
    raises `UsageError` if the pilots are too few to show how much runs differ.
    """
    here = _project(project)
    store = Store.open(traces or here.traces)
    found = simulate(here.load(name), store, suite=suite, draws=draws, most=most)
    return ShownPower.of(found)


def _project(folder: str | os.PathLike[str] | None) -> Project:
    return Project(Path(folder) if folder is not None else None)


test.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test
