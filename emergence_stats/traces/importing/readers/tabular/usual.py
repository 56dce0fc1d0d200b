"""Names under which columns are found without being told."""

from __future__ import annotations

from collections.abc import Collection

from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import RUN_TARGETS
from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.readers.cells import are_numbers
from emergence_stats.traces.importing.readers.names import PLACE, loosely
from emergence_stats.traces.importing.readers.tabular.view import View

# Names under which a column is found without being told, the better ones first.
USUAL = {
    "run": ("run", "run_id", "run_name"),
    "scale": ("scale", "model", "model_name"),
    "seed": ("seed",),
    "n_params": ("n_params", "num_params", "parameters"),
    "n_layers": ("n_layers", "num_layers"),
    "created": ("created",),
    "step_unit": ("step_unit",),
    "step": steps.NAMES,
    "task": ("task",),
    "level": ("level",),
    "layer": ("layer",),
    "measure": ("measure", "metric"),
    "value": ("value",),
    "stderr": ("stderr",),
}  # fmt: skip

_WHOLE = ("seed", "n_layers", "level", "layer")


def usual_columns(view: View, mapping: Mapping) -> dict[str, list[str]]:
    """Columns by the target that their names usually are, the better ones first: as they are written, else in capitals or with
    other characters between words (Run ID), unless the mapping has a use for them.
    """
    taken = {*mapping.columns.values(), *mapping.measures.values(), *mapping.errors.values()}
    taken |= {*mapping.events.values()}
    known: dict[str, list[str]] = {}
    for name in view.table.names:
        if name not in taken:
            known.setdefault(loosely(name), []).append(name)
    found = {}
    for target, usual in USUAL.items():
        if target in ("measure", "value") and mapping.measures:
            continue
        there: dict[str, None] = {}
        for name in usual:
            if name in view.table.columns:
                there.setdefault(name)
            loose = [other for other in known.get(loosely(name), ()) if other not in usual]
            there |= dict.fromkeys(other for other in loose if _fits(view, target, other))
        found[target] = list(there)
    # Of long tables alone: a table with a column per measure may call one Value.
    if not all(found.get(target) for target in ("measure", "value")):
        for target in ("measure", "value"):
            found[target] = [name for name in found.get(target, ()) if name in USUAL[target]]
    return found


def identities(view: View, mapping: Mapping) -> set[str]:
    """Columns whose names are usual for what a run, a task or a layer is, used or not: they are no measures."""
    found = usual_columns(view, mapping)
    of_measures = ("measure", "value", "stderr")
    return {
        name for target, several in found.items() if target not in of_measures for name in several
    }


def _fits(view: View, target: str, name: str) -> bool:
    """Whether the cells of a column, whose name is nearly usual for a target, can be that: Level may be INFO, Metric a number."""
    if target not in (*_WHOLE, "measure"):
        return True
    return are_numbers(view.table.columns[name], view.table.decimal) == (target in _WHOLE)


def names_in(mapping: Mapping) -> set[str]:
    """Columns that hold names of runs, scales, tasks or measures."""
    called = ("run", "scale", "task", "measure")
    return {
        name
        for target in called
        for name in (mapping.columns.get(target), *map(loosely, USUAL[target]))
        if name
    }


def elsewhere(mapping: Mapping, names: Collection[str], facts: Collection[str]) -> frozenset[str]:
    """Targets of a run whose columns are in the table of runs (`facts`), but not in the measurements (`names`)."""
    return frozenset(
        target
        for target, source in mapping.columns.items()
        if target in RUN_TARGETS[1:]
        for used in [set(PLACE.findall(source) or [source])]
        if used <= set(facts) and not used <= set(names)
    )
