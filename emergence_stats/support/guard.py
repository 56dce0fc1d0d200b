"""A command in a process of its own, so that nothing that a claim's code does can end it as if all were well.

A claim is a Python module that anybody may have written. Its estimates may end the process (`os._exit(0)`, a
crash in C), write to standard output, or never return. The command therefore runs in a child process; the
parent, which imports no claim, waits for the child to say that it is done. A child that ends without saying so
is an error, whatever its status is.
"""

from __future__ import annotations

import math
import mmap
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

_ERROR = 2
_DONE, _LIMIT = "done", "limit"
_BOARD_BYTES = 1024
_POLL_SECONDS = 0.5  # how soon an end is noticed that no pipe tells of
_ONE_INTERRUPT_SECONDS = (
    1.0  # a terminal interrupts both processes, and the parent passes its own on: that is one
)
_to_parent: int | None = None
_board: mmap.mmap | None = None  # what the child works on; shared, so that writing it costs nothing


def guarded(command: Callable[[], int]) -> int:
    """Run `command` in a child process and return its exit status; 2 if it ends without giving one.

    Without `os.fork` the command runs in this process.
    """
    global _board
    if not hasattr(os, "fork"):
        return command()
    from_child, to_parent = os.pipe()
    from_parent, alive = os.pipe()
    _board = mmap.mmap(-1, _BOARD_BYTES)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(from_child)
        os.close(alive)
        _be_child(command, to_parent, from_parent)
    os.close(to_parent)
    os.close(from_parent)
    try:
        return _watch(child, from_child)
    finally:
        os.close(from_child)
        os.close(alive)


def limit_time(seconds: float | None) -> None:
    """Let the parent end this process after so many seconds from now."""
    if seconds is not None:
        _tell(f"{_LIMIT} {seconds}")


def now_working_on(what: str) -> None:
    """Name what a claim's code is called for, for the message if it never returns."""
    if _board is not None:
        name = what.encode(errors="replace")[: _BOARD_BYTES - 1]
        _board[: len(name) + 1] = name + b"\0"


def another_board() -> mmap.mmap | None:
    """Where a fork of this process can name what it works on, while this one names its own."""
    return None if _board is None else mmap.mmap(-1, _BOARD_BYTES)


def write_on(board: mmap.mmap | None) -> None:
    """Name what is worked on there from now on."""
    global _board
    _board = board


def show(board: mmap.mmap | None) -> None:
    """Name what another process works on, which this one waits for."""
    if _board is not None and board is not None:
        _board[:] = board[:]


def is_guarded() -> bool:
    """Whether this process is a child that a parent watches."""
    return _to_parent is not None


def _tell(message: str) -> None:
    if _to_parent is not None:
        os.write(_to_parent, f"{message}\n".encode())


# --- the child --------------------------------------------------------------------------------


def _be_child(command: Callable[[], int], to_parent: int, from_parent: int) -> NoReturn:
    global _to_parent
    _to_parent = to_parent
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupts())
    threading.Thread(target=_end_with_parent, args=(from_parent,), daemon=True).start()
    _keep_stdout()
    status = command()
    _tell(f"{_DONE} {status}")
    sys.stderr.flush()
    if "multiprocessing" in sys.modules:  # locks of its processes have to be given back
        sys.exit(status)
    os._exit(status)


def _interrupts() -> Callable[[int, Any], None]:
    """A handler that raises `KeyboardInterrupt`, once for all interrupts that come together."""
    last = -math.inf

    def interrupt(number: int, frame: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _ONE_INTERRUPT_SECONDS:
            last = now
            signal.default_int_handler(number, frame)

    return interrupt


def _keep_stdout() -> None:
    """Move standard output away from file descriptor 1, so that only this program writes to it.

    What a claim's code, or a program that it starts, writes to descriptor 1 goes to standard error.
    """
    kept = os.dup(1)
    os.dup2(2, 1)
    old = sys.stdout
    sys.stdout = open(  # noqa: SIM115, PTH123  # for as long as the process lives
        kept,
        "w",
        encoding=old.encoding,
        errors=old.errors,
        buffering=1 if os.isatty(kept) else -1,
        newline=None,
    )


def _end_with_parent(from_parent: int) -> None:
    """The pipe ends when the parent does, also if it is killed."""
    os.read(from_parent, 1)
    os._exit(130)


# --- the parent -------------------------------------------------------------------------------


def _watch(child: int, from_child: int) -> int:
    """Wait for the child; its exit status, or 2 with a message."""
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is not signal.SIG_IGN:  # as a shell starts a job in the background
        signal.signal(signal.SIGINT, lambda *_: os.kill(child, signal.SIGINT))
    try:
        status, ended = _listen(child, from_child)
    finally:
        signal.signal(signal.SIGINT, interrupt)
    if status is not None:
        return status
    assert _board is not None
    name = _board[:].partition(b"\0")[0].decode(errors="replace")
    of = f" while working on {name}" if name else ""
    sys.stderr.write(f"emergence-stats: error: {ended}{of}; nothing was decided\n")
    return _ERROR


def _listen(child: int, from_child: int) -> tuple[int | None, str]:
    """The status that the child gave, and how it ended if it gave none."""
    limit, deadline, buffer = 0.0, math.inf, b""
    while True:
        wait = min(_POLL_SECONDS, max(0.0, deadline - time.monotonic()))
        if select.select([from_child], [], [], wait)[0]:
            block = os.read(from_child, 1 << 16)
            *lines, buffer = (buffer + block).split(b"\n")
            for line in lines:
                kind, _, value = line.decode().partition(" ")
                if kind == _DONE:
                    os.waitpid(child, 0)
                    return int(value), ""
                limit = float(value)
                deadline = time.monotonic() + limit
            if block:
                continue
        elif time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None, f"the command took longer than {limit:g} s"
        pid, how = os.waitpid(child, os.WNOHANG)
        if pid:
            return None, _ended(how)


def _ended(how: int) -> str:
    if os.WIFSIGNALED(how):
        return f"the process was ended by signal {os.WTERMSIG(how)} before it had a result"
    status = os.waitstatus_to_exitcode(how)
    return f"the process ended with status {status} before it had a result"
