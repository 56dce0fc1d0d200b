"""Write a run into a trace store, all of it or nothing, with other writers and readers beside.

Both files are first written under hidden names of the writer's own. Publishing them, under a lock on the store,
begins with a rename of the manifest to the run's pending name: from there on the new run is decided, and
whoever writes next finishes it (`recover`) if the writer is killed. A run without a manifest is not part of the
store; its pending manifest tells readers that a write was cut off, and not that a manifest was lost. Stores that are not
on a disk of this machine have neither locks nor renames: `remote` says what is done there.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emergence_stats.core.runs import KEY_COLUMNS
from emergence_stats.errors import TraceError
from emergence_stats.support.files import as_of, only_one, sync_folder
from emergence_stats.traces.check import check_table
from emergence_stats.traces.format import (
    Manifest,
    arrow_schema,
    check_name,
    pending_manifest_name,
)
from emergence_stats.traces.limits import MAX_MANIFEST_BYTES, MAX_ROWS
from emergence_stats.traces.places import Place, local_folder, locate, suites_of, there
from emergence_stats.traces.remote import SentRun, send

if TYPE_CHECKING:
    import pyarrow as pa

NO_FILE_YET = "0" * 64  # in place of the hash of a Parquet file that is not written yet


def write_run(
    store: str | os.PathLike[str],
    table: pa.Table,
    *,
    run_id: str,
    suite: str,
    scale: str,
    n_params: int,
    n_layers: int,
    seed: int,
    config: Mapping[str, Any],
    software: Mapping[str, Any],
    device: str,
    created: str | None = None,
    further: Mapping[str, Any] | None = None,
) -> Manifest:
    """Check `table` and add it to the store as ``<suite>/<run_id>.parquet`` with its manifest.

    `table` has the columns of `arrow_schema()` (`run_id` may be absent; plain strings will do).
    An existing run of that name and suite is replaced. Raises `TraceError` for a table or a manifest that
    breaks the format and for a run_id that another suite has, and `OSError` if the write fails; in all
    cases the store is unchanged.
    """
    manifest = Manifest(
        run_id=run_id,
        suite=suite,
        scale=scale,
        n_params=n_params,
        n_layers=n_layers,
        seed=seed,
        created=created or datetime.now(UTC).isoformat(timespec="seconds"),
        config=dict(config),
        software=dict(software),
        device=device,
        rows=table.num_rows,
        sha256=NO_FILE_YET,
        further=dict(further or {}),
    )
    return prepare_run(store, table, manifest).write()


@dataclass(frozen=True)
class PreparedRun:
    """A run ready to be written: everything about it is checked, and nothing is written yet.

    `manifest` gets the Parquet file's hash only when the file is written.
    """

    place: Place
    table: pa.Table
    manifest: Manifest

    def write(self) -> Manifest:
        """Write the run, and return its manifest. Raises `OSError` if the write fails."""
        if self.place.folder is not None:
            recover(self.place.folder)
        staged = self.stage()
        staged.publish()
        return staged.manifest

    def stage(self) -> StagedRun | SentRun:
        """Write what readers ignore until `publish`. Raises `OSError`, leaving nothing."""
        if self.place.folder is not None:
            with as_of(self.place.folder / self.manifest.suite / f"{self.manifest.run_id}.parquet"):
                return self._stage(self.place.folder)
        with tempfile.TemporaryDirectory() as scratch:
            here = self._stage(Path(scratch))
            return send(self.place, here.hidden_parquet, here.manifest, here.token)

    def _stage(self, store: Path) -> StagedRun:
        """Write both files under hidden names."""
        folder = store / self.manifest.suite
        folder.mkdir(parents=True, exist_ok=True)
        staged = StagedRun(folder, self.manifest, secrets.token_hex(8))
        try:
            _write_parquet(self.table, staged.hidden_parquet)
            digest = _sha256(staged.hidden_parquet)
            staged = replace(staged, manifest=replace(self.manifest, sha256=digest))
            with staged.hidden_manifest.open("w", encoding="utf-8") as stream:
                stream.write(staged.manifest.to_json())
                stream.flush()
                os.fsync(stream.fileno())
        except BaseException:
            staged.discard()
            raise
        return staged


@dataclass(frozen=True)
class StagedRun:
    """A run that is written under hidden names, which no reader and no other writer looks at.

    `token`: of this writer; with ``~``, which no run's name has.
    """

    folder: Path
    manifest: Manifest
    token: str

    @property
    def hidden_parquet(self) -> Path:
        return self.folder / f".{self.manifest.run_id}~{self.token}.parquet.writing"

    @property
    def hidden_manifest(self) -> Path:
        return self.folder / f".{self.manifest.run_id}~{self.token}.json.writing"

    def publish(self) -> None:
        """Replace the run of that name. Readers, which share the lock, see the old run or the new one."""
        with only_one(self.folder.parent):
            os.replace(
                self.hidden_manifest, self.folder / pending_manifest_name(self.manifest.run_id)
            )
            _finish(self.folder, self.manifest.run_id, self.hidden_parquet)

    def discard(self) -> None:
        """Remove what is staged, and the folder if nothing else is in it."""
        self.hidden_parquet.unlink(missing_ok=True)
        self.hidden_manifest.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


def recover(store: str | os.PathLike[str]) -> list[str]:
    """Finish the writes that were cut off after they were decided; the run_ids. None where nothing is left to finish."""
    base, finished = local_folder(store), []
    if base is None or not base.is_dir():
        return []
    with only_one(base):
        for pending in sorted(base.glob("*/.*.json.pending")):
            run_id = pending.name[1:].removesuffix(".json.pending")
            folder = pending.parent
            with suppress(TraceError):  # a manifest that is no manifest is of no use
                wanted = Manifest.from_json(pending.read_bytes(), pending).sha256
                files = (*folder.glob(f".{run_id}~*.parquet.writing"), folder / f"{run_id}.parquet")
                whole = next((f for f in files if f.is_file() and _sha256(f) == wanted), None)
                if whole is not None:
                    _finish(folder, run_id, whole)
                    finished.append(run_id)
    return finished


def _finish(folder: Path, run_id: str, parquet: Path) -> None:
    """Take the steps of publishing that are left; `parquet`: the new file, in its place or still hidden."""
    pending, path = folder / pending_manifest_name(run_id), folder / f"{run_id}.parquet"
    final_manifest = path.with_suffix(".json")
    final_manifest.unlink(missing_ok=True)
    if parquet != path:
        os.replace(parquet, path)
    os.replace(pending, final_manifest)
    sync_folder(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def prepare_run(store: str | os.PathLike[str], table: pa.Table, manifest: Manifest) -> PreparedRun:
    """Check everything that a reader of the store would, before anything is written.

    `manifest` has no hash yet; `table` and the errors raised are as for `write_run`.
    """
    check_name(manifest.suite, "suite")
    check_name(manifest.run_id, "run_id")
    place = locate(store)
    stem = f"{manifest.suite}/{manifest.run_id}"
    file, beside = place.shown(f"{stem}.parquet"), place.shown(f"{stem}.json")
    manifest.check(beside)
    MAX_MANIFEST_BYTES.check("the manifest has", len(manifest.to_json().encode()), beside)
    MAX_ROWS.check("the run has", table.num_rows, file)
    pending = f"{manifest.suite}/{pending_manifest_name(manifest.run_id)}"
    for name in (f"{stem}.parquet", f"{stem}.json", pending):
        if place.folder is not None and (place.folder / name).is_dir():
            target = place.shown(name)
            raise TraceError("there is a folder of this name", file=target, fix="Move it away.")
    check_unique(store, manifest.run_id, manifest.suite)
    return PreparedRun(place, _checked(table, manifest.run_id, file), manifest)


def check_unique(store: str | os.PathLike[str], run_id: str, suite: str) -> None:
    """Raise `TraceError` if another suite of the store has a run of this name, or a write of one that was cut off."""
    place = locate(store)
    names = (f"{run_id}.json", pending_manifest_name(run_id))
    others = [other for other in suites_of(place) if other != suite]
    for other, _ in there(place, [(other, name) for other in others for name in names]):
        raise TraceError(
            f"run_id {run_id!r} is already used in suite {other!r}, and must be unique in the store",
            file=place.shown(f"{suite}/{run_id}.json"),
            fix="Give the run another name, or remove the other with "
            f"`emergence-stats traces rm {run_id}`.",
        )


def _checked(table: pa.Table, run_id: str, file: str) -> pa.Table:
    """The table with the columns of the format and any further ones, sorted and checked."""
    import pyarrow as pa

    if "run_id" not in table.column_names:
        table = table.append_column("run_id", pa.array([run_id] * table.num_rows, pa.string()))
    schema = arrow_schema()
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise TraceError(f"the table lacks the column {missing[0]!r}", file=file)
    further_columns = [name for name in table.column_names if name not in schema.names]
    schema = pa.schema(list(schema) + [table.schema.field(name) for name in further_columns])
    plain = pa.schema([f.with_type(_plain_type(f.type)) for f in schema])
    # One row group per measure, so that a reader of one measure skips the others' bytes.
    order = [(name, "ascending") for name in (*KEY_COLUMNS, "step")]
    try:
        table = table.select(schema.names).cast(plain).sort_by(order).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise TraceError(f"the table does not fit the format: {error}", file=file) from None
    check_table(table, run_id=run_id, file=file)
    return table


def _plain_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind  # which Arrow cannot sort


def _write_parquet(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    text = ["run_id", "task", "measure"]
    with (
        path.open("wb") as stream,
        pq.ParquetWriter(
            stream,
            table.schema,
            compression="zstd",
            use_dictionary=[*text, "step", "level", "layer"],
            use_byte_stream_split=["value", "stderr"],  # doubles compress a fifth better this way
        ) as writer,
    ):
        measures = table.column("measure").to_pylist()
        start = 0
        for end in range(1, len(measures) + 1):
            if end == len(measures) or measures[end] != measures[start]:
                writer.write_table(table.slice(start, end - start))
                start = end
    with path.open("rb") as written:
        os.fsync(written.fileno())
