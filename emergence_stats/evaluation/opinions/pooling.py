"""One claim over independent sets of runs, by random effects: the sets of its registrations, and other suites.

A set of a registration is what was unseen when it was made and seen by the next. Pilots are shown, and not pooled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration import Registration, read_lock
from emergence_stats.core.intervals.estimates import Estimate
from emergence_stats.core.plan import SUITE, Hypothesis
from emergence_stats.errors import UsageError
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import RunFile, Store

PILOTS = "pilots"


@dataclass(frozen=True)
class Pooled:
    """One prediction: the estimate of each set by name, and of those that count the mean with `interval` (Paule and Mandel's
    variance between sets, Student's t with one degree of freedom less than sets), Cochran's Q and I2. None if fewer than
    two sets have an error of their own.
    """

    prediction: str
    sets: dict[str, Estimate]
    mean: float | None
    interval: tuple[float, float] | None
    q: float | None
    i2: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "prediction": self.prediction,
            "sets": [
                {
                    "name": name,
                    "estimate": e.value if e.has_value else None,
                    "interval": list(e.interval) if e.interval else None,
                    "n_units": e.n_runs,
                }
                for name, e in self.sets.items()
            ],
            "mean": self.mean,
            "interval": list(self.interval) if self.interval else None,
            "q": self.q,
            "i2": self.i2,
        }


def sets_of(loaded: Loaded, store: Store) -> dict[str, list[RunFile]]:
    """Runs by set: of the plan's suite by registration, of other declared suites as a whole.

    Raises `UsageError` without a design, which names the suite and its scales.
    """
    hypothesis = loaded.hypothesis
    design = hypothesis.design
    if design is None:
        raise UsageError(f"{loaded.name} has no design, so there are no sets of runs to pool")
    registration = read_lock(loaded.source.lock)
    found: dict[str, list[RunFile]] = {}
    for run in store.runs:
        m = run.manifest
        unit = hypothesis.needs.step_unit
        if m.n_layers < hypothesis.needs.min_layers or m.scale not in design.scales:
            continue
        if unit is not None and m.step_unit != unit:
            continue
        if m.suite == design.suite:
            name = _registration_of(m, registration)
            if name is not None:
                found.setdefault(name, []).append(run)
        elif m.suite in hypothesis.multiverse.get(SUITE, ()):
            found.setdefault(f"suite {m.suite}", []).append(run)
    return dict(sorted(found.items()))


def _registration_of(m: Manifest, registration: Registration | None) -> str | None:
    """The registration whose confirmatory set a run is of, None of one that its design did not name."""
    if registration is None:
        return "not registered"
    entries = registration.entries
    for number in range(1, len(entries) + 1):
        if Registration(registration.path, entries[:number]).saw(m):
            return PILOTS if number == 1 else _if_planned(m, registration, number - 2)
    return _if_planned(m, registration, len(entries) - 1)


def _if_planned(m: Manifest, registration: Registration, place: int) -> str | None:
    """The registration of the entry at `place`, by its number among those that froze a plan."""
    entry = registration.frozen(place)
    froze = [e["digest"] for k in range(place + 1) for e in [registration.frozen(k)]]
    number = len(dict.fromkeys(froze))
    design = entry["declaration"].get("design") or {}
    planned = m.scale in design.get("scales", ()) and m.seed in design.get("seeds", ())
    return f"registration {number}" if planned else None


def pool(hypothesis: Hypothesis, estimates: Sequence[dict[str, Estimate]]) -> Iterator[Pooled]:
    """Each prediction over its sets; `estimates`: by set, for each prediction in order."""
    for prediction, sets in zip(hypothesis.predictions, estimates, strict=True):
        known = [e for name, e in sets.items() if name != PILOTS and e.stderr]
        if len(known) < 2:
            yield Pooled(prediction.name, sets, None, None, None, None)
            continue
        from statsmodels.stats.meta_analysis import combine_effects

        found = combine_effects(
            np.array([e.value for e in known]),
            np.array([e.stderr**2 for e in known if e.stderr is not None]),
            method_re="pm",
        )
        mean = float(found.mean_effect_re)
        half = float(stdtrit(len(known) - 1, 0.5 + hypothesis.level / 2)) * float(found.sd_eff_w_re)
        yield Pooled(
            prediction.name,
            sets,
            mean,
            (mean - half, mean + half),
            float(found.q),
            max(float(found.i2), 0.0),
        )
