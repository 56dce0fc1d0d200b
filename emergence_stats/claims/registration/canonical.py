"""JSON with one spelling, and its digest."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no spaces, NFC. Raises `ValueError` for NaN or infinity."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return unicodedata.normalize("NFC", text)


def digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()
