"""What a reader has to know of the runs besides a verdict: those without a value, measures that no run has, late beginnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emergence_stats.claims.backend import trainable_suites
from emergence_stats.claims.planning.trainings import differences
from emergence_stats.claims.project import Loaded, Project
from emergence_stats.claims.selection import of_repeated, of_stopped
from emergence_stats.core.plan import Hypothesis, keyword_defaults
from emergence_stats.core.runs import NONE
from emergence_stats.errors import UsageError
from emergence_stats.evaluation.results import Result
from emergence_stats.support.words import counted, listed, near, ranges
from emergence_stats.traces.store import RunFile, Store

_MOST = 3  # reasons that are told; `test -v` has all
_NAMES = 4  # runs that are named with a reason
_ROUNDING = 1e-6
_TEMPLATE = "Template of `new`"  # how the docstring of its estimate begins
_WHOLE = 0.9  # of the longest run of a scale: a run that ends before did not end as the others
_SEEN_BY = 3  # checkpoints, by which a fall and its floor can be seen


def check_suite(suite: str | None, store: Store, loaded: Sequence[Loaded]) -> None:
    """Raise `UsageError` for a suite that is named, and that neither the store, nor the backend, nor a plan knows."""
    if suite is None:
        return
    there = {file.manifest.suite for file in store.runs}
    planned = {one.hypothesis.design.suite for one in loaded if one.hypothesis.design is not None}
    if suite in there | planned or suite in trainable_suites():
        return
    known = ", ".join(sorted(there)) or "no suite"
    raise UsageError(
        f"--suite {suite}: {store.uri} has no run of it{near(suite, there)}; it has {known}"
    )


def with_notes(results: Sequence[Result], project: Project, store: Store) -> list[Result]:
    """The results, each with its notes. Raises `TraceError` for a store that is broken.

    Runs of the training backend begin at step 0 and are not read.
    """
    files = {file.manifest.run_id: file for file in store.runs}
    known: dict[str, dict[str, set[int]]] = {}
    seen: dict[str, dict[str, _Seen]] = {}
    found = []
    for result in results:
        loaded = project.load(result.name)
        hypothesis = loaded.hypothesis
        wanted = hypothesis.needs.measures
        used = [use.run_id for use in result.runs if use.status == "counted"]
        for run_id in used:
            lacking = set(wanted) - seen.setdefault(run_id, {}).keys()
            if lacking and not _is_ours(files[run_id]):
                seen[run_id] |= _look(store, files[run_id], lacking)
        notes = [*_refused(result)]
        for measure in wanted:
            there = [seen[i][measure] for i in used if measure in seen[i]]
            said = (
                _beginning(measure, there, len(used)),
                _no_share(measure, there, len(used)),
                _too_sparse(measure, there, len(used), _window(hypothesis)),
            )
            notes += [note for note in said if note]
            notes += _ending(
                measure, {i: seen[i][measure] for i in used if measure in seen[i]}, files
            )
        if result.registration == "unregistered":  # else it is a deviation
            manifests = [files[run_id].manifest for run_id in used]
            notes += [*of_stopped(manifests), *of_repeated(manifests)]
        notes += differences([files[run_id].manifest for run_id in used])
        notes += _other_tasks(result, loaded, store, files)
        if not used:
            notes += _unknown(result, hypothesis, store, files, known)
        result = _with_other_suite(result, hypothesis)
        if any((p.estimate.__doc__ or "").startswith(_TEMPLATE) for p in hypothesis.predictions):
            result = _departing(
                result,
                "an estimate is still the template of `new`, which knows nothing of this claim",
            )
        found.append(replace(result, notes=(*result.notes, *notes)) if notes else result)
    return found


def _with_other_suite(result: Result, hypothesis: Hypothesis) -> Result:
    """Of a claim that is not registered, and so has no other deviations: that its plan is about other runs."""
    design, suite = hypothesis.design, result.evidence.suite
    if (
        result.registration != "unregistered"
        or design is None
        or not result.counted
        or suite == design.suite
    ):
        return result
    text = f"the runs are of suite {suite}, and the plan is for suite {design.suite}, so the result says nothing of that suite"
    return _departing(result, text)


def _departing(result: Result, text: str) -> Result:
    return replace(result, plan=replace(result.plan, deviations=(*result.plan.deviations, text)))


def _refused(result: Result) -> Iterator[str]:
    """Runs that gave no value, by reason, where others did."""
    whose: dict[str, list[str]] = {}
    for use in result.runs:
        if use.status == "refused":
            whose.setdefault(use.why, []).append(use.run_id)
    if not result.counted or not whose:
        return
    n_runs = result.counted + sum(map(len, whose.values()))
    most = sorted(whose.items(), key=lambda pair: -len(pair[1]))
    for why, names in most[:_MOST]:
        short = ranges(names)
        which = listed(short) if len(short) <= _NAMES else f"{short[0]}, ..."
        yield f"{counted(len(names), 'run')} of {n_runs} cannot be used ({which}): {why}"
    if len(most) > _MOST:
        yield f"{len(most) - _MOST} more reasons of runs that cannot be used: `emergence-stats test {result.name} -v`"


def _other_tasks(
    result: Result, loaded: Loaded, store: Store, files: dict[str, RunFile]
) -> Iterator[str]:
    """Tasks that the claim's constants name and no run has, or that these runs have and no constant names."""
    some = [files[use.run_id] for use in result.runs if use.status in ("counted", "refused")][
        :_MOST
    ]
    if not some or (all(map(_is_ours, some)) and not loaded.settings):
        return
    there: set[tuple[str, int | None]] = set()
    for file in some:
        table = store.read(file, loaded.hypothesis.needs.measures)
        pairs = table.group_by(["task", "level"]).aggregate([]).to_pylist()
        there |= {
            (pair["task"], NONE if pair["level"] is None else pair["level"])
            for pair in pairs
            if pair["task"] is not None
        }
    if there:
        yield from loaded.tasks.amiss(there, result.name)


def _unknown(
    result: Result,
    hypothesis: Hypothesis,
    store: Store,
    files: dict[str, RunFile],
    known: dict[str, dict[str, set[int]]],
) -> Iterator[str]:
    """Measures that no refused run has, with what they have, and those that are there at other layers.

    `known`: of runs that were looked at, the layers of each measure.
    """
    some = [use.run_id for use in result.runs if use.status == "refused"][:_MOST]
    for run_id in some:
        if run_id not in known:
            pairs = store.read(files[run_id]).group_by(["measure", "layer"]).aggregate([])
            layers = known.setdefault(run_id, {})
            for pair in pairs.to_pylist():
                layers.setdefault(pair["measure"], set())
                if pair["layer"] is not None:
                    layers[pair["measure"]].add(pair["layer"])
    there = {name for run_id in some for name in known[run_id]}
    for measure in hypothesis.needs.measures:
        if there and measure not in there:
            yield f"no measure is called {measure!r} in these runs{near(measure, there)}; they have {', '.join(sorted(there))}"
        for run_id in some[:1]:
            layers_ = known[run_id].get(measure, set())
            wanted = _wanted_layers(hypothesis, files[run_id].manifest.n_layers)
            if layers_ and wanted is not None and not layers_ & wanted:
                at = listed(list(map(str, sorted(layers_))))
                yield f"{measure} is at layer{'s' if len(layers_) > 1 else ''} {at} in {run_id}, and the claim looks at {listed(list(map(str, sorted(wanted))))}"


def _wanted_layers(hypothesis: Hypothesis, n_layers: int) -> set[int] | None:
    """The layers that a claim is given of a run; None for all."""
    return {"final": {n_layers}, "blocks": set(range(1, n_layers + 1))}.get(hypothesis.needs.layers)


def _is_ours(file: RunFile) -> bool:
    """Whether a suite of the training backend made a run: its config says more than anybody else's would."""
    return {"dense_steps", "evaluation_samples", "threads"} <= file.manifest.config.keys()


@dataclass(frozen=True)
class _Seen:
    """Of a measure of a run: its checkpoints (k,), and the least and largest value."""

    steps: NDArray[np.int64]
    least: float
    most: float


def _look(store: Store, file: RunFile, measures: set[str]) -> dict[str, _Seen]:
    table = store.read(file, measures)
    names = np.array(table.column("measure").to_pylist())
    step, value = table.column("step").to_numpy(), table.column("value").to_numpy()
    return {
        str(name): _Seen(np.unique(step[here]), float(value[here].min()), float(value[here].max()))
        for name in np.unique(names)
        for here in [names == name]
    }


def _beginning(measure: str, there: Sequence[_Seen], n_runs: int) -> str | None:
    late = sorted(int(one.steps[0]) for one in there if one.steps[0] > 0)
    if not late:
        return None
    at = f"step {late[0]:,}" + (f" to {late[-1]:,}" if late[-1] != late[0] else "")
    return (
        f"{measure} begins at {at}, not 0, in {len(late)} of {n_runs} runs: what the claim takes for the beginning is "
        "there"
    )


def _ending(measure: str, there: dict[str, _Seen], files: dict[str, RunFile]) -> Iterator[str]:
    """Runs that end well before others of their scale: what a claim takes for the end is not the end of training there."""
    by_scale: dict[str, dict[str, int]] = {}
    for run_id, one in there.items():
        by_scale.setdefault(files[run_id].manifest.scale, {})[run_id] = int(one.steps[-1])
    early: dict[str, int] = {}
    for ends in by_scale.values():
        early |= {run_id: end for run_id, end in ends.items() if end < _WHOLE * max(ends.values())}
    if early:
        first = min(early, key=lambda run_id: early[run_id])
        most = max(by_scale[files[first].manifest.scale].values())
        n = len(early)
        yield (
            f"{measure} ends at step {early[first]:,} in {first}{f' and early in {n - 1} more runs' if n > 1 else ''}, where others "
            f"of its scale go on, to {most:,} at most: what the claim takes for the end is there"
        )


def _no_share(measure: str, there: Sequence[_Seen], n_runs: int) -> str | None:
    """An accuracy that is none: events of a claim are between chance and 1."""
    beyond = [one for one in there if one.least < -_ROUNDING or one.most > 1 + _ROUNDING]
    if measure != "accuracy" or not beyond:
        return None
    most = max((end for one in beyond for end in (one.least, one.most)), key=abs)
    return f"accuracy is a share, from 0 to 1, and reaches {most:g} in {len(beyond)} of {n_runs} runs: is it in percent?"


def _window(hypothesis: Hypothesis) -> float | None:
    """The step up to which estimates look, where they say so by a keyword `within`; the smallest of them."""
    found = (keyword_defaults(p.estimate).get("within") for p in hypothesis.predictions)
    steps = [float(one) for one in found if isinstance(one, int | float)]
    return min(steps, default=None)


def _too_sparse(
    measure: str, there: Sequence[_Seen], n_runs: int, within: float | None
) -> str | None:
    """Runs with hardly a checkpoint where the claim looks: that nothing happens there cannot be seen in them."""
    if within is None:
        return None
    early = [int(np.count_nonzero(one.steps[1:] <= within)) for one in there]
    few = [count for count in early if count < _SEEN_BY]
    if not few:
        return None
    later = [int(one.steps[1]) for one in there if len(one.steps) > 1]
    after = min(later, default=None) if max(early) == 0 else None
    said = f" (the first after the beginning is step {after:,})" if after is not None else ""
    return (
        f"the claim looks at steps up to {within:g}, and {measure} has {few[0] if len(set(few)) == 1 else f'{min(few)} to {max(few)}'} "
        f"checkpoint{'s' if few != [1] * len(few) else ''} there after the first in {len(few)} of {n_runs} runs{said}: too few to see it"
    )
