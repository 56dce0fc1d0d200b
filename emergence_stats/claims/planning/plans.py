"""Which runs a hypothesis still needs, and what they cost."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from emergence_stats.claims.backend import (
    costs_of_published,
    suite_named,
    trainable_suites,
)
from emergence_stats.claims.planning.trainings import differences
from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration import read_lock
from emergence_stats.core.plan import Design
from emergence_stats.errors import UsageError
from emergence_stats.support.words import counted
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.places import check_bucket, local_folder, locate
from emergence_stats.traces.store import Store


def plan_of(loaded: Loaded, uri: str, suite: str | None) -> dict[str, Any]:
    """The confirmatory set of a hypothesis: each run's state, and the seconds that others took.

    A cost is the mean time of the runs of the same scale in the store that went to their end, None if there are none;
    `seconds_by_measure` says how much of it each measure took that is timed separately. Of published checkpoints, which
    are fetched, `published` has by scale what they are estimated to take. `notes`: how runs that are there and that the plan has
    not seen differ in their settings.
    """
    design = wanted_design(loaded, suite)
    manifests = manifests_of(uri)
    registration = read_lock(loaded.source.lock)
    there: dict[tuple[str, int], Manifest] = {
        (m.scale, m.seed): m for m in manifests if m.suite == design.suite
    }
    of_scale: dict[str, list[Manifest]] = {}
    for m in there.values():
        of_scale.setdefault(m.scale, []).append(m)
    runs, found_there, published = [], [], costs_of_published(design.suite)
    for scale, seed in design.runs():
        found = there.get((scale, seed))
        state = "missing"
        if found is not None:
            state = "pilot" if registration is not None and registration.saw(found) else "there"
            if state == "there":
                found_there.append(found)
        total, by_measure = _cost(of_scale.get(scale, []))
        cost: dict[str, Any] = {"seconds": total, "seconds_by_measure": by_measure}
        if total is None and scale in published:
            cost |= {"seconds": 3600 * published[scale]["hours"], "estimated": True}
        runs.append({"scale": scale, "seed": seed, "state": state, **cost})
    return {
        "name": loaded.name,
        "suite": design.suite,
        "confirmatory": design == loaded.hypothesis.design,
        "store": uri,
        "runs": runs,
        "controls": _of_controls(loaded, manifests, design.suite),
        "notes": list(differences(found_there)),
        **({"published": published} if published else {}),
    }


def _of_controls(loaded: Loaded, manifests: Sequence[Manifest], own: str) -> list[dict[str, Any]]:
    """The suites that controls are of, and how many runs of each are there."""
    suites = dict.fromkeys(
        control.suite
        for control in loaded.hypothesis.controls
        if control.suite is not None and control.suite != own
    )
    there = Counter(m.suite for m in manifests)
    return [{"suite": suite, "there": there[suite]} for suite in suites]


def _cost(runs: list[Manifest]) -> tuple[float | None, dict[str, float]]:
    """Mean seconds of these runs, in total and by measure, where their manifests give them and they did not stop early."""
    runs = [m for m in runs if not m.further.get("stopped")]
    totals = [
        m.further["seconds"] for m in runs if isinstance(m.further.get("seconds"), int | float)
    ]
    clocks = [c for m in runs if isinstance(c := m.further.get("seconds_by_measure"), dict)]
    names = {name for clock in clocks for name in clock}
    return (
        sum(totals) / len(totals) if totals else None,
        {name: sum(c.get(name, 0.0) for c in clocks) / len(clocks) for name in sorted(names)},
    )


def plan_lines(plan: dict[str, Any]) -> Iterator[str]:
    runs = plan["runs"]
    kind = "confirmatory runs" if plan["confirmatory"] else "runs, none of them in the plan"
    yield f"{plan['name']}: suite {plan['suite']}, {len(runs)} {kind}"
    for scale in dict.fromkeys(run["scale"] for run in runs):
        mine = [run for run in runs if run["scale"] == scale]
        states = "  ".join(f"{run['seed']}:{run['state']}" for run in mine)
        cost = mine[0]["seconds"]
        each = f"{cost:.0f} s a run" if cost is not None else "cost unknown"
        each += ", estimated" if mine[0].get("estimated") else ""
        yield f"  {scale}  {each}  {states}"
        if scale in plan.get("published", {}):
            yield f"    {published_text(plan['published'][scale])}"
        parts = sorted(mine[0]["seconds_by_measure"].items(), key=lambda part: -part[1])
        if parts:
            yield f"    of these: {', '.join(f'{name} {spent:.0f} s' for name, spent in parts)}"
    for note in plan.get("notes", ()):
        yield f"note: {note}"
    if "looks" in plan:
        looks = plan["looks"]
        kind = "confirmatory" if looks["confirmatory"] else "exploratory"
        yield f"so far {looks['verdict']} ({kind}): {looks['reason']}"
    for control in plan.get("controls", ()):
        suite, n = control["suite"], control["there"]
        how = (
            f": emergence-stats collect --suite {suite}"
            if not n and suite in trainable_suites()
            else ""
        )
        yield f"  for a control: suite {suite}, {counted(n, 'run')} there{how}"
    missing = [run for run in runs if run["state"] == "missing"]
    found = Counter(run["state"] for run in runs)
    if len(found) > 1:
        counts = (f"{n} {'pilots' if kind == 'pilot' else kind}" for kind, n in found.items())
        yield f"{counted(len(runs), 'run')} in all: {', '.join(counts)}"
    if not missing:
        if all(run["state"] == "pilot" for run in runs):
            yield "all planned runs are pilots, which the plan had seen: a confirmatory verdict needs new seeds"
            return
        yield "nothing is missing"
        return
    total = total_of([plan])
    yield f"{len(missing)} missing: {cost_text(total['seconds'], total['unknown'])}"
    if plan["suite"] not in trainable_suites():
        yield f"suite {plan['suite']} cannot be trained by `collect`: train its runs yourself, and import them"
        return
    options = "" if plan["confirmatory"] else f" --suite {plan['suite']}"
    options += f" --traces {shlex.quote(plan['traces'])}" if "traces" in plan else ""
    yield f"make them with: emergence-stats collect {plan['name']}{options}"


def published_text(cost: dict[str, Any]) -> str:
    """What a model's checkpoints are estimated to take."""
    return (
        f"estimated: {counted(cost['checkpoints'], 'checkpoint')}, {cost['hours']:.1f} hours of one core, {cost['memory_gb']:.1f} GB of memory, "
        f"{cost['download_gb']:.0f} GB to fetch, {cost['checkpoint_gb']:.1f} GB at a time"
    )


def total_of(plans: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The runs that several plans want, each once: how many there are, are there, are missing, and cost.

    `seconds`: of those missing whose cost is known, `unknown`: how many are not; `pilot` runs, which a plan had seen, are there.
    """
    wanted = {
        (plan["suite"], run["scale"], run["seed"]): run for plan in plans for run in plan["runs"]
    }
    missing = [run["seconds"] for run in wanted.values() if run["state"] == "missing"]
    known = [seconds for seconds in missing if seconds is not None]
    return {
        "runs": len(wanted),
        "there": len(wanted) - len(missing),
        "missing": len(missing),
        "seconds": sum(known),
        "unknown": len(missing) - len(known),
    }


def total_on_gpu(plans: Sequence[dict[str, Any]], suite: str) -> tuple[int, float]:
    """How many runs of a suite are missing, each once, and the hours that a GPU would take for them.

    For plans that have what their scales cost on one, as `gpu`; runs of a scale that the suite has not are left out.
    """
    mine = [plan for plan in plans if plan["suite"] == suite]
    hours = {cost["scale"]: cost["hours"] for plan in mine for cost in plan["gpu"]["scales"]}
    missing = {
        (run["scale"], run["seed"])
        for plan in mine
        for run in plan["runs"]
        if run["state"] == "missing" and run["scale"] in hours
    }
    return len(missing), sum(hours[scale] for scale, _ in missing)


def cost_text(seconds: float, unknown: int) -> str:
    """What missing runs cost: seconds of those whose cost is known, and how many others there are."""
    if not seconds:
        return "cost unknown, since no run of these sizes says how long it took"
    hours = f" ({seconds / 3600:.1f} h)" if seconds >= 7200 else ""
    rest = f", {unknown} of unknown cost" if unknown else ""
    return f"{seconds / 60:.0f} minutes of one core{hours}{rest}"


def wanted_design(loaded: Loaded, suite: str | None) -> Design:
    """The runs that are wanted: the confirmatory set, or those of another suite that fit.

    Raises `UsageError` with neither a design nor a suite, and for a suite of which none fits.
    """
    design = loaded.hypothesis.design
    if design is not None and suite in (None, design.suite):
        return design
    if suite is None:
        raise UsageError(
            f"{loaded.name} declares no design, so the runs it wants are not known; name a suite "
            "with --suite"
        )
    declared = suite_named(suite)
    least = loaded.hypothesis.needs.min_layers
    scales = [scale.name for scale in declared.scales if scale.layers >= least]
    if not scales:
        raise UsageError(f"suite {suite} has no scale with the {least} blocks of {loaded.name}")
    return Design(suite, scales, declared.seeds)


def manifests_of(uri: str) -> list[Manifest]:
    """The manifests of a store, none if there is no folder yet."""
    folder = local_folder(uri)
    if not (folder.exists() if folder is not None else locate(uri).is_there()):
        check_bucket(uri)  # which is not made by collecting into it
        return []
    return [run.manifest for run in Store.open(uri).runs]
