"""Collect many runs: which are missing, and an engine that trains them, largest models first."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from emergence_stats.errors import UsageError
from emergence_stats.traces.places import check_bucket, is_uri, local_folder, locate, there
from emergence_stats.traces.store import Store

from .engines.bars import Bars
from .engines.task import Options, Task
from .engines.workplace import Workplace
from .suites import Declared, Published, PublishedSuite, Size, named, other_settings

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
    runs = _asked_for(suite, scales, seeds)
    files = [(suite.name, f"{suite.run_id(scale, seed)}.json") for scale, seed in runs]
    whole = set(there(locate(store), files))
    return [run for run, file in zip(runs, files, strict=True) if file not in whole]


def _asked_for(
    suite: Declared, scales: Iterable[str] | None, seeds: Iterable[int] | None
) -> list[tuple[Size, int]]:
    """Seeds in order and the largest scale first. Raises `UsageError` for a scale or a seed that cannot be."""
    known = {scale.name: scale for scale in suite.scales}
    for name in scales or ():
        if name not in known:
            raise UsageError(
                f"suite {suite.name} has no scale {name!r}; its scales are {', '.join(known)}"
            )
    wanted = [known[name] for name in dict.fromkeys(scales)] if scales else list(suite.scales)
    chosen = sorted(set(seeds)) if seeds is not None else list(suite.seeds)
    for seed in chosen:
        if not 0 <= seed < 2**63:
            raise UsageError(f"seed {seed}: a seed is a whole number from 0 to {2**63 - 1}")
        if isinstance(suite, PublishedSuite) and seed not in suite.seeds:
            raise UsageError(
                f"suite {suite.name} has no seed {seed}: its models are published, with seeds {', '.join(map(str, suite.seeds))}"
            )
    ordered = sorted(wanted, key=lambda scale: -scale.width * scale.width * scale.layers)
    return [(scale, seed) for seed in chosen for scale in ordered]


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
    options = options or Options()
    _check_device(device, engine)
    if options.together > 1 and getattr(suite, "equal_steps", False):
        raise UsageError(
            f"suite {suite.name} changes the steps of each model, so that its seeds are trained one by one: leave out --together"
        )
    _check_store(store)
    scales = None if scales is None else list(scales)
    seeds = None if seeds is None else list(seeds)
    work = Workplace.of(store, scratch)
    check_bucket(os.fspath(store))
    missing = missing_runs(store, suite, scales, seeds)
    left, faults = work.send_what_is_left()
    for fault in faults:
        sys.stderr.write(f"warning: a run of an earlier collection cannot be sent: {fault}\n")
    if left:
        sys.stderr.write(
            f"{len(left)} run{'s' if len(left) > 1 else ''} of an earlier collection sent to {work.store}\n"
        )
        missing = missing_runs(store, suite, scales, seeds)
    for warning in (
        *made_otherwise(store, suite, scales, seeds),
        *made_of_others(store, suite, scales, seeds),
    ):
        sys.stderr.write(f"warning: {warning}\n")
    if not missing:
        return 0
    begun = work.scratch.exists()
    try:
        work.scratch.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{work.scratch} cannot be made ({error.strerror}): name another folder with {'--scratch' if scratch or is_uri(store) else '--traces'}"
        ) from None
    # workers may stand in another folder than this process
    place = work.store if is_uri(store) else str(Path(store).absolute())
    kept = None if scratch is None else str(Path(scratch).absolute())
    tasks = [Task(place, suite, scale, seed, device, kept) for scale, seed in missing]
    module = importlib.import_module(f".engines.{ENGINES[engine]}", __package__)
    try:
        with Bars(tasks) as bars:
            bars.say(f"runs of suite {suite.name} to make: {len(tasks)}")
            done: int = module.run(tasks, options, bars)
    except UsageError:  # nothing was trained
        with suppress(OSError):
            if not begun:
                work.scratch.rmdir()
        raise
    Store.open(store).refresh_catalogue()
    return done


def _check_device(device: str, engine: str) -> None:
    """Raise `UsageError` for a device that there is not, or that a cluster does not let a run choose."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise UsageError(f"unknown device {device!r}; known devices: cpu, cuda and cuda:N")
    if engine != "local":
        if device not in ("cpu", "cuda", "cuda:0"):
            raise UsageError(
                f"--device {device}: a cluster gives each run a GPU of its own, the only one that it sees; say --device cuda"
            )
        return
    if device == "cpu":
        return
    import torch

    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not there:
        raise UsageError(f"--device {device}, but torch sees no CUDA device here; use --device cpu")
    if (torch.device(device).index or 0) >= there:
        raise UsageError(
            f"--device {device}: there {'is 1 CUDA device' if there == 1 else f'are {there} CUDA devices'} here, counted from 0"
        )


def _check_store(store: str | os.PathLike[str]) -> None:
    """Raise `UsageError` for a store that is none, or that would be gone with the process that writes into it."""
    text = os.fspath(store)
    if text.startswith("memory:"):
        raise UsageError(
            f"{text}: what is in memory is gone when the process ends that has trained it; name a folder or a bucket"
        )
    folder = local_folder(store)
    if folder is not None and folder.exists() and not folder.is_dir():
        raise UsageError(f"{text} is a file, and a trace store is a folder; name one with --traces")


def made_otherwise(
    store: str | os.PathLike[str],
    suite: Declared,
    scales: Iterable[str] | None,
    seeds: Iterable[int] | None,
) -> list[str]:
    """A line for each run of the suite that is there, but was made with other settings than the suite has now."""
    if not locate(store).is_there():
        return []
    wanted = {suite.run_id(*run) for run in _asked_for(suite, scales, seeds)}
    found = []
    for file in Store.open(store).readable:
        run = file.manifest
        if run.suite != suite.name or run.run_id not in wanted:
            continue
        differ = [
            f"{key} {json.dumps(its)}, now {json.dumps(now)}"
            for key, (its, now) in other_settings(suite, run.scale, run.seed, run.config).items()
        ]
        if differ:
            found.append(
                f"run {run.run_id} is there, made with other settings than suite {suite.name} has now ({'; '.join(differ)}); to make it "
                f"anew, remove it with `emergence-stats traces rm {run.run_id}`"
            )
    return found


def made_of_others(
    store: str | os.PathLike[str],
    suite: Declared,
    scales: Iterable[str] | None,
    seeds: Iterable[int] | None,
) -> list[str]:
    """A line for each run of published checkpoints that is there, but whose checkpoints lie in a folder and changed since."""
    if not isinstance(suite, PublishedSuite) or not locate(store).is_there():
        return []
    from .language.checkpoints import changed_since

    there = {file.manifest.run_id: file.manifest for file in Store.open(store).readable}
    found = []
    for scale, seed in _asked_for(suite, scales, seeds):
        assert isinstance(scale, Published)
        run_id = suite.run_id(scale, seed)
        if run_id not in there:
            continue
        revisions = [revision for _, revision in suite.revisions]
        changed = changed_since(suite.repository(scale, seed), revisions, there[run_id].created)
        if changed:
            found.append(
                f"run {run_id} is there, and files of {len(changed)} of its checkpoints ({changed[0]}{', ...' if changed[1:] else ''}) changed "
                f"since it was made; if they have other weights now, remove it with `emergence-stats traces rm {run_id}`, and collect again"
            )
    return found
