"""Whether a sign comes before an event, given that there is one; and how often the sign comes to nothing.

A share of "signs that led" among all task-levels counts those without any event as predicted, and is 1 for a sign that is
always there. So three numbers stand together: of the events, how many were preceded for certain; of the task-levels
without an event in the observed time, how many had the sign (false alarms); and the difference of the two rates, which
is 0 for a sign that knows nothing (Peirce 1884; in diagnostics Youden's J).

Signs and events are `Events` of the same task-levels in the same order: what lies in (lo, hi], with an infinite `hi` where
it was not seen by the end.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emergence_stats.core.plan import Count
from emergence_stats.core.runs import Undefined

Bools = NDArray[np.bool_]


class Times(Protocol):
    """Intervals of n events; `Events` are."""

    @property
    def lo(self) -> NDArray[np.float64]: ...

    @property
    def hi(self) -> NDArray[np.float64]: ...

    def __len__(self) -> int: ...


def led(sign: Times, event: Times) -> Bools:
    """Where the event was seen and the sign came before it for certain (n,)."""
    _check(sign, event)
    return np.isfinite(event.hi) & (sign.hi <= event.lo)


def leads(sign: Times, event: Times) -> Count:
    """Of the events that were seen, those that the sign preceded for certain. `Undefined` without events."""
    seen = np.isfinite(event.hi)
    if not seen.any():
        raise Undefined("no event was seen, so nothing was preceded")
    return Count(int(led(sign, event).sum()), int(seen.sum()))


def false_alarms(sign: Times, event: Times) -> Count:
    """Of the task-levels without an event by the end, those with the sign. `Undefined` if all have an event."""
    _check(sign, event)
    without = ~np.isfinite(event.hi)
    if not without.any():
        raise Undefined(
            "every task-level has its event, so there is nothing to be falsely alarmed about"
        )
    return Count(int((np.isfinite(sign.hi) & without).sum()), int(without.sum()))


def specificity(sign: Times, event: Times) -> float:
    """Rate of events that were preceded less rate of false alarms, from -1 to 1; 0 for a sign that knows nothing.

    `Undefined` if all, or none, of the task-levels have an event: then nothing tells a sign from one that is always there.
    """
    hits, alarms = leads(sign, event), false_alarms(sign, event)
    return hits.successes / hits.trials - alarms.successes / alarms.trials


def class_contrast(sign: Times, event: Times, members: Bools) -> float:
    """Rate of events that were preceded within a class (`members`, (n,)) less that in all others, from -1 to 1.

    `Undefined` if no event was seen in one of the two.
    """
    seen = np.isfinite(event.hi)
    inside, outside = seen & members, seen & ~members
    if not inside.any() or not outside.any():
        raise Undefined("a contrast of classes needs an event in each")
    before = led(sign, event)
    return float(before[inside].mean() - before[outside].mean())


def _check(sign: Times, event: Times) -> None:
    if len(sign) != len(event):
        raise ValueError(
            f"{len(sign)} signs and {len(event)} events: they have to be of the same task-levels, in one order"
        )
