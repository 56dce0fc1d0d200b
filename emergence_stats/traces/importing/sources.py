"""Files and folders that traces are imported from, each read into `Rows` by the reader of its kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.support.words import counted
from emergence_stats.traces.importing.columns import TARGETS, Rows
from emergence_stats.traces.importing.facts import Facts
from emergence_stats.traces.importing.mapping import Mapping
from emergence_stats.traces.importing.notes import COLUMNS, Notes, few
from emergence_stats.traces.importing.paths import Pattern, names, stem
from emergence_stats.traces.importing.readers import (
    lm_eval,
    mlflow,
    tables,
    tensorboard,
    trainer,
    wandb,
)
from emergence_stats.traces.importing.readers.cells import as_text, joined
from emergence_stats.traces.importing.readers.names import expression, named
from emergence_stats.traces.importing.readers.tabular.measurements import measurements
from emergence_stats.traces.importing.readers.tabular.usual import elsewhere
from emergence_stats.traces.importing.readers.tabular.view import is_value

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
    kinds, real = {}, dict[Path, Path]()
    for path in dict.fromkeys(paths):
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder")
        other = real.setdefault(path.resolve(), path)
        if other != path:
            notes.add("left out", f"{path} is the same as {other}")
            continue
        kinds[path] = how.format or _guess(path)
        if path.is_dir() and how.format is None:
            _say_others(path, kinds[path], notes)
    in_tables = [path for path, kind in kinds.items() if kind in _TABLES]
    called = names(in_tables)
    states = [path for path, kind in kinds.items() if kind == "trainer"]
    if states:
        yield from _of_tool(trainer.read(states, notes), mapping, facts, notes)
    results = [path for path, kind in kinds.items() if kind == "lm-eval"]
    if results:
        yield from _of_tool(
            lm_eval.read(results, notes, mapping.constants, mapping.where), mapping, facts, notes
        )
    events = [path for path, kind in kinds.items() if kind == "tensorboard"]
    if events:
        yield from _of_tool(tensorboard.read(events, notes), mapping, facts, notes)
    by_path = []
    for path, kind in kinds.items():
        if kind in _TABLES:
            rows = _table(path, kind, how, mapping, notes, facts, called[path])
            if "run" not in rows.columns and called[path] != stem(path):
                by_path.append(called[path])
            yield rows
        elif kind == "mlflow":
            yield from _of_tool(mlflow.read(path, notes), mapping, facts, notes)
    if by_path:
        notes.add(
            "renamed",
            f"runs without a name are called by their paths: {few(list(dict.fromkeys(by_path)))}",
        )


def _say_others(folder: Path, kind: str, notes: Notes) -> None:
    """Files of other kinds in a folder that is read as one kind."""
    tools = {
        "trainer": trainer.is_source, "tensorboard": tensorboard.is_source, "mlflow": mlflow.is_source,
        "lm-eval": lm_eval.is_source,
    }  # fmt: skip
    others = [name for name, is_source in tools.items() if name != kind and is_source(folder)]
    if others:
        notes.add(
            "left out",
            f"files of {few(others)}, beside those of {kind}: import them with --format",
            folder,
        )
    packed = [file for file in sorted(folder.rglob("*.json.*")) if tables.kind_of(file) == "json"]
    if packed and kind == "lm-eval":
        text = f"compressed files, which may be results: {few([_below(f, folder) for f in packed])}; unpack them"
        notes.add("left out", text, folder)
    found = [
        _below(file, folder)
        for file in sorted(folder.rglob("*"))
        if tables.kind_of(file) in ("csv", "parquet", "jsonl") and file.is_file()
    ]
    if found:
        notes.add("left out", f"tables beside files of {kind}: {few(found)}", folder)


def _below(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


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
    if kind == "json" and path.is_file():
        tables.check_json(path)
        return kind
    inside = (
        [file for file in sorted(path.rglob("*")) if tables.kind_of(file) and file.is_file()]
        if path.is_dir()
        else []
    )
    if inside:
        depth = len(inside[0].relative_to(path).parts)
        raise UsageError(
            f"{path}: a folder; name the tables in it, as {path}/{'*/' * (depth - 1)}*{inside[0].suffix}"
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
        unit = mapping.constants.get("step_unit")
        found = wandb.read(table, notes, mapping.columns.get("step"), unit)
        (rows,) = _of_tool(iter([found]), of_chart, facts, notes)
    else:
        rows = measurements(table, mapping, notes, beside, facts.names if facts is not None else ())
        rows.config |= {k: v for k, v in beside.items() if k not in rows.columns}
    rows.name = name
    return rows


def _has_runs_in_columns(names_: Sequence[str]) -> bool:
    return any(" - " in name for name in names_)


def _of_tool(
    found: Iterator[Rows], mapping: Mapping, facts: Facts | None, notes: Notes
) -> Iterator[Rows]:
    """Rows of a tool that knows its own columns: rows and measures chosen and renamed, constants set.

    Raises `UsageError` for what is said of tables alone.
    """
    if mapping.errors:
        raise UsageError(
            "--stderr names columns of a table, and here standard errors are the tool's own"
        )
    pattern = Pattern(mapping.path) if mapping.path else None
    missing = {
        source.rstrip("?") for source in mapping.measures.values() if not source.endswith("?")
    }
    missing = {one for one in missing if f"{one}?" not in mapping.measures.values()}
    for rows in found:
        of_path: dict[str, Any] = {
            "file": Path(rows.file).stem,
            "folder": Path(rows.file).parent.name,
        }
        told = pattern.read(Path(rows.file)) if pattern is not None else {}
        of_path |= told
        _check_events(mapping, facts)
        if mapping.where:  # by what the files say, and not by what is set instead
            rows = _where(rows, mapping.where, of_path, notes)
        columns = _columns(rows, mapping, facts, of_path, notes)
        for target, text in told.items():
            if target in TARGETS and target not in mapping.columns:
                columns[target] = [text] * len(rows)
        if "run" in mapping.constants and rows.were is None:
            rows = replace(rows, were=list(rows.columns.get("run") or [rows.name] * len(rows)))
        config = {**rows.config, **{k: v for k, v in told.items() if k not in TARGETS}}
        rows = replace(rows, columns=columns, config=config)
        if mapping.measures:
            missing -= set(rows.columns["measure"])
            rows = _measures(rows, mapping, notes)
        yield named(rows, mapping.names) if mapping.names else rows
    if missing:
        raise TraceError(f"there is no measure {few(sorted(missing))} in what was read")


def _check_events(mapping: Mapping, facts: Facts | None) -> None:
    for event, source in mapping.events.items():
        if facts is None or source not in facts.names:
            raise UsageError(
                f"--event {event}={source}: beside the files of a tool, events come from a column of the table of runs (--runs)"
            )


def _where(rows: Rows, where: dict[str, str], of_path: dict[str, Any], notes: Notes) -> Rows:
    """The rows that have these values. Raises `TraceError` for a column that is not there."""
    keep = list(range(len(rows)))
    for name, value in where.items():
        cells = rows.columns.get(name) or ([of_path[name]] * len(rows) if name in of_path else None)
        if cells is None and name == "run" and rows.name is not None:
            cells = [rows.name] * len(rows)
        if cells is None:
            there = few([*rows.columns, *of_path], COLUMNS)
            raise TraceError(
                f"there is no column {name!r} for --where; it has {there}", file=rows.file
            )
        keep = [i for i in keep if is_value(cells[i], value)]
    wanted = " and ".join(f"{name} = {value}" for name, value in where.items())
    if len(keep) < len(rows):
        notes.add(
            "left out", f"{counted(len(rows) - len(keep), 'row')} without {wanted}", rows.file
        )
    return _kept(rows, keep)


def _kept(rows: Rows, keep: Sequence[int]) -> Rows:
    columns = {target: [cells[i] for i in keep] for target, cells in rows.columns.items()}
    were = None if rows.were is None else [rows.were[i] for i in keep]
    return replace(rows, columns=columns, numbers=[rows.numbers[i] for i in keep], were=were)


def _measures(rows: Rows, mapping: Mapping, notes: Notes) -> Rows:
    """The measures that are asked for, by their new names; one that is asked for twice is there twice."""
    parts = []
    for new, source in mapping.measures.items():
        old = source.rstrip("?")
        part = _kept(rows, [i for i, name in enumerate(rows.columns["measure"]) if name == old])
        part.columns["measure"] = [new.rstrip("?")] * len(part)
        parts.append(part)
    there = dict.fromkeys(rows.columns["measure"])
    wanted = {source.rstrip("?") for source in mapping.measures.values()}
    if there and not wanted & there.keys():
        raise TraceError(
            f"there is no measure {few(sorted(wanted))}; it has {few(sorted(there), COLUMNS)}",
            file=rows.file,
        )
    others = [name for name in there if name not in wanted]
    if others:
        notes.add(
            "left out", f"measures that were not asked for: {few(others, COLUMNS)}", rows.file
        )
    return joined(parts)


def _columns(
    rows: Rows, mapping: Mapping, facts: Facts | None, of_path: dict[str, Any], notes: Notes
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
        others = dict.fromkeys(
            as_text(cell) for cell in columns.get(target, ()) if cell is not None
        )
        others.pop(value, None)
        if others and target not in ("run", "created", "step_unit"):
            text = f"{target} {few(list(others))}, as it is set to {value}"
            notes.add("left out", text, rows.file)
        columns[target] = [value] * len(rows)
    return columns
