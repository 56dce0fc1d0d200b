"""Every prediction of the claims that have their runs, by size, as Markdown: for docs/second_study.md.

    python docs/scales.py

A cell is the estimate at one size with its interval, in the unit of `shown.toml`; *all* is what the verdict is drawn from where it is not
about every size. Verdicts of claims, with their reservations, are those that are recorded; below each, what the paper reports in numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from emergence_stats.claims.project import Loaded, Project
from emergence_stats.evaluation import recorded
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.evaluation.results import PredictionResult, Result
from emergence_stats.evaluation.watching.shown import in_units
from emergence_stats.reports.words import (
    SYMBOL,
    comparison_texts,
    ends_in_unit,
    in_unit,
    region_in_unit,
)
from emergence_stats.traces.store import Store


def main() -> int:
    project = Project()
    some = tested(project)
    scales = list(dict.fromkeys(s for one, _, _ in some for s in one.hypothesis.design.scales or ()))  # fmt: skip
    lines = [f"| prediction | {' | '.join(scales)} | all | claimed | |", "|---" * (len(scales) + 4) + "|"]  # fmt: skip
    lines += [line for _, entry, result in some for line in _rows(result, entry, scales)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def tested(project: Project) -> list[tuple[Loaded, Mapping[str, Any], Result]]:
    """The claims that have their runs, what is recorded of each, and their estimates, without controls."""
    verdicts = recorded.read(project.folder / "verdicts.lock")
    names = [n for n in project.sources if verdicts[n]["basis"] == "confirmatory"]
    loaded = [project.load(name) for name in names]
    results = in_units(evaluate(loaded, Store.open(project.traces), controls=False), project)
    return [(one, verdicts[one.name], result) for one, result in zip(loaded, results, strict=True)]


def _rows(result: Result, entry: Mapping[str, Any], scales: list[str]) -> Iterator[str]:
    kinds = ", ".join(entry["qualifiers"])
    verdict = f"**{entry['verdict']}**{f' ({kinds})' if kinds else ''}"
    yield f"| **{result.name}** |" + " |" * (len(scales) + 2) + f" {verdict} |"
    for p in result.predictions:
        cells = [_at(p, scale) for scale in scales]
        whole = f"{in_unit(p, p.estimate.value)} {ends_in_unit(p, p.estimate.interval)}"
        if str(p.scope) == "every scale":
            whole = ""
        verdict = f"{SYMBOL[p.verdict]} {p.verdict}"
        yield f"| {p.name} | {' | '.join(cells)} | {whole} | {region_in_unit(p)} | {verdict} |"
    said = [*comparison_texts(result)]
    if said:
        yield f"| *paper* | {'; '.join(said)} |" + " |" * (len(scales) + 2)


def _at(p: PredictionResult, scale: str) -> str:
    found = next((s for s in p.estimate.scales if s.scale == scale), None)
    return "" if found is None else f"{in_unit(p, found.value)} {ends_in_unit(p, found.interval)}"


if __name__ == "__main__":
    sys.exit(main())
