"""Files and folders that traces are imported from, each read into `Rows` by the reader of its kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.traces.importing.columns import Rows
from emergence_stats.traces.importing.facts import Facts
from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.notes import Notes, few
from emergence_stats.traces.importing.paths import Pattern, names, stem
from emergence_stats.traces.importing.readers import (
    lm_eval,
    mlflow,
    tables,
    tensorboard,
    trainer,
    wandb,
)
from emergence_stats.traces.importing.readers.measurements import (
    elsewhere,
    expression,
    measurements,
    named,
)

FORMATS = (
    "csv",
    "parquet",
    "jsonl",
    "json",
    "wandb",
    "tensorboard",
    "lm-eval",
    "trainer",
    "mlflow",
)
_TABLES = frozenset(("csv", "parquet", "jsonl", "json", "wandb"))


@dataclass(frozen=True)
class Reading:
    """How files are read beside the mapping: their format, and the delimiter and decimal point of CSV files."""

    format: str | None = None
    delimiter: str | None = None
    decimal: str | None = None


def read_sources(
    paths: Sequence[Path],
    how: Reading,
    mapping: Mapping,
    notes: Notes,
    facts: Facts | None = None,
) -> Iterator[Rows]:
    """Measurements of files and folders, one `Rows` per file (per run for TensorBoard).

    Raises `UsageError` for a source that does not exist or is of unknown kind, `TraceError` for a fault in one.
    """
    kinds = {}
    for path in dict.fromkeys(paths):
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder")
        kinds[path] = how.format or _guess(path)
    in_tables = [path for path, kind in kinds.items() if kind in _TABLES]
    called = names(in_tables)
    by_path = [called[path] for path in in_tables if called[path] != stem(path)]
    if by_path:
        notes.add("renamed", f"runs without a name are called by their paths: {few(by_path)}")
    states = [path for path, kind in kinds.items() if kind == "trainer"]
    if states:
        yield from _of_tool(trainer.read(states, notes), mapping, facts)
    for path, kind in kinds.items():
        if kind in _TABLES:
            yield _table(path, kind, how, mapping, notes, facts, called[path])
        elif kind != "trainer":
            yield from _of_tool(_read_tool(path, kind, mapping, notes), mapping, facts)


def _read_tool(path: Path, kind: str, mapping: Mapping, notes: Notes) -> Iterator[Rows]:
    if kind == "tensorboard":
        return tensorboard.read(path, notes)
    if kind == "mlflow":
        return mlflow.read(path, notes)
    return lm_eval.read(path, notes, mapping.constants.get("step_unit"))


def _guess(path: Path) -> str:
    kind = tables.kind_of(path)
    if path.is_file() and kind is not None and kind != "json":
        return kind
    if trainer.is_source(path):
        return "trainer"
    if tensorboard.is_source(path):
        return "tensorboard"
    if mlflow.is_source(path):
        return "mlflow"
    if lm_eval.is_source(path):
        return "lm-eval"
    if kind == "json" and tables.is_table(path):
        return kind
    inside = (
        [file.name for file in sorted(path.iterdir()) if tables.kind_of(file)]
        if path.is_dir()
        else []
    )
    if inside:
        raise UsageError(
            f"{path}: a folder; name the tables in it, as {path}/*{Path(inside[0]).suffix}"
        )
    raise UsageError(
        f"{path}: neither a table ({', '.join(tables.KINDS)}, compressed or not) nor event files, trainer_state.json, "
        f"files of MLflow or results of lm-evaluation-harness; say what it is with --format: {', '.join(FORMATS)}"
    )


def _table(
    path: Path,
    kind: str,
    how: Reading,
    mapping: Mapping,
    notes: Notes,
    facts: Facts | None,
    name: str,
) -> Rows:
    if path.is_dir():
        raise UsageError(f"{path}: a folder, but {kind} is read from files; name them")
    beside: dict[str, Any] = dict(Pattern(mapping.path).read(path)) if mapping.path else {}
    of_file = tables.kind_of(path) if kind == "wandb" else kind
    if of_file is None:
        raise UsageError(f"{path}: a table ends in {', '.join(tables.KINDS)}")
    table = tables.read(path, of_file, notes, how.delimiter, how.decimal)
    # A chart has a run a column, unless it is said which column is what.
    said = {"run", "measure", "value"} & {*mapping.columns, *mapping.constants}
    charted = wandb.is_chart([*table.names, *table.doubled]) and not said
    if charted or (kind == "wandb" and _has_runs_in_columns(table.names)):
        of_chart = replace(
            mapping, columns={k: v for k, v in mapping.columns.items() if k != "step"}
        )
        found = wandb.read(table, notes, mapping.columns.get("step"))
        (rows,) = _of_tool(iter([found]), of_chart, facts)
    else:
        rows = measurements(table, mapping, notes, beside, facts.names if facts is not None else ())
        rows.config |= {k: v for k, v in beside.items() if k not in rows.columns}
    rows.name = name
    return rows


def _has_runs_in_columns(names_: Sequence[str]) -> bool:
    return any(" - " in name for name in names_)


def _of_tool(found: Iterator[Rows], mapping: Mapping, facts: Facts | None) -> Iterator[Rows]:
    """Rows of a tool that knows its own columns: measures chosen and renamed, constants set."""
    pattern = Pattern(mapping.path) if mapping.path else None
    wanted = {old.rstrip("?"): new.rstrip("?") for new, old in mapping.measures.items()}
    for rows in found:
        of_path: dict[str, Any] = {
            "file": Path(rows.file).stem,
            "folder": Path(rows.file).parent.name,
        }
        if pattern is not None:
            of_path |= pattern.read(Path(rows.file))
        columns = _columns(rows, mapping, facts, of_path)
        if pattern is not None:
            for target in ("run", "scale", "seed", "n_params", "n_layers"):
                if target in of_path and target not in mapping.columns:
                    columns[target] = [of_path[target]] * len(rows)
        if wanted:
            keep = [i for i, name in enumerate(columns["measure"]) if name in wanted]
            if not keep:
                there = sorted(set(columns["measure"]))
                raise TraceError(
                    f"there is no measure {', '.join(wanted)}; it has {', '.join(there[:30])}",
                    file=rows.file,
                )
            columns = {k: [v[i] for i in keep] for k, v in columns.items()}
            columns["measure"] = [wanted[name] for name in columns["measure"]]
            rows = replace(rows, numbers=[rows.numbers[i] for i in keep])
        rows = replace(rows, columns=columns)
        yield named(rows, mapping.names) if mapping.names else rows


def _columns(
    rows: Rows, mapping: Mapping, facts: Facts | None, of_path: dict[str, Any]
) -> dict[str, list[Any]]:
    """The tool's columns, with those that the mapping names or sets."""
    known = [*rows.columns, *of_path]
    absent = elsewhere(mapping, known, facts.names if facts is not None else ())
    columns = {k: list(v) for k, v in rows.columns.items()}

    def cells(name: str) -> list[Any]:
        if name in rows.columns:
            return rows.columns[name]
        if name in of_path:
            return [of_path[name]] * len(rows)
        raise TraceError(f"there is no column {name!r}; it has {few(known)}", file=rows.file)

    for target, source in mapping.columns.items():
        if target not in absent:
            columns[target] = expression(source, cells, range(len(rows)))
    for target, value in mapping.constants.items():
        columns[target] = [value] * len(rows)
    return columns
