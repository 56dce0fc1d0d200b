"""Numbers in text, as other tools write them."""

from __future__ import annotations

import re

_DECIMAL = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE
)


def decimal_number(text: str) -> float:
    """A decimal number, NaN or an infinity, in ASCII. Raises `ValueError` for anything else.

    Python's `float` takes more: underscores between digits, of which nobody knows whether they separate thousands, and
    the digits of every script.
    """
    text = text.strip()
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError(text)
    return float(text)
