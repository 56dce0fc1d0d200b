"""What git says about a folder."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_PATIENCE = 20  # seconds
# What a user may have set otherwise, and what would then be read wrongly.
_SETTINGS = (
    "log.follow=false", "log.showRoot=true", "log.showSignature=false", "log.mailmap=false", f"diff.orderFile={os.devnull}",
    "i18n.logOutputEncoding=UTF-8", "core.quotePath=false", "color.ui=false",
)  # fmt: skip


def revision(folder: Path) -> str | None:
    """The commit checked out in the repository of `folder`, None if there is no repository."""
    return _git(folder, "rev-parse", "HEAD") or None


def is_changed(folder: Path) -> bool:
    """Whether that repository has uncommitted changes."""
    return bool(_git(folder, "status", "--porcelain"))


@dataclass(frozen=True)
class Version:
    """A file as one commit left it: `content` None if the commit removed it. `date`: of the commit, ISO 8601."""

    commit: str
    date: str
    content: bytes | None


class History:
    """The commits that lead to the one checked out, for files of one folder whose name ends in `suffix`.

    With `names`, only files of these names, anywhere in the repository: a folder may have been renamed. Read once, when first asked for. Empty where there is no folder or repository, git is not installed, or takes too long
    (`is_known`).
    """

    def __init__(
        self,
        folder: Path | None = None,
        suffix: str = "",
        names: Collection[str] | None = None,
    ) -> None:
        self._folder, self._suffix = folder, suffix
        self._names = None if names is None else frozenset(names)
        self._held: dict[str, bool] = {}

    @cached_property
    def is_known(self) -> bool:
        """Whether there is a repository with at least one commit, and git told of it."""
        return self._log is not None

    @property
    def is_unreadable(self) -> bool:
        """Whether the folder lies in what looks like a repository, but git does not tell of it."""
        if self._folder is None or self.is_known:
            return False
        above = (self._folder, *self._folder.parents)
        return any((folder / ".git").exists() for folder in above) and not self._is_empty

    @cached_property
    def _is_empty(self) -> bool:
        """Whether the repository has no commit yet."""
        inside = _git(self._folder, "rev-parse", "--git-dir") is not None
        return inside and _git(self._folder, "rev-parse", "--verify", "HEAD") is None

    @cached_property
    def top(self) -> str | None:
        """The folder of the repository."""
        return _git(self._folder, "rev-parse", "--show-toplevel") if self.is_known else None

    @cached_property
    def is_shallow(self) -> bool:
        """Whether the clone lacks older commits, so that nothing can be said about them."""
        return _git(self._folder, "rev-parse", "--is-shallow-repository") == "true"

    def holds(self, commit: str) -> bool:
        """Whether a commit is one of these; of a shallow clone no answer but True means anything."""
        return self.is_before(commit, "HEAD")

    def is_before(self, one: str, other: str) -> bool:
        """Whether a commit is the same as another, or one of those that lead to it."""
        key = f"{one} {other}"
        if not re.fullmatch("[0-9a-f]{7,64}", one):  # a lock may say anything, also an option
            return False
        if key not in self._held:
            told = _git(self._folder, "merge-base", "--is-ancestor", one, other)
            self._held[key] = told is not None
        return self._held[key]

    def versions(self, name: str) -> list[Version]:
        """All versions of the file `name`, newest first."""
        return self._versions.get(name, [])

    @cached_property
    def _versions(self) -> dict[str, list[Version]]:
        found = list(self._changes())
        contents = _blobs(self._folder, [blob for *_, blob in found])
        versions: dict[str, list[Version]] = {}
        for commit, date, name, blob in found:
            versions.setdefault(name, []).append(Version(commit, date, contents.get(blob)))
        return versions

    @cached_property
    def _log(self) -> str | None:
        """Changes of the files in all commits; of merges too, which could bring back an older file."""
        return _git(
            self._folder, "log", "--full-history", "-m", "--no-renames", "--raw", "--no-abbrev", "-z",
            "--format=%x01%H %cI", "--", self._where,
        )  # fmt: skip

    @property
    def _where(self) -> str:
        return (
            f":(glob)*{self._suffix}" if self._names is None else f":(top,glob)**/*{self._suffix}"
        )

    def _changes(self) -> Iterator[tuple[str, str, str, str]]:
        """Commit, date, name and blob of each change."""
        for entry in (self._log or "").split("\x01")[1:]:
            head, *fields = entry.replace("\n", "\0").split("\0")
            commit, date = head.split(" ", 1)
            fields = [field for field in fields if field]
            for change, path in zip(fields[::2], fields[1::2], strict=True):
                name, blob = path.rpartition("/")[2], change.split()[3]
                if self._names is None or name in self._names:
                    yield commit, date, name, blob


def _blobs(folder: Path | None, names: list[str]) -> dict[str, bytes]:
    """Contents of blobs by name; those that are not there are left out."""
    asked = "\n".join(dict.fromkeys(names)).encode()
    rest = _run(folder, "cat-file", "--batch", given=asked) or b""
    found = {}
    while rest:
        head, _, rest = rest.partition(b"\n")
        name, _, size = head.decode().partition(" blob ")
        if size:
            found[name], rest = rest[: int(size)], rest[int(size) + 1 :]
    return found


def _git(folder: Path | None, *arguments: str) -> str | None:
    """What git prints, None if it fails."""
    printed = _run(folder, *arguments)
    return None if printed is None else printed.decode(errors="replace").strip()


def _run(folder: Path | None, *arguments: str, given: bytes = b"") -> bytes | None:
    if folder is None:
        return None
    # Inside a hook, git names its own repository and index in the environment.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    command = ["git", "--no-replace-objects", "-C", str(folder), *settings, *arguments]
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, env=environment, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
