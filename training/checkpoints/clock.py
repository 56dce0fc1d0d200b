"""What each measure has cost."""

from __future__ import annotations

import time


class Clock:
    """Adds to `seconds`, by measure."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds, self._last = seconds, time.monotonic()

    def lap(self, name: str) -> None:
        """Count the time since the last lap as the cost of `name`."""
        now = time.monotonic()
        self._seconds[name] = self._seconds.get(name, 0.0) + now - self._last
        self._last = now
