"""Where a module that a hypothesis imports comes from: by its place on disk, and not by its name alone."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname


@dataclass(frozen=True)
class Origin:
    """`kind`: "installed" (standard library, or the files of a distribution), "editable" (a distribution
    that is used where its source lies, so that its files can change), "elsewhere" (found by the search
    path alone) or "absent". `place`: the module's file, or its folder if it has none.
    """

    kind: str
    place: Path | None = None


def origin_of(name: str) -> Origin:
    """Where the top-level module `name` is, or would be, imported from."""
    if name == "__main__":  # whatever program happens to run
        return Origin("elsewhere")
    try:
        spec = find_spec(name)
    except (ValueError, ImportError):  # made by hand, as `__main__` may be
        return Origin("elsewhere")
    if spec is None:
        return Origin("installed" if name in sys.stdlib_module_names else "absent")
    if spec.origin in ("built-in", "frozen"):
        return Origin("installed")
    found = spec.origin or next(iter(spec.submodule_search_locations or ()), None)
    if found is None:
        return Origin("elsewhere")
    place = Path(found)
    if name in sys.stdlib_module_names and _is_in_standard_library(place):
        return Origin("installed", place)
    if _is_of_namesake(name, place):
        return Origin("installed", place)
    for base, in_place in _distributions_with(name):
        if place.is_relative_to(base):
            return Origin("editable" if in_place else "installed", place)
    return Origin("elsewhere", place)


def offered(group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
    """What installed packages offer in a group of entry points, by name.

    To find it a file of each package is opened, so it is looked for once for each state of the search path: an installation
    changes a folder of it.
    """
    return _offered(group, tuple((place, _changed(place)) for place in sys.path))


@lru_cache(maxsize=8)
def _offered(
    group: str, _path: tuple[tuple[str, int], ...]
) -> tuple[importlib.metadata.EntryPoint, ...]:
    return tuple(sorted(importlib.metadata.entry_points(group=group), key=lambda p: p.name))


def _changed(place: str) -> int:
    """When a place of the search path changed, in nanoseconds, 0 for one that is not there."""
    try:
        return Path(place).stat().st_mtime_ns
    except OSError:
        return 0


def _is_in_standard_library(place: Path) -> bool:
    folders = {Path(sysconfig.get_path(key)) for key in ("stdlib", "platstdlib")}
    return any(place.is_relative_to(folder) for folder in folders) and not any(
        part in ("site-packages", "dist-packages") for part in place.parts
    )


def _is_of_namesake(name: str, place: Path) -> bool:
    """Whether the distribution of the same name, as of numpy and scipy, lists the file as installed.

    Asking all distributions which modules they bring takes half a second.
    """
    try:
        distribution = importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False
    base = Path(str(distribution.locate_file("")))
    if _editable_root(distribution) is not None or not place.is_relative_to(base):
        return False
    listed = f"{place.relative_to(base).as_posix()},"
    return any(
        line.startswith(listed) for line in (distribution.read_text("RECORD") or "").split("\n")
    )


@cache
def _distributions_with(name: str) -> tuple[tuple[Path, bool], ...]:
    """For each distribution that may bring the module: the folder of its files, and whether it is in place."""
    known = packages().get(name, [])
    found = [importlib.metadata.distribution(one) for one in dict.fromkeys(known)]
    bases: list[tuple[Path, bool]] = []
    for distribution in found or importlib.metadata.distributions():
        root = _editable_root(distribution)
        if root is not None:
            bases.append((root, True))
        elif found:
            bases.append((Path(str(distribution.locate_file(""))), False))
    # A folder of source may hold the metadata of what is installed from it in place.
    return tuple(sorted(bases, key=lambda one: not one[1]))


@cache
def packages() -> Mapping[str, list[str]]:
    """Names of the distributions that bring a top-level module; asked once, since it takes a quarter of a second."""
    return importlib.metadata.packages_distributions()


def _editable_root(distribution: importlib.metadata.Distribution) -> Path | None:
    """Where the source of a distribution that is installed in place lies, None for any other (PEP 610)."""
    try:
        direct = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return None
    if direct.get("dir_info", {}).get("editable"):
        return Path(url2pathname(urlparse(direct["url"]).path))
    base = Path(str(distribution.locate_file("")))
    return base if (base / "pyproject.toml").exists() or (base / "setup.py").exists() else None
