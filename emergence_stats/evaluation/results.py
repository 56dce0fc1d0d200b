"""What an evaluation found: values that reports render and that `--json` prints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from emergence_stats.claims.selection import RunUse
from emergence_stats.core.intervals.estimates import Estimate, ScaleEstimate
from emergence_stats.core.plan import Claim
from emergence_stats.core.regions import Region
from emergence_stats.core.reported import reported_text
from emergence_stats.core.verdicts import Verdict

if TYPE_CHECKING:
    from pandas import DataFrame

RESULT_VERSION = 1


@dataclass(frozen=True)
class UnitValue:
    """The value of one unit: a run, or all runs of one seed; `trials`: of a share, how many cases it is of."""

    label: str
    run_ids: tuple[str, ...]
    value: float
    trials: float | None = None


SHOWN_AS = ("factor", "percent")  # of a natural logarithm, and of a share


@dataclass(frozen=True)
class PredictionResult:
    """What became of one prediction.

    `units_compare`: whether the region is on the scale of the units' values. For a slope it is
    not: no single run has one. `scope`: "every scale", "average", or "across scales" where scales are compared.
    `mixed`: scales that contradict it though the prediction is not refuted. `deciding`: of a
    prediction about every scale, the one that is least inside. `at_bound`: units whose value is an end of the range that
    was searched. `look`: of a plan that looks early, the number of the look that the estimate is of, of `looks`. `lent`: scales with one
    unit, whose error the others lend. `shown_as`: one of `SHOWN_AS`, for readers; numbers here are as they were estimated.
    """

    name: str
    estimate: Estimate
    region: Region
    verdict: Verdict
    reason: str
    unit: str
    n_runs: int
    values: tuple[UnitValue, ...]
    units_compare: bool = True
    scope: str = "average"
    mixed: tuple[str, ...] = ()
    deciding: str | None = None
    at_bound: int = 0
    look: int | None = None
    looks: int = 1
    lent: tuple[str, ...] = ()
    shown_as: str | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The confidence interval of the estimate, None if it has none."""
        return self.estimate.interval

    @property
    def p_value(self) -> float | None:
        """The p-value of the estimate against the claim region."""
        return self.estimate.p_value

    def outside(self) -> list[UnitValue]:
        """The units outside the claim region, the farthest first."""
        if not self.units_compare:
            return []
        outside = [v for v in self.values if not self.region.contains(v.value)]
        return sorted(outside, key=lambda v: -abs(v.value - self.region.nearest_boundary(v.value)))

    def to_dict(self) -> dict[str, Any]:
        e = self.estimate
        return {
            "name": self.name,
            "estimate": _number(e.value),
            "interval": list(e.interval) if e.interval else [None, None],
            "region": [self.region.lo, self.region.hi],
            "region_text": str(self.region),
            **({"shown_as": self.shown_as} if self.shown_as is not None else {}),
            "level": e.level,
            "p_value": _number(e.p_value),
            "effect_size": _number(e.effect_size),
            "n_runs": self.n_runs,
            "n_units": e.n_runs,
            "unit": self.unit,
            "method": e.method,
            "scope": self.scope,
            "scales": [_scale(one) for one in e.scales],
            "mixed": list(self.mixed),
            "distribution_free_interval": list(e.free_interval) if e.free_interval else None,
            "verdict": str(self.verdict),
            "reason": self.reason,
            "values": [
                {
                    "unit": v.label,
                    "runs": list(v.run_ids),
                    "value": v.value,
                    **({"trials": v.trials} if v.trials is not None else {}),
                }
                for v in self.values
            ],
        }


@dataclass(frozen=True)
class Difference:
    """A prediction's estimate less that of a control, over the units that both have.

    `judgement`: "differs", "the same" (within the control's margin) or "cannot be told apart". `exceeds`: it differs, and
    the analysis lies farther inside the region than the control.
    """

    prediction: str
    estimate: Estimate
    judgement: str = "cannot be told apart"
    exceeds: bool = False

    def to_dict(self) -> dict[str, Any]:
        e = self.estimate
        return {
            "prediction": self.prediction,
            "estimate": _number(e.value),
            "interval": list(e.interval) if e.interval else [None, None],
            "level": e.level,
            "n_units": e.n_runs,
            "judgement": self.judgement,
            "exceeds": self.exceeds,
        }


@dataclass(frozen=True)
class ControlResult:
    """What became of one control.

    `same`: no prediction that carries the verdict exceeds it for certain, so that nothing shows that the verdict rests on
    what the control changes. `shows` says what that means. `finds`: of a positive control, the verdict that it has to
    earn; it is `found` if it does. `undefined`: units that had no value. `reason`: why no run gave one.
    """

    name: str
    shows: str
    verdict: Verdict
    same: bool
    suite: str | None
    confirmatory: bool
    predictions: tuple[PredictionResult, ...]
    differences: tuple[Difference, ...]
    n_runs: int
    undefined: int = 0
    reason: str | None = None
    finds: str | None = None
    expects: str = "differs"

    @property
    def found(self) -> bool | None:
        """Whether a positive control is found; None of a negative one."""
        return None if self.finds is None else str(self.verdict) == self.finds

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "shows": self.shows,
            "verdict": str(self.verdict),
            "same": self.same,
            "finds": self.finds,
            "expects": self.expects,
            "found": self.found,
            "suite": self.suite,
            "confirmatory": self.confirmatory,
            "n_runs": self.n_runs,
            "undefined": self.undefined,
            "reason": self.reason,
            "predictions": [p.to_dict() for p in self.predictions],
            "differences": [d.to_dict() for d in self.differences],
        }


KINDS = (
    "not specific",
    "mixed across scales",
    "insensitive",
    "at bound",
    "fragile",
    "guarantee differs",
    "incomplete",
)


@dataclass(frozen=True)
class Qualifier:
    """What a reader must know to take a verdict for what it is; `kind`: one of `KINDS`."""

    kind: str
    text: str


@dataclass(frozen=True)
class Comparison:
    """Ours beside a number of the paper.

    `agrees`: whether ours lies in the prediction interval of the original (Patil, Peng and Leek 2016); None if nothing
    can be said, with `why`.
    """

    version: str
    prediction: str
    theirs: float
    their_interval: tuple[float, float] | None
    expected: tuple[float, float] | None
    ours: float | None
    agrees: bool | None
    text: str = ""
    why: str | None = None


@dataclass(frozen=True)
class Adjusted:
    """p-value of a claim, alone and adjusted over the claims of a report."""

    p: float
    holm: float
    fdr: float


@dataclass(frozen=True)
class Recorded:
    """A recorded statement that still holds, with its numbers; without numbers, what to do."""

    statement: str
    numbers: Mapping[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        return {"statement": self.statement, **(self.numbers or {})}


@dataclass(frozen=True)
class PlanState:
    """How a result relates to the plan of its hypothesis.

    `registration`: "registered", "amended" or "unregistered". `confirmatory`: the plan is as it was
    registered, and the result rests only on runs of the plan that it had not seen. `registered`: when.
    `digest`: of the registered plan. `changes`: what was edited since, and `deviations`: what departs from
    the plan, one line each. `rules`: those by which values became the verdict, the core with its version. `supersedes`: an earlier
    study of the same name that was closed, in words.
    """

    registration: str = "unregistered"
    confirmatory: bool = False
    registered: str | None = None
    digest: str | None = None
    changes: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()
    rules: str = ""
    supersedes: str | None = None


@dataclass(frozen=True)
class Evidence:
    """The runs that a result rests on: every run of the store, and what became of it."""

    store: str = ""
    suite: str | None = None
    runs: tuple[RunUse, ...] = ()

    @property
    def counted(self) -> int:
        return sum(use.status == "counted" for use in self.runs)


@dataclass(frozen=True)
class Result:
    """The verdict on one hypothesis and everything that it rests on.

    `multiverse` and `power`: what is recorded for other analyses and other numbers of runs. `adjusted`:
    p-values over the claims of a report. `qualifiers`: what the verdict is to be read with. `comparisons`: with the
    paper's numbers. `opinions`: of other packages, where they are asked for. `notes`: what else a reader has to know, a line
    each. `meaning`: a sentence on the verdict, by who wrote the claim.
    """

    name: str
    claim: Claim
    verdict: Verdict
    reason: str
    predictions: tuple[PredictionResult, ...]
    controls: tuple[ControlResult, ...] = ()
    pooled: Mapping[str, Any] = field(default_factory=dict)
    combine: str = "all"
    plan: PlanState = field(default_factory=PlanState)
    evidence: Evidence = field(default_factory=Evidence)
    multiverse: Recorded | None = None
    power: Recorded | None = None
    adjusted: Adjusted | None = None
    qualifiers: tuple[Qualifier, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    opinions: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    meaning: str | None = None

    @property
    def qualified(self) -> bool:
        """Whether a verdict that says something is to be taken with reservations."""
        return bool(self.qualifiers) and self.verdict is not Verdict.INCONCLUSIVE

    @property
    def confirmatory(self) -> bool:
        """Whether the plan is as registered and had seen none of the runs."""
        return self.plan.confirmatory

    @property
    def registration(self) -> str:
        """ "registered", "amended" or "unregistered"."""
        return self.plan.registration

    @property
    def deviations(self) -> tuple[str, ...]:
        """What departs from the plan, a line each."""
        return self.plan.deviations

    @property
    def runs(self) -> tuple[RunUse, ...]:
        """What became of each run of the store."""
        return self.evidence.runs

    @property
    def counted(self) -> int:
        """The number of runs that the verdict rests on."""
        return self.evidence.counted

    @property
    def basis(self) -> str:
        """ "confirmatory" or "exploratory"; a dash without runs."""
        if not self.counted:
            return "-"
        return "confirmatory" if self.confirmatory else "exploratory"

    def to_dict(self) -> dict[str, Any]:
        uses: dict[str, int] = {}
        for use in self.evidence.runs:
            uses[use.status] = uses.get(use.status, 0) + 1
        return {
            "name": self.name,
            "claim": self.claim.text,
            "verdict": str(self.verdict),
            "qualifiers": [asdict(qualifier) for qualifier in self.qualifiers],
            "confirmatory": self.confirmatory,
            "registration": self.plan.registration,
            "registered": self.plan.registered,
            "plan": self.plan.digest,
            "rules": self.plan.rules,
            "supersedes": self.plan.supersedes,
            "reason": self.reason,
            "meaning": self.meaning,
            "paper": self.claim.paper,
            "reported": {k: reported_text(v) for k, v in self.claim.reported.items()},
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "pooled": dict(self.pooled),
            "predictions": [p.to_dict() for p in self.predictions],
            "controls": [c.to_dict() for c in self.controls],
            "multiplicity": asdict(self.adjusted) if self.adjusted else None,
            "multiverse": self.multiverse.to_dict() if self.multiverse else None,
            "power": self.power.to_dict() if self.power else None,
            "suite": self.evidence.suite,
            "store": self.evidence.store,
            "run_counts": uses,
            "runs": [asdict(use) for use in self.evidence.runs],
            "deviations": list(self.plan.deviations),
            "changes": list(self.plan.changes),
            "opinions": dict(self.opinions) if self.opinions is not None else None,
            "notes": list(self.notes),
        }

    def to_frame(self) -> DataFrame:
        """One row per prediction, as a pandas DataFrame (needs pandas)."""
        import pandas as pd

        rows = []
        for p in self.predictions:
            row = p.to_dict()
            lo, hi = row.pop("interval")
            for nested in ("values", "scales", "mixed", "distribution_free_interval"):
                row.pop(nested)
            row["region"] = row.pop("region_text")
            rows.append({"hypothesis": self.name, **row, "ci_low": lo, "ci_high": hi})
        return pd.DataFrame(rows)

    def units_frame(self) -> DataFrame:
        """One row per prediction and unit (a run, or a seed), as a pandas DataFrame (needs pandas)."""
        import pandas as pd

        rows = [
            {"prediction": p.name, "unit": v.label, "value": v.value, "outside": v in outside}
            for p in self.predictions
            for outside in [p.outside()]
            for v in p.values
        ]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        verdict = f"{self.verdict} with reservations" if self.qualified else str(self.verdict)
        return f"{self.name}: {verdict} ({self.basis}). {self.reason}"


def document(results: Sequence[Result]) -> dict[str, Any]:
    """The JSON of `test` and `report`."""
    return {"schema_version": RESULT_VERSION, "results": [r.to_dict() for r in results]}


def to_json(results: Sequence[Result], errors: Mapping[str, Exception] | None = None) -> str:
    """The same as text. `errors`: of hypotheses that have no result, by name."""
    failed = {"errors": {name: str(error) for name, error in errors.items()}} if errors else {}
    return json.dumps({**document(results), **failed}, indent=2, allow_nan=False)


def _scale(one: ScaleEstimate) -> dict[str, Any]:
    return {
        "scale": one.scale,
        "estimate": _number(one.value),
        "interval": list(one.interval) if one.interval else [None, None],
        "simultaneous_interval": list(one.together) if one.together else [None, None],
        "stderr": _number(one.stderr),
        "n_units": one.n_units,
    }


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
