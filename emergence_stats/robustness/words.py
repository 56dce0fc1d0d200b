"""Multiverse and power in one sentence each, from their recorded numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from emergence_stats.core.verdicts import Verdict
from emergence_stats.robustness.power import TARGETS, Power
from emergence_stats.support.words import counted, listed

_OPPOSITE = {Verdict.SUPPORTED: Verdict.REFUTED, Verdict.REFUTED: Verdict.SUPPORTED}


def percent(share: float | None) -> str:
    """A share as a whole percentage, a dash if there is none."""
    return "-" if share is None else f"{100 * share:.0f}%"


def multiverse_statement(summary: Mapping[str, Any]) -> str:
    """In how many analyses the registered verdict holds; `summary`: that of a `Multiverse`."""
    registered = Verdict(summary["registered"])
    n = summary["analyses"] - summary["empty"]
    share = summary["shares"][registered]
    text = (
        f"the claim is {registered} in {round((share or 0) * n)} of {n} analyses ({percent(share)})"
    )
    if registered in _OPPOSITE:
        contrary = _OPPOSITE[registered]
        text += f", {contrary} in {round((summary['shares'][contrary] or 0) * n)}"
    if summary["empty"]:
        text += f"; {summary['empty']} of {summary['analyses']} have no interval and say nothing"
    return text


def explained_texts(summary: Mapping[str, Any]) -> list[str]:
    """Of each prediction, the choices that explain most of how its estimate varies, a line each."""
    found = []
    for name, shares in summary.get("explained", {}).items():
        if shares:
            most = sorted(shares.items(), key=lambda pair: -pair[1])
            said = ", ".join(
                f"{choice} {percent(share)}" for choice, share in most if share >= 0.005
            )
            found.append(f"variance of {name!r} over the analyses: {said}")
    return found


def flip_texts(summary: Mapping[str, Any]) -> list[str]:
    """The choices that change the verdict; with the number of runs if it differs, since fewer decide less."""
    return [
        f"{flip['choice']} = {flip['value']}: {flip['verdict']}"
        + (
            f" (with {flip['n_runs']} runs, not {summary['n_runs']})"
            if flip["n_runs"] != summary["n_runs"]
            else ""
        )
        for flip in summary["flips"]
    ]


def needed_texts(power: Power) -> Iterator[str]:
    """How many runs give a verdict with a chance of 80% and 90%, for verdicts that reach it."""
    reached = False
    for verdict in (Verdict.SUPPORTED, Verdict.REFUTED):
        for target in TARGETS:
            found = power.needed(verdict, target)
            if found is not None:
                reached = True
                yield f"{verdict} with a chance of {target:.0%}: {counted(found.runs, 'run')} ({counted(found.seeds, 'seed')})"
    if not reached:
        most = power.rows[-1]
        best = max((Verdict.SUPPORTED, Verdict.REFUTED), key=lambda v: most.chance[v])
        yield (
            f"no verdict reaches a chance of {TARGETS[0]:.0%} with up to {counted(most.runs, 'run')} "
            f"({counted(most.seeds, 'seed')}): {best} then has {most.chance[best]:.0%}"
        )


def lacking_text(power: Power) -> str | None:
    """Which scales of the plan the studies have no run of, and what that does to the chances."""
    if not power.lacking:
        return None
    return (
        f"no pilot run at {listed(power.lacking)}: the studies have no run there, and what is claimed of every scale is supported in "
        "none of them"
    )


def power_statement(power: Power) -> str:
    """The chance of a verdict with the planned runs, and what 80% would take, in one sentence."""
    planned = power.at(power.planned) if power.planned is not None else None
    texts = [text] if (text := lacking_text(power)) else []
    if planned is not None:
        for factor in (1, 2, 4):
            row = power.at(planned.seeds * factor)
            if row is not None:
                chances = ", ".join(f"{v} {row.chance[v]:.0%}" for v in Verdict)
                many = f"{factor} times the " if factor > 1 else "the "
                there = f" at {listed(power.scales)}" if power.lacking else ""
                texts.append(f"with {many}{planned.runs} planned runs{there}: {chances}")
    texts += list(needed_texts(power))[:1]
    return "; ".join(texts)
