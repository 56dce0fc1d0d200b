"""`python -m calibration.claims > docs/calibration_claims.md`: the shipped claims in worlds that deceive.

The worlds are simulated. Each says which verdicts are true in it; a claim that supports what is false there, or refutes
what is true, is marked.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calibration.traces import World, simulated_run
from emergence_stats.claims.project import Loaded, Project
from emergence_stats.core.plan import Hypothesis
from emergence_stats.core.verdicts import COMBINE, Verdict
from emergence_stats.evaluation.judging.rules import settle
from emergence_stats.evaluation.values import Values
from emergence_stats.reports.markdown import markdown_table
from emergence_stats.robustness.studies import pilot_units

ROOT = Path(__file__).parent.parent
SEEDS, SCALES = 40, 5
TRUE, FALSE = "true", "false"


@dataclass(frozen=True)
class Case:
    """A world, what is true of claims in it (`truth`), and how many of its runs are `broken`: the first seeds of the
    largest scale lose their traces."""

    world: World
    truth: Mapping[str, str]
    broken: int = 0
    scales: int = SCALES


_HONEST = World(
    "all claims are true",
    icc=0.1,
    related=True,
    top_down=True,
    signs="specific",
    lags=(0.0,),
    measured=True,
    late=0.3,
)


def _but(name: str, **further: object) -> World:
    return replace(_HONEST, name=name, **further)  # type: ignore[arg-type]


_FASTER = (0.0, 0.25, 0.5, 0.75, 1.0)
CASES = (
    Case(_HONEST, {
        "universal_collapse": TRUE, "top_down": TRUE, "llc_synchronous": TRUE, "hessian_lags": FALSE,
        "scale_invariant_floors": TRUE, "concordance_limits": FALSE, "emergence_is_metric": TRUE, "three_phases": TRUE,
        "later_layers_compress": TRUE, "early_layers_settle_first": TRUE, "larger_learn_earlier": FALSE,
    }),
    Case(_but("floors fall and rise again over scales", bend=(0.35, 0.0, -0.35, 0.0, 0.35)), {
        "scale_invariant_floors": FALSE, "top_down": TRUE,
    }),
    Case(_but("the order of blocks turns round at one scale", turned=(False, False, True, False, False)), {
        "top_down": FALSE, "universal_collapse": TRUE,
    }),
    Case(_but("opposite lags at two scales", lags=(-0.45, 0.5)), {
        "llc_synchronous": FALSE, "hessian_lags": FALSE,
    }, scales=2),
    Case(_but("the Hessian is the schedule and the LLC is noise", lags=None), {
        "llc_synchronous": FALSE, "hessian_lags": FALSE,
    }, scales=2),
    Case(_but("the Hessian and the LLC only grow", ramps=True), {
        "llc_synchronous": FALSE, "hessian_lags": FALSE, "geometric_hierarchy": FALSE,
    }, scales=2),
    Case(_but("all tasks share one geometry", late=0.1, shared=True), {
        "precursor_rates": FALSE, "coarse_difficulty": FALSE,
    }),
    Case(_but("hard tasks never emerge", hard=False, signs="always"), {"precursor_rates": FALSE}),
    Case(_but("recovery is always there", related=False, signs="always"), {"precursor_rates": FALSE}),
    Case(_but("larger models learn earlier, at one loss", late=0.02, speed=_FASTER), {
        "larger_learn_earlier": TRUE, "emergence_at_loss": TRUE,
    }),
    Case(_but("larger models learn earlier, and at other losses", late=0.02, speed=_FASTER, loss_follows=False), {
        "larger_learn_earlier": TRUE, "emergence_at_loss": FALSE,
    }),
    Case(_but("log-probability is as sharp as accuracy", smooth=False), {"emergence_is_metric": FALSE}),
    Case(_but("the rank only grows after its floor", compressed=False), {"three_phases": FALSE}),
    Case(_but("the rank grows with depth", narrowing=-1), {"later_layers_compress": FALSE}),
    Case(_but("layers settle from the output to the input", settles=-1), {"early_layers_settle_first": FALSE}),
    Case(_but("a tenth of the runs is broken"), {"top_down": TRUE, "universal_collapse": TRUE}, broken=SEEDS // 2),
)  # fmt: skip


def shipped() -> list[Loaded]:
    """The claims, in the order of their names."""
    project = Project(ROOT)
    return [project.load(name) for name in project.sources]


def verdicts(case: Case, loaded: Sequence[Loaded], seeds: int) -> dict[str, Verdict]:
    """What each claim that the case is about says of so many runs a scale."""
    some = [one for one in loaded if one.name in case.truth]
    found: dict[str, list[Values]] = {
        one.name: [Values() for _ in one.hypothesis.predictions] for one in some
    }
    for scale in range(case.scales):
        for seed in range(seeds):
            if scale == case.scales - 1 and seed < case.broken * seeds // SEEDS:
                continue
            run = simulated_run(case.world, scale, case.scales, seed)
            for one in some:
                for pilot in pilot_units(one.name, one.hypothesis, [[run]]):
                    for number, value in pilot.values.items():
                        found[one.name][number].values.append(value)
                        found[one.name][number].runs.append(pilot.runs)
    return {
        one.name: COMBINE[one.hypothesis.combine](
            settle(_anywhere(one.hypothesis), p, values, test=False).verdict
            for p, values in zip(one.hypothesis.predictions, found[one.name], strict=True)
        )
        for one in some
    }


def _anywhere(hypothesis: Hypothesis) -> Hypothesis:
    """Without the design, whose scales are those of the shipped runs."""
    return replace(hypothesis, design=None)


def deceived(truth: str, verdict: Verdict) -> bool:
    """Whether a verdict says the opposite of the truth."""
    return (truth == FALSE and verdict is Verdict.SUPPORTED) or (
        truth == TRUE and verdict is Verdict.REFUTED
    )


def _worlds(loaded: Sequence[Loaded]) -> Iterator[list[str]]:
    for case in CASES:
        for name, verdict in verdicts(case, loaded, SEEDS).items():
            truth = case.truth[name]
            mark = " **DECEIVED**" if deceived(truth, verdict) else ""
            yield [case.world.name, name, truth, f"{verdict}{mark}"]


def document() -> Iterator[str]:
    yield "# Claims in worlds that deceive"
    yield ""
    yield (
        "Simulated traces with a known truth, through the estimates of the shipped claims and the core, to a verdict. Printed by "
        f"`python -m calibration.claims`: what is true of a claim in a world, and what it says of {SEEDS} simulated runs at each of "
        "its scales. *Inconclusive* deceives nobody."
    )
    yield ""
    yield from markdown_table(("world", "claim", "truth", "verdict"), list(_worlds(shipped())))


def main() -> None:
    for line in document():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
