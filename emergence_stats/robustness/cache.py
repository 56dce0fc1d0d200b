"""Values of units kept between calls, keyed by all that decides them: the runs' bytes, the source, this
package and the libraries that compute.

An entry that is missing, does not parse, or lies in a folder that somebody else could write to, is computed
again. A changed byte in a run, in the hypothesis or in what it rests on changes the keys. Whoever can write
the user's own files could still put a value here, so nothing that is recorded rests on the cache.
"""

from __future__ import annotations

import json
import math
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from emergence_stats.claims.registration import digest
from emergence_stats.core.plan import Count
from emergence_stats.support.files import write_whole


def default_folder() -> Path:
    """``$XDG_CACHE_HOME/emergence-stats``, by default below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emergence-stats"


def _private(folder: Path | None) -> Path | None:
    """The folder, made for the user alone; None if it is not the user's, or others may write to it."""
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.stat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return None
    return folder


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("emergence-stats", "numpy", "scipy")}


class ValueCache:
    """A file for each unit and source; `folder` None keeps nothing."""

    def __init__(self, folder: Path | None, source: dict[str, str]) -> None:
        self._folder = _private(folder)
        self._source = digest({"source": source, "versions": _versions()})

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
            return {key: _value(value) for key, value in found.items()}
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


def _value(kept: Any) -> Any:
    """A value as an estimate may give it. Raises `ValueError` or `TypeError` for anything else."""
    if kept is None:
        return None
    if isinstance(kept, list):
        successes, trials = map(float, kept)  # of two
        if not 0 <= successes <= trials or not trials > 0:
            raise ValueError(kept)
        return Count(successes, trials)
    if isinstance(kept, bool) or not isinstance(kept, float | int) or not math.isfinite(kept):
        raise ValueError(kept)
    return float(kept)
