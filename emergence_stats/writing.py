"""Write a run into a trace store, all of it or nothing.

The Parquet file and the manifest are written under hidden names and renamed, the manifest last:
a run without a manifest is not part of the store. A writer that is killed between the two
renames leaves its pending manifest behind, by which readers tell an interrupted write (ignored)
from a lost manifest (an error).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emergence_stats.errors import TraceError
from emergence_stats.schema import (
    KEY_COLUMNS,
    Manifest,
    arrow_schema,
    check_name,
    pending_manifest_name,
)
from emergence_stats.store import check_table

if TYPE_CHECKING:
    import pyarrow as pa


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
    An existing run of that name is replaced. Raises `TraceError` for a table that breaks the
    format, and `OSError` when the disk refuses; in both cases the store is as it was.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_name(suite, "suite")
    check_name(run_id, "run_id")
    folder = Path(store) / suite
    path = folder / f"{run_id}.parquet"
    if "run_id" not in table.column_names:
        table = table.append_column("run_id", pa.array([run_id] * table.num_rows, pa.string()))
    schema = arrow_schema()
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise TraceError(f"the table lacks the column {missing[0]!r}", file=path)
    further_columns = [name for name in table.column_names if name not in schema.names]
    schema = pa.schema(list(schema) + [table.schema.field(name) for name in further_columns])
    plain = pa.schema([f.with_type(_plain_type(f.type)) for f in schema])
    # A row group a measure, so that a reader who wants one measure skips the others' bytes.
    order = [(name, "ascending") for name in (*KEY_COLUMNS, "step")]
    try:
        table = table.select(schema.names).cast(plain).sort_by(order).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise TraceError(f"the table does not fit the format: {error}", file=path) from None
    check_table(table, run_id=run_id, file=path)

    folder.mkdir(parents=True, exist_ok=True)
    hidden_parquet = folder / f".{run_id}.parquet.writing"
    hidden_manifest = folder / pending_manifest_name(run_id)
    final_manifest = folder / f"{run_id}.json"
    try:
        _write_parquet(pq, table, hidden_parquet)
        digest = hashlib.sha256(hidden_parquet.read_bytes()).hexdigest()
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
            sha256=digest,
            further=dict(further or {}),
        )
        with hidden_manifest.open("w", encoding="utf-8") as stream:
            stream.write(manifest.to_json())
            stream.flush()
            os.fsync(stream.fileno())
        # From here on a reader sees either the old run, no run, or the new one.
        final_manifest.unlink(missing_ok=True)
        os.replace(hidden_parquet, path)
        os.replace(hidden_manifest, final_manifest)
    except BaseException:
        hidden_parquet.unlink(missing_ok=True)
        if not path.exists() or final_manifest.exists():
            hidden_manifest.unlink(missing_ok=True)
        raise
    return manifest


def _plain_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind  # Arrow sorts no dictionaries


def _write_parquet(pq, table: pa.Table, path: Path) -> None:
    text = ["run_id", "task", "measure"]
    with (
        path.open("wb") as stream,
        pq.ParquetWriter(
            stream,
            table.schema,
            compression="zstd",
            use_dictionary=[*text, "step", "level", "layer"],
            use_byte_stream_split=["value", "stderr"],  # doubles compress by a fifth better so
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
