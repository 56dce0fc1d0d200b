"""What the core costs, as Markdown: `python -m benchmarks.core > docs/benchmarks_core.md`. On a quiet machine."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import plain_study
from emergence_stats.claims.project import Project
from emergence_stats.evaluation.jobs import make_job
from emergence_stats.evaluation.judging.conclude import conclude
from emergence_stats.evaluation.reading import read_run
from emergence_stats.evaluation.units import collect_values
from emergence_stats.reports.markdown import markdown_table
from emergence_stats.traces.store import Store, by_seed

ROOT = Path(__file__).parent.parent
PROGRAM = [sys.executable, "-m", "emergence_stats"]
REPEATS = 5
ANALYSES = ("[0.25, 0.5, 0.75]", str([round(0.1 + 0.02 * i, 2) for i in range(36)]))
WITHIN = ("[100, 200, 300]", "[50, 75, 100, 125, 150, 175, 200, 250, 300, 400]")
SUITE = "pocket_long"


def seconds(command: list[str], cwd: Path = ROOT, **environment: str) -> float:
    """Of a whole process, start-up included."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, capture_output=True, env={**os.environ, **environment})
    if done.returncode not in (0, 1, 3):
        raise SystemExit(done.stderr.decode())
    return time.perf_counter() - began


def in_turn(*commands: list[str]) -> list[list[float]]:
    """Seconds of each, one after the other, so that a busy moment meets all."""
    for command in commands:
        seconds(command)  # files are in memory from now on
    rounds = [[seconds(command) for command in commands] for _ in range(REPEATS)]
    return [list(column) for column in zip(*rounds, strict=True)]


def beside_plain() -> Iterator[str]:
    """The report, and a plain script that computes the same values, of the claims and runs that both know."""
    claims = [claim.__name__ for claim in plain_study.CLAIMS]
    plain = [sys.executable, str(ROOT / "benchmarks" / "plain_study.py"), str(ROOT / "data"), SUITE]
    names = (
        f"`report` of {len(claims)} claims, `--no-controls`",
        "the same with controls",
        "plain script, values alone",
    )
    found = in_turn(
        [*PROGRAM, "report", *claims, "--suite", SUITE, "--no-controls", "--json"],
        [*PROGRAM, "report", *claims, "--suite", SUITE, "--json"],
        plain,
    )
    slow = statistics.median(found[2])
    rows = [
        (
            name,
            f"{statistics.median(x):.2f}",
            f"{min(x):.2f} to {max(x):.2f}",
            f"{slow / statistics.median(x):.1f}x",
        )
        for name, x in zip(names, found, strict=True)
    ]
    yield from markdown_table(("command", "seconds, median", "range", "plain script / this"), rows)


def intervals() -> float:
    """Processor seconds of all intervals, tests and reservations of the shipped claims, once values are there."""
    project, store = Project(ROOT), Store.open(str(ROOT / "data"))
    jobs = [make_job(project.load(name), store, SUITE, True) for name in project.sources]
    for group in by_seed(store.runs):
        some = [run for run in group if any(job.reads(run.manifest.run_id) for job in jobs)]
        runs = []
        for run in some:
            measures = {m for job in jobs for m in job.reads(run.manifest.run_id)}
            runs.append(read_run(store, run, [job.hypothesis.needs for job in jobs], measures))
        for job in jobs:
            collect_values(job, runs)
    conclude(jobs[0], store)  # imports what it needs
    began = time.process_time()
    for job in jobs:
        conclude(job, store)
    return time.process_time() - began


def memory(command: list[str]) -> float:
    """Largest resident memory of a command in MB."""
    script = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); "
        "assert done.returncode in (0, 1, 3), done; "  # a verdict
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    return float(done.stdout)


def many_analyses() -> tuple[int, float, float]:
    """How many analyses of top_down, and the seconds that they take without and with cached values."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(
            ROOT / "hypotheses", root / "hypotheses", ignore=shutil.ignore_patterns("*.lock")
        )
        path = root / "hypotheses" / "billa_2026" / "top_down.py"
        text = path.read_text()
        for before, after in (ANALYSES, WITHIN):
            text = text.replace(before, after, 1)
        path.write_text(text)
        (root / "pyproject.toml").write_text(
            f'[tool.emergence_stats]\ntraces = "{ROOT / "data"}"\n'
        )
        command = [*PROGRAM, "multiverse", "top_down", "--suite", SUITE]
        cache = {"XDG_CACHE_HOME": str(root / "cache")}
        first = seconds(command, root, **cache)
        again = statistics.median(seconds(command, root, **cache) for _ in range(REPEATS))
        shown = subprocess.run(
            [*command, "--json"], cwd=root, capture_output=True, env={**os.environ, **cache}
        )
        return json.loads(shown.stdout)["analyses"], first, again


def main() -> None:
    sys.stdout.write("# Speed of the core\n\n")
    sys.stdout.write(
        f"Printed by `python -m benchmarks.core` in one run, on {os.cpu_count()} cores ({platform.machine()}, Python "
        f"{platform.python_version()}). Whole processes, start-up included, in turn.\n\n"
    )
    for line in beside_plain():
        sys.stdout.write(line + "\n")
    peak = memory([*PROGRAM, "report", "--all", "--suite", SUITE, "--json"])
    analyses, first, again = many_analyses()
    sys.stdout.write(
        f"\nLargest memory of the report with controls: {peak:.0f} MB.\n\n"
        f"- {analyses:,} analyses of `top_down` (`multiverse`): {first:.1f} s, {again:.1f} s from cached values.\n"
    )
    sys.stdout.write(
        f"- All intervals, tests, differences from controls and reservations of the claims, once values are there: "
        f"{intervals():.2f} s of processor time.\n"
    )


if __name__ == "__main__":
    main()
