"""Columns of a trace table as arrays: integer codes for text and for nullable columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emergence_stats.traces.format import KEY_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text without dictionary encoding; other columns as they are."""
    import pyarrow as pa

    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[Any]]:
    """Integer codes (rows,) of a column and the values that they stand for, null included.

    Not every value need occur.
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
    encoded = pc.dictionary_encode(plain(column), null_encoding="encode").combine_chunks()
    return encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


def trace_codes(table: pa.Table) -> NDArray[np.int64]:
    """One integer per row (rows,), equal for rows of the same measure, task, level and layer."""
    combined = np.zeros(table.num_rows, np.int64)
    for name in KEY_COLUMNS:
        index, values = codes(table.column(name))
        combined = combined * (len(values) + 1) + index
    return combined
