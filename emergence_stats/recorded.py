"""The recorded verdicts (``verdicts.lock``): a scientific claim as a regression test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emergence_stats.errors import RegistrationError
from emergence_stats.files import write_whole
from emergence_stats.results import Result

# An estimate may move by this share of its recorded interval's width before it counts as changed:
# enough for another machine's rounding, too little for another set of runs.
TOLERANCE = 0.01


def snapshot(result: Result) -> dict[str, Any]:
    """What is recorded of one result."""
    return {
        "verdict": str(result.verdict),
        "basis": result.basis,
        "registration": result.registration,
        "runs": result.counted,
        "controls": {control.name: str(control.verdict) for control in result.controls},
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
    """Recorded verdicts by hypothesis. `RegistrationError` where there are none."""
    if not path.exists():
        raise RegistrationError(
            f"{path}: there are no recorded verdicts; record them with "
            "`emergence-stats check --update`"
        )
    return read_record(path, "verdicts")


def read_record(path: Path, of: str) -> dict[str, Any]:
    """Entries of a record by hypothesis. `RegistrationError` where it is none of what is asked for."""
    try:
        recorded = json.loads(path.read_text("utf-8"))[of]
        if not isinstance(recorded, dict):
            raise TypeError(f"{of} is not an object")
    except (ValueError, KeyError, TypeError) as error:
        raise RegistrationError(
            f"{path}: not a record of {of} ({error!r}); restore it from version control"
        ) from None
    return recorded


def write(path: Path, results: Sequence[Result]) -> None:
    verdicts = {result.name: snapshot(result) for result in results}
    write_whole(path, json.dumps({"verdicts": verdicts}, indent=1, sort_keys=True) + "\n")


def compare(recorded: dict[str, Any], results: Sequence[Result]) -> list[str]:
    """What changed, one line each; empty when nothing did."""
    lines = []
    now = {result.name: result for result in results}
    for name in sorted(recorded.keys() - now.keys()):
        lines.append(f"{name}: recorded, but there is no such hypothesis")
    for name, result in now.items():
        if name not in recorded:
            lines.append(f"{name}: no recorded verdict (now {result.verdict})")
            continue
        lines += [f"{name}: {change}" for change in _changes(recorded[name], snapshot(result))]
    return lines


def _changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    lines = [
        f"{field}: {old.get(field)} -> {new[field]}"
        for field in ("verdict", "basis", "registration", "runs")
        if old.get(field) != new[field]
    ]
    earned = old.get("controls", {}), new["controls"]
    for name in sorted(earned[0].keys() | earned[1].keys()):
        was, now = (verdicts.get(name, "absent") for verdicts in earned)
        if was != now:
            lines.append(f"control {name}: {was} -> {now}")
    before, after = old.get("predictions", {}), new["predictions"]
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            lines.append(f"prediction {name}: {'gone' if name in before else 'new'}")
            continue
        a, b = before[name], after[name]
        if a["verdict"] != b["verdict"]:
            lines.append(f"{name}: {a['verdict']} -> {b['verdict']}")
        if not _close(a, b):
            lines.append(
                f"{name}: {_shown(a)} -> {_shown(b)}",
            )
    return lines


def _close(a: dict[str, Any], b: dict[str, Any]) -> bool:
    numbers = [(a["estimate"], b["estimate"]), *zip(a["interval"], b["interval"], strict=True)]
    if any((x is None) != (y is None) for x, y in numbers):
        return False
    lo, hi = a["interval"]
    slack = 1e-9 if lo is None else max(TOLERANCE * (hi - lo), 1e-9)
    return all(x is None or abs(x - y) <= slack for x, y in numbers)


def _shown(entry: dict[str, Any]) -> str:
    def number(x: float | None) -> str:
        return "-" if x is None else f"{x:.4g}"

    lo, hi = entry["interval"]
    return f"{number(entry['estimate'])} [{number(lo)}, {number(hi)}]"
