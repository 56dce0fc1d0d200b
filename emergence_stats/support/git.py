"""What git says about a folder."""

from __future__ import annotations

import subprocess
from pathlib import Path


def revision(folder: Path) -> str | None:
    """The commit checked out in the repository of `folder`, None if there is no repository."""
    return _git(folder, "rev-parse", "HEAD") or None


def is_changed(folder: Path) -> bool:
    """Whether that repository has uncommitted changes."""
    return bool(_git(folder, "status", "--porcelain"))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
