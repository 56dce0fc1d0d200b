"""The README shows what the commands print, and its example runs."""

import re

from tests.conftest import add_run
from tests.test_cli import OURS, result_of, run

README = (OURS / "README.md").read_text()


def test_the_readme_shows_what_the_report_prints():
    assert indented(run("report", "--all", cwd=OURS).stdout) in README
    tables = run("report", "--all", "--format", "markdown", cwd=OURS).stdout.split("\n\n")
    predictions = tables[1]
    assert predictions.startswith("| hypothesis | prediction |")
    assert predictions in README


def test_the_readme_shows_what_a_test_prints():
    result = run("test", "top_down", cwd=OURS).stdout.partition("\n\n")[0]  # without the seconds
    assert indented(result) in README


def test_the_hypothesis_of_the_readme_runs(project):
    source = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    (project / "hypotheses" / "copy_before_reverse.py").write_text(source)
    for seed in range(4):
        add_run(project / "data", seed, tasks=("copy", "reverse"))
    result = result_of(run("test", "copy_before_reverse", "--json", cwd=project))
    assert result["predictions"][0]["n_runs"] == 4
    assert result["verdict"] in ("supported", "refuted", "inconclusive")
    assert run("register", "copy_before_reverse", cwd=project).returncode == 0


def indented(text):
    return "\n".join(f"    {line}".rstrip() for line in text.rstrip().splitlines())
