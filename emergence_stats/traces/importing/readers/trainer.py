"""`trainer_state.json`, which the Trainer of Hugging Face leaves in every checkpoint: `log_history` has its metrics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import Rows
from emergence_stats.traces.importing.notes import Notes, few
from emergence_stats.traces.importing.paths import names

FILE = "trainer_state.json"
_NO_MEASURE = frozenset({"step", "epoch"})


def is_source(path: Path) -> bool:
    return path.name == FILE if path.is_file() else any(path.rglob(FILE))


def read(paths: Sequence[Path], notes: Notes) -> Iterator[Rows]:
    """The metrics of each training below `paths`; of several checkpoints of one, those of the last.

    A training is called as the folder that holds its checkpoints. Raises `TraceError` for a file without history.
    """
    files = [f for path in paths for f in ([path] if path.is_file() else sorted(path.rglob(FILE)))]
    trainings: dict[Path, list[tuple[int, Path, dict[str, Any]]]] = {}
    for file in files:
        state = _state(file)
        folder = file.resolve().parent
        if steps.in_text(folder.name) is not None:
            folder = folder.parent
        trainings.setdefault(folder, []).append((int(state.get("global_step") or 0), file, state))
    # names() names a file by its folder where its own name is that of a logger
    called = names([folder / FILE for folder in trainings])
    for folder, states in trainings.items():
        states.sort(key=lambda one: one[0])
        step, file, state = states[-1]
        if len(states) > 1:
            others = few([str(other) for _, other, _ in states[:-1]])
            notes.add("left out", f"{others}: the history of step {step} holds theirs", file)
        yield _rows(state, file, called[folder / FILE], notes)


def _state(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise TraceError(f"not valid json ({error}); is it cut off?", file=file) from None
    if not isinstance(found, dict) or not isinstance(found.get("log_history"), list):
        raise TraceError("there is no log_history", file=file)
    return found


def _rows(state: dict[str, Any], file: Path, name: str, notes: Notes) -> Rows:
    columns: dict[str, list[Any]] = {"step": [], "measure": [], "value": []}
    numbers, left = [], set()
    for number, entry in enumerate(state["log_history"]):
        for key, value in entry.items():
            if (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and key not in _NO_MEASURE
            ):
                columns["step"].append(entry.get("step"))
                columns["measure"].append(key)
                columns["value"].append(float(value))
                numbers.append(number)
            elif key != "step":
                left.add(key)
    if not numbers:
        raise TraceError("log_history holds no metric", file=file)
    if left:
        notes.add("left out", few(sorted(left)), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Rows(
        str(file), columns, numbers, name=name, sha256=digest, checkpoints=True, later="restart"
    )
