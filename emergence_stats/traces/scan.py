"""What runs a place has: one listing, and the manifest of each run, from the catalogue where that is certain."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emergence_stats.errors import TraceError
from emergence_stats.traces import catalogue
from emergence_stats.traces.catalogue import Entry
from emergence_stats.traces.format import Manifest, pending_manifest_name
from emergence_stats.traces.limits import MAX_MANIFEST_BYTES
from emergence_stats.traces.places import Place
from emergence_stats.traces.remote import parquet_name, run_of_part

if TYPE_CHECKING:
    import pyarrow.fs as pafs

_LOOKS = 5  # at a manifest that is replaced meanwhile, where nothing is locked


@dataclass(frozen=True)
class RunFile:
    """One run of a store: its manifest and where its Parquet file is.

    `catalogued`: the manifest is the catalogue's, and its own file was not opened. `elsewhere`: not on a disk of this machine.
    """

    manifest: Manifest
    path: str
    catalogued: bool = False
    elsewhere: bool = False


@dataclass
class Scanned:
    """A store at one moment.

    `runs`: those whose manifests are valid, by suite and name; `faults`: what is wrong with the others; `unfinished`: run_ids
    of writes that were cut off; `entries`: the texts of the manifests, if they are kept, by the names of their files.
    """

    runs: tuple[RunFile, ...] = ()
    faults: tuple[TraceError, ...] = ()
    unfinished: tuple[str, ...] = ()
    entries: dict[str, Entry] = field(default_factory=dict)
    has_catalogue: bool = False


def scan(place: Place, *, keep: bool = False, anew: bool = False) -> Scanned:
    """All runs of a place; `keep` the text of their manifests, which nobody but a catalogue needs, in `entries`.

    `anew`: from the manifests alone, whatever the catalogue says. Raises `TraceError` if it cannot be listed; faults of single runs are returned.
    """
    names = _listing(place)
    its = names.get(catalogue.NAME)
    known = catalogue.read(place, its) if its is not None and not anew else {}
    found, faults = Scanned(has_catalogue=its is not None), []
    runs: dict[str, RunFile] = {}
    for name in sorted(names):
        try:
            run = _run(place, name, names, known, found)
            if run is None:
                continue
            other = runs.get(run.manifest.run_id)
            if other is not None:
                raise TraceError(
                    f"run_id {run.manifest.run_id!r} is also used in suite "
                    f"{other.manifest.suite!r}",
                    file=place.shown(name),
                    fix="A run_id must be unique in the store. Remove one with "
                    f"`emergence-stats traces rm {run.manifest.run_id} --suite SUITE`.",
                )
            runs[run.manifest.run_id] = run
            if not keep:
                found.entries.pop(name)
        except TraceError as fault:
            faults.append(fault)
    found.runs = tuple(sorted(runs.values(), key=lambda r: (r.manifest.suite, r.manifest.run_id)))
    found.faults = tuple(faults)
    pending = (name.rpartition("/")[2] for name in names if name.endswith(".json.pending"))
    found.unfinished = tuple(sorted(file[1:].removesuffix(".json.pending") for file in pending))
    return found


def _listing(place: Place) -> dict[str, pafs.FileInfo]:
    """Files of the store by their names relative to it."""
    import pyarrow.fs as pafs

    try:
        listed = place.filesystem.get_file_info(pafs.FileSelector(place.base, recursive=True))
    except OSError as error:
        raise TraceError(f"the trace store cannot be listed ({error})", file=place.uri) from None
    return {
        info.path[len(place.base) :].lstrip("/"): info
        for info in listed
        if info.type == pafs.FileType.File
    }


def _run(
    place: Place,
    name: str,
    names: Mapping[str, pafs.FileInfo],
    known: Mapping[str, Entry],
    found: Scanned,
) -> RunFile | None:
    """The run whose manifest is `name`, None if that is not a manifest. Raises `TraceError`."""
    folder, _, file = name.rpartition("/")
    hidden = any(part.startswith(".") for part in name.split("/"))
    if hidden or not folder or "/" in folder:
        return None  # partial runs and unrelated files are not part of the store
    if run_of_part(file) is not None:
        return None  # of a manifest that names it, or of a writer that was killed before that
    if file.endswith(".parquet") and f"{name[:-8]}.json" not in names:
        run_id = file[:-8]
        if f"{folder}/{pending_manifest_name(run_id)}" in names:
            return None  # a writer was killed between its two renames
        raise TraceError(
            "the manifest is missing, so the run has no provenance",
            file=place.shown(f"{name[:-8]}.json"),
            fix="Restore it, or remove the Parquet file with `emergence-stats traces rm`.",
        )
    if not file.endswith(".json"):
        return None
    its, entry, elsewhere = names[name], known.get(name), place.folder is None
    if entry is not None and catalogue.matches(entry, its):
        with suppress(
            TraceError
        ):  # of what the catalogue says: the file itself may be sound, and has the last word
            manifest = Manifest.from_json(entry.manifest, place.shown(name))
            parquet = _parquet_of(place, name, manifest)
            if parquet in names:
                found.entries[name] = entry
                return RunFile(manifest, place.path(parquet), catalogued=True, elsewhere=elsewhere)
    for _ in range(_LOOKS):
        text, manifest = read_manifest(place, name)
        parquet = _parquet_of(place, name, manifest)
        if parquet in names or _came_meanwhile(place, parquet):
            found.entries[name] = Entry(its.size, its.mtime_ns or 0, text)
            return RunFile(manifest, place.path(parquet), elsewhere=elsewhere)
    raise TraceError(
        "there is no Parquet file beside the manifest",
        file=place.shown(name),
        fix=f"Restore it, or remove the run with `emergence-stats traces rm {name.rpartition('/')[2].removesuffix('.json')}`.",
    )


def _parquet_of(place: Place, name: str, manifest: Manifest) -> str:
    """The Parquet file of a manifest that is in its place, relative to the store. Raises `TraceError` if it is not."""
    folder, _, file = name.rpartition("/")
    where = place.shown(name)
    if manifest.run_id != file[:-5] or manifest.suite != folder:
        raise TraceError(
            f"the manifest is of run {manifest.run_id!r} of suite {manifest.suite!r}, "
            "which does not match its place in the store",
            file=where,
            fix="Files are <suite>/<run_id>.json and <suite>/<run_id>.parquet.",
        )
    return f"{folder}/{parquet_name(manifest, where)}"


def _came_meanwhile(place: Place, parquet: str) -> bool:
    """Whether a file that the listing lacks is there now: a local store is locked, so nothing comes."""
    import pyarrow.fs as pafs

    if place.folder is not None:
        return False
    try:
        kind = place.filesystem.get_file_info(place.path(parquet)).type
    except OSError as error:
        raise TraceError(f"cannot be read ({error})", file=place.shown(parquet)) from None
    return bool(kind == pafs.FileType.File)


def read_manifest(place: Place, name: str) -> tuple[bytes, Manifest]:
    """A manifest's text and what it says. Raises `TraceError` for one that cannot be read.

    Elsewhere a file is read by two requests, its size and its bytes: one that is replaced between them looks cut off, and is
    read again.
    """
    for look in range(_LOOKS):
        try:
            text = manifest_bytes(place, name)
            return text, Manifest.from_json(text, place.shown(name))
        except TraceError:
            if place.folder is not None or look == _LOOKS - 1:
                raise
    raise AssertionError("the last look returns or raises")


def manifest_bytes(place: Place, name: str) -> bytes:
    """A manifest's file, of a size that a manifest has. Raises `TraceError`."""
    try:
        with place.filesystem.open_input_file(place.path(name)) as stream:
            MAX_MANIFEST_BYTES.check("the manifest has", stream.size(), place.shown(name))
            data: bytes = stream.read()
            return data
    except OSError as error:
        raise TraceError(f"cannot be read ({error})", file=place.shown(name)) from None
