"""A claim that replaces functions of the framework gets no verdict, and gives none to its neighbours."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

from emergence_stats.support.intact import replaced
from tests.support import HYPOTHESIS, edited, es, es_process, fill

PATCHES = {
    "the judge": "from emergence_stats.evaluation import evaluate as e\ne.conclude = lambda *a: None",
    "a function where it is defined": (
        "import emergence_stats.evaluation.judging.predictions as p\n"
        "p.settle = lambda *arguments, **options: None"
    ),
    "a method": "from emergence_stats.core.runs import Run\nold = Run.traces\nRun.traces = lambda *a, **k: old(*a, **k)",
    "a property": "from emergence_stats.core.runs import Run\nRun.n_layers = property(lambda self: 1)",
    "its code": (
        "from emergence_stats.claims import selection\n"
        "selection.choose_runs.__code__ = (lambda hypothesis, state, store, suite: None).__code__"
    ),
    "a function by a class, wherever it is used": (
        "import emergence_stats.evaluation.judging.conclude as c, emergence_stats.evaluation.evaluate as e\n"
        "class conclude:\n    def __new__(cls, *arguments): return None\n"
        "c.conclude = e.conclude = conclude"
    ),
    "a function by one that says it wraps it, wherever it is used": (
        "import functools, emergence_stats.evaluation.judging.conclude as c, emergence_stats.evaluation.evaluate as e\n"
        "@functools.wraps(c.conclude)\ndef wrapper(*arguments): return None\n"
        "c.conclude = e.conclude = wrapper"
    ),
    "a class by a subclass, wherever it is used": (
        "import sys, emergence_stats.core.runs as r\nold = r.Run\n"
        "class Run(old):\n    pass\n"
        "for m in [*sys.modules.values()]:\n"
        "    if getattr(m, 'Run', None) is old: m.Run = Run"
    ),
    "what another library gives": (
        "from emergence_stats.claims.registration import freezing as r\nr.datetime = type('datetime', (r.datetime,), {})"
    ),
}


COMMANDS = (
    ["check"],
    ["report", "--all"],
    ["test", "other"],
    ["check", "--update"],
    ["register", "other"],
    ["power", "other"],
)


@pytest.mark.parametrize(
    ("patch", "commands"), [("the judge", COMMANDS), *((p, COMMANDS[:2]) for p in PATCHES)]
)
def test_a_claim_that_replaces_functions_gives_no_verdict(project, patch, commands):
    fill(project, range(2))
    assert es("check", "--update", cwd=project).returncode == 0
    other = project / "hypotheses" / "other.py"
    other.write_text(edited(HYPOTHESIS, "learns = ", f"{PATCHES[patch]}\n\nother = "))
    for command in commands:
        done = es_process(*command, cwd=project)
        assert (done.returncode, done.stdout) == (2, "")
        assert "replaced emergence_stats." in done.stderr


def test_a_patch_in_an_estimate_is_seen_too(project):
    fill(project, range(2))
    claim = project / "hypotheses" / "learns.py"
    patch = "from emergence_stats.core.runs import Run; Run.traces = lambda *a, **k: None\n    return run"
    claim.write_text(edited(HYPOTHESIS, "return run", patch))
    done = es_process("test", "learns", cwd=project)
    assert done.returncode == 2


def test_the_package_as_it_is_has_nothing_replaced():
    import emergence_stats

    names = [
        module.name
        for module in pkgutil.walk_packages(emergence_stats.__path__, "emergence_stats.")
        if not module.name.endswith("__main__")
    ]
    assert len(names) > 60
    code = (
        f"import importlib\nfor name in {names}:\n"
        "    try:\n        importlib.import_module(name)\n    except ImportError:\n        pass\n"
        "from emergence_stats.support.intact import replaced\nassert replaced() == [], replaced()\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_assertions_that_pytest_rewrote_are_no_replacement(tmp_path):
    (tmp_path / "conftest.py").write_text(
        "import pytest\npytest.register_assert_rewrite('emergence_stats')\n"
    )
    (tmp_path / "test_it.py").write_text(
        "def test_it():\n"
        "    import emergence_stats.evaluation.evaluate as e\n"
        "    import emergence_stats.evaluation.judging.controls as c\n"
        "    from emergence_stats.support.intact import replaced\n"
        "    assert 'Rewriting' in type(c.__spec__.loader).__name__\n"
        "    assert replaced() == []\n"
        "    c.conclude_control = lambda *a: None\n"
        "    assert 'emergence_stats.evaluation.judging.controls.conclude_control' in replaced()\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:emergence_stats"]
    subprocess.run([*command, "-p", "no:cacheprovider", tmp_path], check=True, cwd=tmp_path)


def test_modules_whose_assertions_pytest_rewrote_are_compared_by_place(monkeypatch):
    module = importlib.import_module("emergence_stats.core.regions")
    monkeypatch.setitem(vars(module), "@pytest_ar", None)
    assert [name for name in replaced() if ".regions." in name] == []
