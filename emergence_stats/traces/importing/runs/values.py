"""The cells of a run as values of the trace format."""

from __future__ import annotations

import math
from typing import NoReturn

from emergence_stats.errors import TraceError
from emergence_stats.support.words import counted
from emergence_stats.traces.importing.columns import typed
from emergence_stats.traces.importing.notes import Notes
from emergence_stats.traces.importing.runs.repeats import settle_repeats
from emergence_stats.traces.importing.runs.rows import RunRows

# Limits of the trace format, checked here so that nothing is written if one run does not fit.
_RANGES = {"step": 2**63 - 1, "level": 2**15 - 1, "layer": 2**15 - 1}


def check_values(run: RunRows, drop: bool, later: bool, notes: Notes) -> None:
    """Convert the cells of a run to the types of the format, and settle steps that a trace has twice.

    Empty steps are errors, and so are values that are not finite numbers, unless they are to be left out (`drop`), and
    steps that are there twice, unless the later one counts (`later`, or as the tool does that wrote them). Raises
    `TraceError` with file, column and row.
    """
    file = next(iter(run.files))
    for target in ("step", "level", "layer", "value", "stderr"):
        run.columns[target] = typed(target, run.columns[target], file, [p[1] for p in run.places])
    _say_errors(run, notes)
    finite = [_is_finite(run, i) for i in range(len(run.places))]
    if not drop and not all(finite):
        _refuse(run, finite.index(False))
    later_ = "restart" if later else run.later
    if later_ == "restart":  # also where what came later diverged
        settle_repeats(run, later_, notes)
    _drop_not_finite(run, notes)
    if not run.places:
        raise TraceError(f"run {run.name!r} has no measurement", file=file)
    if later_ != "restart":
        settle_repeats(run, later_, notes)
    layers = [layer for layer in run.columns["layer"] if layer is not None]
    deepest = max(layers, default=0)
    if run.before is not None and not run.facts["n_layers"]:  # nothing was known of its layers
        del run.facts["n_layers"]
    if layers and "n_layers" not in run.facts:
        text = f"runs have as many blocks as their deepest layer says ({deepest}), as nothing else does: --set n_layers=N"
        notes.add("guessed", text)
    if deepest > run.facts.setdefault("n_layers", deepest) + 1:  # behind the last is the final norm
        text = f"run {run.name} has {run.facts['n_layers']} layers, and measurements of layer {deepest}"
        notes.add("doubtful", text)


def _say_errors(run: RunRows, notes: Notes) -> None:
    """Standard errors that are NaN are none: pandas writes a gap so."""
    errors = run.columns["stderr"]
    gaps = [i for i, error in enumerate(errors) if error is not None and math.isnan(error)]
    for i in gaps:
        errors[i] = None
    if gaps:
        verb = "is" if len(gaps) == 1 else "are"
        text = f"{counted(len(gaps), 'standard error')} of {run.name} {verb} NaN"
        notes.add("left out", text)


def _drop_not_finite(run: RunRows, notes: Notes) -> None:
    keep = [i for i in range(len(run.places)) if _is_finite(run, i)]
    if dropped := len(run.places) - len(keep):
        verb = "is" if dropped == 1 else "are"
        notes.add("left out", f"{counted(dropped, 'value')} of {run.name} {verb} not finite")
    run.keep(keep)


def _is_finite(run: RunRows, i: int) -> bool:
    """Whether the values of a row are finite. Raises `TraceError` for any other fault in it."""
    file, number = run.places[i]
    for target in ("step", "measure"):
        if run.columns[target][i] is None:
            raise TraceError(f"no {target}", file=file, column=target, row=number)
    for target, most in _RANGES.items():
        cell = run.columns[target][i]
        if cell is not None and not 0 <= cell <= most:
            raise TraceError(
                f"{cell} is not between 0 and {most}", file=file, column=target, row=number
            )
    value, error = run.columns["value"][i], run.columns["stderr"][i]
    if error is not None and error < 0:
        raise TraceError(f"the standard error is {error}", file=file, column="stderr", row=number)
    return math.isfinite(value) and (error is None or math.isfinite(error))


def _refuse(run: RunRows, i: int) -> NoReturn:
    """Raise `TraceError` for a row whose value or error is not finite."""
    file, number = run.places[i]
    column = "value" if not math.isfinite(run.columns["value"][i]) else "stderr"
    raise TraceError(
        f"{run.columns['measure'][i]} of run {run.name!r} is {run.columns[column][i]} at step "
        f"{run.columns['step'][i]}",
        file=file,
        column=column,
        row=number,
        fix="Leave such rows out with --drop-not-finite.",
    )
