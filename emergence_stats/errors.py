"""Errors that a user can fix.

    EmergenceStatsError          one clear message; the command line prints it and exits with 2
    ├── UsageError               a wrong argument, an unknown name
    ├── TraceError               a store, a manifest or a Parquet file that breaks the contract
    ├── HypothesisError          a module that cannot be imported or is invalid
    │   └── NoHypothesisError    a module that holds no hypothesis
    ├── RegistrationError        a registration (lock) that is broken or was altered
    └── CollectError             a collection that cannot continue: disk full, run already collected

Anything else that escapes is an internal error, and exits with 70.
"""

from __future__ import annotations


class EmergenceStatsError(Exception):
    """Base of all errors whose message tells the user what is wrong, where, and what to do."""


class UsageError(EmergenceStatsError):
    """A wrong argument or an unknown name."""


class TraceError(EmergenceStatsError):
    """A trace store breaks the format.

    The message names the file and, if there are any, the column and the row (counted from 0).
    """

    def __init__(
        self,
        problem: str,
        *,
        file: object = None,
        column: str | None = None,
        row: int | None = None,
        fix: str | None = None,
    ) -> None:
        where = [str(file)] if file is not None else []
        where += [f"column {column!r}"] if column is not None else []
        where += [f"row {row}"] if row is not None else []
        message = f"{', '.join(where)}: {problem}" if where else problem
        super().__init__(f"{message}. {fix}" if fix else message)
        self.problem, self.file, self.column, self.row = problem, file, column, row


class HypothesisError(EmergenceStatsError):
    """A hypothesis module that cannot be imported or declares something impossible."""


class NoHypothesisError(HypothesisError):
    """A module that holds no hypothesis, and may not be meant as a claim."""


class RegistrationError(EmergenceStatsError):
    """A registration that is missing, broken or altered."""


class CollectError(EmergenceStatsError):
    """A collection that cannot continue."""
