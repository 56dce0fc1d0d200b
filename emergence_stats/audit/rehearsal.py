"""What `register` tries before it freezes a plan.

One unit is evaluated twice: an estimate that the traces alone decide gives one value. Whatever its code reads
besides is seen then, and becomes part of the registration. And the runs that the plan sees are sketched, so that
they can be known again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration.seen import Sketch, sketch
from emergence_stats.errors import HypothesisError
from emergence_stats.evaluation.jobs import make_job
from emergence_stats.evaluation.reading import read_run
from emergence_stats.evaluation.units import collect_values
from emergence_stats.evaluation.values import Values, label
from emergence_stats.support.intact import check_intact
from emergence_stats.support.progress import Progress
from emergence_stats.support.reads import environment_watched
from emergence_stats.traces.store import Store


def check_repeats(loaded: Loaded, store: Store) -> bool:
    """Evaluate the runs of one seed twice, read from the store each time; False if no run has a value.

    Raises `HypothesisError` if an estimate fails, or gives two values: it rests on random numbers without a
    seed, on the clock, or on what an earlier call left behind.
    """
    check_intact([loaded.name])
    with environment_watched():
        first, second = _values(loaded, store), _values(loaded, store)
    check_intact([loaded.name])  # estimates run code too
    for prediction in loaded.hypothesis.predictions:
        one, two = first[prediction.name], second[prediction.name]
        if one.values == two.values and one.runs == two.runs:
            continue
        where = label(prediction, (one.runs or two.runs)[0])
        raise HypothesisError(
            f"{loaded.name}, prediction {prediction.name!r}, {where}: evaluated twice on the same traces, the "
            f"estimate gave {_said(one)} and {_said(two)}. Seed its random numbers, and keep nothing between calls"
        )
    return any(found.values for found in first.values())


def sketches_of(
    loaded: Loaded, store: Store, progress: Progress | None = None
) -> Mapping[str, Sketch]:
    """Sketches of the runs of the store by what a hypothesis needs, by run_id; without those that have none of it."""
    needs = loaded.hypothesis.needs
    sketches = {}
    for done, file in enumerate(store.runs, 1):
        found = sketch(read_run(store, file, [needs], needs.measures), needs.measures)
        if found:
            sketches[file.manifest.run_id] = found
        if progress is not None:
            progress(done, len(store.runs))
    return sketches


def _values(loaded: Loaded, store: Store) -> dict[str, Values]:
    """What the runs of the first seed that may count give to each prediction."""
    job = make_job(loaded, store, None, controls=False)
    files = [file for file in store.runs if file.manifest.run_id in job.main.chosen]
    seed = min((file.manifest.seed for file in files), default=None)
    files = [file for file in files if file.manifest.seed == seed]
    arm = replace(job.main, chosen=frozenset(file.manifest.run_id for file in files))
    job.main = arm
    needs = job.hypothesis.needs
    collect_values(job, [read_run(store, file, [needs], needs.measures) for file in files])
    return arm.collected


def _said(found: Values) -> str:
    return ", ".join(map(str, found.values)) or "none"
