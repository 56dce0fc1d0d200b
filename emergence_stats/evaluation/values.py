"""What an estimate gives for one unit of replication: a checked number, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emergence_stats.core.analyses import Share, bounds_of
from emergence_stats.core.plan import Count, Prediction
from emergence_stats.core.runs import Run, Undefined
from emergence_stats.errors import HypothesisError
from emergence_stats.support.foreign import code_of_a_claim
from emergence_stats.traces.format import Manifest

_LARGEST = 1e100


@dataclass
class Values:
    """What one prediction got: a value and the runs behind it for each unit.

    Only the manifests of runs are kept, so that their traces can be freed. `made`: scale and seed of all runs that were
    chosen, with those that gave no value; None if that is not known.
    """

    values: list[Any] = field(default_factory=list)
    runs: list[list[Manifest]] = field(default_factory=list)
    made: frozenset[tuple[str, int]] | None = None


def label(prediction: Prediction, unit: Sequence[Run | Manifest]) -> str:
    """Name of a unit: that of its run, or its seed."""
    return unit[0].run_id if prediction.unit == "run" else f"seed {unit[0].seed}"


def as_number(value: Count | float) -> float:
    """A count as its share."""
    return value[0] / value[1] if isinstance(value, tuple) else value


def value_of(
    name: str, prediction: Prediction, unit: Sequence[Run], keywords: Mapping[str, Any]
) -> Count | float:
    """The estimate of one unit, checked. Raises `Undefined` as the estimate does, and
    `HypothesisError` if it fails or gives no number; `name` is that of the hypothesis.
    """
    where = f"{name}, prediction {prediction.name!r}, {label(prediction, unit)}"
    with code_of_a_claim(f"{where}: the estimate", Undefined):
        value = prediction.estimate(unit[0] if prediction.unit == "run" else unit, **keywords)
    if isinstance(prediction.analysis, Share):
        return _count(value, where)
    try:
        number = float(_no_text(value))
    except (TypeError, ValueError, OverflowError):
        raise HypothesisError(f"{where}: the estimate gave {value!r}, not a number") from None
    if not math.isfinite(number):
        raise HypothesisError(
            f"{where}: the estimate gave {number}; raise Undefined if a run has no value"
        )
    if abs(number) > _LARGEST:
        raise HypothesisError(
            f"{where}: the estimate gave {number:g}, which is too large to compute with"
        )
    bounds = bounds_of(prediction.analysis)
    if bounds is not None:
        slack = 1e-9 * (bounds[1] - bounds[0])
        if not bounds[0] - slack <= number <= bounds[1] + slack:
            raise HypothesisError(
                f"{where}: the estimate gave {number:g}, outside the bounds [{bounds[0]:g}, {bounds[1]:g}] that the plan says its "
                "values have"
            )
    return number


def _no_text(value: Any) -> Any:
    """The value. Raises `TypeError` for text, which `float` would read: where a number was meant to be, it is a mistake."""
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError("text")
    return value


def _count(value: Any, where: str) -> Count:
    """What an estimate gave, as a share; True and False are one case. Raises `HypothesisError` if it is none."""
    if isinstance(value, (bool, np.bool_)):
        return Count(float(value), 1.0)
    if not isinstance(value, tuple) or len(value) != 2:
        raise HypothesisError(
            f"{where}: Share needs a Count, but the estimate gave {value!r}. Return es.Count(successes, trials), or True or False "
            "of one case; a fraction whose count is not known is an es.Mean((0.0, 1.0))"
        )
    try:
        successes, trials = (float(x) for x in value if not isinstance(x, str))
    except (TypeError, ValueError, OverflowError):
        raise HypothesisError(f"{where}: {value!r} holds what is no number") from None
    if not (0 <= successes <= trials and 0 < trials <= _LARGEST):
        raise HypothesisError(f"{where}: {value[0]!r} of {value[1]!r} is not a share")
    return Count(successes, trials)


def counted(value: Any, where: str) -> Count | float:
    """What a statistic as the paper counts it gave for one run. Raises `HypothesisError` if it is no number."""
    if isinstance(value, tuple):
        return _count(value, where)
    try:
        number = float(_no_text(value))
    except (TypeError, ValueError, OverflowError):
        raise HypothesisError(f"{where} gave {value!r}, neither a Count nor a number") from None
    if not abs(number) <= _LARGEST:
        raise HypothesisError(
            f"{where} gave {number}, and not a finite number; raise Undefined if a run has no value"
        )
    return number
