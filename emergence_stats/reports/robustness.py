"""Multiverse and power as tables of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emergence_stats.core.verdicts import Verdict
from emergence_stats.reports.words import SYMBOL, ends_text, value_text
from emergence_stats.robustness.words import percent
from emergence_stats.support.words import number

if TYPE_CHECKING:
    from emergence_stats.evaluation.opinions.pooling import Pooled
    from emergence_stats.robustness.multiverse import Analysis, Multiverse
    from emergence_stats.robustness.power import Power

Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def multiverse_rows(multiverse: Multiverse) -> Table:
    """Shares of the verdicts by choice; the registered value has a star."""
    columns = ("choice", "value", "analyses", *map(str, Verdict))
    rows = []
    for choice, values in multiverse.choices.items():
        for value in values:
            n = sum(a.counts and a.choices[choice] == value for a in multiverse.analyses)
            star = " *" if value == multiverse.registered.choices[choice] else ""
            shares = [percent(multiverse.share(v, choice, value) if n else None) for v in Verdict]
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
    """Chances by number of seeds, up to the second that is as good as certain; the planned number is always there."""
    columns = ("seeds per scale", "runs", *map(str, Verdict))
    shown = [r for r in power.rows if r.seeds in (power.planned, *told(power))]
    rows = [
        (
            f"{row.seeds} *" if row.seeds == power.planned else str(row.seeds),
            str(row.runs),
            *(f"{row.chance[v]:.2f}" for v in Verdict),
        )
        for row in shown
    ]
    return columns, rows


def told(power: Power) -> list[int]:
    """Numbers of seeds up to the second of two in a row from which on one verdict is as good as certain."""
    seeds = [row.seeds for row in power.rows]
    certain = [max(row.chance, key=row.chance.__getitem__) for row in power.rows]
    sure = [row.chance[v] >= _SURE for row, v in zip(power.rows, certain, strict=True)]
    for i in range(1, len(seeds)):
        if all(sure[i - 1 :]) and len(set(certain[i - 1 :])) == 1:
            return seeds[: i + 1]
    return seeds


_SURE = 0.995  # shown as 1.00


POOL_COLUMNS = ("prediction", "set", "units", "estimate", "Q", "I2")


def pool_rows(pooled: Sequence[Pooled]) -> list[tuple[str, ...]]:
    """The estimate of each set, and of all by random effects."""
    rows: list[tuple[str, ...]] = []
    for p in pooled:
        for name, e in p.sets.items():
            rows.append((p.prediction, name, str(e.n_runs), value_text(e), "", ""))
        if p.mean is None:
            rows.append(
                (
                    p.prediction,
                    "all, random effects",
                    "",
                    "fewer than two sets with an error",
                    "",
                    "",
                )
            )
        else:
            text = f"{number(p.mean)} {ends_text(p.interval)}"
            rows.append((p.prediction, "all, random effects", "", text, number(p.q), percent(p.i2)))
    return rows
