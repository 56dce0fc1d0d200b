"""Find hypotheses, as pytest finds tests: by folder and by name, plus installed packages.

The folder is named in ``[tool.emergence_stats]`` of the nearest pyproject.toml (default
``hypotheses/``). Each module in it holds one `Hypothesis`, and the file name is its name; so does each module in a
folder of it, one for a paper, which has neither an ``__init__.py`` (that is a package of helpers) nor a pyproject.toml
(another project). Helpers, whose names begin with an underscore, hidden files, and the files of pytest (``conftest.py``,
``test_*.py``) are no claims (`loader.claim_files`). Installed packages add theirs by the entry point group
``emergence_stats.hypotheses``.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import os
import sys
import tomllib
import traceback
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from emergence_stats.claims.loader import (
    CONSTANTS,
    PREFIX,
    claim_files,
    import_from_source,
    locks_without_module,
    may_be_claim,
)
from emergence_stats.claims.origins import offered
from emergence_stats.claims.settings import layers
from emergence_stats.claims.settings.constants import Constants
from emergence_stats.claims.settings.tasks import NamedTasks
from emergence_stats.core.plan import Hypothesis
from emergence_stats.errors import (
    EmergenceStatsError,
    HypothesisError,
    NoHypothesisError,
    UsageError,
)
from emergence_stats.support.git import History
from emergence_stats.support.guard import now_working_on
from emergence_stats.support.reads import Reads, at_work, environment_watched, forget, watch
from emergence_stats.support.words import near
from emergence_stats.traces.places import is_uri

ENTRY_POINTS = "emergence_stats.hypotheses"
# Settings of [tool.emergence_stats] and their defaults; what they may be besides text.
_SETTINGS: dict[str, Any] = {
    "hypotheses": "hypotheses",
    "traces": "data",
    "authorities": None,
    "color": "auto",
    "jobs": None,
    "claims": {},
}
_CHOICES = {"color": ("auto", "always", "never")}


@dataclass(frozen=True)
class Source:
    """Where a hypothesis is defined: `path` of its module, or an entry point's module.

    `base`: the folder of the claims, from which its modules may import; by default that of `path`. `shipped`: with this
    package, and no claim of the project's own.
    """

    name: str
    path: Path | None
    module: str | None = None
    base: Path | None = None
    shipped: bool = False

    @property
    def lock(self) -> Path:
        if self.path is None:
            spec = importlib.util.find_spec(str(self.module))
            if spec is None or spec.origin is None:
                raise HypothesisError(f"{self.name}: cannot find module {self.module}")
            return Path(spec.origin).with_suffix(".lock")
        return self.path.with_suffix(".lock")

    @property
    def home(self) -> Path:
        """The folder whose files are beside the claim."""
        return self.base or self.lock.parent


@dataclass(frozen=True)
class Loaded:
    """A hypothesis with its name, its source and the module that defines it.

    `reads`: what its code has read so far, besides the traces it was given. `settings`: constants that the project sets for
    it. `history`: what git says about the locks of its folder. `constants`: those of its helpers.
    """

    name: str
    source: Source
    hypothesis: Hypothesis
    module: ModuleType
    reads: Reads = field(default_factory=Reads)
    settings: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)
    constants: Constants = field(default_factory=lambda: Constants(""))

    @property
    def tasks(self) -> NamedTasks:
        """What the constants of its helpers say of tasks."""
        return self.constants.tasks(self.source.path)

    @property
    def doc(self) -> str:
        return (self.module.__doc__ or "").strip()


class Project:
    """The folder whose pyproject.toml names the hypotheses: `start`, or the nearest one above that says so.

    A folder above `start` counts only with a table ``[tool.emergence_stats]``, in a file that the user or root
    owns: its claims are imported, which runs their code.
    """

    def __init__(self, start: Path | None = None) -> None:
        here = (start or Path.cwd()).resolve()
        self.root = here
        self.ignored: Path | None = None  # a file above that would have counted, but for its owner
        for folder in (here, *here.parents):
            path = folder / "pyproject.toml"
            if not path.exists() or (folder != here and "emergence_stats" not in _tools(path)):
                continue
            if folder == here or _is_trusted(path):
                self.root = folder
            else:
                self.ignored = path
            break
        self._loaded: dict[str, Loaded] = {}
        self._histories: dict[Path, History] = {}

    @cached_property
    def is_declared(self) -> bool:
        """Whether its pyproject.toml has the table ``[tool.emergence_stats]``."""
        path = self.root / "pyproject.toml"
        return path.exists() and "emergence_stats" in _tools(path)

    @cached_property
    def settings(self) -> dict[str, Any]:
        path = self.root / "pyproject.toml"
        table = _tools(path).get("emergence_stats", {}) if path.exists() else {}
        if not isinstance(table, dict):
            raise UsageError(f"{path}: tool.emergence_stats is {table!r}, not a table")
        for name, value in table.items():
            if name not in _SETTINGS:
                hint = near(name, _SETTINGS)
                raise UsageError(f"{path}: [tool.emergence_stats] has no setting {name!r}{hint}")
            where = f"{path}: [tool.emergence_stats] {name} is {value!r}"
            if name == "claims":
                if not isinstance(value, dict) or not all(
                    isinstance(one, dict) for one in value.values()
                ):
                    raise UsageError(f"{where}, not a table for each claim")
            elif name == "jobs":
                if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                    raise UsageError(f"{where}, not a number of processes")
            elif not isinstance(value, str):
                raise UsageError(f"{where}, not {'text' if name in _CHOICES else 'a path'}")
            elif name in _CHOICES and value not in _CHOICES[name]:
                raise UsageError(f"{where}, not one of {', '.join(_CHOICES[name])}")
        return {**_SETTINGS, **table}

    @property
    def folder(self) -> Path:
        return self.root / self.settings["hypotheses"]

    @property
    def traces(self) -> str:
        """The default trace store: a path below the project, or a URI."""
        value = self.settings["traces"]
        return value if is_uri(value) else str(self.root / value)

    @property
    def authorities(self) -> list[Path]:
        """PEM files of the timestamp authorities that the project trusts."""
        name = self.settings["authorities"]
        return [] if name is None else [self.root / name]

    @cached_property
    def sources(self) -> dict[str, Source]:
        """All hypotheses by name, without importing any."""
        found: dict[str, Source] = {}
        for path in claim_files(self.folder):
            if path.stem in found:
                raise UsageError(
                    f"{path} and {found[path.stem].path} are both named {path.stem!r}; rename one of them"
                )
            found[path.stem] = Source(path.stem, path, base=self.folder)
        for point in offered(ENTRY_POINTS):
            # A module of the folder takes precedence: a local copy of an installed claim.
            found.setdefault(point.name, Source(point.name, None, point.value))
        return found

    @cached_property
    def shipped(self) -> dict[str, Source]:
        """The claims that come with this package, by name, but for those that the project has itself."""
        folder = shipped_folder()
        if folder is None or folder.resolve() == self.folder.resolve():
            return {}
        return {
            path.stem: Source(path.stem, path, base=folder, shipped=True)
            for path in claim_files(folder)
            if path.stem not in self.sources
        }

    @property
    def why_none(self) -> str:
        """Why the project has no hypothesis."""
        if self.ignored is not None:
            return f"{self.ignored} names some, but belongs to another user, so it is not read"
        shipped = (
            "; shipped ones are tested by name: `emergence-stats list`" if self.shipped else ""
        )
        return f"{self.folder} holds none (write one with `emergence-stats new NAME`{shipped})"

    def named(self, name: str) -> Source:
        """A source by name. Raises `UsageError` with the nearest name for an unknown one."""
        if name in self.sources:
            return self.sources[name]
        if name in self.shipped:
            return self.shipped[name]
        close = difflib.get_close_matches(name, [*self.sources, *self.shipped], 1, cutoff=0.4)
        if not self.sources and (self.ignored is not None or not close):
            raise UsageError(f"there is no hypothesis {name!r}: {self.why_none}")
        path = self.folder / f"{name}.py"
        if path.exists() and not may_be_claim(path.name):
            raise UsageError(
                f"{self.shown(path)} is no claim, by its name: so are named tests, helpers and files of other programs"
            )
        hint = f"; did you mean {close[0]!r}?" if close else ""
        if not self.sources:
            hint = f": {self.folder} holds none. Of those that come with the package, did you mean {close[0]!r}?"
        raise UsageError(f"there is no hypothesis {name!r}{hint}")

    def shown(self, path: Path) -> str:
        """A path as users write it, from the project's folder if it lies there."""
        return (
            path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
        )

    def notes(self) -> list[str]:
        """What lies in the folder of claims and may not be meant, a line each."""
        return [
            f"{self.shown(lock)} is a registration without its module {lock.stem}.py: put the module back, under that name, "
            "or move the lock with it"
            for lock in locks_without_module(self.folder)
        ]

    def load(self, name: str) -> Loaded:
        """Import one hypothesis. Raises `HypothesisError` with the file and line of what is wrong."""
        if name not in self._loaded:
            self._loaded[name] = self._load(self.named(name))
        return self._loaded[name]

    def _load(self, source: Source) -> Loaded:
        settings = self._settings_of(source.name)
        constants = Constants(source.name, {k: v for k, v in settings.items() if k != layers.NAME})
        module, reads = _import(source, constants)
        constants.check(source.path)
        hypothesis = _the_hypothesis(module, source)
        if layers.NAME in settings:
            hypothesis = layers.with_last_layer(hypothesis, settings[layers.NAME], source.name)
        history = self._history_of(source.lock.parent)
        return Loaded(
            source.name, source, hypothesis, module, reads, dict(settings), history, constants
        )

    def _settings_of(self, name: str) -> dict[str, Any]:
        """What the project sets for a claim. Raises `UsageError` for a table of a claim that there is not."""
        tables: dict[str, dict[str, Any]] = self.settings["claims"]
        known = [*self.sources, *self.shipped]
        for other in tables:
            if other not in known:
                hint = near(other, known)
                raise UsageError(
                    f"[tool.emergence_stats.claims.{other}]: there is no hypothesis {other!r}{hint}"
                )
        return tables.get(name, {})

    def _history_of(self, folder: Path) -> History:
        """Read once for all locks of a folder."""
        return self._histories.setdefault(folder, History(folder, ".lock"))


def shipped_folder() -> Path | None:
    """The folder of the claims that come with this package: in it once it is installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed, checkout = package / "shipped", package.parent / "hypotheses"
    if installed.is_dir():
        return installed
    return checkout if (package.parent / "training" / "suites").is_dir() else None


def _tools(path: Path) -> dict[str, Any]:
    """The table ``[tool]`` of a pyproject.toml. Raises `UsageError` for a file that cannot be read."""
    try:
        tools = tomllib.loads(path.read_text("utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML ({error})") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if not isinstance(tools, dict):
        return {}
    for name in tools:
        if name != "emergence_stats" and near(name, ["emergence_stats"], cutoff=0.9):
            raise UsageError(f"{path}: [tool.{name}]; did you mean [tool.emergence_stats]?")
    return tools


def _is_trusted(path: Path) -> bool:
    """Whether the user or root owns a file; systems without owners trust it."""
    return not hasattr(os, "getuid") or path.stat().st_uid in (os.getuid(), 0)


def _import(source: Source, constants: Constants) -> tuple[ModuleType, Reads]:
    """The module of a claim, imported, with what the project sets for it, and what its code reads from then on."""
    where = str(source.path or source.module)
    try:
        if source.path is None:
            full = str(source.module).partition(":")[0]
            reads = watch(full.rpartition(".")[0] or full, source.lock.parent)
        else:
            base = source.home
            package = _package_for(source.path, base)
            CONSTANTS[package] = constants
            forget(package)
            inner = source.path.relative_to(base).with_suffix("").parts
            full, reads = ".".join((package, *inner)), watch(package, base)
        now_working_on(f"the import of {where}")
        with redirect_stdout(sys.stderr), environment_watched(), at_work(reads):
            return importlib.import_module(full), reads
    except EmergenceStatsError as error:
        raise HypothesisError(f"{_line_in(where, error)}: {error}") from None
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {error}"
        raise HypothesisError(f"{_line_in(where, error)}: cannot be imported: {what}") from None


def _package_for(path: Path, base: Path) -> str:
    """A package of its own for one claim, through which it imports the modules beside it, from `base` on.

    No claim sees a module that another has imported, and may have changed. What an earlier project of this
    process imported for the same claim is forgotten: a notebook or a test may edit a helper between two
    calls, and Python would keep the old module, while a registration would digest the new file.
    """
    package = PREFIX + hashlib.sha256(str(path).encode()).hexdigest()[:12]
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]  # the package too: it keeps its modules as attributes
    spec = ModuleSpec(package, None, is_package=True)
    spec.submodule_search_locations = [str(base)]
    sys.modules[package] = importlib.util.module_from_spec(spec)
    import_from_source()
    importlib.invalidate_caches()
    return package


def _line_in(where: str, error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == where]
    return f"{where}:{lines[-1]}" if lines else where


def _the_hypothesis(module: ModuleType, source: Source) -> Hypothesis:
    where = source.path or source.module
    named = (source.module or "").partition(":")[2] or source.name
    value = getattr(module, named, None)
    if isinstance(value, Hypothesis):
        return _checked(value, where)
    found = {k: v for k, v in vars(module).items() if isinstance(v, Hypothesis)}
    if len(found) == 1:
        return _checked(next(iter(found.values())), where)
    if not found:
        raise NoHypothesisError(
            f"{where}: the module holds no Hypothesis; the name of a module that others import begins with an "
            f"underscore (_{source.name}.py)"
        )
    count = f"{len(found)} hypotheses ({', '.join(found)})"
    raise HypothesisError(f"{where}: the module holds {count}; name one of them {named!r}")


def _checked(hypothesis: Hypothesis, where: object) -> Hypothesis:
    """Raises `HypothesisError` for a design that no run could fit; the type itself is frozen."""
    design = hypothesis.design
    if design is None:
        return hypothesis
    for seed in design.seeds:
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise HypothesisError(f"{where}: seed {seed!r} of the design is not a whole number")
    for name, values in (("seed", design.seeds), ("scale", design.scales)):
        twice = next((v for i, v in enumerate(values) if v in values[:i]), None)
        if twice is not None:
            raise HypothesisError(f"{where}: the design has {name} {twice!r} twice")
    return hypothesis


# --- where it is written -----------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A file, relative to the project if it lies in it, and a line, from 1."""

    file: str
    line: int


def place_of(project: Project, loaded: Loaded, prediction: str | None = None) -> Place:
    """The place of the prediction with this name, or of the hypothesis; line 1 if it is not found."""
    path = Path(str(loaded.module.__file__))
    file = path.as_posix()
    if path.is_relative_to(project.root):
        file = path.relative_to(project.root).as_posix()
    lines = {"Hypothesis": 1}
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError):
        return Place(file, 1)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
        called = called.id if isinstance(called, ast.Name) else called
        named = [
            *node.args[:1],
            *(keyword.value for keyword in node.keywords if keyword.arg == "name"),
        ]
        if called == "Hypothesis":
            lines["Hypothesis"] = node.lineno
        elif called == "Prediction" and named and isinstance(named[0], ast.Constant):
            lines[f"Prediction {named[0].value!s}"] = node.lineno
    return Place(file, lines.get(f"Prediction {prediction}", lines["Hypothesis"]))
