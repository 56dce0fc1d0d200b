"""Read and check trace stores: a local folder or any URI that pyarrow's filesystems open."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emergence_stats.errors import TraceError
from emergence_stats.traces.format import (
    KEY_COLUMNS,
    REQUIRED,
    Manifest,
    arrow_schema,
    pending_manifest_name,
)

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
        """Open a folder or URI. Raises `TraceError` where there is none."""
        import pyarrow as pa
        import pyarrow.fs as pafs

        text = os.fspath(uri)
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
                fix="Name one with --traces, or make one with `emergence-stats collect`.",
            )
        return cls(text, filesystem, base)

    def __repr__(self) -> str:
        return f"Store({self.uri!r})"

    @cached_property
    def runs(self) -> tuple[RunFile, ...]:
        """All runs, ordered by suite and run_id whatever the order of the files.

        Raises `TraceError` for the first that is broken.
        """
        if self._scanned[1]:
            raise self._scanned[1][0]
        return self.readable

    @property
    def readable(self) -> tuple[RunFile, ...]:
        """The runs whose manifest is in order, also where another's is not."""
        return self._scanned[0]

    @property
    def faults(self) -> tuple[TraceError, ...]:
        """What is wrong with the others, one each."""
        return self._scanned[1]

    @cached_property
    def _scanned(self) -> tuple[tuple[RunFile, ...], tuple[TraceError, ...]]:
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
                        f"run_id {run.manifest.run_id!r} is also that of a run of suite "
                        f"{other.manifest.suite!r}",
                        file=self._where(name),
                        fix="A run_id names one run of the whole store. Remove one with "
                        f"`emergence-stats traces rm {run.manifest.run_id} --suite SUITE`.",
                    )
                runs[run.manifest.run_id] = run
            except TraceError as fault:
                faults.append(fault)
        ordered = sorted(runs.values(), key=lambda r: (r.manifest.suite, r.manifest.run_id))
        return tuple(ordered), tuple(faults)

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
        """The run whose manifest is `name`, None where that is no manifest. Raises `TraceError`."""
        folder, _, file = name.rpartition("/")
        hidden = any(part.startswith(".") for part in name.split("/"))
        if hidden or not folder or "/" in folder:
            return None  # partial runs, and whatever else lies about, are not of the store
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
                "which its place in the store contradicts",
                file=where,
                fix="Files are <suite>/<run_id>.json and <suite>/<run_id>.parquet.",
            )
        if f"{name[:-5]}.parquet" not in names:
            raise TraceError("there is no Parquet file beside the manifest", file=where)
        return RunFile(manifest, f"{self.base}/{name[:-5]}.parquet")

    @cached_property
    def _format(self) -> ds.ParquetFileFormat:
        """Parquet; from a local disk without the buffering that remote files need."""
        import pyarrow.dataset as ds
        import pyarrow.fs as pafs

        remote = not isinstance(self.filesystem, pafs.LocalFileSystem)
        return ds.ParquetFileFormat(
            default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=remote)
        )

    def _where(self, name: str) -> str:
        return f"{self.uri.rstrip('/')}/{name}"

    def _bytes(self, name: str) -> bytes:
        try:
            with self.filesystem.open_input_file(f"{self.base}/{name}") as stream:
                return stream.read()
        except OSError as error:
            raise TraceError(f"cannot be read ({error})", file=self._where(name)) from None

    def read(
        self,
        run: RunFile,
        measures: Collection[str] | None = None,
        layers: Collection[int] | None = None,
    ) -> pa.Table:
        """Rows of one run, only of these measures and layers (None: all), checked.

        The file's hash is compared first, and rows are checked at all layers of what is read.
        Rows without a layer are kept whatever `layers` says. Raises `TraceError` with file, column
        and row for anything that breaks the format.
        """
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.dataset as ds

        where = self._where(f"{run.manifest.suite}/{run.manifest.run_id}.parquet")
        self._check_hash(run, where)
        try:
            file = ds.dataset(run.path, filesystem=self.filesystem, format=self._format)
            check_schema(file.schema, where)
            fragment = next(file.get_fragments())
            rows = fragment.count_rows()
            if rows != run.manifest.rows:
                raise TraceError(
                    f"has {rows} rows, and the manifest says {run.manifest.rows}", file=where
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
                self.read(run)
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
            raise TraceError(
                "the sha256 of the file is not the one in its manifest: it was truncated or "
                "altered after it was written",
                file=where,
                fix=_READ_AGAIN,
            )


def _has_nulls(fragment: ds.ParquetFileFragment) -> bool:
    """Whether the file's statistics tell of nulls in a column that may have none."""
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


def check_schema(schema: pa.Schema, file: object) -> None:
    """Raise `TraceError` unless every column of the format is there with its type.

    Text may be dictionary-encoded or plain: that is a matter of storage.
    """
    import pyarrow as pa

    for field in arrow_schema():
        if field.name not in schema.names:
            raise TraceError("the column is missing", file=file, column=field.name)
        found = schema.field(field.name).type
        expected = field.type
        if pa.types.is_dictionary(expected):
            if pa.types.is_dictionary(found):
                found = found.value_type
            fits, wanted = pa.types.is_string(found) or pa.types.is_large_string(found), "string"
        else:
            fits, wanted = found == expected, str(expected)
        if not fits:
            raise TraceError(
                f"the type is {found}, and the format has {wanted}", file=file, column=field.name
            )


def check_table(table: pa.Table, *, run_id: str, file: object) -> None:
    """Raise `TraceError` for the first row that breaks the format.

    Checked: nulls, NaN and infinity, negative steps and standard errors, foreign run_ids, and in
    each trace (one measure, task, level and layer) steps that repeat or go back.
    """
    import pyarrow.compute as pc

    if table.num_rows == 0:
        return
    for name in arrow_schema().names:
        column = table.column(name)
        if name in REQUIRED and column.null_count:
            row = int(np.argmax(pc.is_null(column).to_numpy(zero_copy_only=False)))
            raise TraceError("the value is missing (null)", file=file, column=name, row=row)

    def first(bad: np.ndarray, column: str, problem: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            shown = table.column(column)[row].as_py()
            raise TraceError(problem.format(shown), file=file, column=column, row=row)

    value = table.column("value").to_numpy()
    first(~np.isfinite(value), "value", "the value is {}; values are finite numbers")
    if table.column("stderr").null_count < table.num_rows:
        stderr = table.column("stderr")
        known = pc.is_valid(stderr).to_numpy(zero_copy_only=False)
        number = pc.fill_null(stderr, 0.0).to_numpy(zero_copy_only=False)
        first(known & ~(np.isfinite(number) & (number >= 0)), "stderr", "the value is {}")
    step = table.column("step").to_numpy()
    first(step < 0, "step", "the step is {}; steps count from 0")
    foreign = pc.not_equal(_plain(table.column("run_id")), run_id)
    first(
        foreign.to_numpy(zero_copy_only=False),
        "run_id",
        f"the run_id is {{!r}} in the file of {run_id!r}",
    )
    trace = trace_codes(table)
    order = np.argsort(trace, kind="stable")
    same = np.diff(trace[order]) == 0
    change = np.diff(step[order])
    back = np.zeros(table.num_rows, bool)
    back[order[1:]] = same & (change <= 0)
    if back.any():
        row = int(np.argmax(back))
        in_trace = step[:row][trace[:row] == trace[row]]
        key = ", ".join(f"{k}={table.column(k)[row].as_py()}" for k in KEY_COLUMNS)
        if step[row] in in_trace:
            problem = f"duplicate key: step {step[row]} of {key} is there already"
        else:
            problem = f"step {step[row]} comes after step {in_trace[-1]} of {key}"
        raise TraceError(problem, file=file, column="step", row=row)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa

    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def codes(column: pa.ChunkedArray) -> tuple[np.ndarray, list]:
    """Integer codes (rows,) of a column and the values that they stand for, null included.

    Values need not all occur.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(column.type):
        known = pc.is_valid(column).to_numpy(zero_copy_only=False)
        number = pc.fill_null(column, 0).to_numpy().astype(np.int64)
        lo, hi = (int(number.min()), int(number.max())) if len(number) else (0, 0)
        return np.where(known, number - lo, hi - lo + 1), [*range(lo, hi + 1), None]
    if pa.types.is_dictionary(column.type):
        array = column.unify_dictionaries().combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0)
        values = array.dictionary.to_pylist()
        if len(set(values)) == len(values):
            index = pc.fill_null(array.indices, len(values)).to_numpy(zero_copy_only=False)
            return index, [*values, None]
    encoded = pc.dictionary_encode(_plain(column), null_encoding="encode").combine_chunks()
    return encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


def trace_codes(table: pa.Table) -> np.ndarray:
    """One integer a row (rows,), equal for rows of the same measure, task, level and layer."""
    combined = np.zeros(table.num_rows, np.int64)
    for name in KEY_COLUMNS:
        index, values = codes(table.column(name))
        combined = combined * (len(values) + 1) + index
    return combined
