"""The source that a hypothesis rests on: which files an import reaches, and their digests.

An import is looked up as Python looks it up: a package before a module, relative to the package that
the importing file is part of. What is found is one of three: a file beside the hypothesis, or of this
package where it takes part in the analysis, which is hashed and followed; a module of the standard
library or of an installed distribution, whose version is up to the environment; or anything else,
which no registration can freeze, and which is an error.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import machinery
from importlib.util import find_spec
from pathlib import Path

import emergence_stats
from emergence_stats._moved import MOVED
from emergence_stats.errors import RegistrationError

_PACKAGE = Path(__file__).parent.parent
_NAME = "emergence_stats"
# Rooms and modules of this package that read, check, show or look after data without deciding a number.
# Anything else that a hypothesis imports is part of what its registration freezes.
_NOT_ANALYSIS = frozenset(
    {"traces", "claims", "evaluation", "robustness", "reports", "interfaces", "support"}
    | {"__init__", "__main__", "_moved", "errors", "recorder"}
)


def code_digests(path: Path) -> dict[str, str]:
    """sha256 by file of the module at `path` and of all that it rests on.

    Line endings are normalised. Names are relative to the folder that holds the module's folder, or begin
    with ``emergence_stats/``. Raises `RegistrationError` for an import that leads neither to a file that
    is hashed nor to the standard library or an installed distribution.
    """
    path = path.absolute()  # not resolved: a link beside the module is a module beside it
    found: dict[Path, str] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        source = file.read_bytes().replace(b"\r\n", b"\n")
        found[file] = hashlib.sha256(source).hexdigest()
        if file.suffix == ".py":
            waiting += _reached(file, source, path.parent)
    return {_shown(file, path.parent): sha for file, sha in sorted(found.items())}


def _shown(file: Path, folder: Path) -> str:
    base = _PACKAGE.parent if file.is_relative_to(_PACKAGE) else folder.parent
    return Path(os.path.relpath(file, base)).as_posix()


# --- import statements ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Import:
    """``import module`` (`names` empty), or ``from module import names`` with `level` dots."""

    line: int
    module: str
    names: tuple[str, ...] = ()
    level: int = 0

    def __str__(self) -> str:
        return "." * self.level + (self.module or ", ".join(self.names))


@cache  # the hypotheses of a report rest on the same modules
def _imports(source: bytes, file: Path) -> tuple[_Import, ...]:
    """Every import statement of a module, at any depth."""
    found: list[_Import] = []
    for node in ast.walk(ast.parse(source, str(file))):
        if isinstance(node, ast.Import):
            found += [_Import(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            found.append(_Import(node.lineno, node.module or "", names, node.level))
    return tuple(found)


def _reached(file: Path, source: bytes, folder: Path) -> Iterator[Path]:
    """Files to be hashed that the imports of `file` reach. `folder`: that of the hypothesis."""
    ours = file.is_relative_to(_PACKAGE)
    for statement in _imports(source, file):
        if statement.level:
            # one dot: the package that the file is in, its folder; another for each one above
            base = file.parents[statement.level - 1]
            parts = statement.module.split(".") if statement.module else []
            files = _walk([base], parts, statement.names)
        elif statement.module.partition(".")[0] == _NAME:
            files = _of_framework(statement)
        else:
            parts = statement.module.split(".")
            beside = _locate(parts[0], [folder]) if not ours else None
            if beside is None:
                if not ours:  # this package's own imports are named by its distribution
                    _check_outside(parts[0], file, statement, folder)
                continue
            files = _walk([folder], parts, statement.names)
        if files is None:
            raise RegistrationError(
                f"{file}:{statement.line}: there is no module {str(statement)!r} to freeze; a "
                "registration holds every file that a hypothesis imports"
            )
        yield from (
            found for found in files if not found.is_relative_to(_PACKAGE) or _decides(found)
        )


# --- finding files ----------------------------------------------------------------------------


def _walk(folders: Sequence[Path], parts: Sequence[str], names: Sequence[str]) -> list[Path] | None:
    """Files that run when ``parts`` below `folders`, and `names` from there, are imported; None if there
    is no such module.

    A name that is not a module is an attribute, which only a file can have: a folder without an
    ``__init__.py`` has none.
    """
    files: list[Path] = []
    paths: Sequence[Path] = folders
    attributes = False
    if not parts and (folders[0] / "__init__.py").is_file():
        files.append(folders[0] / "__init__.py")
        attributes = True
    for part in parts:
        found = _locate(part, paths)
        if found is None:
            return None
        file, paths = found
        attributes = file is not None
        files += [file] if file is not None else []
    if "*" in names:  # may import whatever the package holds
        names = [
            entry.stem for path in paths for entry in sorted(path.iterdir()) if _is_module(entry)
        ]
    for name in names:
        found = _locate(name, paths)
        if found is None and not attributes:
            return None
        if found is not None and found[0] is not None:
            files.append(found[0])
    return files


def _is_module(entry: Path) -> bool:
    return (entry.suffix == ".py" and entry.stem != "__init__") or (entry / "__init__.py").is_file()


def _locate(name: str, folders: Sequence[Path]) -> tuple[Path | None, list[Path]] | None:
    """The file of a module in `folders` and the folders of its submodules, as Python finds them.

    The file is None for a package without ``__init__.py``. None if there is nothing of that name.
    """
    portions: list[Path] = []
    for folder in folders:
        # A new finder each time: those that Python keeps may not have seen a new file yet.
        spec = machinery.FileFinder(
            str(folder),
            (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
            (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
            (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
        ).find_spec(name)
        if spec is not None and spec.loader is not None and spec.origin is not None:
            return Path(spec.origin), [Path(p) for p in spec.submodule_search_locations or ()]
        if spec is not None:
            portions += [Path(p) for p in spec.submodule_search_locations or ()]
    return (None, portions) if portions else None


# --- this package, and what lies outside ------------------------------------------------------


def _of_framework(statement: _Import) -> list[Path] | None:
    """Files of this package behind an import of it or of its public names, which are found lazily."""
    parts = statement.module.split(".")[1:]
    if parts:
        if ".".join(parts) in MOVED:
            return _walk([_PACKAGE], MOVED[".".join(parts)][0].split("."), ())
        return _walk([_PACKAGE], parts, statement.names)
    public = emergence_stats.MODULES
    wanted = (
        set(public.values()) if not statement.names else {public.get(n, n) for n in statement.names}
    )
    files: list[Path] = []
    for name in sorted(wanted):
        found = _walk([_PACKAGE], name.split("."), ())
        if found is None and not name.startswith("__"):
            return None
        files += found or []
    return files


def _decides(file: Path) -> bool:
    """Whether a module of this package takes part in the analysis: all do except those of some rooms."""
    return file.relative_to(_PACKAGE).parts[0].removesuffix(".py") not in _NOT_ANALYSIS


def _check_outside(name: str, file: Path, statement: _Import, folder: Path) -> None:
    """Raise `RegistrationError` unless the module `name` is in the standard library or installed."""
    if name in sys.stdlib_module_names or name in sys.builtin_module_names or _installed(name):
        return
    spec = find_spec(name)
    where = "does not exist" if spec is None else f"comes from {spec.origin or 'a folder'}"
    raise RegistrationError(
        f"{file}:{statement.line}: module {name!r} {where}: it lies neither in {folder} nor in an installed "
        f"distribution, so a registration cannot freeze it. Move it into {folder}, or install it"
    )


@cache
def _installed(name: str) -> bool:
    """Whether a distribution provides the top-level module `name`."""
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return name in importlib.metadata.packages_distributions() or _is_editable(name)
    return True


def _is_editable(name: str) -> bool:
    """Whether a distribution that is installed in place, and lists no modules, provides `name`."""
    import json
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return False
    for distribution in importlib.metadata.distributions():
        direct = json.loads(distribution.read_text("direct_url.json") or "{}")
        if direct.get("dir_info", {}).get("editable"):
            root = Path(url2pathname(urlparse(direct["url"]).path))
            if Path(spec.origin).is_relative_to(root):
                return True
    return False
