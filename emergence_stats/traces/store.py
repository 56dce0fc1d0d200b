"""Read trace stores: a local folder or any URI that pyarrow's filesystems open."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING

from emergence_stats.errors import TraceError
from emergence_stats.support.files import only_one
from emergence_stats.support.reads import note
from emergence_stats.traces import catalogue
from emergence_stats.traces.check import check_schema, check_table
from emergence_stats.traces.format import (
    REQUIRED,
    TEXT,
    arrow_schema,
    pending_manifest_name,
)
from emergence_stats.traces.limits import check_parquet
from emergence_stats.traces.places import Place, check_bucket, locate
from emergence_stats.traces.remote import KEY
from emergence_stats.traces.scan import RunFile, Scanned, read_manifest, scan

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.fs as pafs

_READ_AGAIN = "Collect or copy the run again."


def by_seed(files: Iterable[RunFile]) -> list[list[RunFile]]:
    """The runs of each seed together, seeds in order; for comparisons of scales within a seed."""
    seeds: dict[int, list[RunFile]] = {}
    for file in files:
        seeds.setdefault(file.manifest.seed, []).append(file)
    return [seeds[seed] for seed in sorted(seeds)]


class Store:
    """A trace store.

    >>> store = Store.open("data")            # doctest: +SKIP
    >>> [run.manifest.run_id for run in store.runs]  # doctest: +SKIP

    Opening reads every manifest and raises `TraceError` for what is broken; Parquet files are
    opened by `read`, one at a time.
    """

    def __init__(self, uri: str, filesystem: pafs.FileSystem, base: str) -> None:
        self.uri = uri
        self.filesystem = filesystem
        self.base = base.rstrip("/")

    @classmethod
    def open(cls, uri: str | os.PathLike[str]) -> Store:
        """Open a folder or URI. Raises `TraceError` if there is none."""
        note("opens a trace store, so that other runs than its own can decide a value")
        place = locate(uri)
        if not place.is_there():
            check_bucket(place.uri)
            raise TraceError(
                "there is no trace store here",
                file=place.uri,
                fix="Name one with --traces, or make one with `emergence-stats collect` or `traces import`.",
            )
        return cls(place.uri, place.filesystem, place.base)

    @property
    def place(self) -> Place:
        return Place(self.uri, self.filesystem, self.base)

    def __repr__(self) -> str:
        return f"Store({self.uri!r})"

    @cached_property
    def runs(self) -> tuple[RunFile, ...]:
        """All runs, ordered by suite and run_id regardless of the order of the files.

        Raises `TraceError` for the first broken run.
        """
        if self.faults:
            raise self.faults[0]
        return self.readable

    @property
    def readable(self) -> tuple[RunFile, ...]:
        """The runs whose manifests are valid, even if others are not."""
        return self._scanned.runs

    @property
    def unfinished(self) -> tuple[str, ...]:
        """run_ids of writes that were cut off, so that the run is missing: the next writer finishes them."""
        return self._scanned.unfinished

    @property
    def faults(self) -> tuple[TraceError, ...]:
        """What is wrong with the others, one error each."""
        return self._scanned.faults

    @cached_property
    def _scanned(self) -> Scanned:
        with self._unchanged():
            return scan(self.place)

    def _unchanged(self) -> AbstractContextManager[None]:
        """Inside, no writer that keeps to the lock changes a local store."""
        folder = self.place.folder
        return only_one(folder, shared=True) if folder is not None else nullcontext()

    def refresh_catalogue(self) -> None:
        """Make the catalogue anew if the store has one, or is one elsewhere and large enough. Raises `OSError`."""
        large = self.place.folder is None and len(self.readable) >= catalogue.PAYS_FROM
        if large or self._scanned.has_catalogue:
            self.write_catalogue()

    def write_catalogue(self, *, anew: bool = False) -> int:
        """Bring the store's catalogue up to date; how many runs it has. `anew`: from every manifest. Raises `OSError`."""
        with self._unchanged():
            entries = scan(self.place, keep=True, anew=anew).entries
        catalogue.write(self.place, entries)
        return len(entries)

    @cached_property
    def _format(self) -> ds.ParquetFileFormat:
        """Parquet; from a local disk without the buffering that remote files need.

        Text stays a dictionary, so that a long name is in memory once and not once a row.
        """
        import pyarrow.dataset as ds
        import pyarrow.fs as pafs

        remote = not isinstance(self.filesystem, pafs.LocalFileSystem)
        return ds.ParquetFileFormat(
            read_options=ds.ParquetReadOptions(dictionary_columns=TEXT),
            default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=remote),
        )

    def _where(self, name: str) -> str:
        return self.place.shown(name)

    def read(
        self,
        run: RunFile,
        measures: Collection[str] | None = None,
        layers: Collection[int] | None = None,
    ) -> pa.Table:
        """Rows of one run, checked, only for these measures and layers (None: all).

        The file's hash is compared first, and rows are checked at all layers of what is read.
        Rows without a layer are always kept. Raises `TraceError` with file, column
        and row for anything that breaks the format.
        """
        with self._unchanged():
            return self._read(run, measures, layers)

    def _read(
        self, run: RunFile, measures: Collection[str] | None, layers: Collection[int] | None
    ) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.dataset as ds

        where = self._where(f"{run.manifest.suite}/{run.path.rpartition('/')[2]}")
        if run.catalogued:
            self._check_catalogue(run)
        self._check_hash(run, where)
        try:
            file = ds.dataset(run.path, filesystem=self.filesystem, format=self._format)
            check_schema(file.schema, where)
            fragment = next(file.get_fragments())
            check_parquet(fragment.metadata, where)
            rows = fragment.count_rows()
            if rows != run.manifest.rows:
                raise TraceError(
                    f"has {rows} rows, but the manifest says {run.manifest.rows}", file=where
                )
            condition = None
            if measures is not None and not _has_nulls(fragment):  # a condition would drop nulls
                condition = pc.field("measure").isin(sorted(measures))
                fragment = fragment.subset(row_group_ids=_row_groups_of(fragment, measures))
            # A run is small: threads of its own would cost more than they save.
            table = fragment.to_table(
                columns=arrow_schema().names, filter=condition, use_threads=False
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise TraceError(
                f"cannot be read as Parquet ({error})", file=where, fix=_READ_AGAIN
            ) from None
        try:
            check_table(table, run_id=run.manifest.run_id, file=where)
        except TraceError:
            if condition is not None:  # rows are counted in the file, not in the selection
                self._read(run, None, None)
            raise
        if layers is not None:
            layer = pc.field("layer")
            table = table.filter(layer.isin(sorted(layers)) | layer.is_null())
        return table

    def _check_hash(self, run: RunFile, where: str) -> None:
        digest = hashlib.sha256()
        try:
            with self.filesystem.open_input_stream(run.path) as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            self._check_replaced(run, where)
            raise TraceError(f"cannot be read ({error})", file=where) from None
        if digest.hexdigest() != run.manifest.sha256:
            self._check_replaced(run, where)
            raise TraceError(
                "the sha256 of the file does not match its manifest: it was truncated or "
                "altered after it was written",
                file=where,
                fix=_READ_AGAIN,
            )

    def _check_catalogue(self, run: RunFile) -> None:
        """Raise `TraceError` if the catalogue has another manifest of the run than its file."""
        name = f"{run.manifest.suite}/{run.manifest.run_id}.json"
        if read_manifest(self.place, name)[1] != run.manifest:
            raise TraceError(
                "the store's catalogue has another manifest of this run than its file, or the run was replaced after the store "
                "was opened",
                file=self._where(name),
                fix="Run the command again; if that does not help, `emergence-stats traces catalogue`.",
            )

    def _check_replaced(self, run: RunFile, where: str) -> None:
        """Raise `TraceError` if the run is another one than when the store was opened."""
        run_id = run.manifest.run_id
        for name in (
            f"{run_id}.json",
            pending_manifest_name(run_id),
        ):  # pending: its writer was killed
            file = f"{run.manifest.suite}/{name}"
            try:
                now = read_manifest(self.place, file)[1]
            except TraceError:
                continue
            if (now.sha256, now.further.get(KEY)) == (
                run.manifest.sha256,
                run.manifest.further.get(KEY),
            ):
                return
            raise TraceError(
                "the run was replaced after the store was opened",
                file=where,
                fix="Run the command again.",
            )


def _has_nulls(fragment: ds.ParquetFileFragment) -> bool:
    """Whether the file's statistics show nulls in a column that must have none."""
    metadata = fragment.metadata
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            required = column.path_in_schema in REQUIRED
            if required and column.statistics is not None and column.statistics.null_count:
                return True
    return False


def _row_groups_of(fragment: ds.ParquetFileFragment, measures: Collection[str]) -> list[int]:
    """Row groups that may hold any of these measures.

    pyarrow skips row groups by their statistics only where a column is not dictionary-encoded.
    """
    return [
        group.id
        for group in fragment.row_groups
        if (ends := group.statistics.get("measure")) is None
        or any(ends["min"] <= measure <= ends["max"] for measure in measures)
    ]
