"""Collect many runs: which are missing, and an engine that trains them, largest models first."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from emergence_stats.errors import UsageError
from emergence_stats.traces.places import check_bucket, is_uri, locate, there
from emergence_stats.traces.store import Store

from .engines.bars import Bars
from .engines.task import Options, Task
from .engines.workplace import Workplace
from .suites import Declared, Size, named

ENGINES = {"local": "local", "ray": "on_ray", "slurm": "on_slurm"}


def suite_named(name: str) -> Declared:
    """The suite of that name. Raises `UsageError` with the known names if there is none."""
    known = named()
    if name not in known:
        raise UsageError(f"unknown suite {name!r}; known suites: {', '.join(known)}")
    return known[name]


def missing_runs(
    store: str | os.PathLike[str],
    suite: Declared,
    scales: Iterable[str] | None,
    seeds: Iterable[int] | None,
) -> list[tuple[Size, int]]:
    """Runs of the suite that the store lacks, seeds in order and the largest scale first.

    A run is there if its manifest is, the last file that appears.
    """
    known = {scale.name: scale for scale in suite.scales}
    for name in scales or ():
        if name not in known:
            raise UsageError(
                f"suite {suite.name} has no scale {name!r}; its scales are {', '.join(known)}"
            )
    wanted = [known[name] for name in scales] if scales else list(suite.scales)
    ordered = sorted(wanted, key=lambda scale: -scale.width * scale.width * scale.layers)
    runs = [
        (scale, seed)
        for seed in (sorted(set(seeds)) if seeds is not None else suite.seeds)
        for scale in ordered
    ]
    files = [(suite.name, f"{suite.run_id(scale, seed)}.json") for scale, seed in runs]
    whole = set(there(locate(store), files))
    return [run for run, file in zip(runs, files, strict=True) if file not in whole]


def collect(
    store: str | os.PathLike[str],
    suite: Declared,
    scales: Iterable[str] | None = None,
    seeds: Iterable[int] | None = None,
    *,
    device: str = "cpu",
    engine: str = "local",
    options: Options | None = None,
    scratch: str | None = None,
) -> int:
    """Train and measure the runs of a suite that a store lacks; returns how many were written.

    Progress goes to stderr. The first failure is raised as `CollectError` if the user can fix it, otherwise as `RuntimeError`
    with the traceback of the process. Runs that were killed continue at the next call, and runs that could not be sent to a store
    elsewhere are sent first. Raises `UsageError` for an unknown engine or device.
    """
    if engine not in ENGINES:
        raise UsageError(f"unknown engine {engine!r}; known engines: {', '.join(ENGINES)}")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise UsageError(f"unknown device {device!r}; known devices: cpu, cuda and cuda:N")
    work = Workplace.of(store, scratch)
    check_bucket(os.fspath(store))
    missing = missing_runs(store, suite, scales, seeds)
    left = work.send_what_is_left()
    if left:
        sys.stderr.write(
            f"{len(left)} run{'s' if len(left) > 1 else ''} of an earlier collection sent to {work.store}\n"
        )
        missing = missing_runs(store, suite, scales, seeds)
    if not missing:
        return 0
    work.scratch.mkdir(parents=True, exist_ok=True)
    # workers may stand in another folder than this process
    place = work.store if is_uri(store) else str(Path(store).absolute())
    kept = None if scratch is None else str(Path(scratch).absolute())
    tasks = [Task(place, suite, scale, seed, device, kept) for scale, seed in missing]
    module = importlib.import_module(f".engines.{ENGINES[engine]}", __package__)
    with Bars(tasks) as bars:
        bars.say(f"runs of suite {suite.name} to make: {len(tasks)}")
        done: int = module.run(tasks, options or Options(), bars)
    Store.open(store).refresh_catalogue()
    return done
