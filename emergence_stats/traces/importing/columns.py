"""The columns that an import works with, and their conversion to the right types."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from emergence_stats.errors import TraceError
from emergence_stats.support.numerals import decimal_number
from emergence_stats.traces.importing import steps

ROW_TARGETS = ("step", "task", "level", "layer", "measure", "value", "stderr")
RUN_TARGETS = ("run", "scale", "seed", "n_params", "n_layers", "created", "step_unit")
TARGETS = (*RUN_TARGETS, *ROW_TARGETS)
WHOLE = frozenset({"level", "layer", "seed", "n_layers"})
REAL = frozenset({"value", "stderr"})

_COUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmbgt]?)", re.IGNORECASE)
_IN_WORDS = {
    **dict.fromkeys(WHOLE, "a whole number"),
    **dict.fromkeys(REAL, "a number"),
    "task": "a name that can be printed",
    "measure": "a name that can be printed",
    "step": "a whole number of steps (10, 50K, step1000)",
    "n_params": "a number of parameters (as 405632 or 1.4b)",
    "step_unit": f"one of {', '.join(steps.UNITS)}",
}
TRUTH = {"true": 1.0, "false": 0.0}
EMPTY = frozenset({"", "n/a", "na", "null", "none"})  # NaN is a value that is not finite

# Of one run: by event, for each (task, level) the recorded step, None where it never came.
RecordedEvents = dict[str, dict[tuple[str | None, int | None], int | None]]


@dataclass
class Rows:
    """Measurements of one file: columns of equal length by target, and where each row came from.

    `numbers`: rows in the file, counted from 0. `empty`: cells without a value, which are not measurements.
    `name`: what a run is called that has no name in the file. `sha256` of the file. `checkpoints`: one of many
    files of a training, each with its own steps. `later`: of two values at one step, which counts: "same" the later
    one, "restart" the later one, and what came before it at later steps does not count either; None: neither. `timed`: rows are
    numbered in the order in which they were written, those of all measures together.
    """

    file: str
    columns: dict[str, list[Any]]
    numbers: list[int]
    empty: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    sha256: str | None = None
    checkpoints: bool = False
    later: str | None = None
    timed: bool = False
    events: dict[str, RecordedEvents] = field(default_factory=dict)
    signed: frozenset[str] = frozenset()  # measures whose cells have percent signs
    were: list[Any] | None = (
        None  # of which runs the rows are by the file, where another name is set for all
    )

    def __len__(self) -> int:
        return len(self.numbers)


def typed(
    target: str, cells: Sequence[Any], file: str, numbers: Sequence[int], decimal: str = "."
) -> list[Any]:
    """`cells` as whole numbers, numbers or text, as the target asks; None stays None.

    Raises `TraceError` with file, column and row for a cell that is not one.
    """
    convert = _converter(target, decimal)
    found = []
    for cell, number in zip(cells, numbers, strict=True):
        try:
            found.append(None if is_empty(cell, target) else convert(cell))
        except (ValueError, TypeError, OverflowError):
            raise TraceError(
                f"{_shown(cell)} is not {_IN_WORDS.get(target, 'a name')}{_perhaps(cell, decimal)}",
                file=file,
                column=target,
                row=number,
            ) from None
    return found


def _shown(cell: Any) -> str:
    """The beginning of a cell; of a number with thousands of digits, that it is one."""
    try:
        text = str(cell)
    except ValueError:
        return "a number of thousands of digits"
    return repr(text[:60].encode("utf-8", "replace").decode())


def _perhaps(cell: Any, decimal: str) -> str:
    """Why a number may not be read as one."""
    if not isinstance(cell, str):
        return ""
    if decimal == "," and re.fullmatch(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]+)?", cell.strip()):
        return ": the comma is the decimal point, so that a point would be one of thousands; write the number without"
    if decimal == "." and re.fullmatch(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?", cell.strip()):
        return ": write it without commas between thousands"
    if re.fullmatch(r"[+-]?[0-9]+(?:_[0-9]+)+(?:\.[0-9]+)?", cell.strip()):
        return ": write it without underscores"
    if not cell.isascii() and re.fullmatch(r"\s*[+-]?\d+(?:\.\d+)?\s*", cell):
        return ": write it with the digits 0 to 9"
    return ""


def _converter(target: str, decimal: str) -> Callable[[Any], Any]:
    if target == "step":
        return lambda cell: steps.read(cell, None, decimal)[0]
    if target == "step_unit":
        return _unit
    if target == "n_params":
        return count
    if target in WHOLE:
        return _whole
    if target in REAL:
        return lambda cell: number_in(cell, decimal)
    return _printed if target in ("task", "measure") else _text


def is_empty(cell: Any, target: str = "value") -> bool:
    """Whether a cell holds nothing; the names of a run or task are text, whatever they say."""
    if cell is None:
        return True
    if isinstance(cell, float) and math.isnan(cell):
        return target in (
            "run",
            "scale",
            "task",
            "measure",
            "seed",
            "level",
            "layer",
        )  # as pandas writes a gap
    if isinstance(cell, str):
        text = cell.strip()
        return not text or (
            target not in ("run", "scale", "task", "measure") and text.lower() in EMPTY
        )
    return False


def _whole(cell: Any) -> int:
    if isinstance(cell, bool):
        raise TypeError
    if isinstance(cell, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", cell):
        return int(cell)  # which a float rounds beyond 2**53
    number = decimal_number(cell) if isinstance(cell, str) else float(cell)
    if not number.is_integer():
        raise ValueError
    return int(cell) if isinstance(cell, int) else int(number)


def number_in(cell: Any, decimal: str = ".") -> float:
    """A number, or a percentage as a share of 1; `decimal`: its point. Raises `ValueError` or `TypeError` for anything else."""
    if isinstance(cell, bool):
        return float(cell)
    if isinstance(cell, str):
        text = cell.strip()
        if text.endswith("%"):
            if text[:-1].rstrip().endswith("%"):
                raise ValueError(cell)
            return number_in(text[:-1], decimal) / 100
        if text.lower() in TRUTH:
            return TRUTH[text.lower()]
        if decimal == ",":
            if "." in text:  # of thousands, perhaps
                raise ValueError(cell)
            text = text.replace(",", ".")
        return decimal_number(text)
    try:
        return float(cell)
    except OverflowError:
        raise ValueError("a whole number that is too large") from None


def listed(cell: Any, decimal: str = ".") -> list[float] | None:
    """The numbers of a cell that is a list, as such or as text ("[0.1, 0.2]"); None for another cell."""
    if isinstance(cell, str) and cell.strip()[:1] == "[" and cell.strip()[-1:] == "]":
        inner = cell.strip()[1:-1].replace(";", " ")
        cell = (inner if decimal == "," else inner.replace(",", " ")).split()
    if isinstance(cell, list | tuple):
        try:
            return [number_in(one, decimal) for one in cell]
        except (TypeError, ValueError):
            return None
    return None


def _unit(cell: Any) -> str:
    words = str(cell).strip().lower().replace("_", " ")
    unit = steps.IN_OTHER_WORDS.get(words, words)
    if unit not in steps.UNITS:
        raise ValueError(cell)
    return unit


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return json.dumps(cell)
    if isinstance(cell, float) and cell.is_integer():  # a column of whole numbers with gaps
        return str(int(cell))
    text = str(cell).strip()
    text.encode("utf-8")  # half of a surrogate pair cannot be written
    return text


def _printed(cell: Any) -> str:
    text = _text(cell)
    if not text.isprintable():
        raise ValueError(cell)
    return text


def count(cell: Any) -> int:
    """A number of parameters: 70426624, "70m", "1.4B". Raises `ValueError` for anything else."""
    if re.fullmatch(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+", str(cell).strip()):  # of thousands, perhaps
        raise ValueError(cell)
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        number = float(cell)
    else:
        found = _COUNT.fullmatch(str(cell).strip())
        number = decimal_number(str(cell)) if found is None else steps.times(found[1], found[2])
    if not math.isfinite(number) or number <= 0 or abs(number - round(number)) > 1e-6 * number:
        raise ValueError(cell)
    return round(number)
