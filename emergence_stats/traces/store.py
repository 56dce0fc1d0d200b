"""Read trace stores: a local folder or any URI that pyarrow's filesystems open."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from emergence_stats.errors import TraceError
from emergence_stats.support.files import only_one
from emergence_stats.support.reads import note
from emergence_stats.traces.check import check_schema, check_table
from emergence_stats.traces.format import (
    REQUIRED,
    TEXT,
    Manifest,
    arrow_schema,
    pending_manifest_name,
)
from emergence_stats.traces.limits import MAX_MANIFEST_BYTES, check_parquet

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.fs as pafs

_READ_AGAIN = "Collect or copy the run again."


@dataclass(frozen=True)
class RunFile:
    """One run of a store: its manifest and where its Parquet file is."""

    manifest: Manifest
    path: str


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
        import pyarrow as pa
        import pyarrow.fs as pafs

        text = os.fspath(uri)
        note("opens a trace store, so that other runs than its own can decide a value")
        try:
            if "://" in text:
                filesystem, base = pafs.FileSystem.from_uri(text)
            else:
                filesystem, base = pafs.LocalFileSystem(), str(Path(text).absolute())
            kind = filesystem.get_file_info(base).type
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise TraceError(f"cannot open the trace store ({error})", file=text) from None
        if kind != pafs.FileType.Directory:
            raise TraceError(
                "there is no trace store here",
                file=text,
                fix="Name one with --traces, or make one with `emergence-stats collect` or `traces import`.",
            )
        return cls(text, filesystem, base)

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
        return self._scanned[0]

    @property
    def unfinished(self) -> tuple[str, ...]:
        """run_ids of writes that were cut off, so that the run is missing: the next writer finishes them."""
        return self._scanned[2]

    @property
    def faults(self) -> tuple[TraceError, ...]:
        """What is wrong with the others, one error each."""
        return self._scanned[1]

    @cached_property
    def _scanned(self) -> tuple[tuple[RunFile, ...], tuple[TraceError, ...], tuple[str, ...]]:
        """Readable runs, faults, and run_ids of unfinished writes: all of one moment."""
        with self._unchanged():
            return self._scan()

    def _unchanged(self) -> AbstractContextManager[None]:
        """Inside, no writer that keeps to the lock changes a local store."""
        import pyarrow.fs as pafs

        if isinstance(self.filesystem, pafs.LocalFileSystem):
            return only_one(Path(self.base), shared=True)
        return nullcontext()

    def _scan(self) -> tuple[tuple[RunFile, ...], tuple[TraceError, ...], tuple[str, ...]]:
        names = self._names()
        runs: dict[str, RunFile] = {}
        faults = []
        for name in sorted(names):
            try:
                run = self._run(name, names)
                if run is None:
                    continue
                other = runs.get(run.manifest.run_id)
                if other is not None:
                    raise TraceError(
                        f"run_id {run.manifest.run_id!r} is also used in suite "
                        f"{other.manifest.suite!r}",
                        file=self._where(name),
                        fix="A run_id must be unique in the store. Remove one with "
                        f"`emergence-stats traces rm {run.manifest.run_id} --suite SUITE`.",
                    )
                runs[run.manifest.run_id] = run
            except TraceError as fault:
                faults.append(fault)
        ordered = sorted(runs.values(), key=lambda r: (r.manifest.suite, r.manifest.run_id))
        pending = (name.rpartition("/")[2] for name in names if name.endswith(".json.pending"))
        unfinished = sorted(file[1:].removesuffix(".json.pending") for file in pending)
        return tuple(ordered), tuple(faults), tuple(unfinished)

    def _names(self) -> frozenset[str]:
        """Files of the store, relative to it."""
        import pyarrow.fs as pafs

        selector = pafs.FileSelector(self.base, recursive=True)
        return frozenset(
            info.path[len(self.base) :].lstrip("/")
            for info in self.filesystem.get_file_info(selector)
            if info.type == pafs.FileType.File
        )

    def _run(self, name: str, names: Collection[str]) -> RunFile | None:
        """The run whose manifest is `name`, None if that is not a manifest. Raises `TraceError`."""
        folder, _, file = name.rpartition("/")
        hidden = any(part.startswith(".") for part in name.split("/"))
        if hidden or not folder or "/" in folder:
            return None  # partial runs and unrelated files are not part of the store
        if file.endswith(".parquet") and f"{name[:-8]}.json" not in names:
            run_id = file[:-8]
            if f"{folder}/{pending_manifest_name(run_id)}" in names:
                return None  # a writer was killed between its two renames
            raise TraceError(
                "the manifest is missing, so the run has no provenance",
                file=self._where(f"{name[:-8]}.json"),
                fix="Restore it, or remove the Parquet file with `emergence-stats traces rm`.",
            )
        if not file.endswith(".json"):
            return None
        where = self._where(name)
        manifest = Manifest.from_json(self._bytes(name), where)
        if manifest.run_id != file[:-5] or manifest.suite != folder:
            raise TraceError(
                f"the manifest is of run {manifest.run_id!r} of suite {manifest.suite!r}, "
                "which does not match its place in the store",
                file=where,
                fix="Files are <suite>/<run_id>.json and <suite>/<run_id>.parquet.",
            )
        if f"{name[:-5]}.parquet" not in names:
            raise TraceError("there is no Parquet file beside the manifest", file=where)
        return RunFile(manifest, f"{self.base}/{name[:-5]}.parquet")

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
        return f"{self.uri.rstrip('/')}/{name}"

    def _bytes(self, name: str) -> bytes:
        try:
            with self.filesystem.open_input_file(f"{self.base}/{name}") as stream:
                MAX_MANIFEST_BYTES.check("the manifest has", stream.size(), self._where(name))
                return stream.read()
        except OSError as error:
            raise TraceError(f"cannot be read ({error})", file=self._where(name)) from None

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

        where = self._where(f"{run.manifest.suite}/{run.manifest.run_id}.parquet")
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
            raise TraceError(f"cannot be read ({error})", file=where) from None
        if digest.hexdigest() != run.manifest.sha256:
            self._check_replaced(run, where)
            raise TraceError(
                "the sha256 of the file does not match its manifest: it was truncated or "
                "altered after it was written",
                file=where,
                fix=_READ_AGAIN,
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
                now = Manifest.from_json(self._bytes(file), self._where(file))
            except TraceError:
                continue
            if now.sha256 == run.manifest.sha256:
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
