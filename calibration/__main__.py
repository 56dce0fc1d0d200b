"""`python -m calibration > docs/calibration.md`: the whole study, some minutes; `--small` for a quick look.

python -m calibration [--small] [--repeats val_loss_by_run.csv]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from calibration import rejected, repeats, values
from calibration.study import ALLOWED, Outcome, enumerated_sign_flips, run, verdicts
from calibration.values import DESIGNS, Cell, Design
from calibration.worlds import FALSE, NULLS, TRUE, populate
from emergence_stats.claims.project import Loaded, Project
from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict
from emergence_stats.inference import clopper_pearson
from emergence_stats.reports.markdown import markdown_table
from emergence_stats.robustness.studies import Pilot, Study

RATES = (0.5, 0.75, 0.9, 0.97)
ICCS = (0.0, 0.2, 0.5, 0.8, 1.0)
RUNS = (3, 5, 10, 25)
WORLD_CLAIMS = (
    "top_down",
    "precursor_rates",
    "coarse_difficulty",
    "concordance_limits",
    "universal_collapse",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m calibration")
    parser.add_argument("--small", action="store_true", help="1,000 repetitions in place of 5,000")
    parser.add_argument("--repeats", type=Path, help="CSV of repeated runs: real nulls")
    options = parser.parse_args()
    if options.repeats is not None and not options.repeats.is_file():
        parser.error(f"--repeats {options.repeats}: there is no such file")
    repetitions = 1000 if options.small else 5000
    for line in document(repetitions, options.repeats):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def document(repetitions: int, repeats_csv: Path | None) -> Iterator[str]:
    began = time.monotonic()
    yield "# Calibration"
    yield ""
    yield (
        "How often intervals miss and verdicts are wrong, in simulated studies whose truth is known. "
        "Everything on this page is simulated, but for the real nulls near its end, and printed by "
        "`make calibrate`."
    )
    yield ""
    yield (
        f"Nominal level 95%, {repetitions:,} studies a row. *False*: the share of studies that are "
        "certain of what is false, where the truth lies at the boundary of the region, on the side "
        "on which it is worse. It must be at most .05, which with so many studies is at most "
        f"{ALLOWED[repetitions]:.3f}. Coverage above .96 is marked `wide`: the interval holds more than "
        "it says, as exact intervals of rates do. `FAILS` marks what is outside its band."
    )
    yield ""
    yield from _section("Means of unbounded values", _means(), repetitions, _MEANS)
    yield from _section("Shares of task-levels", _shares(), repetitions, _SHARES)
    yield from _section("Means on bounded ranges", _bounded(), repetitions, _BOUNDED)
    yield from _section("Slopes over scales", _slopes(), repetitions, _SLOPES)
    yield from _section("Methods that are not used", iter(rejected.cells()), repetitions, _REJECTED)
    yield from _agreeing()
    yield from _sign_flips()
    yield from _verdicts(repetitions)
    yield from _worlds(repetitions)
    yield from _power(repetitions)
    if repeats_csv is not None:
        yield from _repeats(repeats_csv, 100 if repetitions == 5000 else 20)
    sys.stderr.write(f"{time.monotonic() - began:.0f} s\n")


# --- intervals --------------------------------------------------------------------------------

_MEANS = (
    "Student's t, stratified by scale. ICC: the share of a scale's variance that lies between runs. "
    "Values as skewed as an exponential distribution are beyond it at any number of runs shown: an "
    "estimate that behaves so should be a logarithm."
)
_SHARES = (
    f"Beta-binomial shares of {values.TASKS} task-levels. Korn and Graubard's interval with the doubt of "
    "runs at a bound (`emergence_stats/inference.py`)."
)
_BOUNDED = (
    "The same interval for a mean on [-1, 1], of beta distributions; spread: variance as a share of the "
    "largest possible one."
)
_REJECTED = "What other methods would do in situations of the tables above."
_SLOPES = "Change over 210-fold parameters; errors from the seeds, so curvature is no noise."


def _means() -> Iterator[Cell]:
    for design in DESIGNS:
        for icc in ICCS:
            yield values.normal_mean(design, icc)
        yield values.normal_mean(design, 0.5, uneven=True)
        yield values.skewed_mean(design)


def _shares() -> Iterator[Cell]:
    for design in DESIGNS:
        for p in RATES:
            for icc in ICCS:
                yield values.share(design, p, icc)


def _bounded() -> Iterator[Cell]:
    for design in DESIGNS:
        for p in RATES:
            for icc in (0.01, 0.05, 0.2, 0.5):
                yield values.bounded_mean(design, p, icc)


def _slopes() -> Iterator[Cell]:
    for design in (Design(5, 1), Design(5, 2), Design(5, 5)):
        for curved in (False, True):
            yield values.slope(design, curved=curved)


def _section(title: str, cells: Iterator[Cell], repetitions: int, text: str) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield text
    yield ""
    rows = [outcome_row(run(cell, repetitions)) for cell in cells]
    yield from markdown_table(("situation", "runs", "coverage", "false", "half-width", ""), rows)
    yield ""


def outcome_row(outcome: Outcome) -> tuple[str, ...]:
    return (
        outcome.cell.name,
        str(outcome.cell.design),
        f"{outcome.coverage:.3f}",
        f"{outcome.false_support:.3f}",
        f"{outcome.half_width:.3f}",
        judged(outcome),
    )


def judged(outcome: Outcome) -> str:
    """`FAILS`, `wide`, or nothing."""
    if not outcome.held:
        return "FAILS"
    return "wide" if outcome.coverage > 0.96 + outcome.slack else ""


def _agreeing() -> Iterator[str]:
    yield "## Runs that all agree"
    yield ""
    yield (
        "Runs that all have every task-level say as much as so many successes of one trial each: the "
        "lower end of the interval, and the chance that so many runs agree if the true share is that end "
        "(2.5% by construction)."
    )
    yield ""
    rows = []
    for n in (2, 3, 5, 10, 25):
        lo, _ = clopper_pearson(n, n, 0.95)
        rows.append((str(n), f"{lo:.3f}", f"{lo**n:.4f}"))
    yield from markdown_table(("runs", "at least", "chance"), rows)
    yield ""


def _sign_flips() -> Iterator[str]:
    yield "## Sign-flip test"
    yield ""
    yield (
        "Not simulated: all signs of a run's distances from the boundary are gone through, and the share "
        "of them in which the test rejects at 5% is exact. With fewer than five runs it cannot reject."
    )
    yield ""
    rng = np.random.default_rng(0)
    rows = []
    for n in (3, 4, 5, 6, 8, 10):
        shares = [enumerated_sign_flips(draw.tolist(), 0.05) for draw in rng.normal(size=(3, n))]
        tied = enumerated_sign_flips([1.0] * n, 0.05)
        rows.append((str(n), f"{max(shares):.4f}", f"{tied:.4f}"))
    yield from markdown_table(("runs", "normal values", "equal sizes"), rows)
    yield ""


# --- verdicts ---------------------------------------------------------------------------------


def _verdicts(repetitions: int) -> Iterator[str]:
    yield "## Verdicts by distance from the boundary"
    yield ""
    yield (
        "Claim: the mean is above 0 (standard deviation between runs 1); and the mean lies within 1 of 0, "
        "an equivalence. Inside the region all that is not inconclusive should be supported."
    )
    yield ""
    rows = []
    for design in DESIGNS:
        for name, region, distances in (
            ("above 0", Region.above(0.0), (-1.0, 0.0, 0.5, 1.0, 2.0)),
            ("within 1", Region.between(-1.0, 1.0), (1.5, 1.0, 0.5, 0.0)),
        ):
            for truth in distances:
                cell = values.normal_mean(design, 1.0)
                moved = Region(
                    None if region.lo is None else region.lo - truth,
                    None if region.hi is None else region.hi - truth,
                    lo_open=region.lo_open,
                    hi_open=region.hi_open,
                )
                found = verdicts(cell, moved, repetitions)
                rows.append(
                    (name, f"{truth:g}", str(design), *(f"{found[v]:.3f}" for v in Verdict))
                )
    yield from markdown_table(("claim", "truth", "runs", *map(str, Verdict)), rows)
    yield ""


def _worlds(repetitions: int) -> Iterator[str]:
    project = Project()
    loaded = [project.load(name) for name in WORLD_CLAIMS]
    yield "## The shipped claims in simulated worlds"
    yield ""
    yield (
        "Traces are simulated and go the whole way: events, estimates, verdict. In all worlds but the "
        "last the recovery of RankMe is an early event that has nothing to do with what is learned, and "
        "the order of blocks is random. So "
        + "; ".join(f"`{name}` is false ({why})" for name, why in FALSE.items())
        + ". `concordance_limits` is true there and false in the last. The collapse is universal in all."
    )
    yield ""
    populations = [(world, populate(world, loaded)) for world in (*NULLS, TRUE)]
    rows = []
    for world, found in populations:
        for population in found:
            name = population.loaded.name
            shares = population.verdicts(RUNS, min(repetitions, 1000))
            for n in RUNS:
                supported = shares[n][Verdict.SUPPORTED]
                wrong = name in FALSE and world is not TRUE and supported > 0.05
                fails = "FAILS" if wrong and supported > ALLOWED[1000] else ""
                rows.append(
                    (world.name, name, str(n), *(f"{shares[n][v]:.3f}" for v in Verdict), fails)
                )
    yield from markdown_table(("world", "claim", "runs", *map(str, Verdict), ""), rows)
    yield ""
    yield "Intervals of the estimates in these worlds, whose values have the ties and bounds of traces:"
    yield ""
    rows = [
        (world.name, *outcome_row(outcome))
        for world, found in populations
        for population in found
        for n in (5, 25)
        for outcome in population.outcomes(Design(1, n), repetitions)
    ]
    columns = ("world", "estimate", "runs", "coverage", "false", "half-width", "")
    yield from markdown_table(columns, rows)
    yield ""


def _power(repetitions: int) -> Iterator[str]:
    yield "## Power"
    yield ""
    yield (
        "`emergence-stats power` beside studies simulated anew. Claim: the mean is above 0, true mean .5, "
        "standard deviation between runs 1. First with 400 pilots that show the truth itself, "
        "where it must agree within .03; then its range over 200 sets of ten pilots, which is what "
        "pilots leave open."
    )
    yield ""
    loaded = _claim_about_a_mean()
    rng = np.random.default_rng(1)
    exact = ndtri((np.arange(400) + 0.5) / 400)  # pilots that show the truth itself
    exact = 0.5 + exact / exact.std(ddof=1)
    many = _chances(loaded, exact.tolist(), repetitions)
    few = [_chances(loaded, rng.normal(0.5, 1, 10).tolist(), 200) for _ in range(200)]
    rows = []
    for n in (5, 10, 20, 40):
        region = Region.above(-0.5)
        direct = verdicts(values.normal_mean(Design(1, n), 1.0), region, repetitions)
        spread = np.quantile([chances[n] for chances in few], [0.1, 0.5, 0.9])
        rows.append(
            (
                str(n),
                f"{direct[Verdict.SUPPORTED]:.3f}",
                f"{many[n]:.3f}",
                "FAILS" if abs(many[n] - direct[Verdict.SUPPORTED]) > 0.03 else "",
                " / ".join(f"{q:.2f}" for q in spread),
            )
        )
    columns = ("runs", "simulated anew", "power, 400 pilots", "", "ten pilots: 10%, 50%, 90%")
    yield from markdown_table(columns, rows)
    yield ""


def _claim_about_a_mean() -> Loaded:
    from emergence_stats import Claim, Hypothesis, Needs, Prediction
    from emergence_stats.claims.project import Source

    hypothesis = Hypothesis(
        claim=Claim("The mean is above 0."),
        needs=Needs(measures=["value"]),
        predictions=[Prediction("mean", float, Region.above(0.0))],
    )
    return Loaded("simulated", Source("simulated", None), hypothesis, sys)


def _chances(loaded: Loaded, pilots: Sequence[float], draws: int) -> dict[int, float]:
    from calibration.traces import NO_MANIFEST

    units = [Pilot([NO_MANIFEST], {0: float(value)}) for value in pilots]
    study = Study(loaded.hypothesis, units, draws, 40)
    return {n: study.chances(n).chance[Verdict.SUPPORTED] for n in (5, 10, 20, 40)}


# --- real nulls -------------------------------------------------------------------------------


def _repeats(path: Path, splits: int) -> Iterator[str]:
    configurations = repeats.read(path)
    yield "## Real nulls"
    yield ""
    yield (
        f"Not simulated: {len(configurations)} configurations of language-model training, each repeated "
        f"{min(len(c.last) for c in configurations)} to {max(len(c.last) for c in configurations)} times "
        "(logs of github.com/KellerJordan/modded-nanogpt, validation losses). The repeats of one "
        f"configuration are split in two halves, {splits} times each, and compared: the last loss, and "
        f"the log step at which the loss passes {repeats.CROSSED:g}. The halves differ by nothing, so "
        "what is supported is false; it must be at most .025 on either side, and .05 on both together."
    )
    yield ""
    rows = []
    for what in ("last", "crossed"):
        for paired in (False, True):
            found = repeats.split(configurations, what, splits, paired)
            rows.append(
                (
                    found.what,
                    f"{found.supported:.4f}",
                    f"{found.refuted:.4f}",
                    f"{found.offered:.3f}",
                    "FAILS" if max(found.supported, found.refuted) > 0.03 else "",
                )
            )
    yield from markdown_table(
        ("compared", "supported, a side", "refuted, a side", "with an interval", ""), rows
    )
    yield ""


if __name__ == "__main__":
    main()
