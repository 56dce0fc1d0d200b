"""Module paths of version 0.1 work for one release, and say where their names are now."""

import shutil
import subprocess
import sys
import zipfile
from importlib import import_module

import pytest

from emergence_stats._moved import MOVED
from tests.support import ROOT


@pytest.mark.parametrize("old", MOVED)
def test_what_has_moved_is_where_the_table_says(old):
    for place in MOVED[old]:
        import_module(f"emergence_stats.{place}")


@pytest.mark.parametrize(
    ("statement", "new"),
    [
        ("from emergence_stats.store import Store", "emergence_stats.traces.store.Store"),
        ("from emergence_stats.importing.write import import_traces", "traces.importing.write"),
        (
            "import emergence_stats.report as report; report.tally",
            "emergence_stats.reports.words.tally",
        ),
        ("from emergence_stats import studies; studies.Study", "robustness.studies.Study"),
        ("from training.recorder import Recorder", "emergence_stats.recorder.Recorder"),
        ("from training.callbacks import RecorderCallback", "emergence_stats.recorder.callbacks"),
    ],
)
def test_an_old_import_works_and_warns(statement, new, tmp_path):
    script = f"import warnings\nwarnings.simplefilter('always')\n{statement}\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "DeprecationWarning" in done.stderr
    assert new in done.stderr


def test_a_name_that_never_was_is_an_error(tmp_path):
    with pytest.raises(ImportError):
        from emergence_stats.store import nothing_like_it  # noqa: F401
    with pytest.raises(ImportError):
        import_module("emergence_stats.nothing_like_it")


@pytest.mark.parametrize("package", [False, True])
def test_a_folder_called_training_beside_a_script_is_the_scripts_own(tmp_path, package):
    """Half of all repositories have one; the recorder and the backend are reached all the same."""
    (tmp_path / "training").mkdir()
    if package:
        (tmp_path / "training" / "__init__.py").touch()
    (tmp_path / "training" / "data.py").write_text("rows = 3\n")
    script = tmp_path / "train.py"
    script.write_text(
        "from training.data import rows\n"
        "from emergence_stats.recorder import Recorder\n"
        "import emergence_training.suites\n"
        "print(rows, Recorder.__name__)\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("3 Recorder\n", "")


def test_a_wheel_holds_nothing_that_hides_a_folder_called_training(tmp_path):
    source = tmp_path / "source"
    for name in ("emergence_stats", "training", "hypotheses"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-c", "import setuptools.build_meta as b; b.build_wheel('.')"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = source.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"emergence_stats", "emergence_training", "training"}
    # no __init__.py: a folder of that name beside a script stays what it is, whatever it holds
    assert sorted(name for name in names if name.startswith("training/")) == [
        "training/callbacks.py",
        "training/recorder.py",
    ]
    assert "emergence_stats/shipped/billa_2026/top_down.py" in names
    assert "emergence_stats/shipped/_tasks.py" in names
    for needed in ("py.typed", "reports/html/page.css", "reports/html/page.html.jinja"):
        assert f"emergence_stats/{needed}" in names
