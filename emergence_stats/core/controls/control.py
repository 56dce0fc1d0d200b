"""Controls: the same analysis where what the claim says cannot be the reason, or where it is there for certain.

A negative control takes the runs, or runs of another suite, with one thing changed, and leaves all else as it is. It is
judged by how much the analysis exceeds it, prediction by prediction, and not by whether two verdicts have one name. A
positive control plants what the claim denies, or asserts: an analysis that does not find it there is insensitive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from emergence_stats.core.verdicts import Verdict
from emergence_stats.errors import HypothesisError

DIFFERS, SAME, UNKNOWN = "differs", "the same", "cannot be told apart"
POSITIVE = {"supported": Verdict.SUPPORTED, "refuted": Verdict.REFUTED}


@dataclass(frozen=True)
class Control:
    """What is changed (`keywords` of the estimates, the run by `change`, or the `suite`), and what it `shows` if the
    analysis gives no more than the control, as half a sentence after "then".

    `predictions`: names of those that it is about; none: all. `measures`: what it reads besides what the hypothesis
    needs. `margin`: differences up to this size, in the unit of the estimates, are none; without one a control can
    differ or not be told apart, and is never shown to be the same. `expects`: "differs", of a control that the claim has to
    exceed, or "the same", of one that must make no difference, which needs a margin. `finds`: of a positive control the
    verdict that it has to earn, "supported" or "refuted".
    """

    name: str
    shows: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
    change: Any = None
    suite: str | None = None
    predictions: Sequence[str] = ()
    measures: Sequence[str] = ()
    margin: float | None = None
    finds: str | None = None
    expects: str = DIFFERS

    def __post_init__(self) -> None:
        for name in ("predictions", "measures"):
            if isinstance(getattr(self, name), str):
                raise HypothesisError(f"control {self.name!r}: {name} is a list of names")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.suite is not None and not isinstance(self.suite, str):
            raise HypothesisError(f"control {self.name!r}: suite is {self.suite!r}, not a name")
        object.__setattr__(self, "keywords", MappingProxyType(dict(self.keywords)))
        if not self.keywords and self.change is None and self.suite is None:
            raise HypothesisError(f"control {self.name!r} changes nothing")
        if self.margin is not None and (
            not isinstance(self.margin, int | float)
            or isinstance(self.margin, bool)
            or not 0 < self.margin < float("inf")
        ):
            raise HypothesisError(
                f"control {self.name!r}: margin is {self.margin!r}, not a number above 0"
            )
        if self.expects not in (DIFFERS, SAME):
            raise HypothesisError(
                f"control {self.name!r}: expects is {self.expects!r}, not {DIFFERS!r} or {SAME!r}"
            )
        if self.expects == SAME and self.margin is None:
            raise HypothesisError(
                f"control {self.name!r} expects the same, which no runs can show to the last digit: give it a margin, the "
                "largest difference that does not matter"
            )
        if self.finds is not None and self.finds not in POSITIVE:
            raise HypothesisError(
                f"control {self.name!r}: finds is {self.finds!r}; a positive control has to be "
                "'supported' or 'refuted'"
            )
        if self.finds is not None and self.margin is not None:
            raise HypothesisError(
                f"control {self.name!r}: a positive control is judged by its verdict, so a margin says nothing"
            )
