"""Write small files whole or not at all, and one writer at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emergence_stats.errors import UsageError


def check_folder(path: Path) -> None:
    """Raise `UsageError` if the folder of a file does not exist, before any work is done."""
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")


def write_whole(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, also through a power cut: a reader sees the old file or the new.

    Writers at the same time do not disturb one another; the last one stays. Anything but a regular file (a
    pipe, a terminal) is written to directly. Raises `OSError` if the write fails; the old file is then
    unchanged.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, "utf-8")
        return
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}.writing")
    try:
        with as_of(path):
            with hidden.open("x", encoding="utf-8") as stream:
                if path.exists():
                    hidden.chmod(path.stat().st_mode & 0o777)
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(hidden, path)
            sync_folder(path.parent)
    finally:
        hidden.unlink(missing_ok=True)


@contextmanager
def as_of(path: object) -> Iterator[None]:
    """An `OSError` inside names this file: Python names none when a write fails, and that of a hidden file means nothing to a user."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder last through a power cut, if the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def only_one(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Wait until no other process is inside for this folder; `shared` ones may be inside together.

    Around every read-change-write of a file in it. The folder itself is locked (`flock`), so nothing is left
    behind, and a process that is killed frees it. Systems and file systems without such locks have none.
    """
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
