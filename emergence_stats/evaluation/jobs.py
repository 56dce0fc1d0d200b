"""What is to be evaluated: each hypothesis with its analysis, its controls, and the runs of both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration import State, state_of
from emergence_stats.claims.registration.seen import Sketch
from emergence_stats.claims.selection import Refusal, Selection, choose_runs
from emergence_stats.core.controls.control import Control
from emergence_stats.core.plan import Hypothesis
from emergence_stats.evaluation.values import Values
from emergence_stats.support.reads import Reads
from emergence_stats.traces.store import Store


@dataclass
class Arm:
    """The analysis of a hypothesis (`control` None), or one of its controls, on the way to a verdict.

    `chosen`: the runs that may count. `collected`: one for each prediction. `refusals`: why runs could not
    be used, by run_id. `undefined`: why units of a control had no value.
    """

    control: Control | None
    selection: Selection
    chosen: frozenset[str]
    collected: dict[str, Values]
    refusals: dict[str, list[Refusal]] = field(default_factory=dict)
    undefined: list[str] = field(default_factory=list)

    def refuse(self, run_id: str, why: str, prediction: str = "") -> None:
        """Note that a run cannot be used, by one `prediction` or by any; reasons accumulate."""
        self.refusals.setdefault(run_id, []).append((prediction, why))

    def used(self) -> set[str]:
        """run_ids of the runs that gave a value."""
        return {run.run_id for v in self.collected.values() for unit in v.runs for run in unit}

    def concluded(self) -> Selection:
        """The selection without the runs that proved unusable.

        A suite that a control asks for is part of the plan, whatever its seeds: the plan names it.
        """
        selection = self.selection.refusing(self.refusals, self.used())
        if self.control is not None and self.control.suite is not None:
            return replace(selection, planned=True)
        return selection


@dataclass
class Part:
    """What some of the runs gave to a job: for each arm its values, refusals and undefined units; and what its code read."""

    arms: list[tuple[dict[str, Values], dict[str, list[Refusal]], list[str]]]
    pooled: list[Any]
    sketches: dict[str, Sketch]
    reads: Reads


@dataclass
class Job:
    """One hypothesis: its analysis, its controls, and the statistic as the paper counts it.

    `sketches`: of the runs that its analysis read, by run_id, where its plan was registered. `had_read`: how much
    the code of the hypothesis had read when `state` was found.
    """

    loaded: Loaded
    state: State
    main: Arm
    controls: list[Arm]
    pooled: list[Any] = field(default_factory=list)
    sketches: dict[str, Sketch] = field(default_factory=dict)
    had_read: int = 0

    @property
    def hypothesis(self) -> Hypothesis:
        return self.loaded.hypothesis

    @property
    def arms(self) -> list[Arm]:
        return [self.main, *self.controls]

    def look_again(self) -> None:
        """Compare with the lock once more, now that the code of the hypothesis has run, and may have read more;
        and the runs with those that the plan had seen, now that their values are known.
        """
        if len(self.loaded.reads) > self.had_read:
            self.state = state_of(self.loaded)
        registration = self.state.registration
        if registration is not None:
            before = self.main.selection
            known = before.knowing(self.sketches, registration.sketches)
            for arm in self.arms:
                same = arm.selection is before
                arm.selection = (
                    known if same else arm.selection.knowing(self.sketches, registration.sketches)
                )

    def part(self) -> Part:
        """What the runs so far gave."""
        arms = [(arm.collected, arm.refusals, arm.undefined) for arm in self.arms]
        return Part(arms, self.pooled, self.sketches, self.loaded.reads)

    def add(self, part: Part) -> None:
        """Append what later runs gave in another process."""
        for arm, (collected, refusals, undefined) in zip(self.arms, part.arms, strict=True):
            for name, values in collected.items():
                arm.collected[name].values += values.values
                arm.collected[name].runs += values.runs
            for run_id, reasons in refusals.items():
                for prediction, why in reasons:
                    arm.refuse(run_id, why, prediction)
            arm.undefined += undefined
        self.pooled += part.pooled
        self.sketches.update(part.sketches)
        self.loaded.reads.add(part.reads)

    def reads(self, run_id: str) -> set[str]:
        """Measures wanted of a run, none if it is not used."""
        arms = (arm for arm in self.arms if run_id in arm.chosen)
        return {measure for arm in arms for measure in self.measures(arm)}

    def measures(self, arm: Arm) -> tuple[str, ...]:
        """Those that an arm looks at."""
        more = arm.control.measures if arm.control is not None else ()
        return (*self.hypothesis.needs.measures, *more)


def make_job(loaded: Loaded, store: Store, suite: str | None, controls: bool) -> Job:
    """A hypothesis with the runs that its analysis and, with `controls`, its controls rest on."""
    state, hypothesis = state_of(loaded), loaded.hypothesis
    main = _arm(hypothesis, choose_runs(hypothesis, state, store, suite), None, store)
    arms = []
    for control in hypothesis.controls if controls else ():
        selection = main.selection
        if control.suite is not None:
            selection = choose_runs(hypothesis, state, store, control.suite)
        arms.append(_arm(hypothesis, selection, control, store))
    return Job(loaded, state, main, arms, had_read=len(loaded.reads))


def _arm(
    hypothesis: Hypothesis, selection: Selection, control: Control | None, store: Store
) -> Arm:
    names = [p.name for p in hypothesis.predictions]
    if control is not None and control.predictions:
        names = [name for name in names if name in control.predictions]
    chosen = frozenset(selection.with_status("counted"))
    made = frozenset((m.scale, m.seed) for m in selection.manifests(store))
    return Arm(control, selection, chosen, {name: Values(made=made) for name in names})
