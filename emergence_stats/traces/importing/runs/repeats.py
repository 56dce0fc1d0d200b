"""One value at each step of a trace: after a restart, and where a row is there twice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NoReturn

from emergence_stats.errors import TraceError
from emergence_stats.support.words import counted
from emergence_stats.traces.importing.notes import Notes
from emergence_stats.traces.importing.runs.rows import RunRows

_RESTARTS = 3  # one after the other, from step to step back: more is a table in another order


def settle_repeats(run: RunRows, later: str | None, notes: Notes) -> None:
    """One value at each step of a trace: which of two counts, or an error."""
    gone: set[int] = set()
    dead: set[int] = set()
    restarts: list[tuple[int, int]] = []  # the row that goes back, and to which step
    traces = run.traces()
    down = later == "restart" and any(_is_sorted_down(run, rows) for rows in traces.values())
    for key, rows in traces.items():
        if down and _is_sorted_down(run, rows, least=1):  # also those that were measured less often
            notes.add("steps", f"{run.name} is sorted by step from the last to the first")
            continue
        at: dict[int, int] = {}
        back, highest = False, -1
        for i in rows:
            step = run.columns["step"][i]
            if step < highest:
                restarts.append((i, step))
            if later == "restart" and step <= highest:
                for other in [s for s in at if s >= step]:
                    (gone if other == step else dead).add(at.pop(other))
            elif step in at and (later == "same" or _same(run, at[step], i)):
                gone.add(at.pop(step))
            elif step in at:
                _refuse_repeat(run, key, at[step], i)
            back |= step < highest
            highest = step if later == "restart" else max(highest, step)
            at[step] = i
        if back and later is None and not _descends(run, rows):
            notes.add(
                "steps",
                f"{key[0]} of {run.name} goes back in steps, and is taken as one trace; after a restart say "
                "--later-counts",
            )
    if later == "restart" and run.timed:
        dead |= _before_restarts(run, restarts) - gone
    if gone:
        notes.add(
            "left out",
            f"{counted(len(gone), 'value')} of {run.name} at steps that were written again",
        )
    if dead:
        steps_ = [run.columns["step"][i] for i in dead]
        notes.add(
            "left out",
            f"{counted(len(dead), 'value')} of {run.name} at steps {min(steps_)} to {max(steps_)}, from before a restart",
        )
    run.keep([i for i in range(len(run.places)) if i not in gone and i not in dead])


def _before_restarts(run: RunRows, restarts: Sequence[tuple[int, int]]) -> set[int]:
    """Rows of any measure of a file, written before a restart in it, at steps behind the one that training went back to."""
    back: dict[tuple[str, int], int] = {}  # of each row that goes back, the lowest step
    for i, step in restarts:
        back[run.places[i]] = min(step, back.get(run.places[i], step))
    found: set[int] = set()
    lowest, waiting, current = math.inf, list[tuple[str, int]](), None
    for j in sorted(range(len(run.places)), key=run.places.__getitem__, reverse=True):
        if run.places[j][0] != current:
            current, lowest = run.places[j][0], math.inf
            waiting = sorted(place for place in back if place[0] == current)
        while waiting and waiting[-1] > run.places[j]:
            lowest = min(lowest, back[waiting.pop()])
        if run.columns["step"][j] > lowest:
            found.add(j)
    return found


def _same(run: RunRows, i: int, j: int) -> bool:
    return all(run.columns[t][i] == run.columns[t][j] for t in ("value", "stderr"))


def _is_sorted_down(run: RunRows, rows: Sequence[int], least: int = _RESTARTS + 1) -> bool:
    """Whether no step of a trace comes after a smaller one: that many restarts there are not."""
    found = [run.columns["step"][i] for i in rows]
    return len(found) >= least and all(a > b for a, b in pairwise(found))


def _descends(run: RunRows, rows: Sequence[int]) -> bool:
    """Whether the steps of a trace only go down: a table that is sorted the other way."""
    found = [run.columns["step"][i] for i in rows]
    return found == sorted(found, reverse=True)


def _refuse_repeat(run: RunRows, key: tuple[Any, ...], first: int, second: int) -> NoReturn:
    other, row = run.places[first]
    file, number = run.places[second]
    raise TraceError(
        f"{key[0]} of run {run.name!r} appears twice at step {run.columns['step'][second]}, first in "
        f"{other}, row {row}",
        file=file,
        row=number,
        fix="Tell them apart by task, level or run (--column), or select rows (--where); if training was resumed, "
        "say --later-counts.",
    )
