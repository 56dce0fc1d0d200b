"""The shipped claims as Markdown, from their declarations, docstrings, recorded verdicts, and what these mean.

python docs/gallery.py            a section for each claim, for docs/gallery.md
python docs/gallery.py --short    a table of them, for docs/index.md
python docs/gallery.py --found    a table of what was found, for README.md: claims with all their runs
python docs/gallery.py --trust    a table of what else was looked at before one believes that, for docs/trust.md
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from scales import tested

from emergence_stats.claims.project import Loaded, Project
from emergence_stats.evaluation import recorded
from emergence_stats.evaluation.results import Result
from emergence_stats.reports.markdown import markdown_table
from emergence_stats.reports.words import ends_in_unit, in_unit, region_in_unit, reported_rows
from emergence_stats.robustness import recorded as robustness

_SCOPES = {"every scale": "every scale", "average": "the average over scales"}


def main() -> int:
    project = Project()
    verdicts = recorded.read(project.folder / "verdicts.lock")
    if "--short" in sys.argv[1:]:
        lines = markdown_table(
            ("claim", "verdict"),
            [
                (f"[{one.hypothesis.claim.text}](gallery.md#{one.name})", _verdict(one, verdicts[one.name]))
                for one in map(project.load, project.sources)
            ],
        )  # fmt: skip
    elif "--trust" in sys.argv[1:]:
        others = robustness.read(project.folder / robustness.FILE)
        lines = markdown_table(
            ("claim", "verdict", "analyses", "seeds for a chance of 80%"),
            [
                (f"[{name}](gallery.md#{name})", _verdict(project.load(name), entry), _analyses(others[name]), _seeds(others[name]))
                for name, entry in verdicts.items()
                if entry["basis"] == "confirmatory"
            ],
        )  # fmt: skip
    else:
        meanings = tomllib.loads((project.folder / "meaning.toml").read_text("utf-8"))
        found = {
            one.name: Found(_verdict(one, entry), _measured(result, entry), _paper(result), meanings[one.name][entry["verdict"]])
            for one, entry, result in tested(project)
        }  # fmt: skip
        if "--found" in sys.argv[1:]:
            columns = ("claim", "verdict", "measured, by size", "the paper", "it means")
            lines = markdown_table(
                columns,
                [(f"[{name}](docs/gallery.md#{name})", *one) for name, one in found.items()],
            )
        else:
            claims = [project.load(name) for name in project.sources]
            lines = [line for one in claims for line in _section(one, verdicts[one.name], project, found.get(one.name))]  # fmt: skip
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


class Found(NamedTuple):
    """What came out of a claim, in words."""

    verdict: str
    measured: str
    paper: str
    means: str


def _verdict(loaded: Loaded, entry: Mapping[str, Any]) -> str:
    """With what qualifies it; of a claim without runs of its plan, that."""
    if entry["basis"] != "confirmatory":
        registered = loaded.source.lock.exists()
        return (
            "registered, runs not collected yet"
            if registered
            else "not registered, and without runs here"
        )
    kinds = ", ".join(entry["qualifiers"])
    return f"**{entry['verdict']}**{f', with reservations: {kinds}' if kinds else ''}"


def _measured(result: Result, entry: Mapping[str, Any]) -> str:
    """The prediction on which the verdict rests, the first that earns it: at each size, or of all; how many others there are."""
    earned = [p for p in result.predictions if str(p.verdict) == entry["verdict"]]
    p = (earned or list(result.predictions))[0]
    if str(p.scope) == "every scale":
        sizes = ", ".join(s.scale.removesuffix("L4") for s in p.estimate.scales)
        values = ", ".join(in_unit(p, s.value) for s in p.estimate.scales)
        said = f"{values} at {sizes}"
    else:
        said = f"{in_unit(p, p.estimate.value)} {ends_in_unit(p, p.estimate.interval)}"
    n = len(result.predictions) - 1
    more = f" ({n} more)" if n else ""
    return f"{p.name}: {said}; claimed {region_in_unit(p)}{more}"


def _paper(result: Result) -> str:
    """What each version of the paper reports, and whether ours agrees where the paper's error is known."""
    agrees = {c.version: c.agrees for c in result.comparisons}
    said = {True: " (agrees)", False: " (does not agree)"}
    return "; ".join(
        f"{version} {text}{said.get(agrees.get(version), '')}"
        for version, text in reported_rows(result)
    )


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


def _section(
    loaded: Loaded, entry: Mapping[str, Any], project: Project, found: Found | None
) -> Iterator[str]:
    claim = loaded.hypothesis.claim
    yield from (f"## {loaded.name}", "")
    verdict = _verdict(loaded, entry)
    source = f" {claim.paper}." if claim.paper else ""
    yield from (f"**{claim.text}**{source} {verdict[0].upper()}{verdict[1:]}.", "")
    if found is not None:
        yield from (found.means, "")
        yield from (
            f"- Measured: {found.measured} ([all predictions](second_study.md#what-came-out)).",
        )
        yield from (f"- The paper: {found.paper}.", "")
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
