"""A hypothesis as a frozen value: everything that decides its verdict hangs on one object."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from emergence_stats.controls import Control, EqualNoise, MismatchedTasks, Placebo, Surrogate
from emergence_stats.errors import HypothesisError
from emergence_stats.inference import Estimate, mean, share, slope
from emergence_stats.regions import Region
from emergence_stats.verdicts import COMBINE

LAYER_NAMES = ("all", "blocks", "final")
SUITE = "suite"  # in a multiverse: a choice of data, not a keyword


class Count(NamedTuple):
    """A share within one run: `successes` of `trials`."""

    successes: float
    trials: float


# --- analyses: how one value a run becomes an estimate with an interval -----------------------


@dataclass(frozen=True)
class Mean:
    """Mean over runs of a number a run.

    `bounds`: the range of possible values, if there is one; it gives an interval where all runs
    agree to the last digit.
    """

    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise HypothesisError(f"bounds {self.bounds} are not (low, high)")

    def estimate(
        self, values, strata, log10_params, region: Region | None, level: float
    ) -> Estimate:
        return mean(values, strata, region, level, self.bounds)


@dataclass(frozen=True)
class Share:
    """Mean over runs of a `Count` a run, as a rate between 0 and 1."""

    def estimate(
        self, values, strata, log10_params, region: Region | None, level: float
    ) -> Estimate:
        return share([v[0] for v in values], [v[1] for v in values], strata, region, level)


@dataclass(frozen=True)
class Slope:
    """Change of a number a run when the parameters grow `over`-fold (slope on log10 parameters)."""

    over: float

    def __post_init__(self) -> None:
        if not self.over > 1:
            raise HypothesisError(f"Slope(over={self.over}): a factor above 1")

    def estimate(
        self, values, strata, log10_params, region: Region | None, level: float
    ) -> Estimate:
        per_decade = math.log10(self.over)
        covariate = [x / per_decade for x in log10_params]
        return slope(values, covariate, strata, region, level)


Analysis = Mean | Share | Slope
_KINDS = (Mean, Share, Slope, MismatchedTasks, Placebo, Surrogate, EqualNoise)


# --- the parts of a hypothesis ----------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """What is claimed, in words; by which paper; and what each version of it reports."""

    text: str
    paper: str | None = None
    reported: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise HypothesisError("the claim has no text")
        object.__setattr__(self, "reported", MappingProxyType(dict(self.reported)))


@dataclass(frozen=True)
class Needs:
    """The traces that a hypothesis reads; only these are read from a store.

    `measures`: a run that lacks one is refused. `further`: read for the multiverse alone, where
    the run has them. `layers`: "all", "blocks" or "final". Runs with fewer than `min_layers` blocks are excluded.
    `min_scales`: with fewer scales the verdict is inconclusive.
    """

    measures: Sequence[str]
    further: Sequence[str] = ()
    layers: str = "all"
    min_layers: int = 0
    min_scales: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.measures, str) or not self.measures:
            raise HypothesisError("needs: measures is a list of at least one name")
        if self.layers not in LAYER_NAMES:
            raise HypothesisError(f"needs: layers is {self.layers!r}, not one of {LAYER_NAMES}")
        if isinstance(self.further, str):
            raise HypothesisError("needs: further is a list of names")
        object.__setattr__(self, "measures", tuple(self.measures))
        object.__setattr__(self, "further", tuple(self.further))


@dataclass(frozen=True)
class Design:
    """The stopping rule: the runs that make up the confirmatory set, fixed beforehand."""

    suite: str
    scales: Sequence[str]
    seeds: Sequence[int]

    def __post_init__(self) -> None:
        if not self.scales or not self.seeds:
            raise HypothesisError("the design names no scales or no seeds")
        object.__setattr__(self, "scales", tuple(self.scales))
        object.__setattr__(self, "seeds", tuple(self.seeds))

    def runs(self) -> list[tuple[str, int]]:
        return [(scale, seed) for scale in self.scales for seed in self.seeds]


@dataclass(frozen=True)
class Prediction:
    """One number that each unit yields, and the region where the claim is true.

    `estimate`: a plain function of one `Run` (of the list of runs of one seed where `unit` is
    "seed"), giving a number, or a `Count` for `Share`. Its keyword defaults are the registered
    analysis. It raises `Undefined` where a run has no value.
    """

    name: str
    estimate: Callable[..., Any]
    region: Region
    analysis: Analysis = Mean()
    unit: str = "run"

    def __post_init__(self) -> None:
        if not callable(self.estimate):
            raise HypothesisError(f"prediction {self.name!r}: estimate is not a function")
        if not isinstance(self.region, Region):
            raise HypothesisError(f"prediction {self.name!r}: region is {self.region!r}")
        if not isinstance(self.analysis, Mean | Share | Slope):
            raise HypothesisError(f"prediction {self.name!r}: analysis is {self.analysis!r}")
        if self.unit not in ("run", "seed"):
            raise HypothesisError(f"prediction {self.name!r}: unit is {self.unit!r}")
        if self.unit == "seed" and isinstance(self.analysis, Slope):
            raise HypothesisError(f"prediction {self.name!r}: a seed has all scales, so no slope")
        possible = (0.0, 1.0) if isinstance(self.analysis, Share) else None
        if isinstance(self.analysis, Mean):
            possible = self.analysis.bounds
        if possible is not None:
            lo, hi = possible
            out = (self.region.lo is not None and self.region.lo > hi) or (
                self.region.hi is not None and self.region.hi < lo
            )
            whole = (self.region.lo is None or self.region.lo < lo) and (
                self.region.hi is None or self.region.hi > hi
            )
            if out or whole:
                what = "none" if out else "all"
                raise HypothesisError(
                    f"prediction {self.name!r}: the region {self.region} holds {what} of the "
                    f"possible values [{lo:g}, {hi:g}]"
                )


@dataclass(frozen=True)
class Pooled:
    """The statistic as the paper counts it: summed over runs, no error, not a test.

    `count`: a function of one run giving a `Count`, or a number that is averaged.
    """

    label: str
    count: Callable[..., Any]


@dataclass(frozen=True)
class Hypothesis:
    """A claim, the traces it needs, and the preregistered analysis.

    `level`: confidence of the intervals, simultaneous over the predictions. `combine`: "all" or
    "any" of the predictions, in three-valued logic. `multiverse`: other values for the keywords
    of the estimates, and under "suite" other suites. `controls`: what else might earn the verdict.
    Raises `HypothesisError` for a declaration that makes no sense.
    """

    claim: Claim
    needs: Needs
    predictions: Sequence[Prediction]
    design: Design | None = None
    pooled: Pooled | None = None
    combine: str = "all"
    level: float = 0.95
    controls: Sequence[Control] = ()
    multiverse: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "predictions", tuple(self.predictions))
        if not self.predictions:
            raise HypothesisError("there is no prediction, so nothing to test")
        if not all(isinstance(p, Prediction) for p in self.predictions):
            raise HypothesisError("predictions are `Prediction` values")
        names = [p.name for p in self.predictions]
        if len(set(names)) < len(names):
            raise HypothesisError(f"prediction names repeat: {', '.join(names)}")
        if not isinstance(self.level, float) or not 0 < self.level < 1:
            raise HypothesisError(f"level is {self.level!r}; a confidence is between 0 and 1")
        if self.combine not in COMBINE:
            raise HypothesisError(f"combine is {self.combine!r}; it is 'all' or 'any'")
        choices = {name: tuple(values) for name, values in self.multiverse.items()}
        keywords = {name for p in self.predictions for name in keyword_defaults(p.estimate)}
        for name, values in choices.items():
            if name not in keywords and name != SUITE:
                raise HypothesisError(f"multiverse: no estimate has a keyword {name!r}")
            if not values:
                raise HypothesisError(f"multiverse: {name!r} has no values")
            if any(value in values[:i] for i, value in enumerate(values)):
                raise HypothesisError(f"multiverse: {name!r} has a value twice")
        object.__setattr__(self, "multiverse", MappingProxyType(choices))
        object.__setattr__(self, "controls", tuple(self.controls))
        self._check_controls(names, keywords)

    def _check_controls(self, predictions: list[str], keywords: set[str]) -> None:
        if not all(isinstance(control, Control) for control in self.controls):
            raise HypothesisError("controls are `Control` values")
        names = [control.name for control in self.controls]
        if len(set(names)) < len(names):
            raise HypothesisError(f"control names repeat: {', '.join(names)}")
        for control in self.controls:
            for name in control.predictions:
                if name not in predictions:
                    raise HypothesisError(
                        f"control {control.name!r}: there is no prediction {name!r}"
                    )
            for name in control.keywords:
                if name not in keywords:
                    raise HypothesisError(
                        f"control {control.name!r}: no estimate has a keyword {name!r}"
                    )

    @property
    def simultaneous_level(self) -> float:
        """Confidence of each interval, so that all hold together with `level` (Bonferroni)."""
        return 1 - (1 - self.level) / len(self.predictions)

    def declaration(self) -> dict[str, Any]:
        """The hypothesis as plain JSON values: what a registration freezes."""
        return _plain(self)


def keyword_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The keywords of an estimate with their defaults: its registered analysis choices."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"kind": type(value).__name__} if isinstance(value, _KINDS) else {}
        return kind | {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, functools.partial):
        # positional arguments of a partial would hide a choice from the declaration
        if value.args:
            raise HypothesisError("estimates made by functools.partial take keywords only")
        return {"function": _name(value.func), "defaults": _plain(keyword_defaults(value))}
    if callable(value):
        return {"function": _name(value), "defaults": _plain(keyword_defaults(value))}
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((_plain(item) for item in value), key=repr)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise HypothesisError(f"{value!r} cannot be written into a registration")


def _key(key: Any) -> str:
    return (
        key
        if isinstance(key, str)
        else "/".join(map(str, key))
        if isinstance(key, tuple)
        else str(key)
    )


def _name(function: Any) -> str:
    module = getattr(function, "__module__", "?").rpartition(".")[2]
    return f"{module}:{getattr(function, '__qualname__', type(function).__name__)}"
