"""What a large store costs to open: `python -m benchmarks.stores > docs/stores_benchmark.md`. On a quiet machine.

Ten real runs and the claim that they decide, among more and more runs of another suite: copies of their manifests under other names,
whose Parquet files are links to one that is never read. Whole processes, start-up included, in turn.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.fs as pafs

from benchmarks.machine import machine
from emergence_stats.reports.markdown import markdown_table
from emergence_stats.traces.catalogue import NAME
from emergence_stats.traces.places import locate
from emergence_stats.traces.store import Store
from tests.traces import s3

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "data" / "pocket_start"
SIZES = (10, 100, 1_000, 10_000)
REPEATS = 3
COMMANDS = {
    "`traces ls`": ["traces", "ls", "--json"],
    "`plan`": ["plan", "universal_collapse", "--json"],
    "`test`": ["test", "universal_collapse", "--no-controls", "--json"],
}


def fill(store: Path, size: int) -> None:
    """Ten runs of suite `pocket_start`, and as many of another that there are `size`."""
    manifests = sorted(SHIPPED.glob("*.json"))[:10]
    for manifest in manifests if not store.exists() else ():
        (store / "pocket_start").mkdir(parents=True, exist_ok=True)
        shutil.copy(manifest, store / "pocket_start")
        shutil.copy(manifest.with_suffix(".parquet"), store / "pocket_start")
    other = store / "other"
    other.mkdir(exist_ok=True)
    fields = json.loads(manifests[0].read_text())
    for number in range(len(list(other.glob("*.json"))), size - len(manifests)):
        run_id, config = f"other-s{number}", {**fields["config"], "seed": number}
        changed = fields | {"run_id": run_id, "suite": "other", "seed": number, "config": config}
        (other / f"{run_id}.json").write_text(json.dumps(changed))
        os.link(
            store / "pocket_start" / f"{manifests[0].stem}.parquet", other / f"{run_id}.parquet"
        )
    then = time.time() - 60
    for path in store.rglob("*.json"):
        os.utime(path, (then, then))


def measured(command: list[str]) -> tuple[float, float]:
    """Median seconds and largest megabytes of a command, each run a process of its own."""
    laps, sizes = [], []
    for _ in range(REPEATS):
        code = (
            "import resource, subprocess, sys, time; began = time.perf_counter(); "
            "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE); "
            "print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); "
            "sys.exit(0 if done.returncode in (0, 1, 3) else done.stderr.decode())"
        )
        child = [sys.executable, "-c", code, sys.executable, "-m", "emergence_stats", *command]
        done = subprocess.run(child, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        lap, kilobytes = map(float, done.stdout.split())
        laps.append(lap)
        sizes.append(kilobytes / 1024)
    return statistics.median(laps), max(sizes)


def extrapolated(points: list[tuple[int, float]], size: int) -> float:
    """Along the straight line through the two largest stores."""
    (a, x), (b, y) = points[-2:]
    return y + (size - b) * (y - x) / (b - a)


@contextmanager
def bucket() -> Iterator[str]:
    """The address of a store on a server that speaks S3, in a process of its own."""
    code = (
        "import time; from tests.traces import s3\n"
        "with s3.server() as port:\n"
        "    print(s3.store_uri(port, 'benchmark'), flush=True); time.sleep(3600)"
    )
    os.environ.update(s3.KEYS)
    server = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


def bucket_rows() -> Iterator[tuple[str, ...]]:
    """`traces ls` of a bucket on this machine, where a request takes no time on a network."""
    found: dict[bool, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, bucket() as uri:
        store = Path(folder) / "store"
        there = locate(uri)
        for size in SIZES[:3]:
            fill(store, size)
            pafs.copy_files(str(store), there.base, destination_filesystem=there.filesystem)
            time.sleep(4)  # a catalogue that is as young as its manifests is not believed
            for catalogued in (False, True):
                if catalogued:
                    Store.open(uri).write_catalogue()
                elif size > SIZES[0]:
                    there.filesystem.delete_file(there.path(NAME))
                found.setdefault(catalogued, []).append(
                    measured(["traces", "ls", "--json", "--traces", uri])
                )
    for catalogued, points in found.items():
        yield (
            "`traces ls`, bucket" + (", catalogue" if catalogued else ""),
            *(f"{seconds:.2f} s, {megabytes:.0f} MB" for seconds, megabytes in points),
        )


def rows() -> Iterator[tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        found: dict[tuple[str, bool], list[tuple[int, float, float]]] = {}
        for size in SIZES:
            fill(store, size)
            for catalogued in (False, True):
                (store / NAME).unlink(missing_ok=True)
                if catalogued:
                    Store.open(store).write_catalogue()
                for name, command in COMMANDS.items():
                    cost = measured([*command, "--traces", str(store)])
                    found.setdefault((name, catalogued), []).append((size, *cost))
    for (name, catalogued), points in found.items():
        million = extrapolated([(n, s) for n, s, _ in points], 10**6)
        memory = extrapolated([(n, m) for n, _, m in points], 10**6)
        yield (
            name + (", catalogue" if catalogued else ""),
            *(f"{seconds:.2f} s, {megabytes:.0f} MB" for _, seconds, megabytes in points),
            f"{million:.0f} s, {memory / 1024:.1f} GB" if math.isfinite(million) else "",
        )


def main() -> None:
    print("# What a large store costs\n")
    print(f"`python -m benchmarks.stores`; {machine()}.\n")
    print((__doc__ or "").partition("\n\n")[2].replace("\n", " ").strip() + "\n")
    header = ("command", *(f"{size:,} runs" for size in SIZES), "1,000,000 runs, by extrapolation")
    for line in markdown_table(header, list(rows())):
        print(line)
    print()
    for line in markdown_table(header[:4], list(bucket_rows())):
        print(line)
    print(f"\nMedian seconds of {REPEATS} calls, and the largest memory of them.")


if __name__ == "__main__":
    main()
