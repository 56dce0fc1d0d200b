"""Whose files are trusted: a project above, and modules in the working directory."""

import os
import shutil

import pytest

from emergence_stats.claims.project import Project
from tests.support import es_process, failed, fill


def test_a_project_above_counts_with_a_table_of_ours(project):
    below = project / "a" / "b"
    below.mkdir(parents=True)
    assert Project(below).root == project
    (project / "pyproject.toml").write_text("[tool.ruff]\n")
    assert Project(below).root == below
    assert Project(project).root == project  # where one stands, none is needed


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away"
)
def test_a_project_above_of_another_user_is_not_read_and_says_so(project):
    below = project / "mine"
    below.mkdir()
    os.chown(project / "pyproject.toml", 12345, -1)
    module = project / "hypotheses" / "learns.py"
    module.write_text("raise SystemExit('executed')")
    for command in (("list",), ("test", "learns")):
        done = es_process(*command, cwd=below)
        failed(done, str(project / "pyproject.toml"), "another user")
        assert "executed" not in done.stderr


@pytest.mark.parametrize("name", ["numpy", "typer", "json", "tomllib"])
def test_a_module_in_the_working_directory_is_not_taken_for_a_library(project, name):
    fill(project, range(2))
    (project / f"{name}.py").write_text("raise SystemExit('imported')")
    done = es_process("list", cwd=project)
    assert (done.returncode, "imported" in done.stderr) == (0, False)
    assert "learns" in done.stdout
    shutil.rmtree(project / "__pycache__", ignore_errors=True)
