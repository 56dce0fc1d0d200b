"""Write imported measurements into a store: by run, checked, all or none."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.support.progress import Progress
from emergence_stats.traces.format import Manifest, arrow_schema, check_name
from emergence_stats.traces.importing.columns import Rows
from emergence_stats.traces.importing.gather import (
    RunRows,
    add_facts,
    by_run,
    check_values,
    number_seeds,
    run_id,
)
from emergence_stats.traces.importing.sources import Facts
from emergence_stats.traces.store import Store
from emergence_stats.traces.write import NO_FILE_YET, PreparedRun, StagedRun, prepare_run, recover

if TYPE_CHECKING:
    import pyarrow as pa


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


def import_traces(
    sources: Sequence[Rows],
    store: str,
    suite: str,
    *,
    facts: Facts | None = None,
    replace_runs: bool = False,
    drop_not_finite: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> list[Imported]:
    """Write the runs of `sources` into a suite of a store; with `dry_run` only report which.

    `facts`: of runs or of scales; what is not a target is kept in a run's config. Seeds that are not given
    are numbers within a scale that no run of the suite has, in the order of the runs' names.

    Raises `TraceError` for the first fault, with file, column and row, before anything is written, and
    `UsageError` if a run already exists and is not to be replaced.
    """
    check_name(suite, "suite")
    if not dry_run and Path(store).is_dir():
        recover(store)  # before anything of the store is looked at
    found = by_run(sources)
    for run in found.values():
        add_facts(run, facts)
        check_values(run, drop_not_finite)
    number_seeds(list(found.values()), _manifests(store, suite))
    described = [_describe(run, suite) for run in found.values()]
    _check_ids(described)
    there = [d.run_id for d in described if (Path(store) / suite / f"{d.run_id}.json").exists()]
    if there and not replace_runs:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(
            f"{store}/{suite} already has run {there[0]}{more}; replace them with --replace"
        )
    digests = _digests({file for run in found.values() for file in run.files})
    prepared = [
        prepare_run(store, _table(run), _manifest(run, its, digests))
        for run, its in zip(found.values(), described, strict=True)
    ]
    if not described:
        files = ", ".join(rows.file for rows in sources)
        raise TraceError("no measurement", file=files)
    if not dry_run:
        _write_all(prepared, progress)
    return described


def _write_all(prepared: Sequence[PreparedRun], progress: Progress | None) -> None:
    """All runs become visible together. An import that is interrupted before that leaves nothing; one that is killed
    while they do may leave some of them out, and is called again with `replace_runs`.
    """
    staged: list[StagedRun] = []
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


def _manifest(run: RunRows, described: Imported, digests: Mapping[str, str]) -> Manifest:
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


def _manifests(store: str, suite: str) -> dict[str, Manifest]:
    """Runs of the suite that the store has, by name."""
    if not Path(store).is_dir():
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
    seen: set[str] = set()
    for one in described:
        if one.run_id in seen:
            raise TraceError(
                f"two runs would be called {one.run_id!r}: their names differ only in punctuation"
            )
        seen.add(one.run_id)


def _digests(files: Collection[str]) -> dict[str, str]:
    """sha256 of the files that runs came from; folders have none."""
    return {
        file: hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for file in files
        if Path(file).is_file()
    }
