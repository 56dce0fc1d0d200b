"""A new hypothesis module to start from: it runs as it is, and says where to change it."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from emergence_stats.claims.loader import may_be_claim
from emergence_stats.claims.project import Project
from emergence_stats.errors import EmergenceStatsError, UsageError
from emergence_stats.traces.store import Store

_TEMPLATE = '''\
"""{claim}

State what is claimed and by whom, what number a run gives, and what would refute the claim. This text is part
of the plan: `emergence-stats describe {name}` shows it.
"""

import emergence_stats as es


def final_value(run, last=3):
    """Template of `new`: mean of {measure} over its traces, at the last checkpoints."""
    # One number per run. Keyword defaults are choices: they are registered, and a multiverse varies them.
    # A run without a value raises es.Undefined("why"), and the report lists it.
    traces = run.traces({measure!r})  # .values (traces, checkpoints); .task, .level, .layer, .steps
    return traces.values[:, -last:].mean()


{name} = es.Hypothesis(
    claim=es.Claim(
        {claim!r},
        # paper="arXiv:...", reported={{"v1": "what it says"}},
    ),
    needs=es.Needs(measures=[{measure!r}]),
    predictions=[
        # The region in which the claim is true: at_least, at_most, above, below, between. Fix it before you
        # look at the runs that are to decide.
        # scope: "average" over scales, or "every scale". Values with bounds: es.Mean((0.0, 1.0)) as the next argument.
        es.Prediction("final {measure}", final_value, es.Region.at_least(0.5), scope="average"),
    ],
    # The runs that decide, fixed beforehand; without it any number would do, and a report says so.
    # design=es.Design("{suite}", scales={scales}, seeds=range(10, 20)),
    multiverse={{"last": [1, 3, 5]}},
)
'''


def write_module(
    project: Project, name: str, claim: str | None = None, measure: str | None = None
) -> Path:
    """Write ``NAME.py`` into the project's folder of hypotheses, and return where.

    The measure is `measure`, or one that the project's store has. Raises `UsageError` for a name that is
    taken or cannot be a module's.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        close = re.sub(r"\W+", "_", name).strip("_").lower()
        usable = close.isidentifier() and not keyword.iskeyword(close)
        hint = f"; perhaps {close}" if usable else ""
        raise UsageError(f"{name!r} cannot name a module: use letters, digits and _{hint}")
    path = project.folder / f"{name}.py"
    if not may_be_claim(path.name):
        raise UsageError(
            f"{name!r} names no claim: {path.name} would be taken for tests, or for another program's file"
        )
    if name in project.sources or path.exists():
        raise UsageError(f"hypothesis {name!r} already exists; choose another name")
    found, suite, scales = _there(project)
    if measure is None:
        measure = "accuracy" if "accuracy" in found or not found else min(found)
    elif found and measure not in found:
        raise UsageError(f"no run of the store has {measure!r}; it has {', '.join(sorted(found))}")
    sentence = (claim or f"{name.replace('_', ' ').capitalize()}.").strip()
    if '"""' in sentence or "\\" in sentence or "\n" in sentence:
        raise UsageError("--claim: one line, without backslashes or triple quotes")
    text = _TEMPLATE.format(
        name=name,
        claim=sentence,
        measure=measure,
        suite=suite,
        scales=scales,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def _there(project: Project) -> tuple[set[str], str, list[str]]:
    """Measures of a run of the project's store, its suite and the suite's scales by size; placeholders if
    there is none.
    """
    try:
        store = Store.open(project.traces)
        if not store.runs:
            return set(), "SUITE", ["SCALE"]
        first = store.runs[0]
        measures = set(store.read(first).column("measure").to_pylist())
    except EmergenceStatsError:  # no store yet, or a broken one that `traces validate` reports
        return set(), "SUITE", ["SCALE"]
    suite = first.manifest.suite
    mine = [run.manifest for run in store.runs if run.manifest.suite == suite]
    return measures, suite, list({m.scale: m for m in sorted(mine, key=lambda m: m.n_params)})
