"""What stands in names: of columns, by a form with places; of measures, by a pattern with groups."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.traces.importing.columns import Rows, typed
from emergence_stats.traces.importing.readers.cells import as_text

PLACE = re.compile(r"\{([^{}]*)\}")
IN_NAME = re.compile(r"\{(task|level|layer)((?:[+-][0-9]+)?)\}")


def loosely(name: str) -> str:
    """A name of a column without what writers differ in: capitals, and what stands between words."""
    return re.sub(r"[\s_.-]+", "_", name.strip()).lower()


def matching(
    names: Sequence[str], measure: str, form: str
) -> list[tuple[str, str, dict[str, Any]]]:
    """Columns of a form, as sink_l{layer+1} or eval/*/acc; ``*`` in the measure is what it stands for."""
    moved: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        moved[match[1]] = int(match[2] or 0)
        return f"(?P<{match[1]}>{'[0-9]+' if match[1] != 'task' else '.+?'})"

    pieces = re.split(r"(\{[^{}]*\}|\*)", form)
    pattern = "".join(
        "(.+)"
        if piece == "*"
        else IN_NAME.sub(place, piece)
        if piece[:1] == "{"
        else re.escape(piece)
        for piece in pieces
    )
    found = []
    for name in names:
        match = re.fullmatch(pattern, name)
        if match is None:
            continue
        values = {
            target: text if target == "task" else int(text) + moved[target]
            for target, text in match.groupdict().items()
        }
        stars = [
            text
            for i, text in enumerate(match.groups(), 1)
            if i not in match.re.groupindex.values()
        ]
        found.append((measure.replace("*", stars[0]) if stars else measure, name, values))
    return found


def expression(source: str, column: Callable[[str], list[Any]], keep: Sequence[int]) -> list[Any]:
    """Cells of a column, or of a text with ``{column}`` in it."""
    places = PLACE.findall(source)
    if not places:
        cells = column(source)
        return [cells[i] for i in keep]
    used = {name: column(name) for name in places}
    return [PLACE.sub(lambda m: as_text(used[m[1]][i]), source) for i in keep]  # noqa: B023


def named(rows: Rows, pattern: str) -> Rows:
    """Task, level, layer and measure read from each measure's name; a name without match stays.

    Raises `TraceError` where two names become the same.
    """
    compiled = re.compile(pattern)
    columns = {k: list(v) for k, v in rows.columns.items()}
    for target in ("task", "level", "layer"):
        if target in compiled.groupindex:
            columns.setdefault(target, [None] * len(rows))
    for i, name in enumerate(rows.columns["measure"]):
        found = compiled.fullmatch(name)
        if found is None:
            continue
        for target, text in found.groupdict().items():
            if text is None:
                continue
            (value,) = typed(target, [text], rows.file, [rows.numbers[i]])
            before = rows.columns.get(target, [None] * len(rows))[i]
            if target != "measure" and before not in (None, value):
                raise TraceError(
                    f"{target} is {before!r} in its column, and {value!r} by --names",
                    file=rows.file,
                    column=target,
                    row=rows.numbers[i],
                    fix="Leave the group out of --names, or set the column with --column.",
                )
            columns[target][i] = value
    _check_apart(rows, columns)
    return replace(rows, columns=columns)


def _check_apart(rows: Rows, columns: dict[str, list[Any]]) -> None:
    keys = [columns.get(target) for target in ("measure", "task", "level", "layer")]
    old = [rows.columns.get(target) for target in ("measure", "task", "level", "layer")]
    seen: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for i in range(len(rows)):
        key = tuple(cells[i] if cells is not None else None for cells in keys)
        before = tuple(cells[i] if cells is not None else None for cells in old)
        if seen.setdefault(key, before) != before:
            raise TraceError(
                f"--names makes one trace of {seen[key][0]!r} and {before[0]!r}",
                file=rows.file,
                fix="Let a group (task, level, layer or measure) hold what tells them apart.",
            )
