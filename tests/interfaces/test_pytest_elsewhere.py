"""The plugin in projects of other people, where it is loaded because the package is installed."""

import subprocess
import sys

import pytest

from tests.support import HYPOTHESIS, edit, edited, es, fill


def pytest_in(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
    )


@pytest.fixture
def foreign(tmp_path):
    """A project that has nothing to do with this package, and a folder of the same name."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\nversion = "1"\n')
    folder = tmp_path / "hypotheses"
    folder.mkdir()
    for name in ("test_a.py", "b_test.py", "plain.py"):
        (folder / name).write_text("def test_it():\n    pass\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("hypotheses/",), 2),
        ((".",), 2),
        ((), 2),
        (("hypotheses/plain.py",), 1),
        (("hypotheses/test_a.py::test_it",), 1),
        (("-p", "no:emergence_stats", "hypotheses/"), 2),
        (("-W", "error", "hypotheses/"), 2),
    ],
)
def test_a_folder_of_that_name_is_its_own(foreign, arguments, count):
    done = pytest_in(foreign, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} passed" in done.stdout


def test_it_may_have_an_option_of_any_usual_name(foreign):
    (foreign / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--traces', default='mine')\n"
    )
    (foreign / "hypotheses" / "test_a.py").write_text(
        "def test_it(request):\n    assert request.config.getoption('traces') == 'mine'\n"
    )
    assert "2 passed" in pytest_in(foreign, "hypotheses").stdout


def test_what_is_broken_below_its_tests_is_not_ours(foreign):
    data = foreign / "hypotheses" / "data"
    data.mkdir()
    (data / "pyproject.toml").write_text("not TOML")
    (data / "test_c.py").write_text("def test_it():\n    pass\n")
    assert "3 passed" in pytest_in(foreign, "hypotheses").stdout


def test_a_claim_that_is_named_is_collected_without_a_table(foreign):
    (foreign / "hypotheses" / "learns.py").write_text(HYPOTHESIS)
    fill(foreign, range(3))
    done = pytest_in(foreign, "hypotheses")
    assert "3 passed, 2 skipped" in done.stdout, done.stdout  # two tests of theirs, one prediction
    assert pytest_in(foreign).stdout.count("2 passed") == 1  # nothing is asked for


def test_the_plugin_reads_nothing_of_folders_that_are_not_named(foreign):
    """A file costs a look into a dictionary; a folder that is not asked for, nothing more."""
    script = (
        "import pytest, sys\n"
        "from emergence_stats.interfaces import pytest_plugin\n"
        "def fail(*a): raise AssertionError('a project was looked for')\n"
        "pytest_plugin._project = fail\n"
        "sys.exit(pytest.main(['-q', 'tests']))\n"
    )
    for folder in ("tests/a/b", "tests/a/c"):
        (foreign / folder).mkdir(parents=True)
        (foreign / folder / f"test_{folder[-1]}.py").write_text("def test_it():\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=foreign
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


# --- beside claims ----------------------------------------------------------------------------


def test_tests_and_helpers_beside_claims_are_what_they_are(project):
    fill(project, range(3))
    folder = project / "hypotheses"
    (folder / "test_learns.py").write_text("def test_it():\n    pass\n")
    (folder / "helper.py").write_text("x = 1\n")
    (folder / "conftest.py").write_text("import pytest\n")
    (folder / "._learns.py").write_bytes(b"\x00\x05\x16\x07")
    done = pytest_in(project, "hypotheses")
    assert done.returncode == 0, done.stdout
    assert "2 passed, 2 skipped" in done.stdout
    es("register", "learns", cwd=project)
    edit(folder / "learns.py", "learns = Hypothesis", "learns = dict")
    assert "no Hypothesis" in pytest_in(project, "hypotheses").stdout


def test_an_estimate_that_raises_fails_the_items_of_its_claim_alone(project):
    fill(project, range(3))
    (project / "hypotheses" / "second.py").write_text(
        edited(HYPOTHESIS, ".mean()", ".mean() / {}['x']")
    )
    done = pytest_in(project, "hypotheses")
    assert "1 passed, 2 skipped, 3 errors" in done.stdout, done.stdout
    assert "KeyError" in done.stdout
    assert "Traceback" not in done.stdout


def test_settings_that_are_wrong_stop_the_claims_and_not_the_tests(project):
    (project / "pyproject.toml").write_text("[tool.emergence_stats]\ntrases = 'x'\n")
    (project / "tests" / "inner").mkdir(parents=True)
    (project / "tests" / "inner" / "test_it.py").write_text("def test_it():\n    pass\n")
    assert "no setting 'trases'" in pytest_in(project, "hypotheses").stdout
    assert "1 passed" in pytest_in(project, "tests").stdout
