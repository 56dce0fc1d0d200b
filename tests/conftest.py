"""Fixtures that tests of several rooms use."""

from functools import cache

import pytest
import typer
from hypothesis import HealthCheck, settings

from tests.repository import commit, git
from tests.support import HYPOTHESIS, add_run, edit, es, fill

# What holds of any input holds on a slow machine too.
settings.register_profile("slow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("slow")


@pytest.fixture(autouse=True, scope="session")
def _one_command_line():
    """It is the same in every call of a process, and building it takes a tenth of a call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(autouse=True, scope="session")
def _cache_of_their_own(tmp_path_factory):
    """Values that a test keeps are its own, and none of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def store(tmp_path):
    """A store of one small run."""
    path = tmp_path / "store"
    add_run(path, 0, tasks=("add", "mod"))
    return path


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Somebody else's project, with one hypothesis and an empty data folder; the current folder."""
    root = tmp_path / "project"
    (root / "hypotheses").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.emergence_stats]\n")
    (root / "hypotheses" / "learns.py").write_text(HYPOTHESIS)
    (root / "data").mkdir()
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def varied_project(project):
    """The same with three analyses, and five runs."""
    module = project / "hypotheses" / "learns.py"
    edit(module, "    predictions=", '    multiverse={"last": [1, 2, 5]},\n    predictions=')
    for seed in range(5):
        add_run(project / "data", seed)
    return project


@pytest.fixture
def repository(project):
    """A project in git: runs 0 and 1, the plan, its registration, and runs 5 to 8, a commit each."""
    edit(project / "hypotheses" / "learns.py", "import Claim", "import Claim, Design")
    edit(
        project / "hypotheses" / "learns.py",
        "at_least(0.5))],",
        'at_least(0.5))],\n    design=Design("sim", ("d32",), (5, 6, 7, 8)),',
    )
    git(project, "init", "-q")
    fill(project, range(2))
    commit(project)
    assert es("register", "learns", cwd=project).returncode == 0
    commit(project)
    fill(project, range(5, 9))
    commit(project)
    return project
