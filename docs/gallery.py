"""The shipped claims as Markdown, from their declarations, docstrings, recorded verdicts, and what these mean.

python docs/gallery.py            a section for each claim, for docs/gallery.md
python docs/gallery.py --short    a table of them, for docs/index.md
python docs/gallery.py --found    a table of what was found, for README.md: claims with all their runs
python docs/gallery.py --trust    a table of what else was looked at before one believes that, for docs/trust.md
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
from emergence_stats.reports.markdown import markdown_table
from emergence_stats.robustness import recorded as robustness
from emergence_stats.support.words import number

_SCOPES = {"every scale": "every scale", "average": "the average over scales"}


def main() -> int:
    project = Project()
    verdicts = recorded.read(project.folder / "verdicts.lock")
    others = robustness.read(project.folder / robustness.FILE)
    units, meanings = (
        tomllib.loads((project.folder / name).read_text("utf-8"))
        for name in ("shown.toml", "meaning.toml")
    )
    claims = [(project.load(name), verdicts[name]) for name in project.sources]
    tested = [(one, entry) for one, entry in claims if entry["basis"] == "confirmatory"]
    columns: tuple[str, ...] = ()
    rows: Iterator[tuple[str, ...]] = iter(())
    if "--short" in sys.argv[1:]:
        columns = ("claim", "verdict")
        rows = (
            (f"[{one.hypothesis.claim.text}](gallery.md#{one.name})", _verdict(one, entry))
            for one, entry in claims
        )
    elif "--found" in sys.argv[1:]:
        columns = ("claim", "verdict", "measured", "it means")
        rows = (
            (
                f"[{one.name}](docs/gallery.md#{one.name})",
                _verdict(one, entry),
                _measured(one, entry, units),
                meanings[one.name][entry["verdict"]],
            )
            for one, entry in tested
        )
    elif "--trust" in sys.argv[1:]:
        columns = ("claim", "verdict", "analyses", "seeds for a chance of 80%")
        rows = (
            (
                f"[{one.name}](gallery.md#{one.name})",
                _verdict(one, entry),
                _analyses(others[one.name]),
                _seeds(others[one.name]),
            )
            for one, entry in tested
        )
    if columns:
        lines = markdown_table(columns, list(rows))
    else:
        lines = [line for one, entry in claims for line in _section(one, entry, project, units, meanings)]  # fmt: skip
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


def _analyses(entry: Mapping[str, Any]) -> str:
    """In which share of the declared analyses each verdict holds."""
    shares = sorted(entry["multiverse"]["shares"].items(), key=lambda one: -one[1])
    said = [f"{share:.0%} {verdict}" for verdict, share in shares if share]
    usable = entry["multiverse"]["analyses"] - entry["multiverse"]["empty"]
    return f"{usable}: {', '.join(said)}"


def _seeds(entry: Mapping[str, Any]) -> str:
    """How many seeds a size would take for a verdict, if the truth is as the runs show it; how many there were."""
    found = [n for n in entry["power"]["needed"] if n["chance"] == 0.8 and n["seeds"] is not None]
    each = [f"{n['seeds']} ({n['verdict']})" for n in found]
    return f"{', '.join(each) or 'none found'}; of {entry['power']['planned_seeds']}"


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
        yield from (f"{meanings[loaded.name][entry['verdict']]} Measured: {measured}.", "")
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
