"""What the timestamps of an entry say, as far as they can be checked here."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from emergence_stats.audit.facts import Stamp
from emergence_stats.claims.registration import Registration
from emergence_stats.errors import UsageError
from emergence_stats.support.timestamps import read_timestamp, verify_timestamp


def stamps_of(registration: Registration, entry: str, trusted: Sequence[Path]) -> Iterator[Stamp]:
    """The timestamps of the entry with this digest. `trusted`: PEM files of authorities.

    Raises `UsageError` for a file of `trusted` that cannot be read.
    """
    for kept in registration.timestamps.get(entry, ()):
        authority = kept["authority"]
        try:
            response = base64.b64decode(kept["response"], validate=True)
            stamp = (
                verify_timestamp(response, entry, trusted) if trusted else read_timestamp(response)
            )
            if stamp.digest != hashlib.sha256(entry.encode()).hexdigest():
                raise ValueError("it is of another digest")
        except (ValueError, binascii.Error) as error:
            yield Stamp(authority, None, None, False, f"is not to be trusted: {error}")
            continue
        except UsageError as error:
            if trusted and not all(path.is_file() for path in trusted):
                raise
            yield Stamp(authority, None, None, None, f"cannot be read here: {error}")
            continue
        why = "" if trusted else "not verified: no authority is trusted here"
        verified = True if trusted else None
        yield Stamp(authority, stamp.time.isoformat(), stamp.authority, verified, why)
