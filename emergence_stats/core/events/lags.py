"""Lags read event by event, and whether a measure's change goes with the event at all.

A lag that all task-levels have in common exists for any measure that changes once, whatever changes it: a schedule does.
So a lag means something only where, within a run, later events have later changes: the slope of the onset on the event
has to exclude 0 before "leads", "lags" or "is synchronous" is about the task. A change that lies at an end of its trace
is undefined, not early or late.

Times are natural logarithms of steps. An onset has the interval of its own error, an event that of its checkpoints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emergence_stats.core.events.precursors import Times
from emergence_stats.core.runs import Undefined

Floats = NDArray[np.float64]
FEWEST = 6  # fewer events than this say nothing of a run
LEAST_SPREAD = math.log(2)  # of event times: nearer ones give no slope


@dataclass(frozen=True)
class EventLags:
    """Lags of the events of one run, in log steps, positive where the onset comes after the event.

    `lo`, `hi` (n,): what checkpoints and the measure's own error leave open. `onset`, `event` (n,): middles of the
    intervals. `index` (n,): which of the given pairs they are of. `left_out`: how many pairs have no lag, by reason.
    """

    lo: Floats
    hi: Floats
    onset: Floats
    event: Floats
    index: NDArray[np.int64]
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.lo)

    @property
    def values(self) -> Floats:
        """Onset less event, middle to middle (n,)."""
        return self.onset - self.event

    def behind(self, other: EventLags) -> Floats:
        """This lag less the other's, of the pairs that have both (m,): two measures are compared on the same events."""
        _, mine, theirs = np.intersect1d(self.index, other.index, return_indices=True)
        return self.values[mine] - other.values[theirs]

    def median(self, fewest: int = FEWEST) -> float:
        """The median lag of the run. `Undefined` with fewer than `fewest` events."""
        self._check(fewest)
        return float(np.median(self.values))

    def slope(self, fewest: int = FEWEST, least_spread: float = LEAST_SPREAD) -> float:
        """Least-squares slope of onsets on events: 1 if the measure follows each event, 0 if it knows none of them.

        `Undefined` with fewer than `fewest` events, or if they lie within a factor exp(`least_spread`) of one another.
        """
        self._check(fewest)
        spread = float(np.ptp(self.event))
        if spread < least_spread:
            raise Undefined(
                f"events lie within a factor of {math.exp(spread):.2g}, too near to one another for a slope"
            )
        centred = self.event - self.event.mean()
        return float(centred @ self.onset / (centred @ centred))

    def resolved(self) -> tuple[int, int]:
        """How many onsets came before their event for certain, and how many after."""
        return int((self.hi < 0).sum()), int((self.lo > 0).sum())

    def _check(self, fewest: int) -> None:
        if len(self) < fewest:
            why = "; ".join(f"{n} {reason}" for reason, n in self.left_out.items())
            raise Undefined(
                f"{len(self)} events have a lag, and fewer than {fewest} say nothing"
                + (f" ({why})" if why else "")
            )


def event_lags(
    onset: Times,
    event: Times,
    first: Floats | float,
    last: Floats | float,
    reach: float | None = None,
) -> EventLags:
    """Lag of each onset behind its event, of the same n task-levels in one order.

    `first`, `last`: the steps at which each trace of the measure begins and ends, (n,) or one for all. Left out, and
    counted: pairs without an event; without an onset; those whose onset touches an end of its trace, where there is no
    optimum; and with `reach`, those whose trace would not show every lag up to `reach` log steps either way, since the
    others speak only for lags that they can show.
    """
    if len(onset) != len(event):
        raise ValueError(f"{len(onset)} onsets and {len(event)} events")
    begin, end = (np.broadcast_to(np.asarray(x, float), (len(event),)) for x in (first, last))
    seen = np.isfinite(event.lo) & np.isfinite(event.hi) & (event.hi > 0)
    changed = np.isfinite(onset.lo) & np.isfinite(onset.hi)
    inside = changed & (onset.lo > begin) & (onset.hi < end)
    e_lo, e_hi, o_lo, o_hi = (_log(x) for x in (event.lo, event.hi, onset.lo, onset.hi))
    middle = (e_lo + e_hi) / 2
    shown = np.ones(len(event), bool)
    if reach is not None:
        shown = (middle - reach >= _log(begin)) & (middle + reach <= _log(end))
    reasons = {
        "without an event": ~seen,
        "whose trace would not show such lags": seen & ~shown,
        "without a change": seen & shown & ~changed,
        "with a change at an end of the trace": seen & shown & changed & ~inside,
    }
    kept = seen & shown & inside
    return EventLags(
        lo=(o_lo - e_hi)[kept],
        hi=(o_hi - e_lo)[kept],
        onset=((o_lo + o_hi) / 2)[kept],
        event=middle[kept],
        index=np.flatnonzero(kept),
        left_out={reason: int(mask.sum()) for reason, mask in reasons.items() if mask.any()},
    )


def _log(steps: Floats) -> Floats:
    return np.log(np.maximum(np.where(np.isfinite(steps), steps, 1.0), 1.0))
