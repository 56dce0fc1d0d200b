"""The set of values of an estimand for which a claim is true."""

from __future__ import annotations

import math
from dataclasses import dataclass

from emergence_stats.errors import HypothesisError


@dataclass(frozen=True)
class Region:
    """An interval of values; an end that is None is open to infinity.

    Region.at_least(0.75)        # superiority, 0.75 included
    Region.at_most(0.1)          # a negative claim
    Region.between(-0.1, 0.1)    # equivalence: what a claim of invariance needs
    Region.above(0)              # 0 itself is not enough

    Raises `HypothesisError` when no value, or every value, would be inside.
    """

    lo: float | None = None
    hi: float | None = None
    lo_open: bool = False
    hi_open: bool = False

    def __post_init__(self) -> None:
        for end in (self.lo, self.hi):
            if end is not None and not (_is_number(end) and math.isfinite(end)):
                raise HypothesisError(f"region end {end!r} is not a finite number")
        if self.lo is None and self.hi is None:
            raise HypothesisError("the region is all numbers, so no data could refute the claim")
        if self.lo is not None and self.hi is not None:
            empty = self.lo > self.hi
            if self.lo == self.hi:
                empty = self.lo_open or self.hi_open
            if empty:
                raise HypothesisError(f"the region {self} is empty, so no data could support it")

    @classmethod
    def at_least(cls, lo: float) -> Region:
        return cls(lo=lo)

    @classmethod
    def at_most(cls, hi: float) -> Region:
        return cls(hi=hi)

    @classmethod
    def above(cls, lo: float) -> Region:
        return cls(lo=lo, lo_open=True)

    @classmethod
    def below(cls, hi: float) -> Region:
        return cls(hi=hi, hi_open=True)

    @classmethod
    def between(cls, lo: float, hi: float) -> Region:
        return cls(lo=lo, hi=hi)

    def contains(self, value: float) -> bool:
        """Whether a value is inside; what is no number is not."""
        if math.isnan(value):
            return False
        if self.lo is not None and (value < self.lo or (self.lo_open and value == self.lo)):
            return False
        return self.hi is None or not (value > self.hi or (self.hi_open and value == self.hi))

    def contains_interval(self, lo: float, hi: float) -> bool:
        return self.contains(lo) and self.contains(hi)

    def misses_interval(self, lo: float, hi: float) -> bool:
        """No point in common with [lo, hi]."""
        below = self.lo is not None and (hi < self.lo or (self.lo_open and hi == self.lo))
        above = self.hi is not None and (lo > self.hi or (self.hi_open and lo == self.hi))
        return below or above

    def nearest_boundary(self, value: float) -> float:
        """The finite end of the region that is closest to `value`."""
        ends = [end for end in (self.lo, self.hi) if end is not None]
        return min(ends, key=lambda end: abs(end - value))

    def __str__(self) -> str:
        if self.hi is None:
            return f"{'>' if self.lo_open else '>='} {self.lo:g}"
        if self.lo is None:
            return f"{'<' if self.hi_open else '<='} {self.hi:g}"
        return (
            f"{'(' if self.lo_open else '['}{self.lo:g}, {self.hi:g}{')' if self.hi_open else ']'}"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
