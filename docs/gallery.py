"""The shipped claims as Markdown, from their declarations, docstrings, recorded verdicts, and what these mean.

python docs/gallery.py            a section for each claim, for docs/gallery.md
python docs/gallery.py --short    a table of them, for docs/index.md
python docs/gallery.py --found    a table of what was found, for README.md: claims with all their runs
"""

from __future__ import annotations

import math
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from emergence_stats.claims.project import Loaded, Project
from emergence_stats.core.plan import Prediction
from emergence_stats.evaluation import recorded
from emergence_stats.support.words import number

_SCOPES = {"every scale": "every scale", "average": "the average over scales"}


def main() -> int:
    project = Project()
    verdicts = recorded.read(project.folder / "verdicts.lock")
    claims = [project.load(name) for name in project.sources]
    units, meanings = (
        tomllib.loads((project.folder / name).read_text("utf-8"))
        for name in ("shown.toml", "meaning.toml")
    )
    if "--short" in sys.argv[1:]:
        lines = ["| claim | verdict |", "|---|---|"]
        lines += [
            f"| [{one.hypothesis.claim.text}](gallery.md#{one.name}) | {_verdict(one, verdicts[one.name])} |"
            for one in claims
        ]
    elif "--found" in sys.argv[1:]:
        lines = ["| claim | verdict | measured | it means |", "|---|---|---|---|"]
        lines += [
            f"| [{one.name}](docs/gallery.md#{one.name}) | {_verdict(one, verdicts[one.name])} | "
            f"{_measured(one, verdicts[one.name], units)} | {_meaning(one, verdicts[one.name], meanings)} |"
            for one in claims
            if verdicts[one.name]["basis"] == "confirmatory"
        ]
    else:
        lines = [
            line
            for one in claims
            for line in _section(one, verdicts[one.name], project, units, meanings)
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _verdict(loaded: Loaded, entry: Mapping[str, Any]) -> str:
    """With what qualifies it; of a claim without runs of its plan, that."""
    if entry["basis"] != "confirmatory":
        registered = loaded.source.lock.exists()
        return "runs are being collected" if registered else "not registered, and without runs here"
    kinds = ", ".join(entry["qualifiers"])
    return f"**{entry['verdict']}**{f', with reservations: {kinds}' if kinds else ''}"


Tables = Mapping[str, Mapping[str, str]]


def _meaning(loaded: Loaded, entry: Mapping[str, Any], meanings: Tables) -> str:
    return meanings[loaded.name][entry["verdict"]]


def _measured(loaded: Loaded, entry: Mapping[str, Any], units: Tables) -> str:
    """The prediction on which the verdict rests: the first that earns it; how many others there are."""
    found = entry["predictions"]
    predictions = loaded.hypothesis.predictions
    p = next(
        (p for p in predictions if found[p.name]["verdict"] == entry["verdict"]), predictions[0]
    )
    unit = next(
        (unit for name, unit in units.get(loaded.name, {}).items() if fnmatchcase(p.name, name)),
        None,
    )
    value, ends = found[p.name]["estimate"], found[p.name]["interval"]
    more = f" ({len(predictions) - 1} more)" if len(predictions) > 1 else ""
    return f"{p.name} {_shown(value, unit)} {_ends(ends, unit)}, claimed {_region(p, unit)}{more}"


def _shown(value: float | None, unit: str | None) -> str:
    if value is None:
        return "none"
    if unit == "factor":
        return f"x{number(math.exp(value))}"
    return f"{number(100 * value)}%" if unit == "percent" else number(value)


def _ends(ends: Sequence[float | None], unit: str | None) -> str:
    return f"[{_shown(ends[0], unit)}, {_shown(ends[1], unit)}]"


def _region(p: Prediction, unit: str | None) -> str:
    lo, hi = p.region.lo, p.region.hi
    if lo is not None and hi is not None:
        return _ends((lo, hi), unit)
    return f"{str(p.region).split(' ')[0]} {_shown(hi if lo is None else lo, unit)}"


def _section(
    loaded: Loaded, entry: Mapping[str, Any], project: Project, units: Tables, meanings: Tables
) -> Iterator[str]:
    claim = loaded.hypothesis.claim
    yield from (f"## {loaded.name}", "")
    verdict = _verdict(loaded, entry)
    source = f" {claim.paper}." if claim.paper else ""
    yield from (f"**{claim.text}**{source} {verdict[0].upper()}{verdict[1:]}.", "")
    if entry["basis"] == "confirmatory":
        measured = _measured(loaded, entry, units)
        yield from (f"{_meaning(loaded, entry, meanings)} Measured: {measured}.", "")
    # the first paragraph says the claim again
    _, *paragraphs = (loaded.module.__doc__ or "").strip().split("\n\n")
    yield from (line for text in paragraphs for line in (text, ""))
    yield from ("| prediction | claimed | of |", "|---|---|---|")
    for p in loaded.hypothesis.predictions:
        yield f"| {p.name} | `{p.region}` | {_SCOPES.get(str(p.scope), 'all scales together')} |"
    where = project.shown(loaded.source.path).replace("\\", "/")
    yield from (
        "",
        f"`{where}`; `emergence-stats describe {loaded.name}` prints the whole plan.",
        "",
    )


if __name__ == "__main__":
    sys.exit(main())
