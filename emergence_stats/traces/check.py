"""Check that a table follows the trace format; errors name the file, column and row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emergence_stats.core.runs import KEY_COLUMNS, plain, trace_codes
from emergence_stats.errors import TraceError
from emergence_stats.traces.format import REQUIRED, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa


def check_schema(schema: pa.Schema, file: object) -> None:
    """Raise `TraceError` unless every column of the format is present with its type.

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
                f"the type is {found}, but the format has {wanted}", file=file, column=field.name
            )


def check_table(table: pa.Table, *, run_id: str, file: object) -> None:
    """Raise `TraceError` for the first row that breaks the format.

    Checked: nulls, NaN and infinity, negative steps, levels, layers and standard errors, foreign run_ids, and in
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

    _check_names(table, file)

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
    for name in ("level", "layer"):
        index = pc.fill_null(table.column(name), 0).to_numpy(zero_copy_only=False)
        first(
            index < 0,
            name,
            "the value is {}; it counts from 0, and is missing (null) where there is none",
        )
    foreign = pc.not_equal(plain(table.column("run_id")), run_id)
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
            problem = f"duplicate key: step {step[row]} of {key} already exists"
        else:
            problem = f"step {step[row]} comes after step {in_trace[-1]} of {key}"
        raise TraceError(problem, file=file, column="step", row=row)


def _check_names(table: pa.Table, file: object) -> None:
    """Raise `TraceError` for a task or measure that cannot be printed as it is."""
    import pyarrow.compute as pc

    for name in ("task", "measure"):
        for text in pc.unique(plain(table.column(name))).to_pylist():
            if text is not None and not (text.isprintable() and text.strip()):
                row = pc.index(plain(table.column(name)), text).as_py()
                raise TraceError(
                    f"{text!r} is not a name that can be printed", file=file, column=name, row=row
                )
