"""The training backend, if it is installed: the only place in this package that imports it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from emergence_stats.errors import UsageError

_NEEDED = ("emergence_training", "torch", "filelock")


def trainable_suites() -> Collection[str]:
    """Names of the suites that it declares, none if it is not installed."""
    if find_spec("emergence_training") is None:
        return ()
    from emergence_training.suites import SUITES

    return SUITES.keys()


def can_be_collected(suite: str) -> bool:
    """Whether the backend trains runs of a suite, so that `collect` can be advised."""
    return suite in trainable_suites()


def suite_named(name: str) -> Any:
    """A declared suite. Raises `UsageError` with the known names for an unknown one."""
    from emergence_training.collect import suite_named

    return suite_named(name)


def check_installed() -> None:
    """Raise `UsageError` if training is not possible here."""
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    if lacking:
        raise UsageError(
            f"collect needs {' and '.join(lacking)}, which the extra `training` provides; "
            "install it with: pip install 'emergence-stats[training]' (in a clone '.[training]', of a wheel 'FILE.whl[training]')"
        )


def collect_runs(
    folder: str,
    suite: Any,
    scales: Sequence[str] | None,
    seeds: Sequence[int] | None,
    *,
    device: str,
    jobs: int | None,
) -> int:
    """Train the runs of a suite that a folder lacks, and return how many were written."""
    from emergence_training.collect import collect, missing_runs

    todo = missing_runs(Path(folder), suite, scales, seeds)
    return collect(folder, suite, todo, device=device, jobs=jobs) if todo else 0
