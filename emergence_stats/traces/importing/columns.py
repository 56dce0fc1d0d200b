"""The columns that an import works with, and their conversion to the right types."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from emergence_stats.errors import TraceError

ROW_TARGETS = ("step", "task", "level", "layer", "measure", "value", "stderr")
RUN_TARGETS = ("run", "scale", "seed", "n_params", "n_layers", "created")
TARGETS = (*RUN_TARGETS, *ROW_TARGETS)
WHOLE = frozenset({"step", "level", "layer", "seed", "n_params", "n_layers"})
REAL = frozenset({"value", "stderr"})

_COUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmbgt]?)", re.IGNORECASE)
_FACTOR = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}


def check_headers(names: Sequence[str], file: object, used: Collection[str] | None = None) -> None:
    """Raise `TraceError` for a column name that appears twice, among those `used` (None: all)."""
    for number, name in enumerate(names):
        if name in names[:number] and (used is None or name in used):
            raise TraceError(
                "the name appears twice, so it is not clear which column is meant",
                file=file,
                column=name,
                fix="Rename one of them in the file.",
            )


@dataclass
class Rows:
    """Measurements of one file: columns of equal length by target, and where each row came from.

    `numbers`: rows in the file, counted from 0. `empty`: cells without a value, which are not
    measurements.
    """

    file: str
    columns: dict[str, list[Any]]
    numbers: list[int]
    empty: int = 0
    config: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)


def typed(target: str, cells: Sequence[Any], file: str, numbers: Sequence[int]) -> list[Any]:
    """`cells` as whole numbers, numbers or text, as the target asks; None stays None.

    Raises `TraceError` with file, column and row for a cell that is not one.
    """
    convert = _whole if target in WHOLE else _real if target in REAL else _text
    if target == "n_params":
        convert = count
    found = []
    for cell, number in zip(cells, numbers, strict=True):
        try:
            found.append(None if _is_null(cell) else convert(cell))
        except (ValueError, TypeError, OverflowError):
            kind = "a whole number" if target in WHOLE else "a number"
            kind = "a number of parameters (as 405632 or 1.4b)" if target == "n_params" else kind
            raise TraceError(
                f"{cell!r} is not {kind}", file=file, column=target, row=number
            ) from None
    return found


def _is_null(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _whole(cell: Any) -> int:
    if isinstance(cell, bool):
        raise TypeError
    number = float(cell)
    if not number.is_integer():
        raise ValueError
    return int(cell) if isinstance(cell, int) else int(number)


def _real(cell: Any) -> float:
    return float(cell)


def _text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():  # a CSV column of numbers with gaps
        return str(int(cell))
    return str(cell).strip()


def count(cell: Any) -> int:
    """A number of parameters: 70426624, "70m", "1.4B". Raises `ValueError` for anything else."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        number = float(cell)
    else:
        found = _COUNT.fullmatch(str(cell).strip())
        if found is None:
            raise ValueError(cell)
        number = float(found[1]) * _FACTOR[found[2].lower()]
    if not math.isfinite(number) or number <= 0 or abs(number - round(number)) > 1e-6 * number:
        raise ValueError(cell)
    return round(number)
