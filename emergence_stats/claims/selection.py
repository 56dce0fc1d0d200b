"""Which runs of a store count for a hypothesis, which are its pilots, and what departs from its plan.

The only place that decides this; every run of the store gets a status, and none disappears. A plan with a
design is about the runs that the design names: others are not in the plan, and a verdict on them is
exploratory whatever the registration says.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from emergence_stats.claims.registration import State, identity
from emergence_stats.claims.registration.seen import (
    Sketch,
    copies_of,
    is_early,
    moment,
    repeats_among,
)
from emergence_stats.core.plan import Hypothesis
from emergence_stats.errors import UsageError
from emergence_stats.support.words import counted as how_many
from emergence_stats.support.words import first_of, listed
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import RunFile, Store

# The deviation of an amended plan, whose changes are listed beside it.
AMENDED = "the plan, or what it rests on, is not as it was registered, so the result is exploratory"
# The prediction that cannot use a run ("": none can), and why.
Refusal = tuple[str, str]
_CLOCKS = timedelta(days=1)  # by which clocks and time zones may differ


@dataclass(frozen=True)
class RunUse:
    """What became of one run of the store, and why.

    `status`: "counted", "pilot" (the plan had seen it), "excluded" (by a rule of the plan), "refused" (it
    cannot be used), "not in the plan" (another suite, scale or seed) or "other suite" (without a design,
    or if another suite than the plan's was asked for). `sha256`: of its Parquet file.
    """

    run_id: str
    status: str
    why: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Selection:
    """`uses`: what becomes of each run of the store, by run_id in the store's order.

    `suite`: the suite that was chosen, None if the user has to choose, with `why_nothing`. `copies`: of the runs
    that count, those whose values are those of a run that the plan had seen, with that run's run_id; `repeats`:
    those whose values are those of another that counts. `early`: those dated before the registration.
    `doubled`: whether two runs that count have one scale and seed.
    `unseen`: whether no plan had seen the runs that count. `planned`: whether they are those that the
    design names, if there is one.
    """

    suite: str | None
    why_nothing: str | None
    uses: Mapping[str, RunUse]
    unseen: bool
    planned: bool
    copies: Mapping[str, str] = field(default_factory=dict)
    repeats: Mapping[str, str] = field(default_factory=dict)
    early: frozenset[str] = frozenset()
    doubled: bool = False

    def with_status(self, *statuses: str) -> list[str]:
        """run_ids whose status is one of these."""
        return [run_id for run_id, use in self.uses.items() if use.status in statuses]

    def refusing(
        self, refusals: Mapping[str, Collection[Refusal]], used: Collection[str]
    ) -> Selection:
        """Without the runs that could not be used (`refusals`: by run_id).

        A run that one prediction could not use but another could (`used`) is counted in part.
        """
        uses = dict(self.uses)
        for run_id, reasons in refusals.items():
            why = "; ".join(_each_once(reasons))
            uses[run_id] = (
                replace(uses[run_id], status="counted", why=f"in part: {why}")
                if run_id in used
                else replace(uses[run_id], status="refused", why=why)
            )
        return replace(self, uses=uses)

    def knowing(self, sketches: Mapping[str, Sketch], seen: Mapping[str, Sketch]) -> Selection:
        """With what the values of runs tell; sketches by run_id, of those read and of those that the plan had seen.

        Runs whose manifests tell that they were seen are no copies: that is said elsewhere.
        """
        counted = {k: sketches[k] for k in self.with_status("counted") if k in sketches}
        copies = copies_of(counted, seen) if self.unseen else {}
        return replace(self, copies=copies, repeats=repeats_among(counted))

    def manifests(self, store: Store) -> list[Manifest]:
        """The manifests of the runs that count."""
        ids = set(self.with_status("counted"))
        return [run.manifest for run in store.runs if run.manifest.run_id in ids]

    def is_confirmatory(self, state: State) -> bool:
        """Whether a verdict on these runs is confirmatory: plan as registered, only its runs, all unseen."""
        whole = state.status == "registered" and self.unseen and self.planned
        alone = not self.copies and not self.repeats and not self.doubled
        return whole and alone and not self.early and bool(self.with_status("counted"))


def _each_once(refusals: Collection[Refusal]) -> Iterator[str]:
    """Reasons, each with the predictions that it keeps from using a run."""
    whose: dict[str, list[str]] = {}
    for prediction, why in refusals:
        whose.setdefault(why, []).append(prediction)
    for why, names in whose.items():
        yield f"{listed(names)}: {why}" if all(names) else why


def choose_runs(hypothesis: Hypothesis, state: State, store: Store, suite: str | None) -> Selection:
    """Give every run of the store a status; those left as counted are to be read.

    If no suite is named, it is that of the plan, or the only one there is. Of the plan's suite the runs
    that its design names count. For a registered plan only unseen runs are evidence; if there are none, the
    runs that it saw count, and if there are none of these, runs of other seeds than the plan's.
    """
    chosen, why = _choose_suite(hypothesis, store, suite)
    design = hypothesis.design
    of_plan = design is not None and chosen == design.suite
    planned = set(design.runs()) if design is not None and of_plan else None

    uses: dict[str, RunUse] = {}
    unseen: list[str] = []
    seen: list[str] = []
    beyond: list[str] = []
    pilots: list[str] = []  # seen, and beyond the plan
    for run in store.runs:
        m = run.manifest
        place = _place_outside(hypothesis, m, chosen)
        uses[m.run_id] = replace(place or RunUse(m.run_id, "counted"), sha256=m.sha256)
        if place is not None:
            continue
        saw = state.registration is not None and state.registration.saw(m)
        if planned is not None and (m.scale, m.seed) not in planned:
            (pilots if saw else beyond).append(m.run_id)
        else:
            (seen if saw else unseen).append(m.run_id)
    if unseen:
        for run_id in (*seen, *pilots):
            known = "the plan had seen it when it was registered"
            uses[run_id] = replace(uses[run_id], status="pilot", why=known)
    if unseen or seen:
        seeds = {run.manifest.run_id: run.manifest.seed for run in store.runs}
        for run_id in beyond if unseen else (*beyond, *pilots):
            seed = f"seed {seeds[run_id]}"
            uses[run_id] = replace(uses[run_id], status="not in the plan", why=seed)
    early: set[str] = set()
    if state.registration is not None:
        registered = state.registration.latest["registered"]
        early = {r.manifest.run_id for r in store.runs if is_early(r.manifest, registered)}
    return Selection(
        chosen,
        why,
        uses,
        unseen=state.registration is not None and (bool(unseen) or not (seen or pilots)),
        planned=design is None or (of_plan and bool(unseen)),
        early=frozenset(early & set(unseen)),
        doubled=_doubled(store, unseen),
    )


def _doubled(store: Store, run_ids: Collection[str]) -> bool:
    """Whether two of these runs have one scale and seed."""
    wanted = set(run_ids)
    keys = [(r.manifest.scale, r.manifest.seed) for r in store.runs if r.manifest.run_id in wanted]
    return len(set(keys)) < len(keys)


def _choose_suite(
    hypothesis: Hypothesis, store: Store, suite: str | None
) -> tuple[str | None, str | None]:
    """The suite whose runs count, or None and why it is not clear."""
    suites = sorted({run.manifest.suite for run in store.runs})
    if suite is not None:
        there = suite in suites
        return (
            suite,
            None
            if there
            else f"the store has no runs of suite {suite!r}, only of {', '.join(suites)}",
        )
    if hypothesis.design is not None and hypothesis.design.suite in suites:
        return hypothesis.design.suite, None
    if len(suites) == 1:
        return suites[0], None
    wanted = f"the plan is for suite {hypothesis.design.suite!r}, but " if hypothesis.design else ""
    return None, f"{wanted}the store has suites {', '.join(suites)}; choose one with --suite"


def _place_outside(hypothesis: Hypothesis, m: Manifest, chosen: str | None) -> RunUse | None:
    """The status of a run that some rule keeps from counting, None for one that may count."""
    design = hypothesis.design
    of_plan = design is not None and chosen == design.suite
    if m.suite != chosen:
        if of_plan:
            return RunUse(m.run_id, "not in the plan", f"suite {m.suite}")
        return RunUse(m.run_id, "other suite", f"suite {m.suite}")
    if m.n_layers < hypothesis.needs.min_layers:
        rule = f"{m.n_layers} blocks, but the plan needs {hypothesis.needs.min_layers}"
        return RunUse(m.run_id, "excluded", rule)
    wanted = hypothesis.needs.step_unit
    if wanted is not None and m.step_unit != wanted:
        rule = f"its steps are {m.step_unit}, and the plan needs {wanted}"
        return RunUse(m.run_id, "excluded", rule)
    if design is not None and of_plan and m.scale not in design.scales:
        return RunUse(m.run_id, "not in the plan", f"scale {m.scale}")
    return None


def choose_pilots(
    name: str, hypothesis: Hypothesis, state: State, store: Store, suite: str | None = None
) -> tuple[list[RunFile], bool]:
    """Runs that the plan had seen, and True; if it saw none, all that it could use, and False.

    Raises `UsageError` if no suite is chosen; `name` is that of the hypothesis.
    """
    chosen, why = _choose_suite(hypothesis, store, suite)
    if why is not None:
        raise UsageError(f"{name}: {why}")
    runs = [run for run in store.runs if _place_outside(hypothesis, run.manifest, chosen) is None]
    registration = state.registration
    seen = [r for r in runs if registration is not None and registration.saw(r.manifest)]
    return (seen, True) if seen else (runs, False)


# --- what departs from the plan ---------------------------------------------------------------


def deviations(
    hypothesis: Hypothesis, state: State, selection: Selection, store: Store
) -> Iterator[str]:
    """What a reader of a registered result must know besides the verdict."""
    registration, design = state.registration, hypothesis.design
    if registration is None:
        return
    yield from of_registrations(registration.studies()[-1])
    yield from state.doubts
    if store.unfinished:
        yield (
            f"{how_many(len(store.unfinished), 'run')} left out, since a write of them was cut off "
            f"({first_of(store.unfinished)}); `emergence-stats traces "
            "validate` finishes it"
        )
    chosen = selection.manifests(store)
    if not chosen:
        return
    yield from of_stopped(chosen)
    if design is not None and selection.suite != design.suite:
        yield (
            f"the runs are of suite {selection.suite}, and the plan is for suite {design.suite}, so the "
            "result is exploratory"
        )
    elif selection.unseen and not selection.planned:
        yield (
            "no run of the plan is there; the runs are of other seeds than the plan's, so the result is "
            "exploratory"
        )
    if not selection.unseen:
        return
    if state.status == "amended":
        yield AMENDED
    yield from _copied(selection)
    yield from _of_dates(chosen, registration.latest["registered"])
    yield from _repeated(chosen, selection)
    if design is None:
        yield "the plan has no stopping rule (design), so any number of runs would have done"
    elif selection.suite == design.suite:
        yield from _incomplete(hypothesis, selection, store)


def of_stopped(counted: Sequence[Manifest]) -> Iterator[str]:
    """Of runs whose training ended before its end: it raised, or its loss was not finite."""
    stopped = [m.run_id for m in counted if m.further.get("stopped")]
    if stopped:
        yield (
            f"{len(stopped)} of the runs did not come to their end ({first_of(stopped)}): their "
            "manifests say why, and at which step"
        )


def of_registrations(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is to be said of the times of the entries of one study."""
    days = list(dict.fromkeys(e["recomputed"][:10] for e in entries if "recomputed" in e))
    if days:
        yield (
            f"the core changed after the registration, and was found to give the same numbers on {listed(days)}"
        )
    times = [
        entry["registered"] for entry in entries if not {"recomputed", "closed"} & entry.keys()
    ]
    if len(times) > 1:
        yield f"registered {len(times)} times, first {times[0]}"
    for number, (before, after) in enumerate(itertools.pairwise(map(moment, times)), 2):
        if after < before:
            yield (
                f"registration {number} is dated before the one that it follows: a clock was wrong, or "
                "set back"
            )


def of_repeated(counted: Sequence[Manifest]) -> Iterator[str]:
    """Of runs of a claim that is not registered: those that count though others have their scale and seed."""
    repeats = _same_trainings(counted)
    if repeats:
        yield (
            f"{_some_as(repeats)} the same scale, seed and configuration: counted as if they were independent, which narrows intervals"
        )
    named: dict[tuple[str, int], str] = {}
    twice = [
        (m.run_id, first)
        for m in counted
        if (first := named.setdefault((m.scale, m.seed), m.run_id)) != m.run_id
        and m.run_id not in dict(repeats)
    ]
    if twice:
        yield (
            f"{_some_as(twice)} the same scale and seed, but another configuration: counted as if they were independent"
        )


def _some_as(pairs: Sequence[tuple[str, str]]) -> str:
    run_id, other = pairs[0]
    more = ", ..." if len(pairs) > 1 else ""
    return f"{len(pairs)} of the runs {'have' if len(pairs) > 1 else 'has'}, as another ({run_id} as {other}{more}),"


def _same_trainings(runs: Sequence[Manifest]) -> list[tuple[str, str]]:
    """Runs that are the training of one before them, and that one."""
    first: dict[str, str] = {}
    pairs = [(m.run_id, first.setdefault(identity(m)["training"], m.run_id)) for m in runs]
    return [(run_id, other) for run_id, other in pairs if run_id != other]


def _of_dates(counted: list[Manifest], registered: str) -> Iterator[str]:
    early = [m.run_id for m in counted if is_early(m, registered)]
    if early:
        yield (
            f"{len(early)} of the unseen runs are dated before the registration "
            f"({first_of(early)}), so the result is exploratory"
        )
    future = [m.run_id for m in counted if moment(m.created) > datetime.now(UTC) + _CLOCKS]
    if future:
        yield (f"{len(future)} of the unseen runs are dated in the future ({first_of(future)})")


def _incomplete(hypothesis: Hypothesis, selection: Selection, store: Store) -> Iterator[str]:
    """Runs of the plan that are missing, or appear twice."""
    assert hypothesis.design is not None
    manifests = {run.manifest.run_id: run.manifest for run in store.runs}
    there = [
        (manifests[run_id].scale, manifests[run_id].seed)
        for run_id in selection.with_status("counted", "refused")
    ]
    design = hypothesis.design
    planned = design.wanted(there) if design.sequential else design.runs()
    missing = sorted(set(planned) - set(there))
    if missing:
        scale, seed = missing[0]
        yield (
            f"the confirmatory set is not complete: {len(missing)} of {len(planned)} runs are "
            f"missing ({scale} seed {seed}{', ...' if len(missing) > 1 else ''})"
        )
    twice = len(there) - len(set(there))
    if twice:
        yield f"{twice} runs have the scale and seed of another, so the result is exploratory"


def _repeated(counted: list[Manifest], selection: Selection) -> Iterator[str]:
    """The same training under two names is one run, and counting it twice narrows intervals."""
    repeats = _same_trainings(counted)
    if repeats:
        run_id, other = repeats[0]
        yield (
            f"{len(repeats)} of the unseen runs repeat the training of another: the same scale, seed and "
            f"configuration ({run_id} as {other}{', ...' if len(repeats) > 1 else ''}), so the result is exploratory"
        )
    known = {run_id for run_id, _ in repeats}
    others = {k: v for k, v in selection.repeats.items() if k not in known}
    if others:
        run_id, other = next(iter(others.items()))
        yield (
            f"{len(others)} of the unseen runs have the values of another ({run_id} as "
            f"{other}{', ...' if len(others) > 1 else ''}), so the result is exploratory"
        )


def _copied(selection: Selection) -> Iterator[str]:
    if selection.copies:
        run_id, seen = next(iter(selection.copies.items()))
        yield (
            f"{len(selection.copies)} of the unseen runs have the values of a run that the plan had seen ({run_id} "
            f"those of {seen}{', ...' if len(selection.copies) > 1 else ''}), so the result is exploratory"
        )
