"""What the command line does before a command: streams that take any text, and imports that keep quick commands quick."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper


def open_closed_streams() -> None:
    """Open the null device where a standard stream was closed before the program began (``>&-``), as git does.

    Python has None for such a stream, and the next file to be opened, or pipe to be made, would take its number.
    """
    handle = os.open(os.devnull, os.O_RDWR)
    while handle <= 2:
        os.set_inheritable(handle, True)
        handle = os.dup(handle)
    os.close(handle)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def take_any_text() -> None:
    """A character that stdout cannot show is replaced; stderr writes its number, which Python has it do anyway."""
    if isinstance(sys.stdout, TextIOWrapper):
        with suppress(OSError):  # one that was opened for reading too, and cannot be sought in
            sys.stdout.reconfigure(errors="replace")


def is_unicode(stream: object) -> bool:
    """Whether a stream can show every character."""
    return str(getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


class _WithoutPandas:
    """An import finder that hides pandas."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ImportError(name)


def import_pyarrow() -> None:
    """Import pyarrow without pandas.

    pyarrow imports pandas, if it is installed, when it makes its first array: a quarter of a
    second, for conversions that no command here uses. `to_pandas` later makes pyarrow look for
    pandas again, and if a hypothesis has imported pandas nothing is hidden.
    """
    if "pandas" in sys.modules:
        return
    finder = _WithoutPandas()
    sys.meta_path.insert(0, finder)
    try:
        import pyarrow as pa

        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
