"""`trainer_state.json`, which the Trainer of Hugging Face leaves in every checkpoint: `log_history` has its metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import Rows, typed
from emergence_stats.traces.importing.notes import COLUMNS, Notes, few
from emergence_stats.traces.importing.paths import names
from emergence_stats.traces.importing.readers.tables import parse_json

FILE = "trainer_state.json"
_NO_MEASURE = frozenset({"step", "epoch"})


def is_source(path: Path) -> bool:
    return path.name == FILE if path.is_file() else any(path.rglob(FILE))


def read(paths: Sequence[Path], notes: Notes) -> Iterator[Rows]:
    """The metrics of each training below `paths`; of several checkpoints of one, those of the last and what it lacks.

    A training is called as the folder that holds its checkpoints. Raises `TraceError` for a file without history.
    """
    named = [f for path in paths for f in ([path] if path.is_file() else sorted(path.rglob(FILE)))]
    files = {
        file.resolve(): file for file in reversed(named)
    }  # one may be in a folder that is named too
    trainings: dict[Path, list[tuple[int, Path, dict[str, Any]]]] = {}
    for file in reversed(files.values()):
        state = _state(file)
        folder = file.resolve().parent
        step = steps.in_text(folder.name)
        if step is not None and not step.rest.strip("-_. "):  # not lr1e-3_steps1000
            folder = folder.parent
        trainings.setdefault(folder, []).append((_global_step(state, file), file, state))
    # names() names a file by its folder where its own name is that of a logger
    called = names([folder / FILE for folder in trainings])
    for folder, states in trainings.items():
        states.sort(key=lambda one: one[0])
        yield _rows(states, called[folder / FILE], notes)


def _key(entry: dict[str, Any]) -> tuple[Any, frozenset[str]]:
    """What an entry is of: its step, and which metrics it has, since training and evaluation have one each."""
    return entry.get("step"), frozenset(entry)


def _state(file: Path) -> dict[str, Any]:
    try:
        found = parse_json(file.read_text("utf-8-sig"))
    except (ValueError, UnicodeDecodeError) as error:
        raise TraceError(f"not valid json ({error}); is it cut off?", file=file) from None
    if not isinstance(found, dict) or not isinstance(found.get("log_history"), list):
        raise TraceError("there is no log_history", file=file)
    for number, entry in enumerate(found["log_history"]):
        if not isinstance(entry, dict):
            raise TraceError(f"{entry!r} in log_history is no object", file=file, row=number)
    return found


def _global_step(state: dict[str, Any], file: Path) -> int:
    step = state.get("global_step") or 0
    if not isinstance(step, int):
        raise TraceError(f"global_step is {step!r}", file=file)
    return step


def _rows(states: Sequence[tuple[int, Path, dict[str, Any]]], name: str, notes: Notes) -> Rows:
    """The metrics of a training's checkpoints: the history of the last, and what of the others is not in it."""
    last, file, state = states[-1]
    entries = [(number, entry) for number, entry in enumerate(state["log_history"])]
    there = {_key(entry): entry for _, entry in entries}
    for _, other, earlier in reversed(states[:-1]):
        lost = []
        for number, entry in enumerate(earlier["log_history"]):
            held = there.get(_key(entry))
            if held is None:
                lost.append((number, entry))
            elif held != entry:
                raise TraceError(
                    f"step {entry.get('step')} is another one here than in {file}, and both are of training {name!r}",
                    file=other,
                    row=number,
                    fix="Import one of the two files alone; if they are two trainings, one after the other with --set run=NAME.",
                )
        there |= {_key(entry): entry for _, entry in lost}
        entries = [*lost, *entries]
        if lost:
            steps_ = [entry.get("step") for _, entry in lost]
            notes.add(
                "joined",
                f"steps {steps_[0]} to {steps_[-1]} of {other}, which the history of step {last} lacks",
                file,
            )
        else:
            notes.add("left out", f"{other}: the history of step {last} holds its steps", file)
    columns: dict[str, list[Any]] = {"step": [], "measure": [], "value": []}
    numbers, left, text = [], set(), dict[str, int]()
    for number, entry in entries:
        for key, value in entry.items():
            if (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and key not in _NO_MEASURE
            ):
                columns["step"].append(entry.get("step"))
                columns["measure"].append(key)
                columns["value"].append(value)
                numbers.append(number)
            elif key != "step":
                left.add(key)
                text[key] = text.get(key, 0) + 1
    if not numbers:
        raise TraceError("log_history holds no metric", file=file)
    measured = set(columns["measure"])
    for key in sorted(left & measured):
        notes.add("left out", f"{text[key]} entries of {key} that are no number", file)
    if left - measured:
        notes.add("left out", few(sorted(left - measured), COLUMNS), file)
    columns["value"] = typed("value", columns["value"], str(file), numbers)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Rows(
        str(file), columns, numbers, name=name, sha256=digest, checkpoints=True, later="restart"
    )
