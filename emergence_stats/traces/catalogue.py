"""The manifests of a large store in one file, so that opening it is one listing and one read.

``.catalogue.parquet`` at the root of a store, a row a run: the manifest as its file has it, and that file's size and time. An
entry counts only while the listing shows the same size and time, and only if it was made well after that time, since clocks of
file systems are coarse: everything else is read from its own file. So a catalogue that is old, or lacks runs, costs time and
nothing else; what it says of a run that is read is compared with the manifest again (`Store.read`), and of all by
``traces validate``. The file's metadata have a digest of its rows: one that was damaged, or has none, says nothing.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from emergence_stats.errors import TraceError
from emergence_stats.traces.limits import MAX_MANIFEST_BYTES, check_parquet
from emergence_stats.traces.places import Place
from emergence_stats.traces.remote import put

if TYPE_CHECKING:
    import pyarrow.fs as pafs

NAME = ".catalogue.parquet"
PAYS_FROM = 200  # runs of a store elsewhere, where each manifest is a request; a disk reads 10,000 in less than one second
_COARSE_NS = 3_000_000_000  # a file that changes again within this time may show the same one
_COLUMNS = ("name", "size", "mtime_ns", "manifest")
_DIGEST = b"sha256"  # its key in the metadata of the schema


class Entry(NamedTuple):
    """A manifest as it was read: `size` in bytes and `mtime_ns` are those of its file then."""

    size: int
    mtime_ns: int
    manifest: bytes


def read(place: Place, its: pafs.FileInfo) -> dict[str, Entry]:
    """The entries of a catalogue by name of the manifest, those that may be stale left out; none if it cannot be read.

    `its`: what the listing shows of the catalogue.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with place.filesystem.open_input_file(its.path) as stream:
            file = pq.ParquetFile(stream)
            check_parquet(file.metadata, its.path)
            table = file.read(columns=list(_COLUMNS))
        columns = [table.column(name).to_pylist() for name in _COLUMNS]
        rows = list(zip(*columns, strict=True))
        if (table.schema.metadata or {}).get(_DIGEST) != _digest(rows):
            return {}
    except (
        OSError,
        LookupError,
        TypeError,
        ValueError,
        OverflowError,
        TraceError,
        pa.ArrowException,
    ):
        return {}  # damaged in any way: the manifests have it all
    latest = (its.mtime_ns or 0) - _COARSE_NS
    return {
        name: Entry(size, mtime, manifest)
        for name, size, mtime, manifest in rows
        if isinstance(manifest, bytes)
        and len(manifest) <= MAX_MANIFEST_BYTES.value
        and isinstance(mtime, int)
        and mtime <= latest
    }


def _digest(rows: Iterable[tuple[str, int, int, bytes]]) -> bytes:
    """Of what a catalogue says, in order. Raises `TypeError` or `ValueError` for rows of other types."""
    digest = hashlib.sha256()
    for name, size, mtime, manifest in rows:
        digest.update(f"{name!r} {int(size)} {int(mtime)} {len(manifest)}\n".encode())
        digest.update(manifest)
    return digest.hexdigest().encode()


def matches(entry: Entry | None, its: pafs.FileInfo) -> bool:
    """Whether a manifest is, by all that a listing shows, the one that was read."""
    return entry is not None and (entry.size, entry.mtime_ns) == (its.size, its.mtime_ns)


def write(place: Place, manifests: Mapping[str, Entry]) -> None:
    """Replace the catalogue of a store, whole. Raises `OSError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = sorted(manifests.items())
    table = pa.table(
        {
            "name": pa.array([name for name, _ in rows], pa.string()),
            "size": pa.array([entry.size for _, entry in rows], pa.int64()),
            "mtime_ns": pa.array([entry.mtime_ns for _, entry in rows], pa.int64()),
            "manifest": pa.array([entry.manifest for _, entry in rows], pa.binary()),
        }
    ).replace_schema_metadata({_DIGEST: _digest((name, *entry) for name, entry in rows)})
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    folder = place.folder
    if folder is None:
        put(place, NAME, stream.getvalue())
        return
    hidden = folder / f"{NAME}.{secrets.token_hex(4)}.writing"
    try:
        hidden.write_bytes(stream.getvalue())
        os.replace(hidden, folder / NAME)
    finally:
        hidden.unlink(missing_ok=True)
