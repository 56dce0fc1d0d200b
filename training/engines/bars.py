"""Progress of many runs with the time left, on stderr: bars on a terminal, a line a run elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from .remaining import duration, seconds_left
from .task import Task


@dataclass
class _Going:
    """A run on its way: its bar, when it began, and when it passed its checkpoints."""

    bar: TaskID
    began: float
    passed: list[tuple[int, float]] = field(default_factory=list)


class Bars:
    """Inside, `show` and `finish` say how far runs are. All of them are runs of one suite."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._schedule = tasks[0].suite.schedule()
        self._scales = {task.run_id: task.scale.name for task in tasks}
        self._total = self._progress.add_task("all runs", total=len(tasks), left="")
        self._going: dict[str, _Going] = {}
        self._ended: set[str] = set()
        self._took: dict[str, list[float]] = {}  # by scale: seconds of each run, from its beginning
        self._places = 1  # runs at once

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._progress.stop()

    def start(self, run_id: str) -> None:
        if run_id not in self._going:
            bar = self._progress.add_task(f"{run_id} begins", total=self._schedule[-1], left="")
            self._going[run_id] = _Going(bar, time.monotonic())
            self._places = max(self._places, len(self._going))

    def show(self, run_id: str, step: int, loss: float, *, each: bool = True) -> None:
        """A run has passed the checkpoint of a step. `each`: all are shown, so that one whose first is a later one goes on."""
        self.start(run_id)
        run = self._going[run_id]
        if each and not run.passed and step > self._schedule[0]:
            self.say(f"{run_id} goes on at step {step:,}")
        if not run.passed or step > run.passed[-1][0]:
            run.passed.append((step, time.monotonic()))
        left = seconds_left(run.passed, self._schedule)
        said = f"{run_id} loss {loss:.3f}" if math.isfinite(loss) else run_id
        self._progress.update(run.bar, completed=step, description=said, left=_left(left))
        self._progress.update(self._total, left=_left(self._all_left()))

    def say(self, text: str) -> None:
        """A line of its own, above the bars."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def finish(self, run_id: str, *, written: bool, stopped: str = "") -> None:
        """`stopped`: why a run that is written ended before its end."""
        self.start(run_id)
        run = self._going.pop(run_id)
        self._progress.remove_task(run.bar)
        if not written:
            return
        took = time.monotonic() - run.began
        self._ended.add(run_id)
        if stopped:
            self.say(f"{run_id} {stopped}; its traces until then are kept")
        if not stopped and run.passed and run.passed[0][0] == self._schedule[0]:
            self._took.setdefault(self._scales[run_id], []).append(took)
        self._progress.advance(self._total)
        if not self._console.is_terminal:
            said, left = (
                f"{len(self._ended)}/{len(self._scales)} {run_id} {took:.0f} s",
                self._all_left(),
            )
            self.say(f"{said}; {_left(left)}" if left else said)

    def leave(self, run_id: str, why: str) -> None:
        """A run is another collection's, and none of those to make."""
        self.finish(run_id, written=False)
        del self._scales[run_id]
        self._progress.update(self._total, total=len(self._scales))
        self.say(why)

    def _all_left(self) -> float | None:
        """Seconds until all runs are there, by what a run of each scale took; None while that is not known."""
        total, longest = 0.0, 0.0
        for run_id, scale in self._scales.items():
            if run_id in self._ended:
                continue
            if scale not in self._took:
                return None
            mean = sum(self._took[scale]) / len(self._took[scale])
            spent = time.monotonic() - self._going[run_id].began if run_id in self._going else 0.0
            left = max(mean - spent, 0.0)
            total, longest = total + left, max(longest, left)
        return max(total / self._places, longest)


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"{duration(seconds)} left"
