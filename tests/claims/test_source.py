"""What a registration freezes: every file that a hypothesis imports, however it is imported."""

import importlib.metadata
import json
import sys
from pathlib import Path

import pytest

from emergence_stats.claims import origins, source
from emergence_stats.claims.project import Project
from emergence_stats.claims.registration import register, state_of
from emergence_stats.claims.source import code_digests
from emergence_stats.errors import RegistrationError
from emergence_stats.support.bare import bare_source
from tests.support import HYPOTHESIS

# What takes part in every verdict; and what a star import of the public names reaches besides.
CORE = {
    f"emergence_stats/core/{name}.py"
    for name in (
        *(
            "__init__",
            "analyses",
            "looks",
            "plan",
            "regions",
            "reported",
            "settle",
            "verdicts",
        ),
        "controls/__init__",
        "controls/control",
        *(
            "intervals/" + name
            for name in (
                "__init__",
                "betting",
                "bounded",
                "contrasts",
                "estimates",
                "medians",
                "normal",
                "scales",
                "slopes",
                "spreads",
            )
        ),
    )
}
FRAMEWORK = CORE | {
    "emergence_stats/core/runs.py",
    *(f"emergence_stats/core/controls/{name}.py" for name in ("changes", "usual")),
    *(f"emergence_stats/core/events/{name}.py" for name in (
        "__init__", "crosscorrelation", "definitions", "lags", "noise", "onsets", "precursors", "sigmoids", "steps",
    )),
}  # fmt: skip


def written(root, files):
    for name, text in files.items():
        path = root / "hypotheses" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def with_import(root, *lines):
    """The project's hypothesis with more import lines at its head."""
    written(root, {"learns.py": "\n".join([*lines, HYPOTHESIS])})


def frozen(root):
    """Names of the files that the plan rests on, without those of the framework."""
    return set(code_digests(root / "hypotheses" / "learns.py")) - FRAMEWORK


def test_a_helper_package_edited_after_registration_amends_the_plan(project):
    with_import(project, "from .helpers import share")
    written(
        project,
        {"helpers/__init__.py": "from .inner import share\n", "helpers/inner.py": "share = 1\n"},
    )
    register(Project(project).load("learns"), [], "data")
    assert state_of(Project(project).load("learns")).status == "registered"
    written(project, {"helpers/inner.py": "share = 2\n"})
    state = state_of(Project(project).load("learns"))
    assert state.status == "amended"
    assert state.changes == ("source hypotheses/helpers/inner.py: changed",)


@pytest.mark.parametrize(
    ("line", "reached"),
    [
        ("from .a import b", {"a/__init__.py", "a/b.py"}),
        ("from . import a", {"a/__init__.py"}),
        ("from .a import value", {"a/__init__.py"}),
        (
            "from .a.deep.er import x",
            {"a/__init__.py", "a/deep/__init__.py", "a/deep/er.py", "one.py"},
        ),
        ("from .a import *", {"a/__init__.py"}),
        ("from .listed import *", {"listed/__init__.py", "listed/two.py"}),
        ("from .one import *", {"one.py"}),
        ("import a.b", {"a/__init__.py", "a/b.py"}),
        (
            "from a.deep import er",
            {"a/__init__.py", "a/deep/__init__.py", "a/deep/er.py", "one.py"},
        ),
        ("from .space import two", {"space/two.py"}),
        ("def later():\n    from . import one", {"one.py"}),
        ("import json, numpy as np, yaml", set()),
    ],
)
def test_every_way_to_import_a_file_beside_the_module_is_followed(project, line, reached):
    with_import(project, line)
    written(
        project,
        {
            "one.py": "",
            "a/__init__.py": "value = 1\n",
            "a/b.py": "",
            "a/deep/__init__.py": "",
            "a/deep/er.py": "from ...one import x\n",
            "listed/__init__.py": "__all__ = ['two', 'value']\nvalue = 1\n",
            "listed/two.py": "",
            "listed/broken.py": "import nothing_like_it (",
            "space/two.py": "",  # a package without an __init__.py
        },
    )
    assert frozen(project) == {"hypotheses/learns.py", *(f"hypotheses/{name}" for name in reached)}


def test_of_a_module_and_a_package_of_one_name_the_package_is_imported_and_frozen(project):
    with_import(project, "from .shared import x")
    written(project, {"shared.py": "x = 1\n"})
    assert "hypotheses/shared.py" in frozen(project)
    written(project, {"shared/__init__.py": "x = 2\n"})
    assert frozen(project) == {"hypotheses/learns.py", "hypotheses/shared/__init__.py"}


def test_a_module_in_a_subpackage_of_the_framework_is_frozen(project, tmp_path, monkeypatch):
    framework = tmp_path / "installed" / "emergence_stats"
    (framework / "core").mkdir(parents=True)
    for name in ("__init__", "other", "core/__init__", "core/regions", "core/lags"):
        (framework / f"{name}.py").write_text("")
    (framework / "core" / "lags.py").write_text(
        "from ..other import x\nfrom .regions import Region\n"
    )
    monkeypatch.setattr(source, "_PACKAGE", framework)
    written(project, {"learns.py": "from emergence_stats.core.lags import common_lag\n"})
    assert set(code_digests(project / "hypotheses" / "learns.py")) == {
        "hypotheses/learns.py",
        "emergence_stats/core/__init__.py",
        "emergence_stats/core/lags.py",
        "emergence_stats/core/regions.py",
    }


@pytest.mark.parametrize(
    "line", ["from .gone import x", "from . import gone", "from .space import gone"]
)
def test_an_import_of_a_file_that_is_not_there_is_an_error_that_names_it(project, line):
    with_import(project, "import math", line)
    written(project, {"space/two.py": ""})
    with pytest.raises(
        RegistrationError, match=r"learns\.py:2: there is no module '\.\w*(\.?gone)?'"
    ):
        frozen(project)


def test_a_module_from_elsewhere_is_an_error_that_names_it(project, tmp_path, monkeypatch):
    """It would be imported, and could be edited without the registration knowing."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "stray.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    with_import(project, "import stray")
    with pytest.raises(
        RegistrationError, match=r"learns\.py:1: module 'stray' comes from .*stray\.py"
    ):
        register(Project(project).load("learns"), [], "data")
    assert not (project / "hypotheses" / "learns.lock").exists()


@pytest.mark.parametrize(
    "line",
    [
        "from emergence_stats import *",
        "import emergence_stats as es, emergence_stats.store",
        "from emergence_stats import store, MODULES, __version__",
        "from emergence_stats.traces.store import Store",
        "try:\n    import winreg\nexcept ImportError: pass",
        "import numpy, scipy.stats, pandas, yaml, pyarrow.parquet, matplotlib.pyplot",
    ],
)
def test_usual_imports_can_be_frozen(project, line):
    with_import(project, line)
    assert frozen(project) == {"hypotheses/learns.py"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("if False:\n    from .broken import x", r"broken\.py:1: cannot be parsed"),
        ("import __main__", "'__main__' comes from"),
        ("if False:\n    from ...................... import x", "there is no module"),
    ],
)
def test_what_cannot_be_frozen_is_one_clear_error(project, lines, words):
    with_import(project, lines)
    written(project, {"broken.py": "def (\n"})
    with pytest.raises(RegistrationError, match=words):
        frozen(project)


def test_a_name_of_the_standard_library_is_trusted_where_it_is_that(project, tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "plistlib.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.delitem(sys.modules, "plistlib", raising=False)
    with_import(project, "import plistlib")
    with pytest.raises(RegistrationError, match=r"'plistlib' comes from .*lib"):
        frozen(project)


def test_files_of_a_distribution_that_is_installed_in_place_are_frozen(
    project, tmp_path, monkeypatch
):
    source, site = tmp_path / "source", tmp_path / "site"
    (source / "mine").mkdir(parents=True)
    (source / "mine" / "__init__.py").write_text("")
    (source / "mine" / "inner.py").write_text("x = 1\n")
    metadata = site / "mine-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (metadata / "top_level.txt").write_text("mine\n")
    direct = {"url": source.as_uri(), "dir_info": {"editable": True}}
    (metadata / "direct_url.json").write_text(json.dumps(direct))
    monkeypatch.syspath_prepend(site)
    monkeypatch.syspath_prepend(source)
    monkeypatch.setattr(origins, "packages", importlib.metadata.packages_distributions)
    with_import(project, "from mine.inner import x")
    assert {Path(name).name for name in frozen(project)} == {"learns.py", "__init__.py", "inner.py"}


def test_the_package_of_an_installed_claim_is_frozen_with_it(tmp_path, monkeypatch):
    """It is no other distribution's business: its own."""
    package = tmp_path / "site" / "someclaims"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "util.py").write_text("off = 0\n")
    (package / "learns.py").write_text("from someclaims.util import off\nimport someclaims.util\n")
    metadata = package.parent / "someclaims-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: someclaims\nVersion: 1.0\n")
    (metadata / "RECORD").write_text("someclaims/__init__.py,,\nsomeclaims/util.py,,\n")
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr(origins, "packages", importlib.metadata.packages_distributions)
    digests = code_digests(package / "learns.py")
    assert sorted(digests) == [f"someclaims/{name}.py" for name in ("__init__", "learns", "util")]


def test_a_helper_edited_between_two_calls_of_a_process_is_the_new_one(project):
    """As in a notebook: what is evaluated is what is hashed."""
    with_import(project, "from . import _own", "from .helpers import inner")
    files = {"helpers/__init__.py": "", "helpers/inner.py": "value = 1\n", "_own.py": "value = 1\n"}
    written(project, files)
    before = Project(project).load("learns").module
    written(project, {"helpers/inner.py": "value = 22\n", "_own.py": "value = 22\n"})
    after = Project(project).load("learns").module
    assert (before.inner.value, before._own.value) == (1, 1)
    assert (after.inner.value, after._own.value) == (22, 22)


# --- the core ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("x = 1\n", "x = 1  # one\n", True),
        ("def f():\n    return 1\n", 'def f():\n    """One."""\n    return 1\n', True),
        ("def f():\n    return 1\n", "# head\n\n\ndef f():\n\n    return (1)\n", False),
        ("f(1,\n  2)\n", "f(1, 2)\n", True),
        ("x = 1\n", "x = 2\n", False),
        ("if a:\n    b()\nc()\n", "if a:\n    b()\n    c()\n", False),
        ("x = 'a'\n", "x = 'b'\n", False),
        ("f('a')\n", "f('a', 'b')\n", False),
    ],
)
def test_comments_docstrings_and_layout_change_no_digest_of_the_core(before, after, same):
    assert (bare_source(before.encode()) == bare_source(after.encode())) is same


def test_an_f_string_is_one_string_in_every_version_of_python():
    """From 3.12 on it is many tokens, and a lock made by one version was amended for another."""
    source = b"x = f\"a {b!r:>{w}} {f'{c}'}\"  # why\n"
    expected = b"NAME x\nOP =\nSTRING f\"a {b!r:>{w}} {f'{c}'}\"\nnewline"
    assert bare_source(source) == expected


def test_what_judges_a_plan_is_frozen_with_it(project):
    with_import(project)
    assert set(code_digests(project / "hypotheses" / "learns.py")) >= CORE


def test_claims_of_a_package_are_seen_when_it_is_installed(tmp_path, monkeypatch):
    """In one process, as a notebook is: the folder of packages changes."""
    monkeypatch.syspath_prepend(tmp_path)
    assert [point.name for point in origins.offered("emergence_stats.tried")] == []
    metadata = tmp_path / "someclaims-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: someclaims\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[emergence_stats.tried]\nb = x.b\na = x.a\n")
    assert [point.name for point in origins.offered("emergence_stats.tried")] == ["a", "b"]
