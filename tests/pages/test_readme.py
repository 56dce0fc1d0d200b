"""The README shows what the commands print, and its example runs."""

import re
import subprocess
import sys

from tests.support import ROOT, add_run, es, result_of

README = (ROOT / "README.md").read_text()


def test_readme_and_docs_show_what_commands_print():
    done = subprocess.run(
        [sys.executable, "docs/fill.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hypothesis_of_the_readme_runs(project):
    source = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    (project / "hypotheses" / "copy_before_reverse.py").write_text(source)
    for seed in range(4):
        add_run(project / "data", seed, tasks=("copy", "reverse"))
    result = result_of(es("test", "copy_before_reverse", "--json", cwd=project))
    assert result["predictions"][0]["n_runs"] == 4
    assert result["verdict"] in ("supported", "refuted", "inconclusive")
    assert es("register", "copy_before_reverse", cwd=project).returncode == 0


def test_the_runs_of_the_clone_are_pilots_of_the_hypothesis_of_the_readme(project):
    source = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    (project / "hypotheses" / "copy_before_reverse.py").write_text(source)
    done = es("test", "copy_before_reverse", "--json", "--traces", ROOT / "data", cwd=project)
    assert result_of(done)["predictions"][0]["n_runs"] > 0
