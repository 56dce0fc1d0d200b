"""The command line's entry: errors become one line, and statuses mean something.

0 nothing refuted; 1 a hypothesis refuted, or a verdict changed (`check`); 2 usage or data;
3 nothing refuted but something inconclusive; 70 an internal error; 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from pathlib import Path
from typing import NoReturn

# Commands that import claims, whose code may do anything.
GUARDED = frozenset(
    {
        "audit",
        "check",
        "collect",
        "describe",
        "list",
        "multiverse",
        "plan",
        "pool",
        "power",
        "register",
        "report",
        "test",
    }
)


def main() -> NoReturn:
    """The command line in this process."""
    sys.exit(run())


def run() -> int:
    """Do what the command line says, and return the exit status."""
    from emergence_stats.errors import EmergenceStatsError
    from emergence_stats.interfaces.cli import app
    from emergence_stats.interfaces.startup import take_any_text

    take_any_text()
    warnings.formatwarning = _as_a_line  # those of numpy, from the code of a claim
    try:
        app()
    except SystemExit as end:  # typer ends this way; output may still be buffered
        if _is_pacified(sys.stdout):
            return _not_written(BrokenPipeError())
        return _written(end.code if isinstance(end.code, int) else 0)
    except EmergenceStatsError as error:
        _say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except OSError as error:  # a full disk, a missing folder, or one without permission
        return _not_written(error)
    except Exception:
        import traceback

        traceback.print_exc()
        _say("internal error; please report it with the lines above")
        return 70
    return _written(0)


def _written(status: int) -> int:
    """Write what is buffered; return `status`, or the status of a failed write."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return _not_written(error)
    return status


def _is_pacified(stream: object) -> bool:
    """Whether click met a closed pipe: it then ends with 1, which here means that a claim is refuted."""
    return type(stream).__name__ == "PacifyFlushWrapper"


def _not_written(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):  # `... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    where = f"{error.filename}: " if error.filename else ""
    _say(f"error: {where}{error.strerror or error}")
    return 2


def entry() -> NoReturn:
    """Run the command line as a program; the process ends without freeing its memory.

    Freeing it would take a tenth of the time of a report. If processes were started, their locks
    must be released, so the process ends normally. Importing makes many objects and no garbage, so
    the collector runs less often than by default.
    """
    from emergence_stats.interfaces.startup import open_closed_streams

    open_closed_streams()
    gc.set_threshold(100_000, 20, 20)
    if GUARDED.isdisjoint(sys.argv[1:]):
        status = run()
    else:
        from emergence_stats.support.guard import guarded

        status = guarded(run)
    if "multiprocessing" in sys.modules:
        sys.exit(status)
    sys.stderr.flush()
    os._exit(status)


def _as_a_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """A warning as the other messages are, without a line of somebody's code."""
    return f"emergence-stats: warning: {filename}:{lineno}: {message} ({category.__name__})\n"


def _say(text: str) -> None:
    from emergence_stats.support.words import visible

    sys.stderr.write(f"emergence-stats: {visible(text)}\n")


def _forget_working_directory() -> None:
    """`python -m` lets the working directory be imported from; a `numpy.py` there is not for this program."""
    if sys.path and sys.path[0] in ("", str(Path.cwd())) and not sys.flags.safe_path:
        del sys.path[0]


if __name__ == "__main__":
    _forget_working_directory()
    entry()
