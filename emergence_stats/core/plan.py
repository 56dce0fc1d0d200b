"""A hypothesis as a frozen value: everything that decides its verdict depends on one object."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from emergence_stats.core.analyses import (
    ACROSS,
    Analysis,
    LargestDifference,
    Mean,
    Median,
    bounds_of,
)
from emergence_stats.core.controls.control import Control
from emergence_stats.core.regions import Region
from emergence_stats.core.reported import Reported
from emergence_stats.core.verdicts import COMBINE
from emergence_stats.errors import HypothesisError

STEP_UNITS = ("optimiser steps", "tokens", "samples", "epochs", "seconds")
LAYER_NAMES = ("all", "blocks", "final")
SUITE = "suite"  # in a multiverse: a choice of data, not a keyword
_MOST_CERTAIN = 0.999999  # beyond, tails are shorter than any number of runs can tell
EVERY, AVERAGE = "every scale", "average"
_OF_CONTROL = ("name", "shows", "keywords", "change", "suite", "predictions", "measures")


class Count(NamedTuple):
    """A share within one run: `successes` of `trials`."""

    successes: float
    trials: float


@dataclass(frozen=True)
class Claim:
    """What is claimed, in words; by which paper; and what each version of it reports, as text or as numbers."""

    text: str
    paper: str | None = None
    reported: Mapping[str, str | Reported] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise HypothesisError("the claim has no text")
        if not isinstance(self.reported, Mapping):
            raise HypothesisError(
                f"claim: reported is {self.reported!r}, not a table by version, as {{'v1': 'what it says'}}"
            )
        for version, said in self.reported.items():
            if not isinstance(said, str | Reported):
                raise HypothesisError(
                    f"claim: what {version!r} reports is {said!r}, neither text nor a Reported(...)"
                )
        object.__setattr__(self, "reported", MappingProxyType(dict(self.reported)))


@dataclass(frozen=True)
class Needs:
    """The traces that a hypothesis reads; only these are read from a store.

    `measures`: a run that lacks one is refused. `optional`: read for the multiverse alone, where the run has them.
    `layers`: "all", "blocks" or "final". Runs with fewer than `min_layers` blocks are excluded. `min_scales`: with
    fewer scales the verdict is inconclusive. `step_unit`: what steps have to be, as "optimiser steps" or "tokens",
    where the analysis names steps by number; runs whose steps are something else are excluded. None: any.
    """

    measures: Sequence[str]
    optional: Sequence[str] = ()
    layers: str = "all"
    min_layers: int = 0
    min_scales: int = 1
    step_unit: str | None = None

    def __post_init__(self) -> None:
        for name in ("measures", "optional"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise HypothesisError(f"needs: {name} is {value!r}, not a list of names")
            if not all(isinstance(one, str) for one in value):
                raise HypothesisError(f"needs: {name} is {value!r}, which holds what is no name")
        if not self.measures:
            raise HypothesisError("needs: measures is a list of at least one name")
        for name in ("min_layers", "min_scales"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise HypothesisError(f"needs: {name} is {value!r}, not a whole number")
        if self.step_unit is not None and self.step_unit not in STEP_UNITS:
            raise HypothesisError(
                f"needs: step_unit is {self.step_unit!r}, not one of {', '.join(STEP_UNITS)}"
            )
        if self.layers not in LAYER_NAMES:
            raise HypothesisError(f"needs: layers is {self.layers!r}, not one of {LAYER_NAMES}")
        object.__setattr__(self, "measures", tuple(self.measures))
        object.__setattr__(self, "optional", tuple(self.optional))


@dataclass(frozen=True)
class Design:
    """The stopping rule: the runs that make up the confirmatory set, fixed beforehand.

    `sequential`: seeds may be added until a verdict, looking at the `looks`: numbers of seeds a scale, the last of them
    all. The error is shared among the looks (`core/looks.py`), so that stopping early is no deviation.
    """

    suite: str
    scales: Sequence[str]
    seeds: Sequence[int]
    sequential: bool = False
    looks: Sequence[int] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.suite, str) or not self.suite:
            raise HypothesisError(f"design: suite is {self.suite!r}, not a name")
        if not isinstance(self.sequential, bool):
            raise HypothesisError(f"design: sequential is {self.sequential!r}, not True or False")
        for name in ("scales", "seeds"):
            if isinstance(getattr(self, name), str) or not isinstance(
                getattr(self, name), Iterable
            ):
                value = getattr(self, name)
                hint = (
                    f": write [{value!r}]"
                    if name == "scales"
                    else " of whole numbers, as range(10, 20)"
                )
                raise HypothesisError(f"design: {name} is {value!r}, not a list{hint}")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.scales or not self.seeds:
            raise HypothesisError("the design names no scales or no seeds")
        if isinstance(self.looks, int | str):
            raise HypothesisError(
                f"design: looks is {self.looks!r}, not a list of numbers of seeds, as [4, 8, 12]"
            )
        object.__setattr__(self, "looks", tuple(self.looks))
        self._check_looks()

    def _check_looks(self) -> None:
        if not self.sequential:
            if self.looks:
                raise HypothesisError("design: looks without sequential=True")
            return
        seeds = len(self.seeds)
        if not self.looks:
            raise HypothesisError(
                "design: sequential=True needs a bound on looks: looks=[...], the numbers of seeds a scale at "
                f"which it will be looked, the last of them {seeds}"
            )
        whole = all(isinstance(n, int) and not isinstance(n, bool) for n in self.looks)
        if not whole or list(self.looks) != sorted(set(self.looks)) or self.looks[0] < 2:
            raise HypothesisError(
                f"design: looks {self.looks} are not increasing numbers of seeds from 2 on"
            )
        if self.looks[-1] != seeds:
            raise HypothesisError(
                f"design: the last look is at {self.looks[-1]} seeds, but the design has {seeds}"
            )

    def runs(self) -> list[tuple[str, int]]:
        return [(scale, seed) for scale in self.scales for seed in self.seeds]

    def reached(self, there: Iterable[tuple[str, int]]) -> list[int]:
        """The looks for which all runs, by scale and seed, are there."""
        known = set(there)
        return [
            look
            for look in self.looks
            if all((scale, seed) in known for scale in self.scales for seed in self.seeds[:look])
        ]

    def wanted(self, there: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        """The runs that the plan wants by now: of the last look that is reached, none before; all, if it looks once."""
        if not self.sequential:
            return self.runs()
        looks = self.reached(there)
        until = looks[-1] if looks else 0
        return [(scale, seed) for scale in self.scales for seed in self.seeds[:until]]


@dataclass(frozen=True)
class Prediction:
    """One number that each unit yields, and the region where the claim is true.

    `estimate`: a plain function of one `Run` (of the list of runs of one seed where `unit` is "seed"), giving a number,
    or a `Count` for `Share`. Its keyword defaults are the registered analysis. It raises `Undefined` where a run has no
    value. `scope`: "every scale" if the region has to hold at each of them, "average" if for their mean; words like
    universal and at every size ask for the first. Not given, it is the average, which supports nothing while a scale
    contradicts it. Analyses that compare scales, and units that are seeds, have none.
    """

    name: str
    estimate: Callable[..., Any]
    region: Region
    analysis: Analysis = Mean()  # noqa: RUF009  # frozen
    unit: str = "run"
    scope: str | None = None

    def __post_init__(self) -> None:
        where = f"prediction {self.name!r}"
        if not isinstance(self.name, str) or not self.name.strip():
            raise HypothesisError(f"a prediction's name is {self.name!r}, not text")
        if not callable(self.estimate):
            raise HypothesisError(f"{where}: estimate is not a function")
        if not isinstance(self.region, Region):
            raise HypothesisError(
                f"{where}: region is {self.region!r}, not a Region, as Region.at_least(0.5)"
            )
        if not isinstance(self.analysis, Analysis):
            hint = "; write it with brackets, as Mean()" if isinstance(self.analysis, type) else ""
            raise HypothesisError(f"{where}: analysis is {self.analysis!r}, not an analysis{hint}")
        if self.unit not in ("run", "seed"):
            raise HypothesisError(f"{where}: unit is {self.unit!r}")
        if self.unit == "seed" and isinstance(self.analysis, ACROSS):
            raise HypothesisError(
                f"{where}: a seed has all scales, so no {type(self.analysis).__name__.lower()}"
            )
        self._check_scope(where)
        self._check_region(where)

    def _check_scope(self, where: str) -> None:
        if self.scope not in (None, EVERY, AVERAGE):
            raise HypothesisError(f"{where}: scope is {self.scope!r}, not {EVERY!r} or {AVERAGE!r}")
        if isinstance(self.analysis, Median) and self.unit == "run" and self.scope != EVERY:
            raise HypothesisError(f"{where}: a Median is about every scale; say scope={EVERY!r}")
        if self.scope is None:
            return
        if self.unit == "seed":
            raise HypothesisError(f"{where}: a seed has all scales, so there is no scope to choose")
        if isinstance(self.analysis, ACROSS):
            raise HypothesisError(
                f"{where}: {type(self.analysis).__name__} compares scales, so there is no scope to choose"
            )

    def _check_region(self, where: str) -> None:
        possible = bounds_of(self.analysis)
        if isinstance(self.analysis, LargestDifference):
            if self.region.contains(0.0) and self.region.hi is None:
                raise HypothesisError(f"{where}: {self.region} holds every size of a difference")
            if self.region.hi is not None and self.region.hi < 0:
                raise HypothesisError(f"{where}: {self.region} holds no size of a difference")
        if possible is None:
            return
        lo, hi = possible
        out, whole = self.region.misses_interval(lo, hi), self.region.contains_interval(lo, hi)
        if out or whole:
            what = "none" if out else "all"
            raise HypothesisError(
                f"{where}: the region {self.region} holds {what} of the possible values [{lo:g}, {hi:g}]"
            )

    @property
    def of_every_scale(self) -> bool:
        return self.scope == EVERY


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

    `level`: confidence of the intervals, simultaneous over the predictions. `combine`: "all" or "any" of the
    predictions, in three-valued logic. `multiverse`: other values for the keywords of the estimates, and under "suite"
    other suites. `controls`: what else might earn the verdict. Raises `HypothesisError` for a declaration that makes no
    sense.
    """

    claim: Claim
    needs: Needs
    predictions: Sequence[Prediction]
    design: Design | None = None
    pooled: Pooled | None = None
    combine: str = "all"
    level: float = 0.95
    controls: Sequence[Any] = ()
    multiverse: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = {"claim": Claim, "needs": Needs, "design": Design | None, "pooled": Pooled | None}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise HypothesisError(
                    f"{name} is {getattr(self, name)!r}, not a {name.capitalize()}(...)"
                )
        object.__setattr__(self, "predictions", tuple(self.predictions))
        if not self.predictions:
            raise HypothesisError("there is no prediction, so nothing to test")
        if not all(isinstance(p, Prediction) for p in self.predictions):
            raise HypothesisError("predictions are `Prediction` values")
        names = [p.name for p in self.predictions]
        if len(set(names)) < len(names):
            raise HypothesisError(f"prediction names repeat: {', '.join(names)}")
        if not isinstance(self.level, float) or not 0 < self.level <= _MOST_CERTAIN:
            raise HypothesisError(
                f"level is {self.level!r}; a confidence is between 0 and {_MOST_CERTAIN:g}"
            )
        if self.combine not in COMBINE:
            raise HypothesisError(f"combine is {self.combine!r}; it is 'all' or 'any'")
        self._check_scopes()
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
        self._check_reported(names)

    def _check_scopes(self) -> None:
        scales = len(self.design.scales) if self.design is not None else self.needs.min_scales
        for p in self.predictions:
            across = isinstance(p.analysis, ACROSS) and self.design is not None
            if (p.of_every_scale or across) and scales < 2:
                said = (
                    f"the design has the scale {self.design.scales[0]!r} alone"
                    if self.design is not None
                    else "the plan names none: give it a design, or needs min_scales=2 or more"
                )
                what = "every scale" if p.of_every_scale else "differences of scales"
                raise HypothesisError(f"prediction {p.name!r} is about {what}, but {said}")

    def _check_controls(self, predictions: list[str], keywords: set[str]) -> None:
        for control in self.controls:
            if not all(hasattr(control, name) for name in _OF_CONTROL):
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

    def _check_reported(self, predictions: list[str]) -> None:
        for version, said in self.claim.reported.items():
            if isinstance(said, Reported) and said.prediction not in (None, *predictions):
                raise HypothesisError(
                    f"claim: what {version!r} reports is about {said.prediction!r}, but there is no such prediction"
                )

    @property
    def looks(self) -> int:
        """At how many numbers of runs a verdict may be taken."""
        return max(len(self.design.looks), 1) if self.design is not None else 1

    @property
    def simultaneous_level(self) -> float:
        """Confidence of each interval, so that all hold together with `level`, at all looks (Bonferroni)."""
        return 1 - (1 - self.level) / (len(self.predictions) * self.looks)

    def declaration(self) -> dict[str, Any]:
        """The hypothesis as plain JSON values: what a registration freezes."""
        return _plain(self)


def keyword_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The keywords of an estimate with their defaults: its registered analysis choices."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


_WITHOUT_KIND = (Claim, Needs, Design, Prediction, Pooled, Hypothesis, Control, Region)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kind = {} if isinstance(value, _WITHOUT_KIND) else {"kind": type(value).__name__}
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
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _name(function: Any) -> str:
    module = getattr(function, "__module__", "?").rpartition(".")[2]
    return f"{module}:{getattr(function, '__qualname__', type(function).__name__)}"
