"""Write runs to places that have neither locks nor renames: object stores, and what fsspec opens.

A run is written as a Parquet file under a name that no other write has, ``<run_id>~<token>.parquet``, and then a manifest that
names it. The manifest alone says which run there is, and a store replaces it whole: whatever is killed, and whoever writes the
same run meanwhile, readers see one run or another, never half of one. What a killed writer leaves is a Parquet file that no
manifest names; readers ignore it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from emergence_stats.errors import TraceError
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.places import Place

KEY = "parquet"  # of a manifest: the name of its Parquet file, if that is not the run's
WAITS = (1.0, 4.0, 15.0)  # seconds before a request that failed is made again
_NAMED = re.compile(r"(?P<run_id>[^~/]+)~[0-9a-f]+\.parquet")

T = TypeVar("T")


def run_of_part(file: str) -> str | None:
    """The run that a file of this name was written for, None if it is none of ours."""
    found = _NAMED.fullmatch(file)
    return found["run_id"] if found else None


def parquet_name(manifest: Manifest, file: object) -> str:
    """The name of a run's Parquet file. Raises `TraceError`, naming `file`, for one that is not the run's."""
    name = manifest.further.get(KEY)
    if name is None:
        return f"{manifest.run_id}.parquet"
    if not isinstance(name, str) or run_of_part(name) != manifest.run_id:
        raise TraceError(
            f"the manifest says that the run is in {name!r}, which is no Parquet file of it",
            file=file,
        )
    return name


@dataclass(frozen=True)
class SentRun:
    """A run whose Parquet file is in its place under a name of its own, and whose manifest is not.

    `manifest` names that file.
    """

    place: Place
    manifest: Manifest

    def publish(self) -> None:
        """Make it the run of that name; the Parquet file of the one before goes. Raises `OSError`."""
        folder, name = self.manifest.suite, f"{self.manifest.run_id}.json"
        before = _parquet_of(self.place, folder, name)
        put(self.place, f"{folder}/{name}", self.manifest.to_json().encode())
        if before is not None and before != self.manifest.further[KEY]:
            with suppress(OSError):
                self.place.filesystem.delete_file(self.place.path(f"{folder}/{before}"))

    def discard(self) -> None:
        with suppress(OSError):
            self.place.filesystem.delete_file(self.place.path(self._parquet))

    @property
    def _parquet(self) -> str:
        return f"{self.manifest.suite}/{self.manifest.further[KEY]}"


def send(place: Place, parquet: Path, manifest: Manifest, token: str) -> SentRun:
    """Put a Parquet file into its place. `manifest`: with its hash. Raises `OSError`, leaving nothing that a reader sees."""
    name = f"{manifest.run_id}~{token}.parquet"
    sent = SentRun(place, replace(manifest, further={**manifest.further, KEY: name}))
    put(place, f"{manifest.suite}/{name}", parquet.read_bytes())
    return sent


def put(place: Place, name: str, data: bytes) -> None:
    """Write a file whole. Raises `OSError` if the place does not take it after `WAITS`."""

    def once() -> None:
        with place.filesystem.open_output_stream(place.path(name)) as stream:
            stream.write(data)

    try:
        patiently(once)
    except (
        FileNotFoundError
    ):  # object stores have no folders; where there are some, they have to be made
        place.filesystem.create_dir(place.path(name).rpartition("/")[0])
        patiently(once)


def patiently(request: Callable[[], T]) -> T:
    """What `request` returns; `OSError` is met by waiting and asking again, and raised in the end."""
    for wait in WAITS:
        try:
            return request()
        except FileNotFoundError:
            raise
        except OSError:
            time.sleep(wait)
    return request()


def _parquet_of(place: Place, folder: str, manifest: str) -> str | None:
    """The Parquet file that a manifest names, None if there is none or it cannot be read."""
    try:
        with place.filesystem.open_input_file(place.path(f"{folder}/{manifest}")) as stream:
            fields = json.loads(stream.read())
    except (OSError, ValueError):
        return None
    if not isinstance(fields, dict):
        return None
    name = fields.get(KEY, f"{manifest[:-5]}.parquet")
    return name if isinstance(name, str) and "/" not in name else None
