"""Hypotheses as tests: ``pytest hypotheses/``.

A module in the project's folder of hypotheses gives one item for each prediction, one for each control,
one for the reservations of the verdict and one for the registration. An item passes if it agrees with the recorded verdicts
(``verdicts.lock``). Without a record of the hypothesis, it passes if the verdict is supported, and is
skipped if that is inconclusive. A failure shows the estimate and the value of every run.

Nothing is collected unless the folder, or something in it, is named on the command line or in
``testpaths``, or the option ``--hypotheses`` (ini: ``emergence_stats = true``) asks for it. Nor is it in a project whose
pyproject.toml has no table ``[tool.emergence_stats]``, except a module that makes a hypothesis of this package: other projects have
folders of that name too, and this plugin is loaded wherever the package is installed. ``-p no:emergence_stats`` turns it off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from emergence_stats.claims.project import Project
    from emergence_stats.errors import EmergenceStatsError
    from emergence_stats.evaluation.results import PredictionResult, Result


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("emergence-stats")
    group.addoption(
        "--hypotheses", action="store_true", help="Collect the project's hypotheses as tests."
    )
    # Prefixed: an option of the same name in somebody's conftest.py would be an error there.
    group.addoption("--hypotheses-traces", metavar="URI", help="Trace store of the hypotheses.")
    parser.addini("emergence_stats", "Collect the project's hypotheses as tests.", "bool", False)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> HypothesisFile | None:
    return HypothesisFile.from_parent(parent, path=file_path) if _ours(file_path, parent) else None


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Any:
    """A hypothesis module that is named on the command line is not a module of test functions."""
    return Nothing.from_parent(parent, path=module_path) if _ours(module_path, parent) else None


def _ours(path: Path, parent: pytest.Collector) -> bool:
    """Whether a file is the module of a claim that is to be collected; what is known of its folder is kept."""
    if path.suffix != ".py":
        return False
    known = parent.config.stash.setdefault(_CLAIMS, {})
    folder = path.parent
    if folder not in known:
        known[folder] = _claims_in(folder, parent.config)
    return path.name in known[folder]


def _claims_in(folder: Path, config: pytest.Config) -> frozenset[str]:
    """Names of the modules of claims in a folder, none if it is not asked for.

    Raises `pytest.UsageError` if the settings of a project that has some are wrong.
    """
    from emergence_stats.errors import EmergenceStatsError

    asked = config.getoption("hypotheses") or config.getini("emergence_stats")
    named, parents = _named(config)
    here, project = folder.resolve(), None
    itself = asked or here in named or here in parents
    if not itself and here.parent not in named:
        return frozenset()
    try:
        project = _project(config, folder if itself else folder.parent)
        claims = project.folder.resolve()
        # a folder of claims, or that of a paper in one that is named
        if claims not in (here, here.parent) or not (itself or claims in named):
            return frozenset()
        paths = [source.path for source in project.sources.values() if source.path is not None]
        paths = [path for path in paths if path.parent.resolve() == here]
        if not asked and not project.is_declared:
            paths = [path for path in paths if _makes_hypothesis(path)]
        return frozenset(path.name for path in paths)
    except EmergenceStatsError as error:
        if asked or (itself and project is not None and project.is_declared):
            raise pytest.UsageError(str(error)) from None
        return frozenset()


def _named(config: pytest.Config) -> tuple[frozenset[Path], frozenset[Path]]:
    """Files and folders that the command line or ``testpaths`` names, and the folders that these are in."""
    if _NAMED not in config.stash:
        some = (Path(config.invocation_params.dir, arg.partition("::")[0]) for arg in config.args)
        named = frozenset(path.resolve() for path in some)
        config.stash[_NAMED] = named, frozenset(path.parent for path in named)
    return config.stash[_NAMED]


def _makes_hypothesis(path: Path) -> bool:
    """Whether a module is meant as a claim of this package though its project does not say that it has any."""
    from emergence_stats.claims.loader import says_hypothesis

    return says_hypothesis(path) and b"emergence_stats" in path.read_bytes()


_CLAIMS: pytest.StashKey[dict[Path, frozenset[str]]] = pytest.StashKey()
_NAMED: pytest.StashKey[tuple[frozenset[Path], frozenset[Path]]] = pytest.StashKey()
_PROJECTS: pytest.StashKey[dict[Path, Project]] = pytest.StashKey()
_EVALUATED: pytest.StashKey[dict[Path, Evaluated]] = pytest.StashKey()


def _project(config: pytest.Config, folder: Path) -> Project:
    """The project of a folder, the same one each time: it keeps what it has imported."""
    from emergence_stats.claims.project import Project

    projects = config.stash.setdefault(_PROJECTS, {})
    if folder not in projects:
        project = Project(folder)
        if not (project.root / "pyproject.toml").exists():  # then it is the current folder
            project = Project(config.invocation_params.dir)
        same = (known for known in projects.values() if known.root == project.root)
        projects[folder] = next(same, project)
    return projects[folder]


class Disagreement(Exception):
    """An item found something other than the record; the message is the whole report."""


class Nothing(pytest.File):
    """Collected elsewhere."""

    def collect(self) -> Iterator[pytest.Item]:
        return iter(())


class HypothesisFile(pytest.File):
    """One module; its hypothesis is evaluated with all others of the session, once."""

    def collect(self) -> Iterator[pytest.Item]:
        from emergence_stats.errors import EmergenceStatsError, NoHypothesisError

        project = _project(self.config, self.path.parent)
        try:
            hypothesis = project.load(self.path.stem).hypothesis
        except NoHypothesisError as error:
            if self.path.with_suffix(".lock").exists():  # it was a claim when it was registered
                raise self.CollectError(str(error)) from None
            return
        except EmergenceStatsError as error:
            raise self.CollectError(str(error)) from None
        yield RegistrationItem.from_parent(self, name="registration")
        for prediction in hypothesis.predictions:
            yield PredictionItem.from_parent(self, name=prediction.name)
        for control in hypothesis.controls:
            yield ControlItem.from_parent(self, name=f"control: {control.name}")
        yield ReservationsItem.from_parent(self, name="reservations")


class _Item(pytest.Item):
    """An item that looks up the result of its hypothesis."""

    def setup(self) -> None:
        evaluated = self.session.stash.setdefault(_EVALUATED, {})
        project = _project(self.config, self.path.parent)
        if project.folder not in evaluated:
            evaluated[project.folder] = Evaluated(self.session, project)
        mine = evaluated[project.folder]
        self.found: Result = mine.result(self.path.stem)
        self.recorded: dict[str, Any] | None = mine.recorded.get(self.path.stem)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from emergence_stats.errors import EmergenceStatsError

        if isinstance(excinfo.value, Disagreement | EmergenceStatsError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        from emergence_stats.claims.project import place_of

        project = _project(self.config, self.path.parent)
        place = place_of(project, project.load(self.path.stem), self.name)
        return self.path, place.line - 1, f"{self.path.stem}::{self.name}"

    def settle(self, verdict: str, text: str) -> None:
        """Without a record: support passes, refutation fails, and the rest is skipped."""
        if verdict == "refuted":
            raise Disagreement(f"refuted, but nothing is recorded\n{text}")
        if verdict == "inconclusive":
            pytest.skip("inconclusive")


class PredictionItem(_Item):
    """Whether a prediction's verdict and numbers are those of the record."""

    def runtest(self) -> None:
        from emergence_stats.evaluation.recorded import change_of

        prediction = next(p for p in self.found.predictions if p.name == self.name)
        if self.recorded is None:
            self.settle(str(prediction.verdict), "\n".join(per_unit(prediction)))
            return
        change = change_of(self.recorded, self.found)
        if change is not None and self.name in change.predictions:
            lines = [*change.lines(), "", *per_unit(prediction), ""]
            raise Disagreement(
                "\n".join([*lines, "if this is right, record it: emergence-stats check --update"])
            )


class ControlItem(_Item):
    """Whether a control earns what is recorded; without a record it is only shown."""

    def runtest(self) -> None:
        name = self.name.removeprefix("control: ")
        control = next(c for c in self.found.controls if c.name == name)
        before = (self.recorded or {}).get("controls", {}).get(name)
        if self.recorded is None:
            pytest.skip(f"{control.verdict}, and nothing is recorded")
        if before != str(control.verdict):
            raise Disagreement(
                f"control {name}: {before or 'absent'} -> {control.verdict}\n"
                "if this is right, record it: emergence-stats check --update"
            )


class ReservationsItem(_Item):
    """Whether the verdict comes with the reservations that are recorded; without a record they are only shown."""

    def runtest(self) -> None:
        kinds = sorted({qualifier.kind for qualifier in self.found.qualifiers})
        before = (self.recorded or {}).get("qualifiers")
        if before is None:
            pytest.skip(f"{', '.join(kinds) or 'none'}, and nothing is recorded")
        if before != kinds:
            texts = [f"{qualifier.kind}: {qualifier.text}" for qualifier in self.found.qualifiers]
            again = "if this is right, record it: emergence-stats check --update"
            was, now = (", ".join(some) or "none" for some in (before, kinds))
            raise Disagreement("\n".join([f"reservations: {was} -> {now}", *texts, again]))


class RegistrationItem(_Item):
    """Whether the plan is as it was registered."""

    def runtest(self) -> None:
        state = self.found.registration
        before = (self.recorded or {}).get("registration")
        if state == "amended" and before != "amended":
            again = f"register it again: emergence-stats register {self.found.name}"
            raise Disagreement(
                "\n".join(["edited after its registration", *self.found.plan.changes, again])
            )
        if before is not None and before != state:
            raise Disagreement(f"{before} when it was recorded, now {state}")
        if state == "unregistered":
            pytest.skip("not registered")


class Evaluated:
    """All collected hypotheses of a project, evaluated in one pass, and what is recorded of them."""

    def __init__(self, session: pytest.Session, project: Project) -> None:
        from emergence_stats.evaluation import recorded

        self.project = project
        items = [item for item in session.items if isinstance(item, _Item)]
        names = {i.path.stem for i in items if _project(i.config, i.path.parent) is project}
        path = self.project.folder / "verdicts.lock"
        self.recorded = recorded.read(path) if path.exists() else {}
        self._uri = session.config.getoption("hypotheses_traces") or self.project.traces
        self._names = sorted(names)
        self._results: dict[str, Result] | None = None
        self._failed: dict[str, EmergenceStatsError] = {}

    def result(self, name: str) -> Result:
        if self._results is None:
            from emergence_stats.evaluation.evaluate import evaluate
            from emergence_stats.interfaces.startup import import_pyarrow
            from emergence_stats.robustness.recorded import attach
            from emergence_stats.traces.store import Store

            import_pyarrow()
            loaded = [self.project.load(one) for one in self._names]
            store = Store.open(self._uri)
            results = evaluate(loaded, store, failures=self._failed)
            self._results = {r.name: r for r in attach(results, self.project, store)}
        if name in self._failed:
            raise self._failed[name]
        return self._results[name]


def per_unit(p: PredictionResult) -> list[str]:
    """Estimate, interval and region, and the value of every run (or seed), those outside marked."""
    from emergence_stats.reports.words import value_text
    from emergence_stats.support.words import number

    outside = p.outside()
    wide = max((len(v.label) for v in p.values), default=0)
    return [
        f"{p.name}: {value_text(p.estimate)}, claimed {p.region}: {p.verdict}",
        f"{p.estimate.method}, {len(p.values)} {p.unit}s, {len(outside)} outside the region:",
        *(
            f"  {'*' if v in outside else ' '} {v.label.ljust(wide)}  {number(v.value)}"
            for v in p.values
        ),
    ]
