"""The interface for Python: ``import emergence_stats as es; es.test("top_down")``."""

from __future__ import annotations

import os
from pathlib import Path

from emergence_stats.claims.project import Project
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.interfaces.notebook import ShownMultiverse, ShownPower, ShownResult
from emergence_stats.robustness.cache import default_folder
from emergence_stats.robustness.explore import explore
from emergence_stats.robustness.simulate import simulate
from emergence_stats.traces.store import Store


def test(
    name: str,
    traces: str | os.PathLike[str] | None = None,
    suite: str | None = None,
    project: str | os.PathLike[str] | None = None,
) -> ShownResult:
    """Test one hypothesis and return its result: a table by `.to_frame()`, a picture by `.plot()`.

    `traces`: a store, by default the project's. `project`: a folder in it, by default the
    current one. Raises `EmergenceStatsError` for what the caller can fix.
    """
    here = _project(project)
    (result,) = evaluate([here.load(name)], Store.open(traces or here.traces), suite=suite)
    return ShownResult.of(result)


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
