"""What a row of a recording may hold: numbers from whatever a training loop has at hand, and steps."""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from torch import Tensor

INT16, INT64 = 2**15 - 1, 2**63 - 1


class Row(NamedTuple):
    """One measurement, in the columns of the trace format."""

    step: int
    task: str | None
    level: int | None
    layer: int | None
    measure: str
    value: float
    stderr: float | None


_KINDS = (
    ("step", pa.int64()),
    ("task", pa.string()),
    ("level", pa.int16()),
    ("layer", pa.int16()),
    ("measure", pa.string()),
    ("value", pa.float64()),
    ("stderr", pa.float64()),
)


def table_of(rows: list[Row]) -> pa.Table:
    """Rows in the columns of the trace format."""
    cells = list(zip(*rows, strict=True)) or [()] * len(_KINDS)
    return pa.table(
        {name: pa.array(column, kind) for (name, kind), column in zip(_KINDS, cells, strict=True)}
    )


def number(value: Any) -> float:
    """A number as a float: of Python, of numpy, or a tensor of one element on any device.

    Raises `ValueError` for anything else: text (also that of a number), None, complex numbers, several elements.
    """
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError(f"it is a tensor of shape {tuple(value.shape)}, and no number")
        value = value.detach().item()  # one that has a gradient is not converted silently
    elif isinstance(value, np.ma.MaskedArray):
        raise ValueError("it is masked, and no number")
    elif hasattr(value, "item") and hasattr(value, "shape"):
        if math.prod(value.shape) != 1:
            raise ValueError(f"it is an array of shape {tuple(value.shape)}, and no number")
        value = value.item()
    if value is None or isinstance(value, str | bytes | bytearray | complex):
        raise ValueError(f"it is {value!r:.80}, and no number")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"it is of type {type(value).__name__}, and no number ({error})") from None


def whole(value: Any, most: int, what: str) -> int:
    """A whole number from 0 to `most`. Raises `ValueError` for anything else; 3.0 is 3."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        found = int(value) if float(value).is_integer() else operator.index(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise ValueError(f"the {what} is {value!r:.80}; it is a whole number") from None
    if not 0 <= found <= most:
        raise ValueError(f"the {what} is {found}; it is between 0 and {most}")
    return found


def step_of(value: Any) -> int:
    """A step: a whole number from 0. Raises `ValueError`."""
    return value if type(value) is int and 0 <= value <= INT64 else whole(value, INT64, "step")


def name_of(value: Any, what: str) -> str:
    """A name that can be printed. Raises `ValueError`."""
    if not (isinstance(value, str) and value.isprintable() and value.strip()):
        raise ValueError(f"the {what} is {value!r:.80}; it is a name that can be printed")
    return str(value)


def level_of(value: Any) -> int | None:
    """A level of a task, None if it has none. Raises `ValueError`."""
    return None if value is None else whole(value, INT16, "level")


def layer_of(value: Any) -> int | None:
    """A number of a layer, None for the whole model. Raises `ValueError`."""
    return None if value is None else whole(value, INT16, "layer")


def stderr_of(value: Any) -> float | None:
    """A standard error: finite and not below 0, or None. Raises `ValueError`."""
    if value is None:
        return None
    found = number(value)
    if not (math.isfinite(found) and found >= 0):
        raise ValueError(f"it is {found}; a standard error is finite and not below 0")
    return found
