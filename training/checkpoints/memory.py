"""Memory that a process has freed, given back to the system."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

SPARE = 2**29  # bytes that a process may keep: pages that are given back have to be made anew


class Spare:
    """What a process keeps of what it has freed.

    glibc keeps freed blocks of up to 32 MB, between others that are in use. Hidden states and the graphs of second derivatives are
    thousands of such blocks of many sizes, so that a run comes to hold several times what it needs.
    """

    def __init__(self) -> None:
        self._least = _resident()

    def give_back(self) -> bool:
        """Let the system have it, if the process has grown by more than `SPARE` since it last did; whether it was so.

        Nothing where the C library is another one.
        """
        trim = _trim()
        if trim is None or _resident() < self._least + SPARE:
            return False
        trim(0)
        self._least = _resident()
        return True


def _resident() -> int:
    """Bytes of the process that are in memory, 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@cache
def _trim() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
