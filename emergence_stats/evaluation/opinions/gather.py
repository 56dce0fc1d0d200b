"""What other packages say of the values behind each prediction.

They know nothing of regions, of scales as strata, or of values with bounds, so that they may differ from the verdict
where these matter; where one says otherwise, somebody should look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import util
from typing import Any

import numpy as np

from emergence_stats.evaluation.opinions.units import Opinion, Units
from emergence_stats.evaluation.results import PredictionResult, Result
from emergence_stats.traces.format import Manifest


def with_opinions(results: Sequence[Result], manifests: Mapping[str, Manifest]) -> list[Result]:
    """The results with second opinions; `manifests`: of all runs of the store, by run_id.

    A package that is not installed is named, and the rest is there.
    """
    return [replace(result, opinions=_of(result, manifests)) for result in results]


def with_heterogeneity(results: Sequence[Result]) -> list[Result]:
    """The results with how their scales differ, and no other opinion; loads statsmodels if any has scales to compare."""
    return [
        replace(
            result, opinions={"heterogeneity": _heterogeneity(result), "others": [], "missing": []}
        )
        if any(len(p.estimate.scales) > 1 for p in result.predictions)
        else result
        for result in results
    ]


def _heterogeneity(result: Result) -> dict[str, Any]:
    """How the scales of each prediction differ, none without statsmodels."""
    if util.find_spec("statsmodels") is None:
        return {}
    from emergence_stats.evaluation.opinions.by_statsmodels import heterogeneity_of

    found = {p.name: heterogeneity_of(p) for p in result.predictions}
    return {name: one for name, one in found.items() if one is not None}


def _of(result: Result, manifests: Mapping[str, Manifest]) -> dict[str, Any]:
    missing = [name for name in ("statsmodels", "pingouin") if util.find_spec(name) is None]
    others = [
        vars(one)
        for prediction in result.predictions
        for one in _opinions(units_of(prediction, manifests), missing)
    ]
    return {"heterogeneity": _heterogeneity(result), "others": others, "missing": missing}


def units_of(prediction: PredictionResult, manifests: Mapping[str, Manifest]) -> Units:
    """The values of a prediction as other packages take them."""
    scales = [
        manifests[v.run_ids[0]].scale if prediction.unit == "run" else "" for v in prediction.values
    ]
    trials = [v.trials for v in prediction.values]
    return Units(
        prediction,
        np.array([v.value for v in prediction.values], float),
        scales,
        None if None in trials or not trials else np.array(trials, float),
    )


def _opinions(units: Units, missing: Sequence[str]) -> Iterator[Opinion]:
    if len(units.values) < 3 or np.ptp(units.values) == 0 or not units.prediction.units_compare:
        return
    if "statsmodels" not in missing:
        from emergence_stats.evaluation.opinions import by_statsmodels

        yield from by_statsmodels.opinions(units)
    if "pingouin" not in missing:
        from emergence_stats.evaluation.opinions import by_pingouin

        yield from by_pingouin.opinions(units)
