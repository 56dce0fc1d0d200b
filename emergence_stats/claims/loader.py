"""The modules of a claims folder: which files are claims, and how they are imported.

They are imported from their source, which is what a registration digests. Python would take compiled code from
``__pycache__`` without looking whether it belongs to the source, or take it for current when a file changes within
a second.
"""

from __future__ import annotations

import ast
import fnmatch
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from emergence_stats.claims.settings.constants import Constants

PREFIX = "emergence_stats_hypotheses_"
# What lies beside claims and is none: helpers; what editors and file systems hide; pytest's files, by the patterns that it
# has by default; a script that installs.
_NO_CLAIMS = ("[_.]*", "conftest.py", "test_*.py", "*_test.py", "setup.py")
_FOLDERS_OF_TESTS = ("test", "tests")
_LOCKS_OF_ALL = ("verdicts", "robustness")  # locks that belong to no single claim


def may_be_claim(name: str) -> bool:
    """Whether a file of this name can be the module of a claim."""
    return name.endswith(".py") and not any(fnmatch.fnmatchcase(name, no) for no in _NO_CLAIMS)


def claim_files(folder: Path) -> list[Path]:
    """Modules of claims in a folder, and in the folders of papers below it.

    A module of the folder itself may make its `Hypothesis` in any way, which only importing it shows. Below it there
    were folders of scripts before there were folders of papers, so a module there counts if it makes one itself.
    """
    inner = (path for paper in _papers(folder) for path in _candidates(paper))
    return _candidates(folder) + [path for path in inner if says_hypothesis(path)]


def locks_without_module(folder: Path) -> list[Path]:
    """Registrations whose module is gone: it was renamed, moved or deleted."""
    locks = (
        path for here in (folder, *_papers(folder)) for path in sorted(here.glob("[!.]*.lock"))
    )
    return [
        lock
        for lock in locks
        if lock.stem not in _LOCKS_OF_ALL
        and not lock.with_suffix(".py").exists()
        and _contains(lock, b'"entries"')  # other programs have locks too
    ]


def says_hypothesis(path: Path) -> bool:
    """Whether the text of a module makes a `Hypothesis`; also true if it cannot be read, which its import reports."""
    return _contains(path, b"Hypothesis(")


def claim_text(path: Path | None) -> str:
    """What a module claims, without importing it: the text of its `Claim`, else its docstring's first line, else ""."""
    try:
        tree = ast.parse(path.read_bytes()) if path is not None else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Claim":
            texts = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "text")]
            if texts and isinstance(texts[0], ast.Constant) and isinstance(texts[0].value, str):
                return texts[0].value
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def _contains(path: Path, text: bytes) -> bool:
    try:
        return text in path.read_bytes()
    except OSError:
        return True


def _candidates(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.glob("*.py")) if may_be_claim(p.name) and not p.is_dir()]


def _papers(folder: Path) -> list[Path]:
    """Folders in it that are neither packages of helpers, nor projects, nor folders of tests."""
    return [
        inner
        for inner in sorted(folder.glob("[!._]*/"))
        if inner.is_dir()
        and inner.name not in _FOLDERS_OF_TESTS
        and not any((inner / x).exists() for x in ("__init__.py", "pyproject.toml"))
    ]


# What projects set in the helpers of a claim, by its package.
CONSTANTS: dict[str, Constants] = {}


class _FromSource(SourceFileLoader):
    """Reads and writes no compiled code. What a project sets in a helper is set before others import it from there."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        constants = CONSTANTS.get(module.__name__.partition(".")[0])
        if constants is not None and module.__name__.rpartition(".")[2] != constants.claim:
            constants.set_in(module)

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Like Python's own, for modules of claims folders. Raises `ImportError` for one without source."""
        if not fullname.startswith(PREFIX) or path is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None:
            return None
        if isinstance(spec.loader, SourcelessFileLoader):
            raise ImportError(f"{spec.origin} is compiled code without a source", name=fullname)
        if isinstance(spec.loader, SourceFileLoader):
            spec.loader = _FromSource(spec.loader.name, spec.loader.path)
            spec.cached = None
        return spec


def import_from_source() -> None:
    """From now on modules whose package begins with `PREFIX` come from source alone."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
