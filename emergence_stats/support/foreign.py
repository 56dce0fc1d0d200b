"""Calling the code of a claim, which may do anything."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from emergence_stats.errors import EmergenceStatsError, HypothesisError
from emergence_stats.support.guard import now_working_on


@contextmanager
def code_of_a_claim(where: str, *passed: type[Exception]) -> Iterator[None]:
    """Call code of a claim inside: what it prints goes to standard error, and what it raises, an end of the
    process (`SystemExit`) included, becomes a `HypothesisError` that names `where` and the line.

    Exceptions of the types `passed` and the interrupt of a user go through.
    """
    now_working_on(where)
    try:
        with redirect_stdout(sys.stderr):
            yield
    except BaseException as error:
        if isinstance(error, (*passed, EmergenceStatsError, KeyboardInterrupt)):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error}"
        raise HypothesisError(
            f"{where} failed at {last.filename}:{last.lineno} with {what}"
        ) from error
