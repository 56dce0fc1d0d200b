"""The runs that a plan had seen, and how one of them is known again under another name.

Two ways: what determined a run, which its manifest says (`identity`), and what was measured in it (`Sketch`).
The first is exact and can be edited; the second survives an edited manifest and values that were moved a little,
but says nothing of runs in which next to nothing varies.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from emergence_stats.claims.registration.canonical import digest
from emergence_stats.runs import Run
from emergence_stats.traces.format import Manifest

# By key of a trace, ``rankme add 1 4``: measure, task, level, layer ("-" for none); the mean over its checkpoints.
Sketch = Mapping[str, float]

_TRACES = 8  # kept of each measure
_FEWEST = 4  # traces that two sketches have to share before equal numbers mean anything
# Relative. The nearest two different trainings among the shipped runs differ by 0.04 in some mean.
_SAME = 1e-3
_DIGITS = 6  # kept of a mean


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
    """A few numbers of a run: the means of traces spread evenly over those of each measure, where they vary.

    Which traces does not depend on values, so that a copy with other values gives the same keys.
    """
    found: dict[str, float] = {}
    for measure in sorted(set(measures) & run.measures):
        traces = run.traces(measure)
        chosen = np.unique(np.linspace(0, len(traces) - 1, _TRACES).round().astype(int))
        for at in chosen:
            values = traces.values[at, : traces.length[at]]
            if np.ptp(values) <= _SAME * np.abs(values).max():
                continue
            level, layer = ("-" if n < 0 else str(n) for n in (traces.level[at], traces.layer[at]))
            key = " ".join((measure, traces.task[at] or "-", level, layer))
            found[key] = float(f"{values.mean():.{_DIGITS}g}")
    return found


def is_same(one: Sketch, other: Sketch) -> bool:
    """Whether two sketches are of the same measurements, up to small changes of their values.

    False where they share too few numbers, or these hardly differ among themselves, as in runs that learn nothing.
    """
    shared = sorted(one.keys() & other.keys())
    a, b = (np.array([sketch[key] for key in shared]) for sketch in (one, other))
    if len(np.unique(a)) < _FEWEST:
        return False
    return bool(np.all(np.abs(a - b) <= _SAME * np.maximum(np.abs(a), np.abs(b))))


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
        """run_ids of the sketches that are of the same measurements, in their order."""
        hits: Counter[str] = Counter()
        for key, number in sketch.items():
            some, slack = self._sorted.get(key, []), 2 * _SAME * abs(number)
            first = bisect_left(some, (number - slack, ""))
            for other, run_id in some[first:]:
                if other > number + slack:
                    break
                hits[run_id] += 1
        near = {run_id for run_id, count in hits.items() if count >= _FEWEST}
        return [r for r in self._sketches if r in near and is_same(sketch, self._sketches[r])]


def entry_of(manifest: Manifest, values: Mapping[str, Sketch]) -> dict[str, Any]:
    """What a lock keeps of a run that was seen."""
    kept: dict[str, Any] = dict(identity(manifest))
    if values.get(manifest.run_id):
        kept["values"] = dict(values[manifest.run_id])
    return kept
