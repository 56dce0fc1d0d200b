"""Limits of what a store may ask of a reader's memory, checked before anything is decoded.

A store may come from somebody else, and a file of 600 kB can hold 20 million rows. Limits are far above
what training runs need, and are raised by the reader, in an environment variable: neither a store nor a
project can raise them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emergence_stats.errors import TraceError, UsageError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MIB = 1024**2


@dataclass(frozen=True)
class Limit:
    """The most of something, and the environment variable that changes it."""

    variable: str
    default: int
    unit: str

    @property
    def value(self) -> int:
        """The limit in force. Raises `UsageError` if the variable is not a whole number above 0."""
        text = os.environ.get(self.variable, "")
        if not text:
            return self.default
        if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text)):
            raise UsageError(f"{self.variable} is {text!r}; it is a whole number above 0")
        return int(text)

    def check(self, what: str, amount: int, file: object) -> None:
        """Raise `TraceError` if `amount` is above the limit."""
        if amount > self.value:
            raise TraceError(
                f"{what} {amount:,} {self.unit}, and the limit is {self.value:,}",
                file=file,
                fix=f"If you trust it, set {self.variable} to a larger number.",
            )


MAX_ROWS = Limit("EMERGENCE_STATS_MAX_ROWS", 10_000_000, "rows")
MAX_RUN_BYTES = Limit("EMERGENCE_STATS_MAX_RUN_BYTES", 1024 * MIB, "bytes")
MAX_FILE_BYTES = Limit(
    "EMERGENCE_STATS_MAX_FILE_BYTES", 2048 * MIB, "bytes"
)  # of a file that is imported
MAX_MANIFEST_BYTES = Limit("EMERGENCE_STATS_MAX_MANIFEST_BYTES", 4 * MIB, "bytes")


def check_parquet(metadata: pq.FileMetaData, file: object) -> None:
    """Raise `TraceError` if the file would take more rows or bytes than the limits, by its own footer."""
    MAX_ROWS.check("the run has", metadata.num_rows, file)
    size = sum(metadata.row_group(g).total_byte_size for g in range(metadata.num_row_groups))
    MAX_RUN_BYTES.check("uncompressed, the file has", size, file)
