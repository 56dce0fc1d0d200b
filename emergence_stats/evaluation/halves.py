"""Half of the work in a process beside this one, where that is safe: a command that has read nothing yet.

The other process is a fork, so that it has the claims that are imported here. Threads do not survive a fork, so that it has to be
made before any trace is read. What goes wrong in it is not reported from there: its half is then done here, and fails here
in the same way.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from emergence_stats.support import guard
from emergence_stats.traces.store import RunFile

_LOOK_SECONDS = 0.3  # how often what the other process works on is shown
_FEWEST = 10  # runs: fewer are read before a process is ready


def split(groups: Sequence[list[RunFile]]) -> tuple[list[list[RunFile]], list[list[RunFile]]]:
    """Groups of runs, in order, in two parts of about as many rows; the second is empty where it would not pay."""
    groups = list(groups)
    rows = [sum(run.manifest.rows for run in group) for group in groups]
    alone = not guard.is_guarded() or (os.cpu_count() or 1) < 2 or sum(map(len, groups)) < _FEWEST
    # what reads a bucket has threads of its own, which Python does not count
    alone = alone or any(run.elsewhere for group in groups for run in group)
    if alone or threading.active_count() > 2:  # this one, and the one that watches the parent
        return groups, []
    so_far, at = 0, 0
    while at < len(groups) and so_far + rows[at] <= sum(rows) / 2:
        so_far += rows[at]
        at += 1
    return groups[:at], groups[at:]


@contextmanager
def beside(work: Callable[[], Any] | None) -> Iterator[Callable[[], Any]]:
    """`work` is done in another process inside; gives a function that waits for what it returned, None if it failed.

    What it returns has to be fit to be pickled. Without `work` nothing is started.
    """
    if work is None:
        yield lambda: None
        return
    answer, to_here = os.pipe()
    from_here, alive = os.pipe()
    board = guard.another_board()
    child = os.fork()
    if child == 0:
        os.close(answer)
        os.close(alive)
        guard.write_on(board)
        _do(work, to_here, from_here)
    os.close(to_here)
    os.close(from_here)

    def wait() -> Any:
        content = b""
        while True:
            if not select.select([answer], [], [], _LOOK_SECONDS)[0]:
                guard.show(board)
                continue
            more = os.read(answer, 2**20)
            if not more:
                return pickle.loads(content) if content else None  # of our own fork
            content += more

    try:
        yield wait
    finally:
        os.close(answer)
        os.close(alive)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # what it found is here, or is not wanted any more
        os.waitpid(child, 0)


def _do(work: Callable[[], Any], to_parent: int, from_parent: int) -> NoReturn:
    threading.Thread(target=_end_with_parent, args=(from_parent,), daemon=True).start()
    try:
        content = pickle.dumps(work())
        with os.fdopen(to_parent, "wb") as stream:
            stream.write(content)
    except BaseException:  # whatever it is, the parent meets it too
        os._exit(1)
    os._exit(0)


def _end_with_parent(from_parent: int) -> None:
    os.read(from_parent, 1)  # the pipe ends with the parent, and when it no longer waits
    os._exit(1)
