"""Results as GitHub shows them: annotations at lines of code, and a summary of the step.

An error for what differs from the record and for a broken registration, a warning for inconclusive and for
reservations, a notice for refuted. The worst come first, since GitHub shows ten of a kind in a step; the summary has all.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emergence_stats.claims.project import Place, Project, place_of
from emergence_stats.core.verdicts import Verdict
from emergence_stats.evaluation.recorded import Change, shown, snapshot
from emergence_stats.evaluation.results import PredictionResult, Result
from emergence_stats.reports.markdown import to_markdown
from emergence_stats.reports.words import kinds_text, qualifier_texts, why_text
from emergence_stats.support.words import visible

KINDS = ("error", "warning", "notice")


@dataclass(frozen=True)
class Annotation:
    """`kind`: one of `KINDS`. `text` may have several lines."""

    kind: str
    place: Place
    title: str
    text: str

    def __str__(self) -> str:
        """A workflow command (docs.github.com, "Workflow commands for GitHub Actions")."""
        where = f"file={_property(self.place.file)},line={self.place.line}"
        return f"::{self.kind} {where},title={_property(self.title)}::{_data(self.text)}"


def annotations_of(
    results: Sequence[Result],
    recorded: Mapping[str, Any],
    changes: Sequence[Change],
    project: Project,
    failed: Mapping[str, Exception],
) -> list[Annotation]:
    """One for each prediction or hypothesis that needs attention, the worst first. `failed`: claims that could not be tested."""
    by_name = {change.name: change for change in changes}
    found: list[Annotation] = []
    for result in results:
        change = by_name.pop(result.name, None)
        found += _of_result(result, recorded.get(result.name, {}), change, project)
    for change in by_name.values():
        place = Place((project.folder / "verdicts.lock").relative_to(project.root).as_posix(), 1)
        again = "if this is right: emergence-stats check --update"
        found.append(
            Annotation("error", place, f"{change.name}: gone", f"{change.headline}\n{again}")
        )
    for name, error in failed.items():
        path = project.sources[name].path if name in project.sources else None
        file = path.as_posix() if path is not None else name
        if path is not None and path.is_relative_to(project.root):
            file = path.relative_to(project.root).as_posix()
        found.append(Annotation("error", Place(file, 1), f"{name}: not tested", str(error)))
    return sorted(found, key=lambda annotation: KINDS.index(annotation.kind))


def _of_result(
    result: Result, recorded: Mapping[str, Any], change: Change | None, project: Project
) -> Iterator[Annotation]:
    loaded = project.load(result.name)
    again = f"repeat: emergence-stats test {result.name} -v"
    if result.registration == "amended":
        text = "\n".join(["edited after its registration", *result.plan.changes, again])
        yield Annotation(
            "error", place_of(project, loaded), f"{result.name}: registration amended", text
        )
    if change is not None:
        text = "\n".join([*change.lines(), again])
        changed = next(iter(change.predictions), None)
        place = place_of(project, loaded, changed)
        yield Annotation("error", place, f"{result.name}: {change.headline}", text)
        return
    if result.qualified:
        text = "\n".join([*qualifier_texts(result), again])
        title = f"{result.name}: {result.verdict} with reservations"
        yield Annotation("warning", place_of(project, loaded), title, text)
    for kind, verdict in (("warning", Verdict.INCONCLUSIVE), ("notice", Verdict.REFUTED)):
        if result.verdict is not verdict:
            continue
        for p in result.predictions:
            if p.verdict is verdict:
                text = "\n".join([_prediction(p, result, recorded), p.reason, again])
                place = place_of(project, loaded, p.name)
                yield Annotation(kind, place, f"{result.name}: {verdict}", text)


def _prediction(p: PredictionResult, result: Result, recorded: Mapping[str, Any]) -> str:
    now = snapshot(result)["predictions"][p.name]
    text = f"{p.name}: {shown(now)}, claimed {p.region}: {p.verdict}"
    before = recorded.get("predictions", {}).get(p.name)
    return f"{text}; recorded {shown(before)}: {before['verdict']}" if before else text


def summary(
    results: Sequence[Result], changes: Sequence[Change], failed: Mapping[str, Exception]
) -> str:
    """Markdown for the step's page: what could not be tested, what changed, then the report."""
    lines = ["# Claims", ""]
    if failed:
        lines += ["## Not tested", ""]
        lines += [visible(f"- {name}: {error}") for name, error in failed.items()]
        lines += [""]
    if changes:
        lines += ["## Changed", "", "```"]
        lines += [line for change in changes for line in change.lines()]
        lines += ["```", "", "If this is right, record it: `emergence-stats check --update`", ""]
    else:
        others = "All other verdicts" if failed else "All verdicts"
        lines += [f"{others} are as recorded.", ""]
    notes = [
        visible(f"- {r.name}: {why_text(r)}") for r in results if r.verdict is Verdict.INCONCLUSIVE
    ]
    if notes:
        lines += ["## Inconclusive", "", *notes, ""]
    qualified = [f"- {r.name}, {r.verdict}: {kinds_text(r)}" for r in results if r.qualified]
    if qualified:
        lines += ["## With reservations", "", *qualified, ""]
    return "\n".join([*lines, to_markdown(results)])


def without_commands(text: str) -> str:
    """`text` between lines that stop workflow commands, by a token that nobody can guess.

    A name that begins a line may look like a command (docs.github.com, "Stopping workflow commands").
    """
    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n{text}::{token}::\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
