"""Write imported measurements into a store: by run, checked, all or none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.support.progress import Progress
from emergence_stats.support.words import near
from emergence_stats.traces.format import Manifest, arrow_schema, check_name
from emergence_stats.traces.importing.columns import ROW_TARGETS, RecordedEvents, Rows
from emergence_stats.traces.importing.facts import Facts
from emergence_stats.traces.importing.gather import (
    RunRows,
    add_events,
    add_facts,
    by_run,
    check_values,
    name_seeds,
    number_seeds,
    run_id,
    say_alike,
    step_unit,
)
from emergence_stats.traces.importing.notes import COLUMNS, Notes, few
from emergence_stats.traces.importing.steps import OPTIMISER
from emergence_stats.traces.places import locate, there
from emergence_stats.traces.remote import KEY, SentRun
from emergence_stats.traces.store import Store
from emergence_stats.traces.write import NO_FILE_YET, PreparedRun, StagedRun, prepare_run, recover

if TYPE_CHECKING:
    import pyarrow as pa


_ROUNDING = 1e-6
_NAME = "run_name"  # of a manifest: what the run was called, where its id is another
_ACCURACY = re.compile(r"(?:.*[/_.-])?acc(?:uracy)?(?:_norm)?", re.IGNORECASE)


@dataclass(frozen=True)
class Imported:
    """One run that was (or would be) written.

    `empty`: facts for which the table of runs has a column, but no value for this run.
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


@dataclass(frozen=True)
class Choices:
    """What to do where there is a choice.

    `replace_runs`: runs that are there. `add`: measures to runs that are there. `drop_not_finite`: values that are no
    finite numbers are left out. `later_counts`: of two values at one step. `join`: files with the same run are one
    training. `dry_run`: nothing is written.
    """

    replace_runs: bool = False
    add: bool = False
    drop_not_finite: bool = False
    later_counts: bool = False
    join: bool = False
    dry_run: bool = False


def import_traces(
    sources: Sequence[Rows],
    store: str,
    suite: str,
    notes: Notes | None = None,
    facts: Facts | None = None,
    choices: Choices | None = None,
    progress: Progress | None = None,
) -> list[Imported]:
    """Write the runs of `sources` into a suite of a store; with `dry_run` only report which.

    `facts`: of runs or of scales; what is not a target is kept in a run's config. Seeds that are not given are those
    in the runs' names, or numbers within a scale that no run of the suite has, in the order of the runs' names.
    `notes` receive what was done beside taking rows as they are.

    Raises `TraceError` for the first fault, with file, column and row, before anything is written, and
    `UsageError` if a run already exists and is not to be replaced or added to.
    """
    check_name(suite, "suite")
    notes, choices = notes or Notes(), choices or Choices()
    if not choices.dry_run:
        recover(store)  # before anything of the store is looked at
    found = by_run(sources, choices.join)
    if not found:
        files = ", ".join(rows.file for rows in sources)
        raise TraceError("no measurement", file=files or "in what was named")
    old = _manifests(store, suite)
    _check_names(found, old, notes)
    if choices.add:
        _add_to(found, store, old, notes)
    for run in found.values():
        add_facts(run, facts, notes)
        check_values(run, choices.drop_not_finite, choices.later_counts, notes)
        if len(run.files) > 1 and not run.checkpoints:
            notes.add(
                "joined", f"run {run.name} is in {len(run.files)} files: {few(list(run.files))}"
            )
    for run in found.values():
        for key, (first, second) in run.differ.items():
            text = f"{key} of run {run.name} is {first!r} in one file and {second!r} in another: the first counts"
            notes.add("doubtful", text)
    name_seeds(list(found.values()), notes)
    number_seeds(list(found.values()), old, notes)
    say_alike(list(found.values()), notes)
    _say_lookalikes(found, notes)
    if facts is not None:
        _say_no_run(facts, found, notes)
    described = [_describe(run, suite) for run in found.values()]
    _check_ids(described)
    _check_there(described, store, suite, choices)
    prepared = [
        prepare_run(store, _table(run), _manifest(run, its))
        for run, its in zip(found.values(), described, strict=True)
    ]
    _say_steps(found, notes)
    _say_shares(found, notes)
    _say_events(found, notes)
    _say_there(found, described, old, notes)
    if not choices.dry_run:
        _write_all(prepared, progress)
        Store.open(store).refresh_catalogue()
    return described


def _say_lookalikes(found: Mapping[str, RunRows], notes: Notes) -> None:
    """Names that differ in how accents are encoded alone: they look the same, and stay two."""
    names = {"run": set(found), "scale": {run.facts["scale"] for run in found.values()}}
    for target in ("task", "measure"):
        names[target] = {name for run in found.values() for name in run.columns[target]} - {None}
    for kind, several in names.items():
        forms: dict[str, list[str]] = {}
        for name in several:
            forms.setdefault(normalize("NFC", name), []).append(name)
        alike = sorted(form for form, those in forms.items() if len(those) > 1)
        if alike:
            text = f"{kind}s that look alike and differ in how accents are encoded: {few(alike)}"
            notes.add("doubtful", text)


def _say_no_run(facts: Facts, found: Mapping[str, RunRows], notes: Notes) -> None:
    """Rows of the table of runs, or of scales, that no run has."""
    if facts.key == "run":
        used = {facts.row_of(name, Notes()) for name in found}
    else:
        used = {run.key for run in found.values() if run.key is not None}
    others = [name for name in facts.rows if name not in used]
    if others:
        notes.add("left out", f"rows for which there is no run: {few(others, COLUMNS)}", facts.file)


def _say_shares(found: Mapping[str, RunRows], notes: Notes) -> None:
    """An accuracy that is no share: claims take chance and 1 for its ends."""
    most: dict[str, dict[str, float]] = {}
    for run in found.values():
        pairs = zip(run.columns["measure"], run.columns["value"], strict=True)
        for measure, value in pairs:
            if value is None or not _ACCURACY.fullmatch(measure) or _is_share(value):
                continue
            runs = most.setdefault(measure, {})
            runs[run.name] = max(runs.get(run.name, value), value, key=abs)
    for measure, runs in most.items():
        name, value = next(iter(runs.items()))
        notes.add(
            "doubtful",
            f"{measure} is a share, from 0 to 1, and reaches {value:g} in {name}"
            + (f" and beyond 1 in {len(runs) - 1} more runs" if len(runs) > 1 else "")
            + f": if it is in percent, say --percent {measure}, else give it another name",
        )


def _say_events(found: Mapping[str, RunRows], notes: Notes) -> None:
    """How many events came and how many never did, and those that are dated behind the end of their run."""
    dated: dict[str, list[int | None]] = {}
    for run in found.values():
        last = max(run.columns["step"])
        for event, steps in run.events.items():
            dated.setdefault(event, []).extend(steps.values())
            late = max((step for step in steps.values() if step is not None), default=0)
            if late > last:
                text = f"event {event} of run {run.name} is at step {late:,}, and its measurements end at {last:,}"
                notes.add("doubtful", text)
    for event, several in dated.items():
        never = several.count(None)
        text = f"{event}: {len(several) - never} dated" + (f", {never} never came" if never else "")
        notes.add("events", text)


def _say_there(
    found: Mapping[str, RunRows],
    described: Sequence[Imported],
    old: Mapping[str, Manifest],
    notes: Notes,
) -> None:
    """What is replaced, and what was another; and files whose bytes another run of the suite is from."""
    known = {
        digest: (run_id, Path(name).name)
        for run_id, manifest in old.items()
        if isinstance(manifest.further.get("imported"), dict)
        for name, digest in manifest.further["imported"].items()
    }
    replaced = []
    for run, its in zip(found.values(), described, strict=True):
        before = old.get(its.run_id)
        if before is not None and run.before is None:
            replaced.append(its.run_id)
            for fact in ("scale", "seed", "n_params"):
                was, now = getattr(before, fact), getattr(its, fact)
                if was != now:
                    notes.add("replaced", f"{fact} of run {its.run_id} was {was}, and is {now}")
        for file, digest in run.files.items():
            other, name = known.get(digest or "", (its.run_id, ""))
            if other != its.run_id and name != Path(file).name:  # else one file of several runs
                notes.add("doubtful", f"{file} has the bytes of the file that run {other} is from")
    if replaced:
        notes.add("replaced", f"run{'s' if len(replaced) > 1 else ''} {few(replaced)}")


def _is_share(value: float) -> bool:
    return not isfinite(value) or -_ROUNDING <= value <= 1 + _ROUNDING


def _say_steps(found: Mapping[str, RunRows], notes: Notes) -> None:
    """What steps count, and which runs begin later than at step 0."""
    units: dict[str, int] = {}
    for run in found.values():
        units[step_unit(run)] = units.get(step_unit(run), 0) + 1
    for unit, n in units.items():
        if unit != OPTIMISER or len(units) > 1:
            notes.add("steps", f"{unit} in {n} run{'s' if n > 1 else ''}")
    late = {
        run.name: min(run.columns["step"]) for run in found.values() if min(run.columns["step"])
    }
    if late:
        first = ", ".join(f"{name} at {step:,}" for name, step in list(late.items())[:3])
        notes.add(
            "missing",
            f"the first checkpoint is not step 0 in {len(late)} run{'s' if len(late) > 1 else ''}: {first}{', ...' if len(late) > 3 else ''}",
        )


def _add_to(
    found: Mapping[str, RunRows], store: str, there: Mapping[str, Manifest], notes: Notes
) -> None:
    """Put the measurements and facts of runs that are there before the new ones."""
    opened = Store.open(store)
    files = {file.manifest.run_id: file for file in opened.readable}
    for run in found.values():
        manifest = there.get(run_id(run.name))
        if manifest is None:
            hint = near(run_id(run.name), there, ".")
            raise UsageError(
                f"--add adds measures to runs that are there, and {run.name} is not{hint} New runs are imported without --add"
            )
        rows = opened.read(files[manifest.run_id])
        old = {target: rows.column(target).to_pylist() for target in ROW_TARGETS}
        shared = _traces_of(old) & _traces_of(run.columns)
        if shared:
            names = sorted({trace[0] for trace in shared})
            raise UsageError(
                f"run {manifest.run_id} already has {', '.join(names)}; --add adds measures that it lacks, and "
                "--replace replaces the run"
            )
        notes.add("joined", f"measures are added to run {manifest.run_id}")
        n = rows.num_rows
        run.columns = {target: [*old[target], *run.columns[target]] for target in ROW_TARGETS}
        run.places = [
            (f"{store}/{manifest.suite}/{manifest.run_id}.parquet", i) for i in range(n)
        ] + run.places
        run.before = manifest
        for key, value in run.config.items():
            if key in manifest.config and manifest.config[key] != value:
                text = f"{key} of run {manifest.run_id} is {manifest.config[key]!r} in the store and {value!r} here: the former stays"
                notes.add(
                    "doubtful", text
                )  # a batch size of training and one of evaluation, perhaps
        run.config = {**run.config, **manifest.config}
        for event, dated in _events_of(manifest).items():
            there_ = run.events.setdefault(event, {})
            add_events(
                there_, dated, event, f"{manifest.suite}/{manifest.run_id}.json of the store"
            )
        before = manifest.further.get("imported")
        for file, digest in before.items() if isinstance(before, dict) else ():
            changed = file in run.files and run.files[file] != digest
            run.files[f"before/{file}" if changed else file] = digest


def _traces_of(columns: Mapping[str, Sequence[Any]]) -> set[tuple[Any, ...]]:
    """The traces that columns hold: measure, task, level and layer as text, as tables have them before they are converted."""
    keys = zip(*(columns[t] for t in ("measure", "task", "level", "layer")), strict=True)
    return {tuple(None if cell is None else str(cell) for cell in key) for key in keys}


def _events_of(manifest: Manifest) -> RecordedEvents:
    """The events that a run in the store has."""
    held: Any = manifest.further.get("events", {})
    return {
        event: {(one["task"], one["level"]): one["step"] for one in several}
        for event, several in held.items()
    }


def _check_names(found: Mapping[str, RunRows], there: Mapping[str, Manifest], notes: Notes) -> None:
    """Say what runs are called whose names no file can have. Raises `UsageError` if one would take the place of another run."""
    called = {name: run_id(name) for name in found if run_id(name) != name}
    if called:
        said = [f"{name!r} is {its}" for name, its in called.items()]
        notes.add("renamed", f"runs, since files cannot be called so: {few(said)}")
    folded = {
        its.casefold(): manifest for its, manifest in there.items()
    }  # some disks do not tell capitals apart
    for name in found:
        manifest = folded.get(run_id(name).casefold())
        if manifest is None:
            continue
        other = str(manifest.further.get(_NAME, manifest.run_id))
        if other != name:
            raise UsageError(
                f"run {name!r} would be called {run_id(name)}, as is another of the suite, {other!r}: give them other names with --column run"
            )


def _check_there(described: Sequence[Imported], store: str, suite: str, choices: Choices) -> None:
    named = there(locate(store), [(suite, f"{d.run_id}.json") for d in described])
    names = [name.removesuffix(".json") for _, name in named]
    if names and not (choices.replace_runs or choices.add):
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise UsageError(
            f"{store}/{suite} already has run {names[0]}{more}; replace them with --replace, or add measures with --add"
        )


def _write_all(prepared: Sequence[PreparedRun], progress: Progress | None) -> None:
    """All runs become visible together. An import that is interrupted before that leaves nothing; one that is killed
    while they do may leave some of them out, and is called again with `replace_runs`.
    """
    staged: list[StagedRun | SentRun] = []
    try:
        for done, run in enumerate(prepared):
            if progress is not None:
                progress(done, len(prepared))
            staged.append(run.stage())
    except BaseException:
        for written in staged:
            written.discard()
        raise
    for written in staged:
        written.publish()


def _manifest(run: RunRows, described: Imported) -> Manifest:
    before = run.before
    further: dict[str, Any] = (
        {k: v for k, v in before.further.items() if k != KEY} if before else {}
    )
    further["imported"] = _digests(run.files)
    if run.name != described.run_id:
        further[_NAME] = run.name
    if step_unit(run) != OPTIMISER:
        further["step_unit"] = step_unit(run)
    if run.events:
        dated = {
            name: [{"task": t, "level": v, "step": step} for (t, v), step in steps.items()]
            for name, steps in run.events.items()
        }
        further["events"] = dated
    ours = {"imported by": f"emergence-stats {version('emergence-stats')}"}
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
        software={**before.software, **ours} if before else ours,
        device=before.device if before else "not known",
        rows=described.rows,
        sha256=NO_FILE_YET,
        further=further,
    )


def _digests(files: Mapping[str, str | None]) -> dict[str, str]:
    """The sha256 of each file by its name, or by more of its path, or a number, where two of a name differ."""
    found: dict[str, str] = {}
    for file, digest in files.items():
        if digest is None:
            continue
        parts = Path(file).parts
        names = ["/".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        names += [f"{parts[-1]} ({n})" for n in range(2, len(files) + 2)]
        found[next(name for name in names if found.get(name, digest) == digest)] = digest
    return found


def _manifests(store: str, suite: str) -> dict[str, Manifest]:
    """Runs of the suite that the store has, by name."""
    if not locate(store).is_there():
        return {}
    runs = (file.manifest for file in Store.open(store).readable)  # a broken run can be replaced
    return {manifest.run_id: manifest for manifest in runs if manifest.suite == suite}


def _table(run: RunRows) -> pa.Table:
    import pyarrow as pa

    kinds = {f.name: f.type for f in arrow_schema()}
    text = {"task", "measure"}
    return pa.table(
        {
            target: pa.array(cells, pa.string() if target in text else kinds[target])
            for target, cells in run.columns.items()
        }
    )


def _describe(run: RunRows, suite: str) -> Imported:
    steps = run.columns["step"]
    return Imported(
        run_id=run_id(run.name),
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
    """Raise `TraceError` for two runs of one name, also if capitals alone tell them apart: some disks do not."""
    seen: set[str] = set()
    for one in described:
        if one.run_id.casefold() in seen:
            raise TraceError(
                f"two runs would be called {one.run_id!r}: their names differ only in punctuation or capitals, or in what no file can be called",
                fix="Give them names that files can have, in a column or with --column run='{...}'.",
            )
        seen.add(one.run_id.casefold())
