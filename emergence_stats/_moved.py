"""Module paths of version 0.1: they work for one release, and a DeprecationWarning says the new one.

The modules that registrations hold byte for byte cannot be edited, and import from old paths in silence.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# old path -> the modules that hold its names now; both below the package
MOVED: dict[str, tuple[str, ...]] = {
    "analyses": ("robustness.multiverse", "robustness.explore"),
    "api": ("interfaces.api",),
    "app": ("interfaces.cli.app",),
    "cli": ("interfaces.cli",),
    "commands_hypotheses": ("interfaces.cli.claims",),
    "commands_robustness": ("interfaces.cli.robustness",),
    "commands_runs": ("interfaces.cli.runs",),
    "conclude": ("evaluation.predictions",),
    "curve": ("robustness.curve",),
    "describe": ("claims.methods",),
    "digits": ("support.words",),
    "drawing": ("reports.pictures.style",),
    "evaluate": ("evaluation.evaluate",),
    "files": ("support.files",),
    "github": ("reports.github",),
    "html_report": ("reports.html",),
    "html_report.charts": ("reports.pictures.claims", "reports.pictures.traces"),
    "html_report.page": ("reports.html.page",),
    "html_report.provenance": ("reports.html.provenance",),
    "html_report.watching": ("evaluation.watch",),
    "importing": ("traces.importing",),
    "importing.columns": ("traces.importing.columns",),
    "importing.lm_eval": ("traces.importing.lm_eval",),
    "importing.mapping": ("traces.importing.mapping",),
    "importing.sources": ("traces.importing.sources",),
    "importing.tensorboard": ("traces.importing.tensorboard",),
    "importing.wandb": ("traces.importing.wandb",),
    "importing.write": ("traces.importing.write",),
    "junit": ("reports.junit",),
    "locate": ("claims.project",),
    "multiplicity": ("robustness.multiplicity",),
    "notebook": ("interfaces.notebook",),
    "pictures": ("reports.pictures.robustness",),
    "planning": ("claims.planning", "claims.collecting"),
    "preregistration": ("claims.forms",),
    "project": ("claims.project",),
    "pytest_plugin": ("interfaces.pytest_plugin",),
    "ranges": ("support.words",),
    "recorded": ("evaluation.recorded",),
    "registration": ("claims.registration",),
    "removing": ("traces.remove",),
    "report": ("reports.words", "reports.console", "reports.markdown", "evaluation.results"),
    "results": ("evaluation.results", "claims.selection"),
    "scaffold": ("interfaces.scaffold",),
    "schema": ("traces.format",),
    "selection": ("claims.selection",),
    "source": ("claims.source",),
    "startup": ("interfaces.startup",),
    "store": ("traces.store", "traces.check", "traces.rows"),
    "studies": ("robustness.power", "robustness.simulate", "robustness.studies"),
    "tables": ("reports.robustness", "robustness.words"),
    "units": ("evaluation.values", "evaluation.reading"),
    "valuecache": ("robustness.cache",),
    "writing": ("traces.write",),
}
# Of the backend, which was installed as `training`: what a training script imports from it.
_OF_TRAINING: dict[str, tuple[str, ...]] = {
    "training": (),
    "training.recorder": ("emergence_stats.recorder",),
    "training.callbacks": ("emergence_stats.recorder.callbacks",),
}
_UNEDITED = frozenset({"emergence_stats.runs"})
_ABSENT = object()


def _places(name: str) -> tuple[str, ...] | None:
    """The modules that hold the names of an old module now; None where `name` is no old path."""
    old = name.removeprefix("emergence_stats.")
    if old != name and old in MOVED:
        return tuple(f"emergence_stats.{new}" for new in MOVED[old])
    return _OF_TRAINING.get(name)


class _OldPath(ModuleType):
    """Hands on the names of an old module, with a warning for each use."""

    def __getattr__(self, name: str) -> Any:
        special = name.startswith("__") and name.endswith("__")
        places = () if special else _places(self.__name__) or ()
        found = {
            place: value
            for place in places
            if (value := getattr(import_module(place), name, _ABSENT)) is not _ABSENT
        }
        if found:  # where it is defined, before where it is only imported
            own = [p for p, value in found.items() if getattr(value, "__module__", None) == p]
            place = next(iter(own or found))
            if _user() not in _UNEDITED:
                warnings.warn(
                    f"{self.__name__}.{name} is {place}.{name} now; the old path goes with version 0.3",
                    DeprecationWarning,
                    stacklevel=2,
                )
            return found[place]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def _user() -> str:
    """Name of the module that asks an old path for a name, by an import or as an attribute."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("importlib."):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__"))


class _Finder:
    """Finds and loads old paths; asked last, so that a module which is there comes first."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if _places(name) is None:
            return None
        loader: Any = self
        below = (f"emergence_stats.{old}" for old in MOVED)
        package = any(other.startswith(f"{name}.") for other in (*below, *_OF_TRAINING))
        return ModuleSpec(name, loader, is_package=package)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _OldPath(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


def install() -> None:
    """Let old paths be imported."""
    finder: Any = _Finder()
    sys.meta_path.append(finder)
