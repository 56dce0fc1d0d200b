"""The runs that a plan had seen, and how one of them is known again under another name.

Two ways: what determined a run, which its manifest says (`identity`), and what was measured in it (`Sketch`).
The first is exact and can be edited; the second survives an edited manifest and values that were moved a little,
but says nothing of runs in which next to nothing varies.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from emergence_stats.claims.registration.canonical import digest
from emergence_stats.core.runs import Run
from emergence_stats.traces.format import Manifest

# By key, ``rankme add 1 4 2``: measure, task, level, layer ("-" for none) and part of a trace; the mean over its part.
Sketch = Mapping[str, float]

_TRACES = 5  # kept of each measure
_PARTS = 3  # of a trace, with as many checkpoints each
_DISTINCT = 8  # values of a trace: fewer, as of a task learned between two checkpoints, are those of many trainings
_FEWEST = 4  # different numbers that two sketches have to share before that means anything
# Relative. The nearest two different trainings among the shipped runs differ by far more in some number.
_SAME = 1e-3
_DIGITS = 6  # kept of a mean
_RAREST = 3  # numbers by which candidates are found


def moment(text: str) -> datetime:
    """A time as manifests and locks have it; without a zone it is UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def is_early(run: Manifest, registered: str) -> bool:
    """Whether a run is dated before a registration; both are known to the second."""
    return moment(run.created) < moment(registered)


def identity(manifest: Manifest) -> dict[str, str]:
    """What identifies a run: its name, its bytes, what determined it, and what determined its training.

    The last is the same for runs of two suites that train alike and differ in what else they measure,
    which a config holds under `deep`.
    """
    training = {
        "scale": manifest.scale,
        "seed": manifest.seed,
        "config": {k: v for k, v in manifest.config.items() if k != "deep"},
    }
    whole = {**training, "suite": manifest.suite, "config": dict(manifest.config)}
    return {
        "run_id": manifest.run_id,
        "sha256": manifest.sha256,
        "config": digest(whole),
        "training": digest(training),
    }


def sketch(run: Run, measures: Collection[str]) -> dict[str, float]:
    """A few numbers of a run: means of parts of some traces of each measure, where they vary.

    Which traces depends on their names alone, in an order like chance, so that a copy with other values, or with some
    traces left out, has most of the same keys.
    """
    found: dict[str, float] = {}
    for measure in sorted(set(measures) & run.measures):
        traces = run.traces(measure)
        keys = [
            " ".join((measure, task or "-", *("-" if n < 0 else str(n) for n in (level, layer))))
            for task, level, layer in zip(traces.task, traces.level, traces.layer, strict=True)
        ]
        for at in _chosen(tuple(keys)):
            key, values = keys[at], traces.values[at, : traces.length[at]]
            if len(np.unique(values)) < _DISTINCT or np.abs(values).max() > 1e300:
                continue
            for part, some in enumerate(np.array_split(values, _PARTS), 1):
                found[f"{key} {part}"] = float(f"{some.mean():.{_DIGITS}g}")
    return found


@lru_cache(maxsize=1000)  # runs of one scale have the same traces
def _chosen(keys: tuple[str, ...]) -> list[int]:
    order = sorted(range(len(keys)), key=lambda at: hashlib.sha256(keys[at].encode()).digest())
    return order[:_TRACES]


def says_something(sketch: Sketch) -> bool:
    """Whether a sketch has as many different numbers as it takes to know a run again."""
    return len(set(sketch.values())) >= _FEWEST


def is_same(one: Sketch, other: Sketch) -> bool:
    """Whether two sketches are of the same measurements, up to small changes of their values.

    False where they share too few different numbers.
    """
    shared = one.keys() & other.keys()
    for key in shared:
        a, b = one[key], other[key]
        if abs(a - b) > _SAME * max(abs(a), abs(b)):
            return False
    return len({one[key] for key in shared}) >= _FEWEST


def copies_of(now: Mapping[str, Sketch], seen: Mapping[str, Sketch]) -> dict[str, str]:
    """Of runs that count (`now`, by run_id), those whose values are those of a run seen, with its run_id."""
    index = _Index(seen)
    found = {run_id: index.same_as(sketch) for run_id, sketch in now.items()}
    return {run_id: others[0] for run_id, others in found.items() if others}


def repeats_among(now: Mapping[str, Sketch]) -> dict[str, str]:
    """Runs whose values are those of an earlier one in this order, with its run_id."""
    index, place = _Index(now), {run_id: at for at, run_id in enumerate(now)}
    found: dict[str, str] = {}
    for run_id, sketch in now.items():
        others = [other for other in index.same_as(sketch) if place[other] < place[run_id]]
        if others:
            found[run_id] = others[0]
    return found


class _Index:
    """Sketches by each of their numbers, in order, so that not every pair has to be compared."""

    def __init__(self, sketches: Mapping[str, Sketch]) -> None:
        self._sketches = sketches
        by_key: dict[str, list[tuple[float, str]]] = {}
        for run_id, numbers in sketches.items():
            for key, number in numbers.items():
                by_key.setdefault(key, []).append((number, run_id))
        self._sorted = {key: sorted(some) for key, some in by_key.items()}

    def same_as(self, sketch: Sketch) -> list[str]:
        """run_ids of the sketches that are of the same measurements, in their order.

        Candidates are those near by in the numbers that fewest others are near to.
        """
        windows = sorted((self._window(key, number) for key, number in sketch.items()), key=len)
        near = {run_id for window in windows[:_RAREST] for _, run_id in window}
        return [r for r in self._sketches if r in near and is_same(sketch, self._sketches[r])]

    def _window(self, key: str, number: float) -> list[tuple[float, str]]:
        some, slack = self._sorted.get(key, []), 2 * _SAME * abs(number)
        last = bisect_right(some, (number + slack, "\uffff"))
        return some[bisect_left(some, (number - slack, "")) : last]


def files_of(manifest: Manifest) -> list[str]:
    """Hashes of the files that a run was imported from: who had a file had all that is in it."""
    imported = manifest.further.get("imported")
    found = imported.values() if isinstance(imported, dict) else ()
    return sorted({one for one in found if isinstance(one, str)})


def entry_of(manifest: Manifest, values: Mapping[str, Sketch]) -> dict[str, Any]:
    """What a lock keeps of a run that was seen."""
    kept: dict[str, Any] = dict(identity(manifest))
    if files_of(manifest):
        kept["files"] = files_of(manifest)
    if values.get(manifest.run_id):
        kept["values"] = dict(values[manifest.run_id])
    return kept
