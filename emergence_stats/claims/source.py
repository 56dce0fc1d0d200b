"""The source that a hypothesis rests on: which files an import reaches, and their digests.

An import is looked up as Python looks it up: a package before a module, relative to the package that
the importing file is part of. What is found is one of three: a file beside the hypothesis, or of this
package where it takes part in the analysis, which is hashed and followed, and so is one of a distribution
that is installed in place (editable); a module of the standard library or of any other installed
distribution, whose version is up to the environment; or anything else, which no registration can freeze,
and which is an error.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import machinery
from pathlib import Path

import emergence_stats
from emergence_stats import MODULES
from emergence_stats._moved import MOVED
from emergence_stats.claims.origins import origin_of
from emergence_stats.errors import RegistrationError
from emergence_stats.support.bare import bare_source

_PACKAGE = Path(__file__).parent.parent
_NAME = "emergence_stats"
_SETTLES = ("settle.py", "looks.py")  # what judges a plan, which no claim has to import


def code_digests(path: Path, base: Path | None = None) -> dict[str, str]:
    """sha256 by file of the module at `path` and of all that it rests on.

    Line endings are normalised; of the core (`emergence_stats/core/`) comments, docstrings and layout do not count, by
    its tokens. `base`: the folder of claims, by
    default the module's own. Names of files are relative to the folder that holds it, or begin with ``emergence_stats/``. Raises `RegistrationError` for an import that leads neither to a file that
    is hashed nor to the standard library or an installed distribution.
    """
    path = path.absolute()  # not resolved: a link beside the module is a module beside it
    base = path.parent if base is None else base.absolute()
    digests: dict[Path, str] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file in digests:
            continue
        if file.is_relative_to(_PACKAGE):
            its = file.stat()
            digests[file], reached = _of_package(file, its.st_mtime_ns, its.st_size)
            waiting += reached
        else:
            source = _source(file)
            digests[file] = hashlib.sha256(source).hexdigest()
            waiting += _reached(file, source, path.parent) if file.suffix == ".py" else ()
        if file == _PACKAGE / "core" / "plan.py":
            waiting += [_PACKAGE / "core" / name for name in _SETTLES]
    return {_shown(file, base): sha for file, sha in sorted(digests.items())}


def imported_names(path: Path, base: Path) -> set[str]:
    """Top-level names that the module at `path` and what it rests on, but for this package, import."""
    names = set()
    for shown in code_digests(path, base=base):
        file = base.absolute().parent / shown
        if file.suffix == ".py" and file.is_file() and not file.is_relative_to(_PACKAGE):
            source = file.read_bytes().replace(b"\r\n", b"\n")
            names |= {i.module.partition(".")[0] for i in _imports(source, file) if not i.level}
    return names - {_NAME}


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
    for node in ast.walk(_parsed(source, file)):
        if isinstance(node, ast.Import):
            found += [_Import(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            found.append(_Import(node.lineno, node.module or "", names, node.level))
    return tuple(found)


def _parsed(source: bytes, file: Path) -> ast.Module:
    try:
        return ast.parse(source, str(file))
    except (SyntaxError, ValueError) as error:  # a file that is imported in some cases only
        line = getattr(error, "lineno", None) or 1
        raise RegistrationError(
            f"{file}:{line}: cannot be parsed ({error}), so nothing tells what it imports"
        ) from None


@cache  # every claim rests on the same modules of this package
def _of_package(file: Path, modified: int, size: int) -> tuple[str, tuple[Path, ...]]:
    """Digest of a file of this package, and the files that its imports reach; as long as it is as it was."""
    source = _source(file)
    bare = bare_source(source) if file.is_relative_to(_PACKAGE / "core") else source
    reached = tuple(_reached(file, source, _PACKAGE)) if file.suffix == ".py" else ()
    return hashlib.sha256(bare).hexdigest(), reached


def _source(file: Path) -> bytes:
    return file.read_bytes().replace(b"\r\n", b"\n")


def _reached(file: Path, source: bytes, folder: Path) -> Iterator[Path]:
    """Files to be hashed that the imports of `file` reach. `folder`: that of the hypothesis."""
    for statement in _imports(source, file):
        files = _files_of(statement, file, folder)
        if files is None:
            raise RegistrationError(
                f"{file}:{statement.line}: there is no module {str(statement)!r} to freeze; a "
                "registration holds every file that a hypothesis imports"
            )
        yield from (
            found for found in files if not found.is_relative_to(_PACKAGE) or _decides(found)
        )


def _files_of(statement: _Import, file: Path, folder: Path) -> list[Path] | None:
    """Files that an import statement of `file` reaches, None if there is no such module."""
    parts = statement.module.split(".") if statement.module else []
    if statement.level:
        if statement.level > len(file.parents):
            return None
        # one dot: the package that the file is in, its folder; another for each one above
        return _walk([file.parents[statement.level - 1]], parts, statement.names)
    if parts[0] == _NAME:
        return _of_framework(statement.module, statement.names)
    if file.is_relative_to(_PACKAGE):
        return []  # this package's own imports are named by its distribution
    if _locate(parts[0], [folder]) is not None:
        return _walk([folder], parts, statement.names)
    origin = origin_of(parts[0])
    top = None  # the folder that holds the module, or the folder of the package
    if origin.place is not None:
        is_package = origin.place.name == "__init__.py"
        top = origin.place.parent.parent if is_package else origin.place.parent
    if origin.kind == "installed" and (top is None or not folder.is_relative_to(top / parts[0])):
        return []
    if (
        origin.kind in ("installed", "editable") and top is not None
    ):  # installed: the claim's own package
        return _walk([top], parts, statement.names)
    where = "is not there" if origin.kind == "absent" else f"comes from {origin.place or 'no file'}"
    raise RegistrationError(
        f"{file}:{statement.line}: module {parts[0]!r} {where}: it lies neither in {folder} nor in an installed "
        f"distribution, so a registration cannot freeze it. Move it into {folder}, or install it"
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
        located = _locate(part, paths)
        if located is None:
            return None
        file, paths = located
        attributes = file is not None
        files += [file] if file is not None else []
    if "*" in names:
        names = _exported(files[-1], paths) if attributes else []
    for name in names:
        located = _locate(name, paths)
        if located is None and not attributes:
            return None
        if located is not None and located[0] is not None:
            files.append(located[0])
    return files


def _exported(init: Path, folders: Sequence[Path]) -> list[str]:
    """Names that a star import takes from a package, and that may be modules: those of its ``__all__``.

    All of its modules if that list is not written out.
    """
    for node in _parsed(init.read_bytes(), init).body:
        if isinstance(node, ast.Assign) and "__all__" in map(ast.unparse, node.targets):
            try:
                listed = [str(name) for name in ast.literal_eval(node.value)]
            except (ValueError, TypeError):
                break
            return [name for name in listed if _locate(name, folders) is not None]
    else:
        return []
    return [file.stem for folder in folders for file in sorted(folder.glob("*.py")) if file != init]


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


# --- this package -----------------------------------------------------------------------------


@cache  # as of `_of_package`
def _of_framework(module: str, names: tuple[str, ...]) -> list[Path] | None:
    """Files of this package behind an import of it or of its public names, which are found lazily."""
    parts = module.split(".")[1:]
    if parts:
        moved = MOVED.get(".".join(parts))
        return _walk([_PACKAGE], moved[0].split(".") if moved else parts, () if moved else names)
    if not names or "*" in names:
        names = tuple(MODULES)
    files: list[Path] = []
    for name in dict.fromkeys(MODULES.get(n, n) for n in names):
        place = MOVED[name][0] if name in MOVED else name
        found = _walk([_PACKAGE], place.split("."), ())
        if found is None and not hasattr(emergence_stats, name):
            return None
        files += found or []
    return files


def _decides(file: Path) -> bool:
    """Whether a module of this package takes part in the analysis: those of the core do."""
    return file.is_relative_to(_PACKAGE / "core")
