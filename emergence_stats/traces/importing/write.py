"""Imported measurements into a store: by run, checked, all or none."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.traces.format import Manifest, arrow_schema, check_name
from emergence_stats.traces.importing.columns import ROW_TARGETS, RUN_TARGETS, Rows, typed
from emergence_stats.traces.importing.sources import Facts
from emergence_stats.traces.store import Store
from emergence_stats.traces.write import NO_FILE_YET, prepare_run

_UNSAFE = re.compile(r"-*(?:[^A-Za-z0-9._+=-]+-*)+")  # what a file's name cannot hold
# What the trace format holds; checked here so that nothing is written where one run does not fit.
_RANGES = {"step": 2**63 - 1, "level": 2**15 - 1, "layer": 2**15 - 1}


@dataclass(frozen=True)
class Imported:
    """One run that was (or would be) written.

    `empty`: facts of which the table of runs has a column, and no value for this run.
    """

    run_id: str
    suite: str
    scale: str
    seed: int
    n_params: int
    rows: int
    measures: tuple[str, ...]
    tasks: tuple[str, ...]
    steps: tuple[int, int]
    empty: tuple[str, ...] = ()


@dataclass
class _Run:
    """Measurements of one run from all files, with the facts that hold for all of it."""

    name: str
    facts: dict[str, Any]
    columns: dict[str, list[Any]]
    places: list[tuple[str, int]]  # file and row of each measurement
    files: list[str]
    config: dict[str, Any]
    empty: list[str] = field(default_factory=list)


def import_traces(
    sources: Sequence[Rows],
    store: str,
    suite: str,
    *,
    facts: Facts | None = None,
    replace_runs: bool = False,
    drop_not_finite: bool = False,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Imported]:
    """Write the runs of `sources` into a suite of a store; with `dry_run` only say which.

    `facts`: of runs or of scales; what is no target is kept in a run's config. Seeds that nobody says are
    numbers within a scale that no run of the suite has, in the order of the runs' names.

    Raises `TraceError` for the first fault, with file, column and row, before anything is written, and
    `UsageError` where a run is there already and is not to be replaced.
    """
    check_name(suite, "suite")
    found = _by_run(sources)
    for run in found.values():
        _add_facts(run, facts)
        _check_values(run, drop_not_finite)
    _number_seeds(list(found.values()), _manifests(store, suite))
    described = [_describe(run, suite) for run in found.values()]
    _check_ids(described)
    there = [d.run_id for d in described if (Path(store) / suite / f"{d.run_id}.json").exists()]
    if there and not replace_runs:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(
            f"{store}/{suite} has run {there[0]}{more} already; replace them with --replace"
        )
    digests = _digests({file for run in found.values() for file in run.files})
    prepared = [
        prepare_run(store, _table(run), _manifest(run, its, digests))
        for run, its in zip(found.values(), described, strict=True)
    ]
    if not dry_run:
        for done, one in enumerate(prepared):
            if progress is not None:
                progress(done, len(prepared))
            one.write()
    return described


def _manifest(run: _Run, described: Imported, digests: Mapping[str, str]) -> Manifest:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Manifest(
        run_id=described.run_id,
        suite=described.suite,
        scale=described.scale,
        n_params=described.n_params,
        n_layers=run.facts["n_layers"],
        seed=described.seed,
        created=run.facts.get("created", now),
        config=run.config,
        software={"imported by": f"emergence-stats {version('emergence-stats')}"},
        device="not known",
        rows=described.rows,
        sha256=NO_FILE_YET,
        further={"imported": {Path(f).name: digests[f] for f in run.files if f in digests}},
    )


def _by_run(sources: Sequence[Rows]) -> dict[str, _Run]:
    found: dict[str, _Run] = {}
    for rows in sources:
        n = len(rows)
        names = rows.columns.get("run") or [Path(rows.file).stem] * n
        for i in range(n):
            name = names[i]
            if name is None:
                raise TraceError("no run", file=rows.file, column="run", row=rows.numbers[i])
            run = found.get(name)
            if run is None:
                run = _Run(name, {}, {target: [] for target in ROW_TARGETS}, [], [], {})
                found[name] = run
            if not run.files or run.files[-1] != rows.file:
                if rows.file not in run.files:
                    run.files.append(rows.file)
                run.config = {**rows.config, **run.config}
            run.places.append((rows.file, rows.numbers[i]))
            for target in ROW_TARGETS:
                cells = rows.columns.get(target)
                run.columns[target].append(cells[i] if cells is not None else None)
            for target in RUN_TARGETS[1:]:
                cells = rows.columns.get(target)
                if cells is None or cells[i] is None:
                    continue
                before = run.facts.setdefault(target, cells[i])
                if before == cells[i]:
                    continue
                if target == "created":  # of its checkpoints, the first
                    run.facts[target] = min(before, cells[i])
                    continue
                raise TraceError(
                    f"run {name!r} has {target} {before!r} and {cells[i]!r}",
                    file=rows.file,
                    column=target,
                    row=rows.numbers[i],
                    fix="A run has one; perhaps --column run='{...}' should tell these apart.",
                )
    return dict(sorted(found.items()))


def _add_facts(run: _Run, facts: Facts | None) -> None:
    """Facts of the table of runs or scales, and what is known without one."""
    known = {k: typed(k, [v], run.files[0], [0])[0] for k, v in run.facts.items()}
    if facts is not None:
        key = run.name if facts.key == "run" else str(known.get("scale", run.name))
        if key not in facts.rows:
            there = ", ".join(list(facts.rows)[:5])
            raise TraceError(
                f"there is no row of {facts.key} {key!r}; it has {there}", file=facts.file
            )
        row = list(facts.rows).index(key)
        for name, value in facts.rows[key].items():
            if name in RUN_TARGETS:
                (cell,) = typed(name, [value], facts.file, [row])
                if cell is None:  # as if the column were not there
                    run.empty.append(name)
                    continue
                known[name] = cell
                if name == "n_layers" and cell < 0:
                    raise TraceError(
                        f"{cell} is no number of layers", file=facts.file, column=name, row=row
                    )
            elif value is not None:
                run.config[name] = value
    run.facts = {name: cell for name, cell in known.items() if cell is not None}
    run.facts.setdefault("scale", run.name)
    layers = [layer for layer in run.columns["layer"] if layer is not None]
    run.facts.setdefault("n_layers", max(layers, default=0))
    if "n_params" not in run.facts:
        raise TraceError(
            f"nothing says how many parameters run {run.name!r} has",
            file=run.files[0],
            fix="Say it with --column n_params=NAME, --set n_params=405K, or a table of runs (--runs).",
        )
    created = run.facts.get("created")
    if created is not None:
        try:
            datetime.fromisoformat(created)
        except ValueError:
            raise TraceError(
                f"created is {created!r}, not ISO 8601", file=run.files[0], column="created"
            ) from None


def _check_values(run: _Run, drop: bool) -> None:
    """Empty steps and values that are no finite numbers are errors, or left out where that was asked."""
    for target in ("step", "level", "layer", "value", "stderr"):
        file = run.files[0]
        run.columns[target] = typed(target, run.columns[target], file, [p[1] for p in run.places])
    keep = []
    for i, (file, number) in enumerate(run.places):
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
            raise TraceError(
                f"the standard error is {error}", file=file, column="stderr", row=number
            )
        if math.isfinite(value) and (error is None or math.isfinite(error)):
            keep.append(i)
        elif not drop:
            column = "value" if not math.isfinite(value) else "stderr"
            raise TraceError(
                f"{run.columns['measure'][i]} of run {run.name!r} is "
                f"{value if column == 'value' else error} at step {run.columns['step'][i]}",
                file=file,
                column=column,
                row=number,
                fix="Leave such rows out with --drop-not-finite.",
            )
    if not keep:
        raise TraceError(f"run {run.name!r} has no measurement", file=run.files[0])
    run.columns = {target: [cells[i] for i in keep] for target, cells in run.columns.items()}
    run.places = [run.places[i] for i in keep]
    seen: dict[tuple[Any, ...], tuple[str, int]] = {}
    keys = zip(
        *(run.columns[t] for t in ("measure", "task", "level", "layer", "step")), strict=True
    )
    for key, (file, number) in zip(keys, run.places, strict=True):
        if key in seen:
            other, row = seen[key]
            raise TraceError(
                f"{key[0]} of run {run.name!r} is there twice at step {key[-1]}, before in "
                f"{other}, row {row}",
                file=file,
                row=number,
                fix="Tell them apart by task, level or run (--column), or take some (--where).",
            )
        seen[key] = (file, number)


def _manifests(store: str, suite: str) -> dict[str, Manifest]:
    """Runs of the suite that the store has, by name."""
    if not Path(store).is_dir():
        return {}
    runs = (file.manifest for file in Store.open(store).readable)  # a broken run can be replaced
    return {manifest.run_id: manifest for manifest in runs if manifest.suite == suite}


def _number_seeds(runs: Sequence[_Run], there: Mapping[str, Manifest]) -> None:
    """Seeds for runs of which nobody says it: the first numbers that no other run of the scale has.

    Those of the store count too: a run with the scale, seed and config of another would be taken for the
    same training, and not for a new one. A run that is replaced keeps its seed.
    """
    taken: dict[str, set[int]] = {}
    for manifest in there.values():
        taken.setdefault(manifest.scale, set()).add(manifest.seed)
    for run in runs:
        if "seed" in run.facts:
            taken.setdefault(run.facts["scale"], set()).add(run.facts["seed"])
    for run in runs:
        if "seed" in run.facts:
            continue
        run.config.setdefault("seed_numbered_by_import", True)
        before = there.get(_run_id(run.name))
        if before is not None and before.scale == run.facts["scale"]:
            run.facts["seed"] = before.seed
            continue
        mine = taken.setdefault(run.facts["scale"], set())
        run.facts["seed"] = next(n for n in range(len(mine) + 1) if n not in mine)
        mine.add(run.facts["seed"])


def _run_id(name: str) -> str:
    """A run's name as a file's name can be."""
    return _UNSAFE.sub("-", name).strip("-._=+") or "run"


def _table(run: _Run) -> Any:
    import pyarrow as pa

    kinds = {f.name: f.type for f in arrow_schema()}
    text = {"task", "measure"}
    return pa.table(
        {
            target: pa.array(cells, pa.string() if target in text else kinds[target])
            for target, cells in run.columns.items()
        }
    )


def _describe(run: _Run, suite: str) -> Imported:
    steps = run.columns["step"]
    return Imported(
        run_id=_run_id(run.name),
        suite=suite,
        scale=run.facts["scale"],
        seed=run.facts["seed"],
        n_params=run.facts["n_params"],
        rows=len(steps),
        measures=tuple(sorted(set(run.columns["measure"]))),
        tasks=tuple(sorted({task for task in run.columns["task"] if task is not None})),
        steps=(min(steps), max(steps)),
        empty=tuple(run.empty),
    )


def _check_ids(described: Sequence[Imported]) -> None:
    seen: set[str] = set()
    for one in described:
        if one.run_id in seen:
            raise TraceError(
                f"two runs would be called {one.run_id!r}: their names differ in signs alone"
            )
        seen.add(one.run_id)


def _digests(files: Collection[str]) -> dict[str, str]:
    """sha256 of the files that runs came from; nothing for folders."""
    return {
        file: hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for file in files
        if Path(file).is_file()
    }
