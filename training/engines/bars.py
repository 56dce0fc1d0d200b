"""Progress of many runs with the time left, on stderr: bars on a terminal, a line a run elsewhere."""

from __future__ import annotations

import time


class Bars:
    """Inside, `show` and `finish` say how far runs are."""

    def __init__(self, total: int, steps: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._total = self._progress.add_task("all runs", total=total)
        self._tasks: dict[str, tuple] = {}
        self._runs, self._steps = (0, total), steps

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._progress.stop()

    def start(self, run_id: str) -> None:
        if run_id not in self._tasks:
            task = self._progress.add_task(run_id, total=self._steps)
            self._tasks[run_id] = (task, time.monotonic())

    def show(self, run_id: str, step: int, loss: float) -> None:
        self.start(run_id)
        self._progress.update(
            self._tasks[run_id][0], completed=step, description=f"{run_id} loss {loss:.3f}"
        )

    def say(self, text: str) -> None:
        """A line of its own, above the bars."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def finish(self, run_id: str, *, written: bool) -> None:
        self.start(run_id)
        bar, began = self._tasks.pop(run_id)
        self._progress.remove_task(bar)
        if not written:
            return
        self._progress.advance(self._total)
        self._runs = (self._runs[0] + 1, self._runs[1])
        if not self._console.is_terminal:
            spent = time.monotonic() - began
            count = f"{self._runs[0]}/{self._runs[1]}"
            self._console.print(f"{count} {run_id} {spent:.0f} s", highlight=False)
