"""The command line's entry: errors become one line, and statuses mean something.

0 nothing refuted; 1 a hypothesis refuted, or a verdict changed (`check`); 2 usage or data;
3 nothing refuted but something inconclusive; 70 a fault of the program; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    from emergence_stats.cli import app
    from emergence_stats.errors import EmergenceStatsError

    try:
        app()
    except EmergenceStatsError as error:
        _say(f"error: {error}")
        status = 2
    except KeyboardInterrupt:
        _say("interrupted")
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    except OSError as error:  # a disk that is full, a folder that is not there or not ours
        where = f"{error.filename}: " if error.filename else ""
        _say(f"error: {where}{error.strerror or error}")
        status = 2
    except Exception:
        import traceback

        traceback.print_exc()
        _say("this is a fault of emergence-stats; please report it with the lines above")
        status = 70
    else:
        status = 0
    sys.exit(status)


def _say(text: str) -> None:
    sys.stderr.write(f"emergence-stats: {text}\n")


if __name__ == "__main__":
    main()
