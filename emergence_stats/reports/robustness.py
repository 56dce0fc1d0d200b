"""Multiverse and power as lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from emergence_stats.reports.report import SYMBOL, value_text
from emergence_stats.verdicts import Verdict

if TYPE_CHECKING:
    from emergence_stats.robustness.multiverse import Analysis, Multiverse
    from emergence_stats.robustness.power import Power

Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.0f}%"


def multiverse_statement(multiverse: Multiverse) -> str:
    """The whole in one sentence."""
    registered = multiverse.registered.verdict
    n = len(multiverse.analyses) - multiverse.empty
    same = sum(a.verdict is registered and a.counts for a in multiverse.analyses)
    opposite = {Verdict.SUPPORTED: Verdict.REFUTED, Verdict.REFUTED: Verdict.SUPPORTED}
    text = f"{registered} in {same} of {n} analyses ({percent(same / n if n else math.nan)})"
    if registered in opposite:
        contrary = opposite[registered]
        count = sum(a.verdict is contrary and a.counts for a in multiverse.analyses)
        text += f", {contrary} in {count}"
    return text


def flip_texts(multiverse: Multiverse) -> list[str]:
    """The choices that change the verdict; with the runs where these are others, since fewer decide less."""
    registered = multiverse.registered.n_runs
    return [
        f"{flip.choice} = {flip.value}: {flip.verdict}"
        + (f" (with {flip.n_runs} runs, not {registered})" if flip.n_runs != registered else "")
        for flip in multiverse.flips()
    ]


def multiverse_rows(multiverse: Multiverse) -> Table:
    """Shares of the verdicts by choice; the registered value has a star."""
    columns = ("choice", "value", "analyses", *map(str, Verdict))
    rows = []
    for choice, values in multiverse.choices.items():
        for value in values:
            n = sum(a.counts and a.choices[choice] == value for a in multiverse.analyses)
            star = " *" if value == multiverse.registered.choices[choice] else ""
            shares = [percent(multiverse.share(v, choice, value)) for v in Verdict]
            rows.append((choice, f"{value}{star}", str(n), *shares))
    return columns, rows


def specification_rows(multiverse: Multiverse) -> Table:
    """Every analysis that counts, by the estimate of the first prediction."""
    names = list(multiverse.registered.estimates)
    columns = (*multiverse.choices, "runs", *names, "verdict")

    def key(analysis: Analysis) -> float:
        return analysis.estimates[names[0]].value

    rows = [
        (
            *map(str, a.choices.values()),
            str(a.n_runs),
            *(value_text(a.estimates[name]) for name in names),
            f"{SYMBOL[a.verdict]} {a.verdict}" + (" *" if a is multiverse.registered else ""),
        )
        for a in sorted((a for a in multiverse.analyses if a.counts), key=key)
    ]
    return columns, rows


def power_rows(power: Power) -> Table:
    columns = ("seeds a scale", "runs", *map(str, Verdict))
    rows = [
        (
            f"{row.seeds} *" if row.seeds == power.planned else str(row.seeds),
            str(row.runs),
            *(f"{row.chance[v]:.2f}" for v in Verdict),
        )
        for row in power.rows
    ]
    return columns, rows


def needed_texts(power: Power) -> Iterator[str]:
    """How many runs give a verdict with 80% and 90%, for verdicts that any number simulated gives."""
    from emergence_stats.robustness.power import TARGETS

    reached = False
    for verdict in (Verdict.SUPPORTED, Verdict.REFUTED):
        for target in TARGETS:
            found = power.needed(verdict, target)
            if found is not None:
                reached = True
                yield f"{verdict} with a chance of {target:.0%}: {found.runs} runs ({found.seeds} seeds)"
    if not reached:
        most = power.rows[-1]
        best = max((Verdict.SUPPORTED, Verdict.REFUTED), key=lambda v: most.chance[v])
        yield (
            f"no verdict with a chance of {TARGETS[0]:.0%} with up to {most.runs} runs "
            f"({most.seeds} seeds): {best} then has {most.chance[best]:.0%}"
        )


def power_statement(power: Power) -> str:
    """The chance of a verdict with the planned runs, and what 80% would take, in one sentence."""
    planned = power.at(power.planned) if power.planned is not None else None
    texts = []
    if planned is not None:
        chances = ", ".join(f"{v} {planned.chance[v]:.0%}" for v in Verdict)
        texts.append(f"with the {planned.runs} planned runs: {chances}")
    texts += list(needed_texts(power))[:1]
    return "; ".join(texts)
