"""Compiled code beside a claim is never run: what is registered is the source."""

import importlib.util
import py_compile
from pathlib import Path

from tests.support import edited, es, fill

HELPER = "def at_the_end(values):\n    return values[:, -1:].mean()\n"
LIE = edited(HELPER, "values[:, -1:].mean()", "0.123")


def with_helper(project, name="_shared"):
    fill(project, range(3))
    folder = project / "hypotheses"
    (folder / f"{name}.py").write_text(HELPER)
    claim = folder / "learns.py"
    text = edited(claim.read_text(), "def final", f"from .{name} import at_the_end\n\n\ndef final")
    call = 'at_the_end(run.traces("accuracy").values)'
    claim.write_text(edited(text, 'run.traces("accuracy").values[:, -last:].mean()', call))
    return folder


def compiled(folder, source, target):
    """Byte code that Python would not compare with the source."""
    lie = folder.parent / "lie.py"
    lie.write_text(source)
    target.parent.mkdir(exist_ok=True)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(lie), cfile=str(target), invalidation_mode=mode, doraise=True)


def test_code_in_pycache_is_not_run(project):
    folder = with_helper(project)
    assert "0.123" not in es("test", "learns", cwd=project).stdout
    for name in ("_shared", "learns"):
        cached = importlib.util.cache_from_source(folder / f"{name}.py")
        compiled(folder, LIE, Path(cached))
    done = es("test", "learns", cwd=project)
    assert "0.123" not in done.stdout
    assert done.returncode in (0, 3), done.stderr


def test_code_without_its_source_is_an_error(project):
    folder = with_helper(project)
    (folder / "_shared.py").unlink()
    compiled(folder, LIE, folder / "_shared.pyc")
    done = es("test", "learns", cwd=project)
    assert done.returncode == 2
    assert "_shared" in done.stderr


def test_no_compiled_code_is_left_beside_claims(project):
    folder = with_helper(project)
    es("test", "learns", cwd=project)
    assert not list(folder.rglob("*.pyc"))
