"""Files that traces are imported from, each read into `Rows`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.traces.importing import lm_eval, tensorboard, wandb
from emergence_stats.traces.importing.columns import Rows, check_headers
from emergence_stats.traces.importing.mapping import USUAL, Mapping, expression, named

if TYPE_CHECKING:
    import pyarrow as pa

TABLES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
FORMATS = ("csv", "parquet", "jsonl", "wandb", "tensorboard", "lm-eval")


def read_sources(
    paths: Sequence[Path], format_: str | None, mapping: Mapping, facts: Facts | None = None
) -> Iterator[Rows]:
    """Measurements of files and folders, one `Rows` per file (per run for TensorBoard).

    `format_`: one of `FORMATS`, by default what the file's name and content say. Raises `UsageError`
    for a source that does not exist or is of unknown kind, `TraceError` for a fault in one.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder")
        kind = format_ or _guess(path)
        if kind == "tensorboard":
            yield from _of_tool(tensorboard.read(path), mapping, facts)
        elif kind == "lm-eval":
            yield from _of_tool(lm_eval.read(path), mapping, facts)
        elif path.is_dir():
            raise UsageError(f"{path}: a folder, but {kind} is read from files; name them")
        elif kind == "wandb":
            yield from _of_tool(
                wandb.read(read_table(path, _table_kind(path)), path), mapping, facts
            )
        else:
            table = read_table(path, kind)
            if not mapping.columns and wandb.is_export(table.column_names):
                yield from _of_tool(wandb.read(table, path), mapping, facts)
            else:
                yield mapping.apply(table, str(path), facts.names if facts is not None else ())


def _guess(path: Path) -> str:
    if path.suffix in TABLES:
        return TABLES[path.suffix]
    if tensorboard.is_source(path):
        return "tensorboard"
    if lm_eval.is_source(path):
        return "lm-eval"
    raise UsageError(
        f"{path}: neither a table ({', '.join(TABLES)}) nor event files nor results of "
        f"lm-evaluation-harness; say what it is with --format: {', '.join(FORMATS)}"
    )


def _table_kind(path: Path) -> str:
    if path.suffix not in TABLES:
        raise UsageError(f"{path}: a table ends in {', '.join(TABLES)}")
    return TABLES[path.suffix]


def read_table(path: Path, kind: str) -> pa.Table:
    """A CSV (or TSV), Parquet or JSON Lines file. Numbers keep all their digits."""
    import pyarrow as pa

    readers: dict[str, Callable[[], pa.Table]] = {
        "csv": lambda: _csv(path),
        "parquet": lambda: _parquet(path),
        "jsonl": lambda: _jsonl(path),
    }
    try:
        table = readers[kind]()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise TraceError(f"not valid {kind} ({reason})", file=path) from None
    if table.num_rows == 0:
        raise TraceError("no row", file=path)
    for field in table.schema:
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            raise TraceError(
                "holds bytes that are not text in UTF-8",
                file=path,
                column=field.name,
                fix="Write the file in UTF-8.",
            )
    return table


@dataclass(frozen=True)
class Facts:
    """What is known about runs besides their measurements: `rows` by the value of `key`, run or scale."""

    file: str
    key: str
    names: tuple[str, ...]
    rows: dict[str, dict[str, Any]]


def read_facts(path: Path, mapping: Mapping) -> Facts:
    """A table with one row per run (column run or run_id) or per scale (scale or model).

    Targets that the mapping reads from columns of this table are added to its rows.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    table = read_table(path, _table_kind(path))
    names = tuple(table.column_names)
    check_headers(names, path)
    found = ((key, name) for key in ("run", "scale") for name in USUAL[key] if name in names)
    key, column = next(found, (None, None))
    if key is None:
        wanted = ", ".join((*USUAL["run"], *USUAL["scale"]))
        raise TraceError(f"no column {wanted}; it has {', '.join(names[:30])}", file=path)
    every = table.to_pylist()
    rows: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(every):
        name = str(row[column])
        if name in rows:
            raise TraceError(f"{key} {name!r} appears twice", file=path, column=column, row=number)
        rows[name] = {k: _plain(v) for k, v in row.items() if k != column}
        for target in mapping.elsewhere((), names):
            (rows[name][target],) = expression(mapping.columns[target], _cells_of(row), [0])
    return Facts(str(path), key, names, rows)


def _cells_of(row: dict[str, Any]) -> Callable[[str], list[Any]]:
    return lambda name: [row[name]]


def _plain(value: Any) -> Any:
    """What a manifest's config can hold; a number that is not finite becomes text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _csv(path: Path) -> pa.Table:
    import pyarrow.csv as pc

    options = pc.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ",")
    # an empty cell is null; the text "nan" stays text, to be found where it is not a number
    convert = pc.ConvertOptions(null_values=[""], strings_can_be_null=True)
    return pc.read_csv(path, parse_options=options, convert_options=convert)


def _parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path).read()  # also where a column name appears twice


def _jsonl(path: Path) -> pa.Table:
    import pyarrow.json as pj

    return pj.read_json(path)


def _of_tool(found: Iterator[Rows], mapping: Mapping, facts: Facts | None) -> Iterator[Rows]:
    """Rows of a tool that knows its own columns: measures chosen and renamed, constants set."""
    wanted = {old: new for new, old in mapping.measures.items()}
    for rows in found:
        elsewhere = mapping.elsewhere(rows.columns.keys(), facts.names if facts is not None else ())
        columns = {k: list(v) for k, v in rows.columns.items()}
        for target, source in mapping.columns.items():
            if target in elsewhere:
                continue
            if source not in rows.columns:
                raise TraceError(
                    f"there is no column {source!r}; it has {', '.join(rows.columns)}",
                    file=rows.file,
                )
            columns[target] = list(rows.columns[source])
        for target, value in mapping.constants.items():
            columns[target] = [value] * len(rows)
        if wanted:
            keep = [i for i, name in enumerate(columns["measure"]) if name in wanted]
            if not keep:
                names = sorted(set(columns["measure"]))
                raise TraceError(
                    f"there is no measure {', '.join(wanted)}; it has {', '.join(names[:30])}",
                    file=rows.file,
                )
            columns = {k: [v[i] for i in keep] for k, v in columns.items()}
            columns["measure"] = [wanted[name] for name in columns["measure"]]
            rows = replace(rows, numbers=[rows.numbers[i] for i in keep])
        rows = replace(rows, columns=columns)
        yield named(rows, mapping.names) if mapping.names else rows
