"""Every benchmark that a page names can be started."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_it_can_be_imported(name):
    if "torch" in (ROOT / "benchmarks" / f"{name}.py").read_text():
        pytest.importorskip("torch")
    importlib.import_module(f"benchmarks.{name}")
