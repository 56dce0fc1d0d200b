"""What runs are called as files, and the seeds and scales in their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from emergence_stats.traces.format import Manifest
from emergence_stats.traces.importing.notes import Notes, few
from emergence_stats.traces.importing.paths import seed_in
from emergence_stats.traces.importing.runs.rows import RunRows

_UNSAFE = re.compile(r"-*(?:[^A-Za-z0-9._+=-]+-*)+")  # what a file name cannot contain


def run_id(name: str) -> str:
    """A run's name, made safe for a file name."""
    return _UNSAFE.sub("-", name).strip("-._=+") or "run"


def name_seeds(runs: Sequence[RunRows], notes: Notes) -> None:
    """Seeds and scales that stand in the names of runs (r-s10, unstable_seed0), where nothing else gives them."""
    found = {run.name: seed_in(run.name) for run in runs if "seed" not in run.facts}
    alone = {name for name, seed in found.items() if seed is not None and not seed[1]}
    one_size = "all" if len(alone) > 1 else None  # runs that are called by their seeds alone
    scales = {
        run.name: run.facts.get("scale")
        or (of_name[1] if (of_name := found.get(run.name)) else "")
        or (one_size if run.name in alone else None)
        or run.name
        for run in runs
    }
    for run in runs:
        of_run = seed_in(run.name) if "seed" in run.facts else None
        if of_run is not None and of_run[0] != run.facts["seed"]:
            notes.add(
                "doubtful",
                f"run {run.name} has seed {run.facts['seed']}, and {of_run[0]} in its name",
            )
    pairs = [(scales[name], seed[0]) for name, seed in found.items() if seed is not None]
    if len(set(pairs)) < len(pairs):  # then that is not what the numbers are
        found, scales = {}, {}
    rests: dict[str, None] = {}
    by_name: list[str] = []
    for run in runs:
        seed = found.get(run.name)
        if seed is not None:
            run.facts["seed"] = seed[0]
            notes.add("guessed", "seeds are those in the names of runs")
        if "scale" not in run.facts:
            run.facts["scale"] = scales.get(run.name, run.name)
            if run.facts["scale"] != run.name:
                rests.setdefault(run.facts["scale"])
            else:
                by_name.append(run.name)
    if rests:
        text = few([repr(rest) for rest in rests])
        notes.add("guessed", f"scales are the rest of the names of runs: {text}")
    if by_name:
        text = f"each run is a scale of its own, by its name, as nothing tells one ({few(by_name)}): --set scale=NAME"
        notes.add("guessed", text)


def say_alike(runs: Sequence[RunRows], notes: Notes) -> None:
    """Runs that have one scale and one seed: the same training twice, or a seed that is none."""
    seen: dict[tuple[str, int], str] = {}
    for run in runs:
        key = run.facts["scale"], run.facts["seed"]
        other = seen.setdefault(key, run.name)
        if other != run.name:
            notes.add(
                "doubtful",
                f"runs {other} and {run.name} both have scale {key[0]} and seed {key[1]}",
            )


def number_seeds(runs: Sequence[RunRows], there: Mapping[str, Manifest], notes: Notes) -> None:
    """Seeds for runs whose seed is not given: the first numbers that no other run of the scale has.

    Runs of the store count too: a run with the scale, seed and config of another would be taken for the
    same training, not for a new one. A run that is replaced keeps its seed.
    """
    taken: dict[str, set[int]] = {}
    for manifest in there.values():
        taken.setdefault(manifest.scale, set()).add(manifest.seed)
    for run in runs:
        if "seed" in run.facts:
            taken.setdefault(run.facts["scale"], set()).add(run.facts["seed"])
    numbered = []
    for run in runs:
        if "seed" in run.facts:
            continue
        run.config.setdefault("seed_numbered_by_import", True)
        before = there.get(run_id(run.name))
        if before is not None and before.scale == run.facts["scale"]:
            run.facts["seed"] = before.seed
            continue
        mine = taken.setdefault(run.facts["scale"], set())
        run.facts["seed"] = next(n for n in range(len(mine) + 1) if n not in mine)
        mine.add(run.facts["seed"])
        numbered.append(f"{run.name}: {run.facts['seed']}")
    if numbered:
        notes.add(
            "runs", f"seeds are not given, so they are numbered within a scale ({few(numbered)})"
        )
