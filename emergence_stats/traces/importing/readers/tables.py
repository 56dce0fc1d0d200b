"""Tables: CSV, TSV, Parquet, JSON Lines and JSON records, compressed or not.

Text stays text: what a CSV file holds is a number only where a number is asked for, so that run 001 is not run 1 and
task 1.10 not task 1.1. So the standard library's readers of CSV and JSON are used, which guess no types
(docs/decisions.md, "Reading tables").
"""

from __future__ import annotations

import bz2
import csv
import gzip
import hashlib
import io
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.support.words import counted
from emergence_stats.traces.importing.notes import COLUMNS, Notes, few
from emergence_stats.traces.importing.paths import COMPRESSED
from emergence_stats.traces.importing.steps import NAMES
from emergence_stats.traces.limits import MAX_FILE_BYTES

KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
}
_DELIMITERS = ",;\t|"
_LONGEST_CELL = 2**31 - 1
# None of which is of a whole run, as its number of tokens may be.
_OF_A_ROW = frozenset(name for name in NAMES if "token" not in name)
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]*[.,]?[0-9]+|[0-9]+[.,]|[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]+)?)(?:e[+-]?[0-9]+)?[kmbgt]?\s*%?",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_INDEX = "Unnamed: "  # what pandas calls the column of an index that it wrote without a name


@dataclass
class Table:
    """Columns of one file by name, in order; `head`: what stands beside the rows; `sha256` of the file."""

    file: str
    columns: dict[str, list[Any]]
    sha256: str
    head: dict[str, Any] = field(default_factory=dict)
    decimal: str = "."
    doubled: tuple[str, ...] = ()  # names that two columns have

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def names(self) -> list[str]:
        return list(self.columns)


def kind_of(path: Path) -> str | None:
    """The kind of table that a file's name says, None for another."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return KINDS.get(suffixes[-1]) if suffixes else None


def read(
    path: Path, kind: str, notes: Notes, delimiter: str | None = None, decimal: str | None = None
) -> Table:
    """A table of `kind`: csv, parquet, jsonl or json. Raises `TraceError` for a fault in it, with its line.

    `delimiter`, `decimal`: of a CSV file; by default what its first line says, and a point.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    digest = hashlib.sha256(data).hexdigest()
    data = _decompressed(data, path)
    head: dict[str, Any] = {}
    if kind == "parquet":
        names, columns = _parquet(data, path, notes)
    else:
        text = _text(data, path)
        if kind == "csv":
            told = _SEPARATOR.match(text)  # as Excel reads it
            if told is not None:
                notes.add(
                    "left out", f"the line {told[0].strip()!r}, which names the separator", path
                )
                text, delimiter = text[told.end() :], delimiter or told[1]
            separator = delimiter or _delimiter(text, path)
            if separator != "," and delimiter is None and separator != "\t":
                notes.add("guessed", f"columns are separated by {separator!r}", path)
            names, columns = _csv(text, separator, path, notes)
            if decimal is None and separator == ";":
                decimal = _decimal(columns, path, notes)
            elif decimal == ",":
                notes.add("converted", "the comma in numbers is the decimal point", path)
        else:
            reader = {"jsonl": _jsonl, "json": _json}[kind]
            names, columns, head = reader(text, path, notes)
    if not columns or not columns[0]:
        raise TraceError("no row", file=path)
    kept, doubled = _named(names, columns, path, notes)
    return Table(str(path), kept, digest, head, decimal or ".", doubled)


def check_json(path: Path) -> None:
    """Raise `TraceError` with the reason why a JSON file is no table (records or columns), as far as its content tells."""
    _json(_text(_decompressed(path.read_bytes(), path), path), path, Notes())


# --- bytes and text ---------------------------------------------------------------------------


def _decompressed(data: bytes, path: Path) -> bytes:
    """The bytes of a compressed file, by its first bytes and not by its name. No more than the limit is ever unpacked."""
    readers: tuple[tuple[bytes, Callable[[io.BytesIO], Any]], ...] = (
        (b"\x1f\x8b", lambda stream: gzip.GzipFile(fileobj=stream)),
        (b"BZh", lambda stream: _streams(stream, bz2.BZ2Decompressor)),
        (b"\xfd7zXZ\x00", lambda stream: _streams(stream, lzma.LZMADecompressor)),
        (b"\x28\xb5\x2f\xfd", _zstd),
        (b"PK\x03\x04", _zip),
    )
    for magic, opened in readers:
        if data.startswith(magic):
            try:
                with opened(io.BytesIO(data)) as stream:
                    unpacked: bytes = stream.read(MAX_FILE_BYTES.value + 1)
            except (
                OSError,
                EOFError,
                ValueError,
                zlib.error,
                lzma.LZMAError,
                zipfile.BadZipFile,
                RuntimeError,  # a password
                NotImplementedError,  # an unknown method
            ) as error:
                raise TraceError(f"cannot be decompressed ({error})", file=path) from None
            MAX_FILE_BYTES.check("unpacked, the file has at least", len(unpacked), path)
            return unpacked
    return data


def _streams(data: io.BytesIO, decompressor: Callable[[], Any]) -> io.BytesIO:
    """What several streams one after the other hold. Python's own readers pass over what follows the first that is damaged."""
    rest, unpacked = data.getvalue(), bytearray()
    while rest.strip(b"\0"):  # with which streams may be padded
        one = decompressor()
        unpacked += one.decompress(rest, MAX_FILE_BYTES.value + 1 - len(unpacked))
        if len(unpacked) > MAX_FILE_BYTES.value:
            break
        if not one.eof:
            raise EOFError("it ends early")
        rest = one.unused_data.lstrip(b"\0")
    return io.BytesIO(bytes(unpacked))


def _zstd(data: io.BytesIO) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(data, "r"), "zstd")


def _zip(data: io.BytesIO) -> IO[bytes]:
    archive = zipfile.ZipFile(data)
    inside = [
        name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name
    ]
    if len(inside) != 1:
        raise ValueError(f"it holds {len(inside)} files; unpack it and name them")
    return archive.open(inside[0])


def _text(data: bytes, path: Path) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TraceError(
            "not UTF-8: it begins as UTF-16 does",
            file=path,
            fix="Convert it with: iconv -f UTF-16 -t UTF-8",
        )
    if b"\0" in data[:1000]:
        raise TraceError(
            "not text in UTF-8: it holds zero bytes, as UTF-16 does",
            file=path,
            fix="Convert it with: iconv -f UTF-16LE -t UTF-8",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise TraceError(
            f"not UTF-8 (line {line})", file=path, fix="Write the file in UTF-8."
        ) from None


# --- CSV --------------------------------------------------------------------------------------


def _delimiter(text: str, path: Path) -> str:
    """The separator that is most frequent in the first line that is no comment."""
    if ".tsv" in (suffix.lower() for suffix in path.suffixes):
        return "\t"
    first = next(
        (line for line in text.splitlines() if line.strip() and not line.startswith("#")), ""
    )
    bare = "".join(first.split('"')[::2])  # what is not in quotes
    return max(_DELIMITERS, key=bare.count) if any(map(bare.count, _DELIMITERS)) else ","


def _csv(text: str, delimiter: str, path: Path, notes: Notes) -> tuple[list[str], list[list[Any]]]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    names: list[str] | None = None
    columns: list[list[Any]] = []
    comments = blank = 0
    first = ""
    try:
        for cells in reader:
            if not any(cells):
                blank += len(cells) > 1
                continue
            if cells[0].startswith("#") and (names is None or len(_filled(cells)) != len(names)):
                comments += 1
                first = first or delimiter.join(cells)
            elif names is None:
                if comments and all(_NUMBER.fullmatch(cell.strip()) for cell in cells):
                    raise TraceError(
                        f"the first line that is no comment holds numbers, and {first[:40]!r} before it begins with #",
                        file=path,
                        fix="If that line has the names of columns, write it without the #.",
                    )
                names, columns = cells, [[] for _ in cells]
            else:
                if len(cells) > len(names) and not any(cells[len(names) :]):
                    cells = cells[: len(names)]
                if len(cells) != len(names):
                    raise TraceError(
                        f"line {reader.line_num} has {len(cells)} columns, and the first line has {len(names)}",
                        file=path,
                        fix="If they are not separated by "
                        f"{delimiter!r}, say --delimiter; a cell with {delimiter!r} in it stands in quotes.",
                    )
                for column, cell in zip(columns, cells, strict=True):
                    column.append(cell or None)
    except csv.Error as error:
        raise TraceError(f"not valid csv (line {reader.line_num}: {error})", file=path) from None
    if comments:
        text = f"{comments} lines that begin with # are comments, the first {first[:40]!r}"
        notes.add("left out", text, path)
    if blank:
        notes.add("left out", f"{counted(blank, 'row')} of empty cells", path)
    return names or [], columns


def _filled(cells: list[str]) -> list[str]:
    """Cells without the empty ones at the end."""
    last = max((i for i, cell in enumerate(cells) if cell), default=-1)
    return cells[: last + 1]


class UnclearPoint(TraceError):
    """Nothing in a file tells whether the comma or the point is the decimal point of its numbers."""


def _decimal(columns: Sequence[Sequence[Any]], path: Path, notes: Notes) -> str:
    """The decimal point of numbers between semicolons: a comma, if some have one and none a point.

    Raises `TraceError` if some have the one and some the other, or if all points could be those of thousands: 1.234 is then one
    number or another.
    """
    commas = points = False
    pointed: list[str] = []
    for column in columns:
        some = [cell.strip() for cell in column if isinstance(cell, str) and cell.strip()]
        if not all(
            _NUMBER.fullmatch(cell) or cell.lower() in ("nan", "inf", "-inf") for cell in some
        ):
            continue  # dates, versions and names
        for cell in some:
            if cell.lstrip("+-")[:1].isdigit():
                digits = (
                    cell.lstrip("+-").rstrip("% ").lower().replace("e-", "e").replace("e+", "e")
                )
                commas |= digits.count(",") == 1 and digits.replace(",", "").isalnum()
                points |= digits.count(".") == 1 and digits.replace(".", "").isalnum()
                pointed += [digits] if "." in digits else []
    if commas and points:
        raise UnclearPoint(
            "some numbers have a comma and some a point, so it is not clear which is the decimal point",
            file=path,
            fix="Say it with --decimal . or --decimal ,",
        )
    if pointed and all(_THOUSANDS.fullmatch(digits) for digits in pointed):
        raise UnclearPoint(
            f"the point of {pointed[0]} may be a decimal point, or one of thousands",
            file=path,
            fix="If it is a decimal point, say --decimal . else write numbers without it.",
        )
    if commas:
        notes.add("converted", "the comma in numbers is the decimal point", path)
    return "," if commas else "."


# --- JSON and Parquet -------------------------------------------------------------------------


def parse_json(text: str) -> Any:
    """What a text holds as JSON. Raises `ValueError` for anything else, also where an object has a name twice."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} appears twice in one object")
    return found


def _jsonl(
    text: str, path: Path, notes: Notes
) -> tuple[list[str], list[list[Any]], dict[str, Any]]:
    """A row a line; a line of names that begin with _ and hold objects (_meta, _summary) is about all rows."""
    rows: list[dict[str, Any]] = []
    head: dict[str, Any] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise TraceError(f"not valid jsonl (line {number}: {error})", file=path) from None
        if not isinstance(row, dict):
            raise TraceError(f"line {number} is no object", file=path)
        flat = _flat(row, path)
        if not _is_head(row, flat):
            rows.append(flat)
            continue
        other = next((name for name in flat if name in head and head[name] != flat[name]), None)
        if other is not None:
            raise TraceError(
                f"line {number} says {other} = {flat[other]!r}, and a line before it {head[other]!r}: does the file hold two runs?",
                file=path,
                fix="Import each from a file of its own.",
            )
        head.update(flat)
    if head:
        lists = [name for name, value in head.items() if isinstance(value, list)]
        kept = [name for name in head if name not in lists]
        notes.add("runs", f"of whole runs, kept in their config: {few(kept, COLUMNS)}", path)
        if lists:
            notes.add("left out", f"lists of whole runs: {few(lists, COLUMNS)}", path)
    return (*_of_records(rows), head)


def _is_head(row: dict[str, Any], flat: dict[str, Any]) -> bool:
    """Whether a line is about the run: its names begin with _ and hold objects, none of which has a step."""
    named = bool(row) and all(k.startswith("_") and isinstance(v, dict) for k, v in row.items())
    return named and not any(name.rpartition(".")[2] in _OF_A_ROW for name in flat)


def _json(text: str, path: Path, notes: Notes) -> tuple[list[str], list[list[Any]], dict[str, Any]]:
    """Records, or columns: what pandas writes with orient records, list, split or columns."""
    try:
        found = parse_json(text)
    except ValueError as error:
        lines = (
            " Are these JSON Lines? Then call the file .jsonl" if "Extra data" in str(error) else ""
        )
        raise TraceError(f"not valid json ({error}).{lines}", file=path) from None
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        return (*_of_records([_flat(row, path) for row in found]), {})
    if isinstance(found, dict) and {"columns", "data"} <= found.keys():
        if isinstance(found.get("index"), list):
            _say_index(found["index"], path, notes)
        return (*_split(found, path), {})
    if isinstance(found, dict) and found:
        values = list(found.values())
        if all(isinstance(v, list) for v in values) and len({len(v) for v in values}) == 1:
            return list(found), values, {}
        if _are_columns(values):
            _say_index(list(values[0]), path, notes)
            return list(found), [[v[row] for row in values[0]] for v in values], {}
    raise TraceError(
        "neither a list of records nor a table of columns, and no results of lm-evaluation-harness",
        file=path,
    )


def _say_index(index: Sequence[Any], path: Path, notes: Notes) -> None:
    """An index that is more than a count of rows: nothing says what it is of."""
    if [str(one) for one in index] != [str(i) for i in range(len(index))]:
        text = f"the index of its rows, which has no name: {few([repr(one) for one in index])}"
        notes.add("left out", text, path)


def _split(found: dict[str, Any], path: Path) -> tuple[list[str], list[list[Any]]]:
    """Names of columns, and rows as lists. Raises `TraceError` for a row of another length."""
    if not isinstance(found["columns"], list) or not isinstance(found["data"], list):
        raise TraceError("columns and data are not lists", file=path)
    names = [str(name) for name in found["columns"]]
    for number, row in enumerate(found["data"]):
        if not isinstance(row, list) or len(row) != len(names):
            cells = len(row) if isinstance(row, list) else "no"
            raise TraceError(
                f"the row has {cells} cells, and there are {len(names)} columns",
                file=path,
                row=number,
            )
    return names, [list(column) for column in zip(*found["data"], strict=True)] or [
        [] for _ in names
    ]


def _are_columns(values: Sequence[Any]) -> bool:
    """Whether these are objects with the same names and no objects in them: cells by row, as pandas writes columns."""
    return all(isinstance(v, dict) and v.keys() == values[0].keys() for v in values) and not any(
        isinstance(cell, dict) for v in values for cell in v.values()
    )


def _of_records(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [[row.get(name) for row in rows] for name in names]


def _flat(row: dict[str, Any], path: Path, before: str = "") -> dict[str, Any]:
    """Nested objects as columns with a dot in their names. Raises `TraceError` where that makes one name of two."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        whole = f"{before}{name}"
        parts = _flat(value, path, f"{whole}.") if isinstance(value, dict) else {whole: value}
        twice = found.keys() & parts.keys()
        if twice:
            raise TraceError(
                f"{min(twice)!r} is a name and an object with a part of that name", file=path
            )
        found |= parts
    return found


def _parquet(data: bytes, path: Path, notes: Notes) -> tuple[list[str], list[list[Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(
            pa.BufferReader(data)
        ).read()  # also where a column name appears twice
        while any(pa.types.is_struct(one.type) for one in table.schema):
            table = table.flatten()
    except (pa.ArrowException, OSError) as error:
        raise TraceError(f"not valid parquet ({str(error).splitlines()[0]})", file=path) from None
    for one in table.schema:
        if pa.types.is_binary(one.type) or pa.types.is_large_binary(one.type):
            raise TraceError(
                "holds bytes that are not text in UTF-8",
                file=path,
                column=one.name,
                fix="Write it as text.",
            )
    names, columns = table.column_names, [column.to_pylist() for column in table.columns]
    for index in _ranges(table.schema.pandas_metadata, table.num_rows):
        if index["name"] is None:
            _say_index(index["cells"], path, notes)
        else:
            names, columns = [str(index["name"]), *names], [index["cells"], *columns]
    return names, columns


def _ranges(metadata: Any, n: int) -> list[dict[str, Any]]:
    """Indices of pandas that are ranges of numbers, which it writes into the file's metadata alone."""
    found = []
    for one in (metadata or {}).get("index_columns", ()):
        if isinstance(one, dict) and one.get("kind") == "range":
            cells = list(range(one["start"], one["stop"], one["step"]))
            if len(cells) == n:
                found.append({"name": one.get("name"), "cells": cells})
    return found


def _named(
    names: Sequence[str], columns: Sequence[list[Any]], path: Path, notes: Notes
) -> tuple[dict[str, list[Any]], tuple[str, ...]]:
    """Columns by their names without spaces around them, without an index that has no name; names that are twice there."""
    kept: dict[str, list[Any]] = {}
    doubled = []
    for raw, column in zip(names, columns, strict=True):
        name = raw.strip()
        if name != raw and name:
            notes.add("renamed", f"column {raw!r} is {name!r}", path)
        if not name or name.startswith((_INDEX, "__index_level_")):
            notes.add("left out", f"column {raw!r} is an index without a name", path)
        elif name in kept:
            doubled.append(name)
        else:
            kept[name] = column
    return kept, tuple(doubled)
