"""What the code of a claim reads besides the traces that it is given: files and environment variables.

An estimate is a plain function of traces. One that also opens a table, imports a module by a name that it
computes, or looks at the environment can be changed without a change of the claim's source, so that what it
reads belongs to its registration. Python tells of every file that it opens (`sys.addaudithook`); whose doing it
was is read from the stack, and in a thread without a claim on its stack from what is being worked on. Files that a
library opens in C (pyarrow, HDF5) and what other processes read are not seen.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.util import source_from_cache
from pathlib import Path
from types import FrameType
from typing import Any

_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn")
_NETWORK = ("socket.connect", "urllib.Request")
_LISTS = ("os.listdir", "os.scandir")
# Of the machine, and not of the project: time zones, processors, random numbers.
_MACHINE = ("/dev", "/proc", "/sys", "/usr/share/zoneinfo")
_PACKAGE = Path(__file__).parent.parent


@dataclass
class Reads:
    """What one claim read so far, each with the place in its code, as ``FILE:LINE``.

    `home`: the folder of the claim, whose files count even where distributions are installed. `files`: absolute paths.
    `variables`: names in the environment. `beyond`: what no file holds, in words. `wrote`: files that its code wrote
    itself, and folders that it made, which are no input.
    """

    home: Path | None = None
    files: dict[Path, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    beyond: dict[str, str] = field(default_factory=dict)
    wrote: set[Path] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.files) + len(self.variables) + len(self.beyond)

    def add(self, other: Reads) -> None:
        """Take over what was seen of the same claim in another process."""
        self.files = {**other.files, **self.files}
        self.variables = {**other.variables, **self.variables}
        self.beyond = {**other.beyond, **self.beyond}


_watched: dict[str, Reads] = {}  # by package
_at_work: Reads | None = None
_hooked = False
_environment = threading.Lock()
_looking = 0  # how many want the environment watched


def watch(package: str, home: Path | None = None) -> Reads:
    """Note from now on what modules of this package, and functions that they call, read."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    return _watched.setdefault(package, Reads(home))


def forget(package: str) -> None:
    """Note no more, and let `watch` begin anew, as for modules that are imported again."""
    _watched.pop(package, None)


@contextmanager
def at_work(reads: Reads) -> Iterator[None]:
    """Inside, what a thread reads that no claim's code is on the stack of is put down to this one."""
    global _at_work
    before, _at_work = _at_work, reads
    try:
        yield
    finally:
        _at_work = before


def note(what: str) -> None:
    """Let a function of this package note what it gives to a claim that calls it, in words."""
    reads, place = _reader(sys._getframe(2))
    if reads is not None:
        reads.beyond.setdefault(what, place)


# --- the environment --------------------------------------------------------------------------


@contextmanager
def environment_watched() -> Iterator[None]:
    """Inside, environment variables that a watched package asks for are noted. Python tells of none by itself."""
    global _looking
    kind: Any = type(os.environ)
    with _environment:
        if _looking == 0:
            kind.__getitem__ = _noting(kind.__getitem__)
        _looking += 1
    try:
        yield
    finally:
        with _environment:
            _looking -= 1
            if _looking == 0:
                kind.__getitem__ = kind.__getitem__.__wrapped__


def _noting(original: Any) -> Any:
    def noted(self: Any, key: Any) -> Any:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_globals.get("__name__") in ("os", "collections.abc"):
            frame = frame.f_back
        reads = _claim_of(frame)  # what a library asks for is its own business
        if frame is not None and reads is not None:
            reads.variables.setdefault(os.fsdecode(key), _place(frame))
        return original(self, key)

    noted.__wrapped__ = original  # type: ignore[attr-defined]
    return noted


# --- files ------------------------------------------------------------------------------------


def _hook(event: str, details: tuple[Any, ...]) -> None:
    with suppress(OSError):  # without a working directory; what is opened then fails by itself
        _look(event, details)


def _look(event: str, details: tuple[Any, ...]) -> None:
    if event == "open":
        _note_file(details[0], writes=_writes(details[2]))
    elif event == "os.mkdir":
        _note_file(details[0], writes=True)
    elif event in ("import", "sqlite3.connect"):  # a module in machine code; others are opened
        _note_file(details[1] if event == "import" else details[0])
    elif event in _LISTS:
        _note_list(details[0])
    elif event in _PROGRAMS or event in _NETWORK:
        frame = sys._getframe(2)
        reads, place = _reader(frame)
        if reads is not None and not _is_platform(frame):
            reads.beyond.setdefault(
                "uses another program" if event in _PROGRAMS else "uses the network", place
            )


def _writes(flags: Any) -> bool:
    """Whether a file is opened anew or only to be written, so that nothing of it is read."""
    if not isinstance(flags, int):
        return False
    only = flags & (os.O_WRONLY | os.O_RDWR) == os.O_WRONLY
    return only or bool(flags & (os.O_TRUNC | os.O_EXCL))


def _note_file(path: Any, *, writes: bool = False) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return
    # Not resolved: what a link in a project leads to is read as a file of the project.
    file = Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100
    if file.parent.name == "__pycache__" and file.suffix == ".pyc":  # it stands for the source
        with suppress(ValueError):  # what another program named in its own way
            file = Path(source_from_cache(str(file)))
    if str(file).startswith(_MACHINE):
        return
    installed = is_installed(file)
    if installed and not any(
        r.home and file.is_relative_to(r.home) for r in tuple(_watched.values())
    ):
        return
    reads, place = _reader(sys._getframe(3))
    if reads is None or (installed and not (reads.home and file.is_relative_to(reads.home))):
        return
    if writes:
        reads.wrote.add(file)
    elif file not in reads.wrote:
        reads.files.setdefault(file, place)


def _note_list(path: Any) -> None:
    if not isinstance(path, str | bytes | os.PathLike | None):
        return
    frame = sys._getframe(3)
    folder = Path(os.path.abspath(os.fsdecode(path or ".")))  # noqa: PTH100
    if frame.f_code.co_filename.startswith("<frozen importlib") or is_installed(folder):
        return
    reads, place = _reader(frame)
    if reads is not None and not reads.wrote & {folder, *folder.parents}:
        reads.beyond.setdefault(f"reads which files are in {folder}", place)


# --- whose doing it is ------------------------------------------------------------------------


def _reader(frame: FrameType | None) -> tuple[Reads | None, str]:
    """The claim on whose behalf a frame runs, and the place in its code; None if it is no claim's.

    What an installed module reads while it is imported is its own business, not that of who imports it.
    """
    while frame is not None:
        reads = _claim_of(frame)
        if reads is not None:
            return reads, _place(frame)
        file = frame.f_code.co_filename
        is_import = frame.f_code.co_name == "<module>" and not file.startswith("<")
        if is_import and is_installed(Path(file)):
            return None, ""
        frame = frame.f_back
    if _at_work is not None and threading.current_thread() is not threading.main_thread():
        return _at_work, "in a thread"
    return None, ""


def _claim_of(frame: FrameType | None) -> Reads | None:
    name = str(frame.f_globals.get("__name__", "")) if frame is not None else ""
    for package, reads in tuple(_watched.items()):  # another thread may import a claim
        if name == package or name.startswith(f"{package}."):
            return reads
    return None


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_platform(frame: FrameType | None) -> bool:
    """Whether `platform` asks another program what the machine is."""
    while frame is not None and frame.f_globals.get("__name__") in ("subprocess", "platform"):
        if frame.f_globals["__name__"] == "platform":
            return True
        frame = frame.f_back
    return False


@lru_cache(maxsize=10_000)
def is_installed(file: Path) -> bool:
    """Whether a file comes with Python, with an installed distribution, or with this package."""
    return any(file.is_relative_to(folder) for folder in (_PACKAGE, *_folders()))


@cache
def _folders() -> tuple[Path, ...]:
    paths = (sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib"))
    return tuple(map(Path, (*paths, *site.getsitepackages(), site.getusersitepackages())))
