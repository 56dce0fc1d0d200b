"""The same from Python: ``import emergence_stats as es; es.test("top_down")``."""

from __future__ import annotations

import os
from pathlib import Path

from emergence_stats.evaluate import evaluate
from emergence_stats.notebook import ShownResult
from emergence_stats.project import Project
from emergence_stats.store import Store


def test(
    name: str,
    traces: str | os.PathLike[str] | None = None,
    suite: str | None = None,
    project: str | os.PathLike[str] | None = None,
) -> ShownResult:
    """Test one hypothesis and return its result: a table by `.to_frame()`, a picture by `.plot()`.

    `traces`: a store, by default the project's. `project`: a folder in it, by default the
    current one. Raises `EmergenceStatsError` for what the caller can mend.
    """
    here = Project(Path(project) if project is not None else None)
    (result,) = evaluate([here.load(name)], Store.open(traces or here.traces), suite=suite)
    return ShownResult.of(result)


test.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test
