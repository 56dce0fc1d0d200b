"""Rows of all files grouped by run, with the facts that hold for a whole run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NoReturn

from emergence_stats.errors import TraceError
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.importing import steps
from emergence_stats.traces.importing.columns import (
    ROW_TARGETS,
    RUN_TARGETS,
    RecordedEvents,
    Rows,
    typed,
)
from emergence_stats.traces.importing.facts import Facts
from emergence_stats.traces.importing.notes import Notes, few
from emergence_stats.traces.importing.paths import seed_in
from emergence_stats.traces.importing.readers.recorded import Read, check_unit

_UNSAFE = re.compile(r"-*(?:[^A-Za-z0-9._+=-]+-*)+")  # what a file name cannot contain
_RESTARTS = 3  # one after the other, from step to step back: more is a table in another order
# Limits of the trace format, checked here so that nothing is written if one run does not fit.
_RANGES = {"step": 2**63 - 1, "level": 2**15 - 1, "layer": 2**15 - 1}


@dataclass
class RunRows:
    """Measurements of one run from all files, with the facts that hold for all of it.

    `later` as in `Rows`. `events`: recorded ones. `before`: of a run that measures are added to.
    """

    name: str
    facts: dict[str, Any]
    columns: dict[str, list[Any]]
    places: list[tuple[str, int]]  # file and row of each measurement
    files: dict[str, str | None]  # with their sha256
    config: dict[str, Any]
    empty: list[str] = field(default_factory=list)
    later: str | None = None
    checkpoints: bool = True
    events: RecordedEvents = field(default_factory=dict)
    before: Manifest | None = None
    differ: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # in the config of its files
    timed: bool = True
    key: str | None = None  # its row in the table of runs or scales

    def traces(self) -> dict[tuple[Any, ...], list[int]]:
        """The rows of each trace (measure, task, level, layer), in their order."""
        found: dict[tuple[Any, ...], list[int]] = {}
        keys = zip(*(self.columns[t] for t in ("measure", "task", "level", "layer")), strict=True)
        for i, key in enumerate(keys):
            found.setdefault(key, []).append(i)
        return found

    def keep(self, rows: Sequence[int]) -> None:
        """These rows alone."""
        self.columns = {target: [cells[i] for i in rows] for target, cells in self.columns.items()}
        self.places = [self.places[i] for i in rows]


def by_run(sources: Sequence[Rows], join: bool = False) -> dict[str, RunRows]:
    """The rows of each run by name, in order.

    Raises `TraceError` if a run has two values of a fact, and unless it is said that files are one training (`join`)
    if one trace would be woven from two of them.
    """
    found: dict[str, RunRows] = {}
    were: dict[str, list[Any]] = {}
    for rows in sources:
        n = len(rows)
        names = rows.columns.get("run") or [rows.name] * n
        for i in range(n):
            name = names[i]
            if name is None:
                raise TraceError("no run", file=rows.file, column="run", row=rows.numbers[i])
            run = found.get(name)
            if run is None:
                run = RunRows(name, {}, {target: [] for target in ROW_TARGETS}, [], {}, {})
                found[name] = run
            if rows.file not in run.files:
                run.files[rows.file] = rows.sha256
                run.differ |= {
                    key: (run.config[key], value)
                    for key, value in rows.config.items()
                    if key in run.config and run.config[key] != value and not rows.checkpoints
                }
                run.config = {**rows.config, **run.config}
                run.later = run.later or rows.later
                run.checkpoints &= rows.checkpoints
                run.timed &= rows.timed
            _append(run, rows, i)
            were.setdefault(name, []).append(rows.were[i] if rows.were is not None else None)
    for rows in sources:
        for name, events in rows.events.items():
            of_run = found[name or rows.name or ""].events
            for event, dated in events.items():
                add_events(of_run.setdefault(event, {}), dated, event, rows.file)
    for run in found.values():
        if not join:
            _check_one(run, were[run.name])
        if not join and not run.checkpoints:
            _check_woven(run)
    return dict(sorted(found.items()))


def add_events(
    there: dict[tuple[str | None, int | None], int | None],
    more: Mapping[tuple[str | None, int | None], int | None],
    event: str,
    file: str,
) -> None:
    """Add the steps of an event that another source has. Raises `TraceError` where both have one, and not the same."""
    for key, step in more.items():
        before = there.get(key)
        if before is not None and step is not None and before != step:
            raise TraceError(
                f"event {event!r} is at step {step} here, and at {before} in another place",
                file=file,
            )
        there[key] = before if step is None else step


def _append(run: RunRows, rows: Rows, i: int) -> None:
    run.places.append((rows.file, rows.numbers[i]))
    for target in ROW_TARGETS:
        cells = rows.columns.get(target)
        run.columns[target].append(cells[i] if cells is not None else None)
    for target in RUN_TARGETS[1:]:
        cells = rows.columns.get(target)
        cell = None if cells is None else cells[i]
        if cell is None and target == "step_unit":
            cell = steps.OPTIMISER
        if cell is None:
            continue
        before = run.facts.setdefault(target, cell)
        if before == cell or _same_fact(target, before, cell, rows, i):
            continue
        if target == "step_unit":
            raise TraceError(
                f"steps of run {run.name!r} are {before} in some places and {cell} in others",
                file=rows.file,
                row=rows.numbers[i],
                fix="Import one of the two; if both are the same, say which with --set step_unit=UNIT.",
            )
        if target == "created":  # of its checkpoints, the first
            run.facts[target] = min(before, cell, key=_moment)
            continue
        raise TraceError(
            f"run {run.name!r} has {target} {before!r} and {cell!r}",
            file=rows.file,
            column=target,
            row=rows.numbers[i],
            fix="A run has one; perhaps --column run='{...}' should tell them apart.",
        )


def _same_fact(target: str, before: Any, cell: Any, rows: Rows, i: int) -> bool:
    """Whether two cells say one thing, as 1M and 1000000."""
    first, second = typed(target, [before, cell], rows.file, [rows.numbers[i]] * 2)
    return bool(first == second)


def _moment(text: str) -> tuple[bool, datetime | str]:
    """A time to order by, of whatever zone; what is none comes first, so that it is said."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return False, text
    return True, found if found.tzinfo else found.replace(tzinfo=UTC)


def _check_one(run: RunRows, were: Sequence[Any]) -> None:
    """Raise `TraceError` if a trace has rows that are of two runs by their files (`were`), and of one as it is said."""
    for key, rows in run.traces().items():
        names = {were[i]: i for i in reversed(rows) if were[i] is not None}
        if len(names) > 1:
            first, second = sorted(names, key=lambda name: names[name])[:2]
            file, row = run.places[names[second]]
            raise TraceError(
                f"run is set to {run.name!r}, and {key[0]} is of {first!r} and of {second!r}: they may be two trainings",
                file=file,
                row=row,
                fix="Then leave the name out, or select one; if they are one, say --join.",
            )


def _check_woven(run: RunRows) -> None:
    """Raise `TraceError` if a trace has rows of two files, which may be two trainings."""
    for key, rows in run.traces().items():
        files = list(dict.fromkeys(run.places[i][0] for i in rows))
        if len(files) > 1:
            raise TraceError(
                f"run {run.name!r} has {key[0]} in {files[0]} and in {files[1]}: they may be two trainings",
                file=files[1],
                fix="Then tell them apart with --column run='{folder}-{run}' (or {file}); if they are one, say --join.",
            )


def add_facts(run: RunRows, facts: Facts | None, notes: Notes) -> None:
    """Add the facts of the table of runs or scales, and what is known without one."""
    file = next(iter(run.files))
    known = {k: typed(k, [v], file, [0])[0] for k, v in run.facts.items()}
    if facts is not None:
        key = facts.row_of(
            run.name if facts.key == "run" else str(known.get("scale", run.name)), notes
        )
        run.key, row = key, list(facts.rows).index(key)
        for name, value in facts.rows[key].items():
            if name in RUN_TARGETS:
                (cell,) = typed(name, [value], facts.file, [row])
                if cell is None:  # as if the column were not there
                    run.empty.append(name)
                    continue
                if (
                    name == "scale"
                ):  # by the name of a model, in its files; as the user calls it, in the table
                    if known.get(name, cell) != cell:
                        notes.add("renamed", "scales are those of the table", facts.file)
                else:
                    _check_fact(run, name, known.get(name), cell, facts.file, row)
                known[name] = cell
                if name == "n_layers" and cell < 0:
                    raise TraceError(
                        f"{cell} is not a number of layers", file=facts.file, column=name, row=row
                    )
            elif value is not None:
                held = run.before.config.get(name, value) if run.before is not None else value
                if held != value:
                    raise TraceError(
                        f"run {run.name!r} has {name} {held!r} in the store, and {value!r} here",
                        file=facts.file,
                        column=name,
                        row=row,
                    )
                run.config[name] = value
        for event, step in facts.events.get(key, {}).items():
            unit = facts.units.get(event)
            check_unit(unit, Read(facts.file, event, row, step_unit(run)))
            add_events(run.events.setdefault(event, {}), {(None, None): step}, event, facts.file)
    run.facts = {name: cell for name, cell in known.items() if cell is not None}
    if run.before is not None:
        _take_over(run, run.before, file)
    if "n_params" not in run.facts:
        raise TraceError(
            f"the number of parameters of run {run.name!r} is not known",
            file=file,
            fix="Give it with --column n_params=NAME, --set n_params=405K, or a table of runs (--runs).",
        )
    created = run.facts.get("created")
    if created is not None:
        try:
            datetime.fromisoformat(created)
        except ValueError:
            raise TraceError(
                f"created is {created!r}, not ISO 8601", file=file, column="created"
            ) from None


def _check_fact(
    run: RunRows, name: str, ours: Any, theirs: Any, file: str, row: int | None
) -> None:
    """Raise `TraceError` where a run has one fact in its measurements and another in a table, or in the store."""
    defaults = (None, steps.OPTIMISER) if name == "step_unit" else (None,)
    if ours in defaults or ours == theirs or name == "created":
        return
    raise TraceError(
        f"run {run.name!r} has {name} {ours!r} by its own files, and {theirs!r} here",
        file=file,
        column=name,
        row=row,
        fix="Correct one of them, or leave one out.",
    )


def _take_over(run: RunRows, before: Manifest, file: str) -> None:
    """What is known of a run that measures are added to. Raises `TraceError` where something else is said of it now."""
    known = {
        "scale": before.scale,
        "seed": before.seed,
        "n_params": before.n_params,
        "n_layers": before.n_layers,
        "created": before.created,
        "step_unit": before.step_unit,
    }
    where = f"{before.suite}/{before.run_id}.json of the store"
    if run.facts.get("step_unit", before.step_unit) != before.step_unit:
        raise TraceError(
            f"steps of run {run.name!r} are {before.step_unit} in the store, and {run.facts['step_unit']} here",
            file=file,
        )
    for name, theirs in known.items():
        _check_fact(run, name, run.facts.get(name), theirs, where, None)
    run.facts |= known


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
        _settle_repeats(run, later_, notes)
    _drop_not_finite(run, notes)
    if not run.places:
        raise TraceError(f"run {run.name!r} has no measurement", file=file)
    if later_ != "restart":
        _settle_repeats(run, later_, notes)
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
        notes.add("left out", f"{len(gaps)} standard errors of {run.name} are NaN")


def _drop_not_finite(run: RunRows, notes: Notes) -> None:
    keep = [i for i in range(len(run.places)) if _is_finite(run, i)]
    if len(keep) < len(run.places):
        notes.add("left out", f"{len(run.places) - len(keep)} values of {run.name} are not finite")
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


def _settle_repeats(run: RunRows, later: str | None, notes: Notes) -> None:
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
        notes.add("left out", f"{len(gone)} values of {run.name} at steps that were written again")
    if dead:
        steps_ = [run.columns["step"][i] for i in dead]
        notes.add(
            "left out",
            f"{len(dead)} values of {run.name} at steps {min(steps_)} to {max(steps_)}, from before a restart",
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


def run_id(name: str) -> str:
    """A run's name, made safe for a file name."""
    return _UNSAFE.sub("-", name).strip("-._=+") or "run"


def name_seeds(runs: Sequence[RunRows], notes: Notes) -> None:
    """Seeds and scales that stand in the names of runs (r-s10, unstable_seed0), where nothing else gives them."""
    found = {run.name: seed_in(run.name) for run in runs if "seed" not in run.facts}
    alone = {name for name, seed in found.items() if seed is not None and not seed[1]}
    one_size = "all" if len(alone) > 1 else None  # runs that are called by their seeds alone
    scales = {
        run.name: run.facts.get("scale")
        or (of_name[1] if (of_name := found.get(run.name)) else "")
        or (one_size if run.name in alone else None)
        or run.name
        for run in runs
    }
    for run in runs:
        of_run = seed_in(run.name) if "seed" in run.facts else None
        if of_run is not None and of_run[0] != run.facts["seed"]:
            notes.add(
                "doubtful",
                f"run {run.name} has seed {run.facts['seed']}, and {of_run[0]} in its name",
            )
    pairs = [(scales[name], seed[0]) for name, seed in found.items() if seed is not None]
    if len(set(pairs)) < len(pairs):  # then that is not what the numbers are
        found, scales = {}, {}
    rests: dict[str, None] = {}
    by_name: list[str] = []
    for run in runs:
        seed = found.get(run.name)
        if seed is not None:
            run.facts["seed"] = seed[0]
            notes.add("guessed", "seeds are those in the names of runs")
        if "scale" not in run.facts:
            run.facts["scale"] = scales.get(run.name, run.name)
            if run.facts["scale"] != run.name:
                rests.setdefault(run.facts["scale"])
            else:
                by_name.append(run.name)
    if rests:
        text = few([repr(rest) for rest in rests])
        notes.add("guessed", f"scales are the rest of the names of runs: {text}")
    if by_name:
        text = f"each run is a scale of its own, by its name, as nothing tells one ({few(by_name)}): --set scale=NAME"
        notes.add("guessed", text)


def say_alike(runs: Sequence[RunRows], notes: Notes) -> None:
    """Runs that have one scale and one seed: the same training twice, or a seed that is none."""
    seen: dict[tuple[str, int], str] = {}
    for run in runs:
        key = run.facts["scale"], run.facts["seed"]
        other = seen.setdefault(key, run.name)
        if other != run.name:
            notes.add(
                "doubtful",
                f"runs {other} and {run.name} both have scale {key[0]} and seed {key[1]}",
            )


def number_seeds(runs: Sequence[RunRows], there: Mapping[str, Manifest], notes: Notes) -> None:
    """Seeds for runs whose seed is not given: the first numbers that no other run of the scale has.

    Runs of the store count too: a run with the scale, seed and config of another would be taken for the
    same training, not for a new one. A run that is replaced keeps its seed.
    """
    taken: dict[str, set[int]] = {}
    for manifest in there.values():
        taken.setdefault(manifest.scale, set()).add(manifest.seed)
    for run in runs:
        if "seed" in run.facts:
            taken.setdefault(run.facts["scale"], set()).add(run.facts["seed"])
    numbered = []
    for run in runs:
        if "seed" in run.facts:
            continue
        run.config.setdefault("seed_numbered_by_import", True)
        before = there.get(run_id(run.name))
        if before is not None and before.scale == run.facts["scale"]:
            run.facts["seed"] = before.seed
            continue
        mine = taken.setdefault(run.facts["scale"], set())
        run.facts["seed"] = next(n for n in range(len(mine) + 1) if n not in mine)
        mine.add(run.facts["seed"])
        numbered.append(f"{run.name}: {run.facts['seed']}")
    if numbered:
        notes.add(
            "runs", f"seeds are not given, so they are numbered within a scale ({few(numbered)})"
        )


def step_unit(run: RunRows) -> str:
    return str(run.facts.get("step_unit") or steps.OPTIMISER)
