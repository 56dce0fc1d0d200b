"""Results of the multiverse and the power simulation, recorded beside the verdicts for reports to show.

Both take too long for a report. A record (``robustness.lock`` in the folder of the hypotheses) holds
the digests of the plan and of the runs that it rests on; if these have changed, a report says so
instead of showing an old number. A plan whose registration took over a change of the core is no other plan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emergence_stats.claims.project import Loaded, Project
from emergence_stats.claims.registration import current_plan, digest, plan_digest, state_of
from emergence_stats.claims.selection import choose_pilots, choose_runs
from emergence_stats.errors import UsageError
from emergence_stats.evaluation.judging.qualifiers import fragility
from emergence_stats.evaluation.recorded import read_record
from emergence_stats.evaluation.results import Recorded, Result
from emergence_stats.robustness.curve import Curve
from emergence_stats.robustness.explore import runs_of_multiverse
from emergence_stats.robustness.multiverse import Multiverse, curve_of
from emergence_stats.robustness.power import Power
from emergence_stats.robustness.words import flip_texts, multiverse_statement, power_statement
from emergence_stats.support.files import only_one, write_whole
from emergence_stats.traces.store import RunFile, Store

FILE = "robustness.lock"
_COMMANDS = {
    "multiverse": "emergence-stats multiverse {} --record",
    "power": "emergence-stats power {} --record",
}


def check_recordable(loaded: Loaded, store: Store, suite: str | None) -> None:
    """`UsageError` for another suite than the one whose reports would show the record."""
    if suite is None:
        return
    reported = choose_runs(loaded.hypothesis, state_of(loaded), store, None).suite
    if suite != reported:
        of = f"those of suite {reported}" if reported else "without --suite"
        raise UsageError(
            f"{loaded.name}: a record is for reports, {of}; record without --suite {suite}"
        )


def record_multiverse(project: Project, store: Store, found: Multiverse) -> None:
    """Put it into the record; other entries stay."""
    loaded = project.load(found.name)
    first = loaded.hypothesis.predictions[0].name
    entry = {**found.summary(), "curve": curve_of(found, first).to_dict()}
    _record(project, loaded, "multiverse", entry, runs_of_multiverse(loaded, store))


def record_power(project: Project, store: Store, found: Power) -> None:
    """The same for a simulation of power."""
    loaded = project.load(found.name)
    entry = {k: v for k, v in found.to_dict().items() if k != "name"}
    _record(project, loaded, "power", entry, _pilots(loaded, store))


def _record(
    project: Project, loaded: Loaded, kind: str, entry: dict[str, Any], runs: Sequence[RunFile]
) -> None:
    path = project.folder / FILE
    with only_one(project.folder):
        whole = read(path)
        whole.setdefault(loaded.name, {})[kind] = {**_inputs(loaded, runs), **entry}
        write_whole(path, json.dumps({"robustness": whole}, indent=1, sort_keys=True) + "\n")


def _inputs(loaded: Loaded, runs: Sequence[RunFile]) -> dict[str, str]:
    plan = current_plan(loaded)
    return {
        "plan": plan_digest(plan.declaration, plan.code),
        "runs": digest(sorted([r.manifest.run_id, r.manifest.sha256] for r in runs)),
    }


def _plans(loaded: Loaded, plan: str) -> set[str]:
    """A plan, and those that the registration says to be the same but for the core, which gave the same numbers."""
    registration = state_of(loaded).registration
    if registration is None or _digest_of(registration.latest) != plan:
        return {plan}
    declared = registration.latest[
        "declaration"
    ]  # an entry made by hand may say that it takes over another plan
    same = (e for e in registration.takes_over() if e["declaration"] == declared)
    return {plan, *map(_digest_of, same)}


def _digest_of(entry: Mapping[str, Any]) -> str:
    return plan_digest(entry["declaration"], entry["code"])


def _inputs_of(loaded: Loaded, store: Store, kind: str) -> dict[str, str] | None:
    """What a record would rest on in this store, None if the store has no runs for it."""
    try:
        runs = runs_of_multiverse(loaded, store) if kind == "multiverse" else _pilots(loaded, store)
    except UsageError:
        return None
    return _inputs(loaded, runs)


def _pilots(loaded: Loaded, store: Store) -> list[RunFile]:
    return choose_pilots(loaded.name, loaded.hypothesis, state_of(loaded), store)[0]


def read(path: Path) -> dict[str, Any]:
    """Records by hypothesis, none if there is no file. Raises `RegistrationError` if it is broken."""
    if not path.exists():
        return {}
    return read_record(path, "robustness")


def attach(results: Sequence[Result], project: Project, store: Store) -> list[Result]:
    """The results with what is recorded of each, if it is for this plan and these runs."""
    recorded = read(project.folder / FILE)
    return [
        _with_fragility(
            replace(
                result,
                multiverse=_shown(project, store, result, "multiverse", recorded),
                power=_shown(project, store, result, "power", recorded),
            )
        )
        for result in results
    ]


def _with_fragility(result: Result) -> Result:
    """The result with a qualifier if too many of the recorded analyses have another verdict."""
    numbers = result.multiverse.numbers if result.multiverse is not None else None
    if numbers is None:
        return result
    analyses = numbers["analyses"] - numbers["empty"]
    found = fragility(result.verdict, numbers["shares"], analyses)
    if found is None:
        return result
    return replace(result, qualifiers=(*result.qualifiers, found))


def _shown(
    project: Project, store: Store, result: Result, kind: str, recorded: dict[str, Any]
) -> Recorded | None:
    loaded = project.load(result.name)
    if kind == "multiverse" and not loaded.hypothesis.multiverse:
        return None
    design = loaded.hypothesis.design
    if design is not None and result.evidence.suite != design.suite:
        return None  # runs of another suite: nothing to say
    command = _COMMANDS[kind].format(result.name)
    entry = recorded.get(result.name, {}).get(kind)
    if entry is None:
        return Recorded(f"not recorded; record it with: {command}", None)
    inputs = _inputs_of(loaded, store, kind)
    if (
        inputs is None
        or entry.get("runs") != inputs["runs"]
        or entry.get("plan") not in _plans(loaded, inputs["plan"])
    ):
        return Recorded(
            f"recorded for another plan or other runs; record it again with: {command}", None
        )
    # version 0.1 recorded the sentence itself, and a curve by the order in which choices are declared
    statement = entry.get("statement") or _statement(result.name, kind, entry)
    numbers = {k: v for k, v in entry.items() if k != "statement"}
    if "curve" in numbers:
        declared = list(loaded.hypothesis.multiverse)
        numbers["curve"] = Curve.from_dict(result.name, numbers["curve"], declared).to_dict()
    return Recorded(statement, numbers)


def _statement(name: str, kind: str, entry: dict[str, Any]) -> str:
    if kind == "power":
        return power_statement(Power.from_dict(name, entry))
    changed = ", ".join(flip_texts(entry)) or "no single choice"
    return f"{multiverse_statement(entry)}; changed by {changed}"
