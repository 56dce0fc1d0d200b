"""Write imported measurements into a store: by run, checked, all or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.support.progress import Progress
from emergence_stats.traces.format import Manifest, arrow_schema, check_name
from emergence_stats.traces.importing.columns import Rows
from emergence_stats.traces.importing.facts import Facts
from emergence_stats.traces.importing.notes import Notes, few
from emergence_stats.traces.importing.runs.adding import add_to
from emergence_stats.traces.importing.runs.known import add_facts
from emergence_stats.traces.importing.runs.naming import name_seeds, number_seeds, run_id, say_alike
from emergence_stats.traces.importing.runs.remarks import (
    say_events,
    say_lookalikes,
    say_no_run,
    say_shares,
    say_steps,
    say_there,
)
from emergence_stats.traces.importing.runs.rows import RunRows, by_run, step_unit
from emergence_stats.traces.importing.runs.values import check_values
from emergence_stats.traces.importing.steps import OPTIMISER
from emergence_stats.traces.places import locate, there
from emergence_stats.traces.remote import KEY, SentRun
from emergence_stats.traces.store import Store
from emergence_stats.traces.write import NO_FILE_YET, PreparedRun, StagedRun, prepare_run, recover

if TYPE_CHECKING:
    import pyarrow as pa


NAME = "run_name"  # of a manifest: what the run was called, where its id is another


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
        add_to(found, store, old, notes)
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
    say_lookalikes(found, notes)
    if facts is not None:
        say_no_run(facts, found, notes)
    described = [_describe(run, suite) for run in found.values()]
    _check_ids(described)
    _check_there(described, store, suite, choices)
    prepared = [
        prepare_run(store, _table(run), _manifest(run, its))
        for run, its in zip(found.values(), described, strict=True)
    ]
    say_steps(found, notes)
    say_shares(found, notes)
    say_events(found, notes)
    say_there(found, old, notes)
    if not choices.dry_run:
        _write_all(prepared, progress)
        Store.open(store).refresh_catalogue()
    return described


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
        other = str(manifest.further.get(NAME, manifest.run_id))
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
            f"{locate(store).shown(suite)} already has run {names[0]}{more}; replace them with --replace, or add measures with --add"
        )


def _write_all(prepared: Sequence[PreparedRun], progress: Progress | None) -> None:
    """All runs become visible together. An import that is interrupted before that leaves nothing; one that is killed
    while they do, or whose store goes away, may leave some of them out, and is called again with `replace_runs`.
    """
    staged: list[StagedRun | SentRun] = []
    try:
        for done, run in enumerate(prepared):
            if progress is not None:
                progress(done, len(prepared))
            staged.append(run.stage())
    except BaseException:
        with suppress(
            OSError
        ):  # a place that does not answer: each further call would wait as long
            for written in staged:
                written.discard()
        raise
    for done, written in enumerate(staged):
        try:
            written.publish()
        except OSError as error:
            with suppress(OSError):
                for other in staged[done + 1 :]:
                    other.discard()
            raise TraceError(
                f"{done} of {len(staged)} runs are there, and the others are not ({error})",
                fix="Import again with --replace.",
            ) from error


def _manifest(run: RunRows, described: Imported) -> Manifest:
    before = run.before
    further: dict[str, Any] = (
        {k: v for k, v in before.further.items() if k != KEY} if before else {}
    )
    further["imported"] = _digests(run.files)
    if run.name != described.run_id:
        further[NAME] = run.name
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
