"""Which runs of a store count for a hypothesis, and what departs from its plan.

The one place that decides this; every run of the store gets its place, and none disappears.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from emergence_stats.hypothesis import Hypothesis
from emergence_stats.registration import State, identity
from emergence_stats.results import RunUse
from emergence_stats.schema import Manifest
from emergence_stats.store import Store

_CLOCKS = timedelta(days=1)  # by which clocks and time zones may differ


@dataclass
class Selection:
    """`uses`: what becomes of each run of the store, by run_id in the store's order.

    `suite`: the suite that was chosen, None where the choice is the user's, with `why_nothing`.
    """

    suite: str | None
    why_nothing: str | None
    uses: dict[str, RunUse]

    def with_status(self, *statuses: str) -> list[str]:
        """run_ids whose status is one of these."""
        return [run_id for run_id, use in self.uses.items() if use.status in statuses]

    def refuse(self, run_id: str, why: str) -> None:
        """A run that was to count cannot be used; reasons add up."""
        use = self.uses[run_id]
        reasons = f"{use.why}; {why}" if use.status == "refused" else why
        self.uses[run_id] = RunUse(run_id, "refused", reasons)

    def count_in_part(self, run_ids: set[str]) -> None:
        """A run that one prediction could not use may still be counted by another."""
        for run_id in run_ids:
            use = self.uses[run_id]
            if use.status == "refused":
                self.uses[run_id] = RunUse(run_id, "counted", f"in part: {use.why}")


def choose_runs(hypothesis: Hypothesis, state: State, store: Store, suite: str | None) -> Selection:
    """Give every run of the store its place; those left as counted are to be read.

    A suite that is not named is that of the plan, or the only one there is. Unseen runs alone are
    evidence for a registered plan; before there are any, the runs that it saw.
    """
    suites = sorted({run.manifest.suite for run in store.runs})
    chosen, why = suite, None
    if suite is None and hypothesis.design is not None and hypothesis.design.suite in suites:
        chosen = hypothesis.design.suite
    elif suite is None and len(suites) == 1:
        chosen = suites[0]
    elif suite is None:
        why = f"the store has suites {', '.join(suites)}; choose one with --suite"
    elif suite not in suites:
        why = f"the store has no runs of suite {suite!r}, only of {', '.join(suites)}"

    uses: dict[str, RunUse] = {}
    unseen, seen = [], []
    for run in store.runs:
        m = run.manifest
        uses[m.run_id] = RunUse(m.run_id, "counted")  # keeps the store's order
        if m.suite != chosen:
            uses[m.run_id] = RunUse(m.run_id, "other suite", m.suite)
        elif m.n_layers < hypothesis.needs.min_layers:
            rule = f"{m.n_layers} blocks, and the plan needs {hypothesis.needs.min_layers}"
            uses[m.run_id] = RunUse(m.run_id, "excluded", rule)
        elif state.registration is not None and state.registration.saw(m):
            seen.append(m.run_id)
        else:
            unseen.append(m.run_id)
    for run_id in seen if unseen else []:
        uses[run_id] = RunUse(run_id, "pilot", "the plan had seen it when it was registered")
    return Selection(chosen, why, uses)


def rests_on_unseen_runs(state: State, counted: list[Manifest]) -> bool:
    """Whether there is evidence and the plan had seen none of it."""
    registration = state.registration
    return (
        registration is not None
        and bool(counted)
        and not any(registration.saw(manifest) for manifest in counted)
    )


def deviations(
    hypothesis: Hypothesis, state: State, selection: Selection, store: Store
) -> Iterator[str]:
    """What a reader of a registered result has to know besides the verdict."""
    registration, design = state.registration, hypothesis.design
    if registration is None:
        return
    if len(registration.entries) > 1:
        first = registration.entries[0]["registered"]
        yield f"registered {len(registration.entries)} times, first {first}"
    times = [_moment(entry["registered"]) for entry in registration.entries]
    for number, (before, after) in enumerate(itertools.pairwise(times), 2):
        if after < before:
            yield (
                f"registration {number} is dated before the one that it follows: a clock was wrong, or "
                "set back"
            )
    manifests = {run.manifest.run_id: run.manifest for run in store.runs}
    counted = [manifests[run_id] for run_id in selection.with_status("counted")]
    if not rests_on_unseen_runs(state, counted):
        return
    if state.status == "amended":
        yield "the hypothesis was edited after its registration, so the result is exploratory"
    registered = _moment(registration.latest["registered"])
    early = [m.run_id for m in counted if _moment(m.created) < registered]
    if early:
        yield (
            f"{len(early)} of the unseen runs are dated before the registration "
            f"({early[0]}{', ...' if len(early) > 1 else ''})"
        )
    future = [m.run_id for m in counted if _moment(m.created) > datetime.now(UTC) + _CLOCKS]
    if future:
        yield (
            f"{len(future)} of the unseen runs are dated in the future "
            f"({future[0]}{', ...' if len(future) > 1 else ''})"
        )
    yield from _repeated(counted)
    if design is None:
        yield "the plan has no stopping rule (design), so any number of runs would have done"
        return
    if selection.suite != design.suite:
        yield f"the runs are of suite {selection.suite}, and the plan is for suite {design.suite}"
        return
    there = [
        (manifests[run_id].scale, manifests[run_id].seed)
        for run_id in selection.with_status("counted", "refused")
    ]
    planned = set(design.runs())
    missing = planned - set(there)
    beyond = [key for key in there if key not in planned]
    if missing:
        scale, seed = sorted(missing)[0]
        yield (
            f"the confirmatory set is not complete: {len(missing)} of {len(planned)} runs are "
            f"missing ({scale} seed {seed}{', ...' if len(missing) > 1 else ''})"
        )
    if beyond:
        scale, seed = beyond[0]
        yield f"{len(beyond)} runs beyond the confirmatory set (first {scale} seed {seed})"
    twice = len(there) - len(set(there))
    if twice:
        yield f"{twice} runs have the scale and seed of another"


def _repeated(counted: list[Manifest]) -> Iterator[str]:
    """The same training under two names is one run, and counting it twice narrows intervals."""
    first: dict[str, str] = {}
    repeats = []
    for m in counted:
        training = identity(m)["training"]
        if training in first:
            repeats.append((m.run_id, first[training]))
        first.setdefault(training, m.run_id)
    if repeats:
        run_id, other = repeats[0]
        yield (
            f"{len(repeats)} of the unseen runs repeat the training of another: the same scale, seed and "
            f"configuration ({run_id} as {other}{', ...' if len(repeats) > 1 else ''})"
        )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
