"""What a recorder could not record: said once by a warning, and kept with the run.

A gap is one measure that is missing for one kind of reason:

    {"measure": "rankme", "kind": "not finite", "detail": "...", "values": 4, "first_step": 57, "last_step": 60,
     "tasks": ["copy"], "layers": [1, 2]}

`detail` is that of the first value. A manifest holds gaps as ``missing``, and remarks about what was recorded all the
same as ``recording_notes``.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MOST_GAPS = 100  # a metric with a new name at each step cannot fill the manifest
LONGEST_DETAIL = 300  # characters of a message
_INSIDE = (
    str(Path(__file__).parent),
    contextlib.__file__,
)  # files of frames that are the recorder's own


class RecorderWarning(UserWarning):
    """Something is missing from a recording, or was read in a way that one should know of."""


@dataclass
class _Gap:
    """`steps`: how many values are missing by step; None is a step that was none."""

    measure: str
    kind: str
    detail: str
    steps: dict[int | None, int] = field(default_factory=dict)
    tasks: list[str] = field(default_factory=list)
    layers: list[int] = field(default_factory=list)

    def entry(self) -> dict[str, Any]:
        """As the manifest has it."""
        known = [step for step in self.steps if step is not None]
        return {
            "measure": self.measure,
            "kind": self.kind,
            "detail": self.detail,
            "values": sum(self.steps.values()),
            "first_step": min(known, default=None),
            "last_step": max(known, default=None),
            "tasks": sorted(self.tasks),
            "layers": sorted(self.layers),
        }


class Missing:
    """Gaps and remarks of one recording; each kind is said once, by a `RecorderWarning`."""

    def __init__(self) -> None:
        self._gaps: dict[tuple[str, str], _Gap] = {}
        self._notes: dict[str, str] = {}
        self._said: set[str] = set()

    def add(
        self,
        kind: str,
        measure: str,
        step: int | None,
        detail: str,
        *,
        task: str | None = None,
        layer: int | None = None,
    ) -> None:
        """Count one missing value. `step`: None if it is not a step at all."""
        key = (shortened(measure), kind)
        if key not in self._gaps and len(self._gaps) >= MOST_GAPS:
            key = ("others", kind)
        gap = self._gaps.setdefault(key, _Gap(*key, shortened(detail)))
        gap.steps[step] = gap.steps.get(step, 0) + 1
        if task is not None and task not in gap.tasks:
            gap.tasks.append(task)
        if layer is not None and layer not in gap.layers:
            gap.layers.append(layer)
        if kind not in self._said:
            where = [f"step {step}"] * (step is not None)
            where += [f"layer {layer}"] * (layer is not None) + [f"task {task!r}"] * bool(task)
            self._say(
                kind,
                f"{measure} is missing ({', '.join(where) or 'at no step'}): {shortened(detail)}. The training goes "
                "on. This is said once; the manifest lists all under 'missing', and so does recorder.summary()",
            )

    def note(self, kind: str, text: str, *, each: bool = False) -> None:
        """Keep and say a remark, the first of its kind, or `each`."""
        if kind not in self._notes or each:
            self._notes[kind] = shortened(text)
        if kind not in self._said or each:
            self._say(kind, text)

    def _say(self, kind: str, text: str) -> None:
        self._said.add(kind)
        try:
            warnings.warn(text, RecorderWarning, stacklevel=_levels_to_the_caller())
        except RecorderWarning:  # warnings are errors here, and a training loop is no place for one
            logging.getLogger("emergence_stats.recorder").warning(text)

    def gaps(self) -> list[dict[str, Any]]:
        """Gaps in the order in which they were met."""
        return [gap.entry() for gap in self._gaps.values()]

    def further(self) -> dict[str, Any]:
        """What the manifest says of them: nothing if all was recorded."""
        found = {"missing": self.gaps(), "recording_notes": list(self._notes.values())}
        return {name: entries for name, entries in found.items() if entries}

    def state_dict(self) -> dict[str, Any]:
        return {
            "gaps": [asdict(gap) for gap in self._gaps.values()],
            "notes": dict(self._notes),
        }

    def load_state_dict(self, state: Mapping[str, Any], last_step: int | None = None) -> None:
        """Go on from `state_dict`, without what came after `last_step`. What was said before may be said again."""
        for fields in state["gaps"]:
            gap = _Gap(**fields)
            gap.steps = {
                step: n
                for step, n in gap.steps.items()
                if last_step is None or step is None or step <= last_step
            }
            if gap.steps:
                self._gaps[gap.measure, gap.kind] = gap
        self._notes = dict(state["notes"])

    def lines(self) -> list[str]:
        """One line a gap and a remark."""
        found = []
        for gap in self.gaps():
            steps = f"steps {gap['first_step']} to {gap['last_step']}"
            where = [steps] * (gap["first_step"] is not None)
            for name in ("layers", "tasks"):
                where += [f"{name} {', '.join(map(str, gap[name]))}"] * bool(gap[name])
            what = ", ".join([gap["measure"], f"{gap['values']} values", *where])
            found.append(f"missing: {what}: {gap['detail']}")
        return found + [f"note: {text}" for text in self._notes.values()]


def shortened(text: str) -> str:
    """One line of text that a manifest can hold."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= LONGEST_DETAIL else line[: LONGEST_DETAIL - 3] + "..."


def described(error: BaseException) -> str:
    """Class and message of an error; its message alone may be empty."""
    return shortened(f"{type(error).__name__}: {error}")


def _levels_to_the_caller() -> int:
    """`stacklevel` that makes a warning point to the line that called the recorder."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    return level
