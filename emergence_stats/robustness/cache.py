"""Values of units kept between calls, keyed by content: the runs' bytes and the source.

Nothing in it has to be trusted: an entry that is missing or does not parse is computed again. A
changed byte in a run, in the hypothesis or in what it rests on changes the keys.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from emergence_stats.claims.registration import digest
from emergence_stats.hypothesis import Count
from emergence_stats.support.files import write_whole


def default_folder() -> Path:
    """``$XDG_CACHE_HOME/emergence-stats``, by default below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emergence-stats"


class ValueCache:
    """A file for each unit and source; `folder` None keeps nothing."""

    def __init__(self, folder: Path | None, source: dict[str, str]) -> None:
        self._folder = folder
        self._source = digest(source)

    def _path(self, runs: list[str]) -> Path | None:
        if self._folder is None:
            return None
        name = digest({"source": self._source, "runs": runs})
        return self._folder / "values" / name[:2] / f"{name}.json"

    def read(self, runs: list[str]) -> dict[str, Any]:
        """Values of the unit of these runs (sha256 each) by request, None where undefined."""
        path = self._path(runs)
        try:
            found = json.loads(path.read_text("utf-8")) if path is not None else {}
            return {k: Count(*v) if isinstance(v, list) else v for k, v in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def write(self, runs: list[str], values: dict[str, Any]) -> None:
        path = self._path(runs)
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(values))
        except OSError:
            pass  # a cache that cannot be written is slow, not an error
