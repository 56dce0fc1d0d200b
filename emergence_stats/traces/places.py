"""Where a trace store is: a folder, or a URI that pyarrow opens by itself or fsspec for it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from emergence_stats.errors import TraceError

if TYPE_CHECKING:
    import pyarrow.fs as pafs


_PATIENCE = "retry_limit_seconds"
_LONGEST = 300  # characters of what a client says
_ADVICE = {  # by what its error has: what to do
    "wrong version number|SSL connect error": "A server without TLS takes scheme=http behind the ? of the address.",
    "ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE|FORBIDDEN|UNAUTHORIZED|status 40[13]": "Look at the credentials in the environment, as AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
}
_MISTYPED = re.compile(r"[a-z][a-z0-9+]+:/")  # a drive has one letter


def is_uri(text: str | os.PathLike[str]) -> bool:
    """Whether a store is named by a URI, as ``s3://bucket/traces``, and not by a path."""
    return "://" in os.fspath(text)


def local_folder(uri: str | os.PathLike[str]) -> Path | None:
    """The folder of a store on a disk of this machine, whether it is there or not; None for one elsewhere."""
    if not is_uri(uri):
        return Path(uri)
    return locate(uri).folder if os.fspath(uri).startswith("file:") else None


@dataclass(frozen=True)
class Place:
    """A file system and a folder in it. `uri`: as the user gave it, which errors name."""

    uri: str
    filesystem: pafs.FileSystem
    base: str

    @property
    def folder(self) -> Path | None:
        """The folder if it is on a disk of this machine, so that it has renames and locks."""
        import pyarrow.fs as pafs

        return Path(self.base) if isinstance(self.filesystem, pafs.LocalFileSystem) else None

    def path(self, name: str) -> str:
        """A file in it, as its file system calls it."""
        return f"{self.base}/{name}"

    def shown(self, name: str) -> str:
        """A file in it, as a user finds it: a URI without the options behind its ``?``."""
        root = self.uri.partition("?")[0] if is_uri(self.uri) else self.uri
        return f"{root.rstrip('/')}/{name}"

    def is_there(self) -> bool:
        """Raises `TraceError` if that cannot be known."""
        import pyarrow.fs as pafs

        try:
            kind = self.filesystem.get_file_info(self.base or "/").type
        except OSError as error:
            raise _cannot_open(self.uri, error) from None
        return bool(kind == pafs.FileType.Directory)


def suites_of(place: Place) -> list[str]:
    """Folders of a place that may hold runs, none if it is not there. Raises `TraceError` if it cannot be listed."""
    import pyarrow.fs as pafs

    try:
        listed = place.filesystem.get_file_info(pafs.FileSelector(place.base, allow_not_found=True))
    except OSError as error:
        raise _cannot_open(place.uri, error) from None
    names = (info.base_name for info in listed if info.type == pafs.FileType.Directory)
    return sorted(name for name in names if not name.startswith("."))


def there(place: Place, files: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Which of these files, by folder and name, a place has. Raises `TraceError` if it cannot be asked."""
    import pyarrow.fs as pafs

    if not files:
        return []
    try:
        infos = place.filesystem.get_file_info([place.path(f"{a}/{b}") for a, b in files])
    except OSError as error:
        raise _cannot_open(place.uri, error) from None
    return [
        file for file, info in zip(files, infos, strict=True) if info.type != pafs.FileType.NotFound
    ]


def check_bucket(uri: str) -> None:
    """Raise `TraceError` for a bucket that is not there: it is not made by writing into it."""
    import pyarrow.fs as pafs

    place = locate(uri)
    if not isinstance(place.filesystem, pafs.S3FileSystem):
        return
    bucket = place.base.partition("/")[0]
    try:
        (info,) = place.filesystem.get_file_info([bucket])
    except OSError as error:
        raise _cannot_open(uri, error) from None
    if info.type == pafs.FileType.NotFound:
        raise TraceError(
            f"there is no bucket {bucket!r}", file=uri.partition("?")[0], fix="Make it first."
        )


def locate(uri: str | os.PathLike[str]) -> Place:
    """The place of a store, which may not be there yet. Raises `TraceError` for a URI that nothing opens."""
    import pyarrow as pa
    import pyarrow.fs as pafs

    text = os.fspath(uri)
    if not is_uri(text):
        if _MISTYPED.match(text) and not Path(text).exists():
            scheme, _, rest = text.partition(":/")
            raise TraceError(
                "this is neither a URI, which has two slashes, nor a folder that is there",
                file=text,
                fix=f"Write {scheme}://{rest}, or ./{text} for a folder of that name.",
            )
        return Place(text, pafs.LocalFileSystem(), str(Path(text).absolute()))
    scheme, _, rest = text.partition("://")
    if ":" in rest.partition("@")[0].partition("/")[0] and "@" in rest.partition("/")[0]:
        raise TraceError(
            "this URI has a password, which locks and reports would show",
            file=f"{scheme}://...@{rest.partition('@')[2]}",
            fix="Give it by the environment, as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    try:
        filesystem, base = _from_uri(_patient(text))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        if "nrecognized filesystem" not in str(error):
            raise _cannot_open(text, error) from None
        filesystem, base = _by_fsspec(text)
    return Place(text, filesystem, base.rstrip("/"))


def _patient(uri: str) -> str:
    """A URI whose client gives up after a while: Google's else asks for a quarter of an hour."""
    if not uri.startswith("gs://") or _PATIENCE in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{_PATIENCE}=20"


def _from_uri(uri: str) -> tuple[pafs.FileSystem, str]:
    import pyarrow.fs as pafs

    found: tuple[pafs.FileSystem, str] = pafs.FileSystem.from_uri(uri)
    return found


def _by_fsspec(uri: str) -> tuple[pafs.FileSystem, str]:
    import pyarrow.fs as pafs

    scheme = uri.partition("://")[0]
    try:
        import fsspec
    except ImportError:
        raise TraceError(
            f"pyarrow does not know {scheme}:// addresses, and fsspec is not installed",
            file=uri,
            fix="Install fsspec, and its package for them.",
        ) from None
    try:
        filesystem, base = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError, OSError) as error:
        raise _cannot_open(uri, error) from None
    return pafs.PyFileSystem(pafs.FSSpecHandler(filesystem)), base


def _cannot_open(uri: str, error: Exception) -> TraceError:
    lines = str(error).splitlines() or [type(error).__name__]
    said = lines[0].split("\\n")[0]
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."
    fix = next((advice for sign, advice in _ADVICE.items() if re.search(sign, str(error))), None)
    return TraceError(f"cannot open the trace store ({said})", file=uri, fix=fix)


def destination(uri: str) -> str:
    """A store elsewhere by what tells it from others: its address, and the server that is asked for it."""
    address, _, options = uri.partition("?")
    server = parse_qs(options).get("endpoint_override", [])
    if not server and address.startswith("s3:"):
        named = map(os.environ.get, ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
        server = [each for each in named if each][:1]
    return " at ".join([address.rstrip("/"), *server])


def kept_here(uri: str) -> Path:
    """Where runs for a store elsewhere are kept on this machine until they are there: a folder for each `destination`.

    Below ``$XDG_STATE_HOME/emergence-stats``, by default ``~/.local/state``: not a cache, since nothing else has them.
    """
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    key = hashlib.sha256(destination(uri).encode()).hexdigest()[:12]
    return base / "emergence-stats" / "collect" / key
