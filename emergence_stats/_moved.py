"""Module paths of version 0.1: they work for one release, with a DeprecationWarning that names the new one."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# old path -> the modules that now hold its names; both relative to the package
MOVED: dict[str, tuple[str, ...]] = {
    "analyses": ("robustness.multiverse", "robustness.explore"),
    "api": ("interfaces.api",),
    "app": ("interfaces.cli.app",),
    "cli": ("interfaces.cli",),
    "commands_hypotheses": ("interfaces.cli.claims",),
    "commands_robustness": ("interfaces.cli.robustness",),
    "commands_runs": ("interfaces.cli.runs",),
    "conclude": ("evaluation.judging.rules", "evaluation.judging.predictions"),
    "controls": ("core.controls.changes", "core.controls.control", "core.controls.usual"),
    "curve": ("robustness.curve",),
    "describe": ("claims.describing.methods",),
    "digits": ("support.words",),
    "drawing": ("reports.pictures.style",),
    "evaluate": ("evaluation.evaluate",),
    "events": ("core.events.definitions",),
    "files": ("support.files",),
    "github": ("reports.github",),
    "html_report": ("reports.html",),
    "html_report.charts": ("reports.pictures.claims",),
    "html_report.page": ("reports.html.page",),
    "html_report.provenance": ("reports.html.provenance",),
    "html_report.watching": ("evaluation.watching.look",),
    "hypothesis": ("core.plan", "core.analyses"),
    "importing": ("traces.importing",),
    "importing.columns": ("traces.importing.columns",),
    "importing.lm_eval": ("traces.importing.readers.lm_eval",),
    "importing.mapping": ("traces.importing.mapping",),
    "importing.sources": ("traces.importing.sources",),
    "importing.tensorboard": ("traces.importing.readers.tensorboard",),
    "importing.wandb": ("traces.importing.readers.wandb",),
    "importing.write": ("traces.importing.write",),
    "junit": ("reports.junit",),
    "locate": ("claims.project",),
    "multiplicity": ("robustness.multiplicity",),
    "notebook": ("interfaces.notebook",),
    "onsets": ("core.events.onsets", "core.events.sigmoids", "core.events.noise"),
    "pictures": ("reports.pictures.robustness",),
    "planning": ("claims.planning.plans", "claims.planning.collecting"),
    "preregistration": ("claims.describing.forms",),
    "project": ("claims.project",),
    "pytest_plugin": ("interfaces.pytest_plugin",),
    "ranges": ("support.words",),
    "recorded": ("evaluation.recorded",),
    "regions": ("core.regions",),
    "registration": ("claims.registration",),
    "removing": ("traces.remove",),
    "report": ("reports.words", "reports.console", "reports.markdown", "evaluation.results"),
    "results": ("evaluation.results", "claims.selection"),
    "runs": ("core.runs",),
    "scaffold": ("interfaces.scaffold",),
    "schema": ("traces.format",),
    "selection": ("claims.selection",),
    "source": ("claims.source",),
    "startup": ("interfaces.startup",),
    "store": ("traces.store", "traces.check", "core.runs"),
    "studies": ("robustness.power", "robustness.simulate", "robustness.studies"),
    "tables": ("reports.robustness", "robustness.words"),
    "units": ("evaluation.values", "evaluation.reading"),
    "valuecache": ("robustness.cache",),
    "verdicts": ("core.verdicts",),
    "writing": ("traces.write",),
}
# What a training script imports from the backend, which was installed as `training`.
_OF_TRAINING: dict[str, tuple[str, ...]] = {
    "training": (),
    "training.recorder": ("emergence_stats.recorder",),
    "training.callbacks": ("emergence_stats.recorder.callbacks",),
}
_UNEDITED = frozenset({"emergence_stats.core.runs"})
_ABSENT = object()


def _places(name: str) -> tuple[str, ...] | None:
    """The modules that now hold the names of an old module; None if `name` is not an old path."""
    old = name.removeprefix("emergence_stats.")
    if old != name and old in MOVED:
        return tuple(f"emergence_stats.{new}" for new in MOVED[old])
    return _OF_TRAINING.get(name)


class _OldPath(ModuleType):
    """Forwards the names of an old module, with a warning for each use."""

    def __getattr__(self, name: str) -> Any:
        special = name.startswith("__") and name.endswith("__")
        places = () if special else _places(self.__name__) or ()
        found = {
            place: value
            for place in places
            if (value := getattr(import_module(place), name, _ABSENT)) is not _ABSENT
        }
        if found:  # the module that defines it, before one that only imports it
            own = [p for p, value in found.items() if getattr(value, "__module__", None) == p]
            place = next(iter(own or found))
            warnings.warn(
                f"{self.__name__}.{name} is now {place}.{name}; the old path is removed in version 0.3",
                DeprecationWarning,
                stacklevel=2,
            )
            return found[place]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


class _Finder:
    """Finds and loads old paths; it comes last, so that existing modules take precedence."""

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
    """Make old paths importable."""
    finder: Any = _Finder()
    sys.meta_path.append(finder)


def stand_in(name: str) -> None:
    """Replace the module `name`, which calls this, by one that forwards its old names."""
    sys.modules[name] = _OldPath(name)
