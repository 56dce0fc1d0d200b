"""What `register` tries before it freezes a plan.

All units of all runs that could count are evaluated twice, with the controls: an estimate that the traces alone decide
gives one value. Whatever its code reads besides is seen then, and becomes part of the registration. And the runs that
the plan sees are sketched, so that they can be known again.
"""

from __future__ import annotations

from collections.abc import Mapping

from emergence_stats.audit.again import compared, evaluate_elsewhere, values_of
from emergence_stats.claims.project import Loaded, Project
from emergence_stats.claims.registration.seen import Sketch, sketch
from emergence_stats.errors import HypothesisError
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.evaluation.reading import read_run
from emergence_stats.support.progress import Progress
from emergence_stats.traces.store import Store


def check_repeats(loaded: Loaded, project: Project, store: Store) -> bool:
    """Evaluate a hypothesis twice, the second time in another process; False if no run has a value.

    Raises `HypothesisError` if an estimate fails, or gives two values: it rests on random numbers without a
    seed, on the clock, on the order of a set, or on what an earlier call left behind.
    """
    (result,) = evaluate([loaded], store)
    first = values_of(result)
    again = evaluate_elsewhere(project, store, loaded.name)
    loaded.reads.add(again.reads[loaded.name])
    second = again.values_of(loaded.name)
    repeated = compared(first, second)
    for label in repeated.different:
        raise HypothesisError(
            f"{loaded.name}, {label}: evaluated twice on the same traces, the estimate gave "
            f"{first.get(label, 'none')} and {second.get(label, 'none')}. Seed its random numbers with numbers (not with "
            "`hash`), do not rest on the order of a set, and keep nothing between calls"
        )
    return repeated.units > 0


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
