"""What a page says about how it was made."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from emergence_stats.support.git import is_changed, revision

_PACKAGES = ("emergence-stats", "numpy", "scipy", "pyarrow", "matplotlib")


@dataclass(frozen=True)
class Provenance:
    """`made` in UTC; `revision`: of the project's repository, None where there is none."""

    command: str
    made: str
    store: str
    revision: str | None
    versions: dict[str, str]

    @classmethod
    def now(cls, root: Path, store: str, arguments: Sequence[str] | None = None) -> Provenance:
        """The provenance of a page made now. `root`: the project's folder; `store` is named relative to it."""
        path = Path(store)
        if path.is_absolute() and path.is_relative_to(root):
            store = path.relative_to(root).as_posix()
        return cls(
            command=shlex.join(
                ["emergence-stats", *(sys.argv[1:] if arguments is None else arguments)]
            ),
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            store=store,
            revision=_revision(root),
            versions={
                "Python": platform.python_version(),
                **{name: version(name) for name in _PACKAGES},
            },
        )


def _revision(root: Path) -> str | None:
    head = revision(root)
    if head is None:
        return None
    return f"{head[:12]}, with changes" if is_changed(root) else head[:12]
