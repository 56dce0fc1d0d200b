"""Write small files whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from emergence_stats.errors import UsageError


def check_folder(path: Path) -> None:
    """Raise `UsageError` if the folder of a file does not exist, before any work is done."""
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")


def write_whole(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step: a reader sees the old file or the new one.

    Anything but a regular file (a pipe, a terminal) is written to directly. Raises `OSError` if the
    write fails; the old file is then unchanged.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, "utf-8")
        return
    hidden = path.with_name(f".{path.name}.writing")
    try:
        hidden.write_text(text, "utf-8")
        os.replace(hidden, path)
    except OSError as error:  # with the path that the user gave
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        hidden.unlink(missing_ok=True)
