"""What was recorded so far, and what is missing from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from emergence_stats.recorder.missing import Missing, described
from emergence_stats.recorder.values import (
    Row,
    layer_of,
    level_of,
    name_of,
    number,
    stderr_of,
    step_of,
    table_of,
)


class Recording:
    """Rows of one run, the steps at which it was recorded, and its gaps.

    `last`: the step recorded last. `continues`: whether it goes on with what another process recorded.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.missing = Missing()
        self.steps: set[int] = set()
        self.last: int | None = None
        self.seconds = 0.0
        self.continues = False

    def begin(self, step: int) -> None:
        """A step is recorded now; a remark if it comes before the last one."""
        if self.last is not None and step < self.last:
            self.missing.note(
                "steps went back",
                f"step {step} was recorded after step {self.last}. What is recorded twice counts as it was the last "
                "time, and all else is kept: if the training went back to a checkpoint, forget what came after it by "
                f"recorder.load_state_dict(recorder.state_dict(), last_step={step})",
            )
        self.last = step
        self.steps.add(step)

    def log(
        self,
        step: int,
        measure: str,
        value: Any,
        *,
        task: str | None = None,
        level: int | None = None,
        layer: int | None = None,
        stderr: Any = None,
    ) -> None:
        """Add one row, or a gap for what is no finite number or has no place in the format. Never raises."""
        at = None
        try:
            at = step_of(step)
            name = name_of(measure, "measure")
            task = None if task is None else name_of(task, "task")
            level, layer = level_of(level), layer_of(layer)
        except Exception as error:
            shown = measure if isinstance(measure, str) and measure else repr(measure)[:80]
            self.missing.add("name", shown, at, str(error))
            return
        try:
            found = number(value)
        except Exception as error:  # of whatever stands for a number in this loop
            self.missing.add("not a number", name, at, str(error), task=task, layer=layer)
            return
        if not math.isfinite(found):
            detail = f"its value is {found}"
            self.missing.add("not finite", name, at, detail, task=task, layer=layer)
            return
        try:
            spread = stderr_of(stderr)
        except Exception as error:
            self.missing.add("stderr", f"stderr of {name}", at, str(error), task=task, layer=layer)
            spread = None
        self.rows.append(Row(at, task, level, layer, name, found, spread))

    def finish(self, due: frozenset[int]) -> None:
        """Mark steps that were due and passed without a call."""
        for step in sorted(due - self.steps):
            if self.steps and step < max(self.steps):
                detail = "record() was not called at this step, which was due"
                self.missing.add("not recorded", "everything", step, detail)
                self.steps.add(step)

    def end(self, due: frozenset[int]) -> None:
        """Say which steps were due and never came, at the end of a training."""
        last = max(self.steps, default=-1)
        ahead = sorted(step for step in due if step > last)
        if ahead and self.steps:
            which = f"step {ahead[0]}" if len(ahead) == 1 else f"steps {ahead[0]} to {ahead[-1]}"
            self.missing.note(
                "end",
                f"the training ended after step {last}, its last measurement; {len(ahead)} more were due, at {which}",
            )

    def table(self) -> pa.Table:
        """Rows in the columns of the trace format; of a step that was recorded twice, the last."""
        rows = {(row.measure, row.task, row.level, row.layer, row.step): row for row in self.rows}
        return table_of(list(rows.values()))

    def summary(self) -> str:
        """What was recorded and what is missing, in a few lines."""
        steps = sorted({row.step for row in self.rows})
        names = sorted({row.measure for row in self.rows})
        what = f"{self.table().num_rows} values at {len(steps)} steps"
        what += f" ({steps[0]} to {steps[-1]}): {', '.join(names)}" if steps else ""
        return "\n".join([what, *self.missing.lines()])

    def state_dict(self) -> dict[str, Any]:
        return {
            "rows": [tuple(row) for row in self.rows],
            "seconds": self.seconds,
            "missing": self.missing.state_dict(),
            "steps": sorted(self.steps),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], last_step: int | None) -> Recording:
        """What `state_dict` gave, also that of version 0.1, up to `last_step`. Raises `ValueError` for anything else."""
        found = cls()
        try:
            rows = [Row(*row) for row in state["rows"]]
            steps = state.get("steps", {row.step for row in rows})
            found.rows = [row for row in rows if last_step is None or row.step <= last_step]
            found.steps = {s for s in steps if last_step is None or s <= last_step}
            found.seconds = float(state["seconds"])
            if "missing" in state:
                found.missing.load_state_dict(state["missing"], last_step)
        except Exception as error:
            raise ValueError(
                f"this is not what state_dict() of a Recorder gave ({described(error)})"
            ) from None
        found.last = max(found.steps, default=None)
        found.continues = True
        return found
