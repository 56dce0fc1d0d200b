"""Numbers as reports write them."""

from __future__ import annotations

_NOTHING = 1e-9  # an end of an exact interval may be 1e-134, which says no more than 0


def number(value: float | None) -> str:
    """Three digits; what differs from 0 by nothing that matters is 0, and None is a dash."""
    if value is None:
        return "-"
    return "0" if abs(value) < _NOTHING else f"{value:.3g}"
