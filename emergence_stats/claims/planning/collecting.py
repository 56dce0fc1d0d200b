"""Train the runs that a hypothesis, or a suite, still lacks."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from emergence_stats.claims.backend import (
    How,
    check_installed,
    collect_runs,
    costs_of,
    suite_named,
    suite_of_model,
)
from emergence_stats.claims.planning.plans import manifests_of, published_text, wanted_design
from emergence_stats.claims.project import Loaded
from emergence_stats.errors import UsageError


def collect_missing(
    loaded: Loaded | None,
    folder: str,
    suite: str | None,
    how: How,
    *,
    scales: Sequence[str] | None,
    seeds: Sequence[int] | None,
) -> int:
    """Train what is missing of a hypothesis's confirmatory set, or of a suite.

    With both, the runs of the suite that the hypothesis can use. Of a model that `how` names, its one run.

    Returns the number of runs written. Raises `UsageError` if nothing is named, or the training extra is not
    installed, `CollectError` if a run cannot continue.
    """
    check_installed()
    if how.model is not None:
        chosen, scales, seeds = suite_of_model(how, suite, scales, seeds), None, None
        sys.stderr.write(f"{published_text(costs_of(chosen)[0])}\n")
    elif loaded is not None:
        design = wanted_design(loaded, suite)
        chosen = suite_named(design.suite)
        scales = [s for s in design.scales if scales is None or s in scales]
        seeds = [s for s in design.seeds if seeds is None or s in seeds]
        if not scales or not seeds:
            raise UsageError(f"no run of {loaded.name}'s design has these scales and seeds")
    elif suite is not None:
        chosen = suite_named(suite)
    else:
        raise UsageError(
            "say whose runs: a hypothesis by its name, or a suite, as --suite smoke, the smallest, or --model"
        )
    manifests_of(folder)  # a broken store is reported before hours of training
    return collect_runs(folder, chosen, scales, seeds, how)
