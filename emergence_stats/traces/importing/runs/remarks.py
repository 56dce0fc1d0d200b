"""What is said of the runs of an import beside what was done with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from unicodedata import normalize

from emergence_stats.support.words import counted
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.importing.facts import Facts
from emergence_stats.traces.importing.notes import COLUMNS, Notes, few
from emergence_stats.traces.importing.runs.naming import run_id
from emergence_stats.traces.importing.runs.rows import RunRows, step_unit
from emergence_stats.traces.importing.steps import OPTIMISER

_ROUNDING = 1e-6
_ACCURACY = re.compile(r"(?:.*[/_.-])?acc(?:uracy)?(?:_norm)?", re.IGNORECASE)


def say_lookalikes(found: Mapping[str, RunRows], notes: Notes) -> None:
    """Names that differ in how accents are encoded alone: they look the same, and stay two."""
    names = {"run": set(found), "scale": {run.facts["scale"] for run in found.values()}}
    for target in ("task", "measure"):
        names[target] = {name for run in found.values() for name in run.columns[target]} - {None}
    for kind, several in names.items():
        forms: dict[str, list[str]] = {}
        for name in several:
            forms.setdefault(normalize("NFC", name), []).append(name)
        alike = sorted(form for form, those in forms.items() if len(those) > 1)
        if alike:
            text = f"{kind}s that look alike and differ in how accents are encoded: {few(alike)}"
            notes.add("doubtful", text)


def say_no_run(facts: Facts, found: Mapping[str, RunRows], notes: Notes) -> None:
    """Rows of the table of runs, or of scales, that no run has."""
    if facts.key == "run":
        used = {facts.row_of(name, Notes()) for name in found}
    else:
        used = {run.key for run in found.values() if run.key is not None}
    others = [name for name in facts.rows if name not in used]
    if others:
        notes.add("left out", f"rows for which there is no run: {few(others, COLUMNS)}", facts.file)


def say_shares(found: Mapping[str, RunRows], notes: Notes) -> None:
    """An accuracy that is no share: claims take chance and 1 for its ends."""
    most: dict[str, dict[str, float]] = {}
    for run in found.values():
        pairs = zip(run.columns["measure"], run.columns["value"], strict=True)
        for measure, value in pairs:
            if value is None or not _ACCURACY.fullmatch(measure) or _is_share(value):
                continue
            runs = most.setdefault(measure, {})
            runs[run.name] = max(runs.get(run.name, value), value, key=abs)
    for measure, runs in most.items():
        name, value = next(iter(runs.items()))
        notes.add(
            "doubtful",
            f"{measure} is a share, from 0 to 1, and reaches {value:g} in {name}"
            + (f" and beyond 1 in {len(runs) - 1} more runs" if len(runs) > 1 else "")
            + f": if it is in percent, say --percent {measure}, else give it another name",
        )


def _is_share(value: float) -> bool:
    return not isfinite(value) or -_ROUNDING <= value <= 1 + _ROUNDING


def say_events(found: Mapping[str, RunRows], notes: Notes) -> None:
    """How many events came and how many never did, and those that are dated behind the end of their run."""
    dated: dict[str, list[int | None]] = {}
    for run in found.values():
        last = max(run.columns["step"])
        for event, steps in run.events.items():
            dated.setdefault(event, []).extend(steps.values())
            late = max((step for step in steps.values() if step is not None), default=0)
            if late > last:
                text = f"event {event} of run {run.name} is at step {late:,}, and its measurements end at {last:,}"
                notes.add("doubtful", text)
    for event, several in dated.items():
        never = several.count(None)
        text = f"{event}: {len(several) - never} dated" + (f", {never} never came" if never else "")
        notes.add("events", text)


def say_there(found: Mapping[str, RunRows], old: Mapping[str, Manifest], notes: Notes) -> None:
    """What is replaced, and what was another; and files whose bytes another run of the suite is from."""
    known = {
        digest: (other, Path(name).name)
        for other, manifest in old.items()
        if isinstance(manifest.further.get("imported"), dict)
        for name, digest in manifest.further["imported"].items()
    }
    replaced = []
    for run in found.values():
        its = run_id(run.name)
        before = old.get(its)
        if before is not None and run.before is None:
            replaced.append(its)
            for fact in ("scale", "seed", "n_params"):
                was, now = getattr(before, fact), run.facts[fact]
                if was != now:
                    notes.add("replaced", f"{fact} of run {its} was {was}, and is {now}")
        for file, digest in run.files.items():
            other, name = known.get(digest or "", (its, ""))
            if other != its and name != Path(file).name:  # else one file of several runs
                notes.add("doubtful", f"{file} has the bytes of the file that run {other} is from")
    if replaced:
        notes.add("replaced", f"run{'s' if len(replaced) > 1 else ''} {few(replaced)}")


def say_steps(found: Mapping[str, RunRows], notes: Notes) -> None:
    """What steps count, and which runs begin later than at step 0."""
    units: dict[str, int] = {}
    for run in found.values():
        units[step_unit(run)] = units.get(step_unit(run), 0) + 1
    for unit, n in units.items():
        if unit != OPTIMISER or len(units) > 1:
            notes.add("steps", f"{unit} in {counted(n, 'run')}")
    late = {
        run.name: min(run.columns["step"]) for run in found.values() if min(run.columns["step"])
    }
    if late:
        first = ", ".join(f"{name} at {step:,}" for name, step in list(late.items())[:3])
        notes.add(
            "missing",
            f"the first checkpoint is not step 0 in {counted(len(late), 'run')}: {first}{', ...' if len(late) > 3 else ''}",
        )
