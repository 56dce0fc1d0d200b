"""The recorded verdicts (``verdicts.lock``): a scientific claim as a regression test."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emergence_stats.errors import RegistrationError
from emergence_stats.evaluation.results import Result
from emergence_stats.support.files import only_one, write_whole
from emergence_stats.support.words import members, ranges, visible

# An estimate may move by this share of its recorded interval's width before it counts as changed:
# enough for another machine's rounding, too little for another set of runs.
TOLERANCE = 0.01
_SHOWN = 4  # groups of runs in a line


def snapshot(result: Result) -> dict[str, Any]:
    """What is recorded of one result."""
    return {
        "verdict": str(result.verdict),
        "basis": result.basis,
        "registration": result.registration,
        "runs": result.counted,
        "counted": ranges(use.run_id for use in result.runs if use.status == "counted"),
        "sha256": {use.run_id: use.sha256 for use in result.runs if use.status == "counted"},
        "qualifiers": sorted({qualifier.kind for qualifier in result.qualifiers}),
        "controls": {control.name: str(control.verdict) for control in result.controls},
        "deviations": list(result.deviations),
        "predictions": {
            p["name"]: {
                "verdict": p["verdict"],
                "estimate": p["estimate"],
                "interval": p["interval"],
            }
            for p in (prediction.to_dict() for prediction in result.predictions)
        },
    }


def read(path: Path) -> dict[str, Any]:
    """Recorded verdicts by hypothesis. Raises `RegistrationError` if there are none."""
    if not path.exists():
        raise RegistrationError(
            f"{path}: there are no recorded verdicts; record them with "
            "`emergence-stats check --update`"
        )
    return read_record(path, "verdicts")


def read_record(path: Path, of: str) -> dict[str, Any]:
    """Entries of a record by hypothesis. Raises `RegistrationError` if the file is not one."""
    try:
        recorded = json.loads(path.read_text("utf-8"))[of]
        if not isinstance(recorded, dict):
            raise TypeError(f"{of} is not an object")
    except (ValueError, KeyError, TypeError) as error:
        raise RegistrationError(
            f"{path}: not a record of {of} ({error!r}); restore it from version control"
        ) from None
    return recorded


def write(path: Path, results: Sequence[Result], keep_others: bool = False) -> None:
    """Record these results, and nothing else unless `keep_others`. An entry that says the same of the same runs, up to
    rounding, stays as it is.
    """
    with only_one(path.parent):
        before = read(path) if path.exists() else {}
        verdicts = dict(before) if keep_others else {}
        for result in results:
            old, new = before.get(result.name), snapshot(result)
            if old is not None and change_of(old, result) is None:
                # records of older versions have none of these
                new = {**old, "sha256": new["sha256"], "qualifiers": new["qualifiers"]}
            verdicts[result.name] = new
        _write(path, verdicts)


def _write(path: Path, verdicts: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps({"verdicts": verdicts}, indent=1, sort_keys=True) + "\n")


@dataclass(frozen=True)
class Change:
    """How one hypothesis differs from its record: `headline`, `details`, and `why`, a line each.

    `before` and `after`: the verdicts, None if there is no record, or the hypothesis is gone.
    `predictions`: names of those that changed.
    """

    name: str
    headline: str
    before: str | None
    after: str | None
    details: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    predictions: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        lines = (
            f"{self.name}: {self.headline}",
            *(f"  {text}" for text in self.details),
            *(f"  why: {text}" for text in self.why),
        )
        return list(map(visible, lines))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(recorded: Mapping[str, Any], results: Sequence[Result]) -> list[Change]:
    """What changed, those whose verdict changed first; empty when nothing did."""
    changes = []
    now = {result.name: result for result in results}
    for name in sorted(recorded.keys() - now.keys()):
        before = recorded[name].get("verdict")
        changes.append(Change(name, "recorded, but there is no such hypothesis", before, None))
    for name, result in now.items():
        after = str(result.verdict)
        if name not in recorded:
            changes.append(Change(name, f"no recorded verdict (now {after})", None, after))
        elif (change := change_of(recorded[name], result)) is not None:
            changes.append(change)
    return sorted(changes, key=lambda change: change.before == change.after)


def change_of(old: Mapping[str, Any], result: Result) -> Change | None:
    """How a result differs from what is recorded of it, None where it does not."""
    new = snapshot(result)
    changed, details = _changed_predictions(old, new)
    kinds = old.get("qualifiers", new["qualifiers"])  # older versions kept none
    details += [f"reservation: {kind}" for kind in new["qualifiers"] if kind not in kinds]
    details += [
        f"no longer a reservation: {kind}" for kind in kinds if kind not in new["qualifiers"]
    ]
    earned = old.get("controls", {}), new["controls"]
    for name in sorted(earned[0].keys() | earned[1].keys()):
        was, now = (verdicts.get(name, "absent") for verdicts in earned)
        if was != now:
            details.append(f"control {name}: {was} -> {now}")
    recorded = old.get("deviations", new["deviations"])
    details += [f"deviation: {text}" for text in new["deviations"] if text not in recorded]
    details += [
        f"no longer a deviation: {text}" for text in recorded if text not in new["deviations"]
    ]
    before, after = old.get("verdict"), new["verdict"]
    parts = [f"{before} -> {after}" if before != after else f"{after} as before"]
    for field, name in (("basis", ""), ("registration", ""), ("runs", "runs ")):
        if old.get(field) != new[field]:
            parts.append(f"{name}{old.get(field)} -> {new[field]}")
    why = [*_other_runs(old, new, result)]
    if old.get("registration") != new["registration"]:
        why += result.plan.changes
    if before != after:
        why.append(result.reason)
    if len(parts) == 1 and before == after and not details and not why:
        return None
    return Change(
        result.name, "; ".join(parts), before, after, tuple(details), tuple(why), tuple(changed)
    )


def moved(old: Mapping[str, Any], result: Result) -> str | None:
    """What number of a record is another now, however little; None if none is."""
    new = snapshot(result)
    if old.get("verdict") != new["verdict"] or old.get("counted") != new["counted"]:
        return "the verdict, or the runs that it rests on, are not as recorded"
    before, after = old.get("predictions", {}), new["predictions"]
    if before.keys() != after.keys():
        return "the predictions are not those that are recorded"
    for name, entry in before.items():
        pairs = [
            (entry["estimate"], after[name]["estimate"]),
            *zip(entry["interval"], after[name]["interval"], strict=True),
        ]
        for a, b in pairs:
            same = (
                a == b
                if a is None or b is None
                else math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
            )
            if not same:
                return f"{name}: {shown(entry)} is recorded, and it is {shown(after[name])} now"
    return None


def _changed_predictions(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Names of the predictions that changed, and a line for each."""
    before, after = old.get("predictions", {}), new["predictions"]
    changed, lines = [], []
    for name in [*after, *(name for name in before if name not in after)]:
        if name not in before or name not in after:
            lines.append(f"prediction {name}: {'gone' if name in before else 'new'}")
        elif before[name]["verdict"] != after[name]["verdict"] or not _close(
            before[name], after[name]
        ):
            a, b = before[name], after[name]
            verdicts = a["verdict"]
            if a["verdict"] != b["verdict"]:
                verdicts += f" -> {b['verdict']}"
            lines.append(f"{name}: {shown(a)} -> {shown(b)}; {verdicts}")
        else:
            continue
        changed.append(name)
    return changed, lines


def _other_runs(old: Mapping[str, Any], new: Mapping[str, Any], result: Result) -> Iterator[str]:
    """Which runs no longer count, and why; which are new."""
    if "counted" not in old:
        return  # recorded by a version that kept only the number
    before, after = set(members(old["counted"])), set(members(new["counted"]))
    uses = {use.run_id: use for use in result.runs}
    gone: dict[str, list[str]] = {}
    for run_id in sorted(before - after):
        use = uses.get(run_id)
        what = "not in the store" if use is None else use.status
        gone.setdefault(f"{what}: {use.why}" if use and use.why else what, []).append(run_id)
    for reason, run_ids in gone.items():
        yield f"{len(run_ids)} no longer counted, {reason} ({_few(run_ids)})"
    bytes_of = old.get("sha256", new["sha256"])  # older versions kept none
    other = sorted(r for r in before & after if bytes_of.get(r) != new["sha256"][r])
    if other:
        yield f"{len(other)} with other traces than recorded ({_few(other)})"
    if after - before:
        yield f"{len(after - before)} newly counted ({_few(sorted(after - before))})"


def _few(run_ids: Sequence[str]) -> str:
    found = ranges(run_ids)
    return ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")


def _close(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    numbers = [(a["estimate"], b["estimate"]), *zip(a["interval"], b["interval"], strict=True)]
    if any((x is None) != (y is None) for x, y in numbers):
        return False
    lo, hi = a["interval"]
    slack = 1e-9 if lo is None else max(TOLERANCE * (hi - lo), 1e-9)
    return all(x is None or abs(x - y) <= slack for x, y in numbers)


def shown(entry: Mapping[str, Any]) -> str:
    """Estimate and interval of a recorded prediction, as text."""

    def number(x: float | None) -> str:
        return "-" if x is None else f"{x:.4g}"

    lo, hi = entry["interval"]
    return f"{number(entry['estimate'])} [{number(lo)}, {number(hi)}]"
