"""What the code of a claim reads besides the traces that it is given: files and environment variables.

An estimate is a plain function of traces. One that also opens a table, imports a module by a name that it
computes, or looks at the environment can be changed without a change of the claim's source, so that what it
reads belongs to its registration. Python tells of every file that it opens (`sys.addaudithook`); whose doing it
was is read from the stack. Files that a library opens in C (pyarrow, HDF5) are not seen.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn")
_NETWORK = ("socket.connect", "urllib.Request")
_PACKAGE = Path(__file__).parent.parent


@dataclass
class Reads:
    """What one claim read so far, each with the place in its code, as ``FILE:LINE``.

    `files`: absolute paths. `variables`: names in the environment. `beyond`: what no file holds, in words.
    """

    files: dict[Path, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    beyond: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files) + len(self.variables) + len(self.beyond)


_watched: dict[str, Reads] = {}  # by package
_hooked = False


def watch(package: str) -> Reads:
    """Note from now on what modules of this package, and functions that they call, read."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    return _watched.setdefault(package, Reads())


def forget(package: str) -> None:
    """Note no more, and let `watch` begin anew, as for modules that are imported again."""
    _watched.pop(package, None)


@contextmanager
def environment_watched() -> Iterator[None]:
    """Inside, environment variables that a watched package reads are noted. Python tells of none by itself."""
    kind: Any = type(os.environ)
    original = kind.__getitem__
    if original.__module__ == __name__:  # inside already
        yield
        return

    def noted(self: Any, key: Any) -> Any:
        reads, place = _reader(sys._getframe(1), through_libraries=False)
        if reads is not None:
            reads.variables.setdefault(os.fsdecode(key), place)
        return original(self, key)

    kind.__getitem__ = noted
    try:
        yield
    finally:
        kind.__getitem__ = original


def _hook(event: str, details: tuple[Any, ...]) -> None:
    if event == "open" and not _only_writes(details[2]):
        _note_file(details[0])
    elif event == "import":  # of a module in machine code; others are opened as files
        _note_file(details[1])
    elif event in _PROGRAMS or event in _NETWORK:
        reads, place = _reader(sys._getframe(1))
        if reads is not None:
            what = "another program" if event in _PROGRAMS else "the network"
            reads.beyond.setdefault(what, place)


def _note_file(path: Any) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return
    # Not resolved: what a link in a project leads to is read as a file of the project.
    file = Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100
    if is_installed(file):
        return
    reads, place = _reader(sys._getframe(2))
    if reads is not None:
        reads.files.setdefault(file, place)


def _only_writes(flags: Any) -> bool:
    return isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR) == os.O_WRONLY


def _reader(frame: FrameType | None, *, through_libraries: bool = True) -> tuple[Reads | None, str]:
    """The claim on whose behalf a frame runs, and the place in its code; None if it is no claim's.

    What an installed module reads while it is imported is its own business, not that of who imports it. Without
    `through_libraries` so is all that an installed module, but for the standard library's, reads.
    """
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        for package, reads in _watched.items():
            if name == package or name.startswith(f"{package}."):
                return reads, f"{frame.f_code.co_filename}:{frame.f_lineno}"
        file = frame.f_code.co_filename
        if not file.startswith("<"):
            is_import = frame.f_code.co_name == "<module>"
            if is_import and is_installed(Path(file)):
                break
            if not through_libraries and not _is_standard(file):
                break
        frame = frame.f_back
    return None, ""


@cache
def is_installed(file: Path) -> bool:
    """Whether a file comes with Python, with an installed distribution, or with this package."""
    if any(part in ("site-packages", "dist-packages") for part in file.parts):
        return True
    return any(file.is_relative_to(folder) for folder in (_PACKAGE, *_folders()))


@cache
def _folders() -> tuple[Path, ...]:
    standard = (sysconfig.get_path(key) for key in ("stdlib", "platstdlib"))
    return tuple(map(Path, (*standard, *site.getsitepackages(), site.getusersitepackages())))


@cache
def _is_standard(file: str) -> bool:
    folders = [Path(sysconfig.get_path(key)) for key in ("stdlib", "platstdlib")]
    path = Path(file)
    return any(path.is_relative_to(folder) for folder in folders) and not any(
        part in ("site-packages", "dist-packages") for part in path.parts
    )
