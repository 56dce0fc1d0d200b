"""Time and memory beside a plain script, as Markdown: `python -m benchmarks > docs/benchmarks.md`.

Takes about ten minutes, most of it for writing a store of a hundred times the shipped rows.
Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import stats

from emergence_stats.inference import sign_flip_p
from emergence_stats.traces.store import Store
from emergence_stats.traces.write import write_run

ROOT = Path(__file__).parent.parent
DATA = ROOT / "data"
REPORT = [sys.executable, "-m", "emergence_stats", "report", "--all", "--json", "--no-controls"]
PLAIN = [sys.executable, str(ROOT / "benchmarks" / "plain_report.py"), str(DATA)]


# A process starts with the peak memory of the one that it was forked from, so a small one between.
LAUNCHER = """
import json, os, sys, time
began = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(pid, 0)
spent = time.perf_counter() - began
found = [os.waitstatus_to_exitcode(status), spent, used.ru_utime + used.ru_stime, used.ru_maxrss]
print(json.dumps(found), file=sys.stderr)
"""


@dataclass
class Timing:
    """Wall and processor seconds of repeated processes, and the largest peak memory in bytes."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    peak: int = 0
    output: str = ""

    def once(self, command: Sequence[str]) -> None:
        """Run once. Statuses 1 and 3 are verdicts; any other fault is raised."""
        launched = subprocess.run(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, *command],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        *messages, last = launched.stderr.splitlines()
        code, wall, processor, peak = json.loads(last)
        if code not in (0, 1, 3):
            raise SystemExit(f"{' '.join(command)} ended with status {code}\n{messages}")
        self.output = launched.stdout
        self.wall.append(wall)
        self.processor.append(processor)
        self.peak = max(self.peak, peak * 1024)

    @property
    def seconds(self) -> float:
        return statistics.median(self.wall)

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({min(self.wall):.2f} to {max(self.wall):.2f})"


def alternate(repeats: int, **commands: Sequence[str]) -> dict[str, Timing]:
    """Time commands in turn, so that a slow minute of the machine hits all of them."""
    timings = {name: Timing() for name in commands}
    for command in commands.values():
        Timing().once(command)  # warm the disk cache
    for _ in range(repeats):
        for name, command in commands.items():
            timings[name].once(command)
    return timings


# --- the report beside a plain script ---------------------------------------------------------


def largest_difference(ours: str, plain: str) -> tuple[int, float, float]:
    """Predictions, largest relative difference of estimates and interval ends, of p-values."""
    other = json.loads(plain)
    count, relative, p_difference = 0, 0.0, 0.0
    for result in json.loads(ours)["results"]:
        for prediction in result["predictions"]:
            peer = other[result["name"]][prediction["name"]]
            mine = [prediction["estimate"], *prediction["interval"]]
            for a, b in zip(mine, [peer["estimate"], *peer["interval"]], strict=True):
                relative = max(relative, abs(a - b) / max(abs(a), abs(b), 1e-300))
            p_difference = max(p_difference, abs(prediction["p_value"] - peer["p_value"]))
            count += 1
    return count, relative, p_difference


def report_beside_plain(repeats: int) -> Iterator[str]:
    timings = alternate(
        repeats,
        ours=REPORT,
        controls=[part for part in REPORT if part != "--no-controls"],
        default=[*PLAIN, "--draws", "9999"],
        plain=[*PLAIN, "--draws", "99999"],
    )
    ours = timings["ours"]
    count, relative, p_difference = largest_difference(ours.output, timings["plain"].output)
    yield "## `report --all` beside a plain script"
    yield ""
    yield (
        "The same definitions written with pandas and `scipy.stats` (`benchmarks/plain_report.py`, "
        "which shares no code with the package), on the confirmatory runs of the shipped store. "
        "Whole processes, start-up included, in turn. The sign-flip tests of the report are exact; "
        "those of the script are draws of `scipy.stats.permutation_test`."
    )
    yield ""
    yield "| | wall, median (range) | processor | peak memory | wall beside ours |"
    yield "|---|---|---|---|---|"
    rows = {
        "`emergence-stats report --all --no-controls`": ours,
        "`emergence-stats report --all`, with 24 controls": timings["controls"],
        "plain script, 99,999 draws": timings["plain"],
        "plain script, 9,999 draws (scipy's default)": timings["default"],
    }
    for name, timing in rows.items():
        ratio = f"{timing.seconds / ours.seconds:.1f}x"
        cpu = f"{statistics.median(timing.processor):.2f} s"
        yield f"| {name} | {timing} | {cpu} | {timing.peak / 1e6:.0f} MB | {ratio} |"
    yield ""
    yield (
        f"Same numbers: over {count} predictions estimates and interval ends differ by at most "
        f"{relative:.0e} of their size; p-values by at most {p_difference:.4f}, the error of "
        "99,999 draws."
    )
    yield ""


def exact_test() -> Iterator[str]:
    result = json.loads(subprocess.run(
        [*REPORT[:3], "test", "top_down", "--json"], cwd=ROOT, capture_output=True, text=True
    ).stdout)["results"][0]  # fmt: skip
    values = np.array([v["value"] for v in result["predictions"][0]["values"]]) + 0.3
    began = time.perf_counter()
    for _ in range(10):
        mine = sign_flip_p(-values)
    ours = (time.perf_counter() - began) / 10
    began = time.perf_counter()
    peer = stats.permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
        alternative="less",
    ).pvalue
    theirs = time.perf_counter() - began
    yield "## The exact sign-flip test"
    yield ""
    yield (
        f"The {len(values)} values of `top_down`, all 2^{len(values)} signs. scipy enumerates them; "
        "the package meets in the middle."
    )
    yield ""
    yield "| | time | p |"
    yield "|---|---|---|"
    yield f"| `inference.sign_flip_p` | {ours * 1e3:.1f} ms | {mine:.10g} |"
    yield f"| `scipy.stats.permutation_test(n_resamples=inf)` | {theirs:.1f} s | {peer:.10g} |"
    yield ""


# --- larger stores ----------------------------------------------------------------------------


def multiply(target: Path, times: int) -> int:
    """Write every shipped run `times` times under names of its own; returns the rows."""
    store = Store.open(DATA)
    rows = 0
    for run in store.runs:
        m, table = run.manifest, store.read(run).drop_columns("run_id")
        for copy in range(times):
            write_run(
                target,
                table,
                run_id=f"{m.run_id}-copy{copy}",
                suite=m.suite,
                scale=m.scale,
                n_params=m.n_params,
                n_layers=m.n_layers,
                seed=m.seed + 1000 * copy,
                config={**m.config, "seed": m.seed + 1000 * copy},
                software=m.software,
                device=m.device,
                created=m.created,
            )
            rows += m.rows
    return rows


def larger_stores(repeats: int, factors: Sequence[int]) -> Iterator[str]:
    yield "## `test top_down` on larger stores"
    yield ""
    yield "Copies of the shipped runs under other names. Runs are read one at a time."
    yield ""
    yield "| rows of the store | runs read | wall, median (range) | a run | peak memory |"
    yield "|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as folder:
        for times in factors:
            path = Path(folder) / f"x{times}"
            rows = multiply(path, times)
            command = [*REPORT[:3], "test", "top_down", "--json", "--traces", str(path)]
            timing = alternate(repeats, test=command)["test"]
            runs = json.loads(timing.output)["results"][0]["predictions"][0]["n_runs"]
            yield (
                f"| {rows:,} ({times}x) | {runs:,} | {timing} | "
                f"{timing.seconds / runs * 1e3:.1f} ms | {timing.peak / 1e6:.0f} MB |"
            )
    yield ""


# --- start-up ---------------------------------------------------------------------------------


def start_up(repeats: int) -> Iterator[str]:
    timings = alternate(
        repeats,
        ours=[sys.executable, "-m", "emergence_stats", "--help"],
        imports=[sys.executable, "-c", "import typer, rich"],
        python=[sys.executable, "-c", "pass"],
    )
    ratio = timings["ours"].seconds / timings["imports"].seconds
    yield "## Start-up"
    yield ""
    yield "| | wall, median (range) |"
    yield "|---|---|"
    yield f"| `emergence-stats --help` | {timings['ours']} |"
    yield f"| `python -c 'import typer, rich'` | {timings['imports']} |"
    yield f"| `python -c pass` | {timings['python']} |"
    yield ""
    yield f"`--help` takes {ratio:.2f} times as long as importing typer and rich."
    script = (
        "import sys, emergence_stats as es; es.test('top_down'); "
        "print(sorted({'torch', 'training', 'statsmodels', 'scipy.stats'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    yield (
        "Of torch, training, statsmodels and scipy.stats, testing a hypothesis imports: "
        f"{found.stdout.strip()}."
    )
    yield ""


def machine() -> str:
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy", "pandas", "pyarrow"))
    return f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}, {versions}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 10, 100])
    options = parser.parse_args()
    print("# Benchmarks\n")
    print("Printed by `python -m benchmarks` (needs the `dev` extra); nothing here is typed in.\n")
    print(f"Machine: {machine()}.\n")
    for part in (
        report_beside_plain(options.repeats),
        exact_test(),
        start_up(options.repeats),
        larger_stores(min(options.repeats, 3), options.factors),
    ):
        for line in part:
            print(line, flush=True)


if __name__ == "__main__":
    main()
