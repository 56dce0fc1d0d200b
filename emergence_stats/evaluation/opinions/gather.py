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


def _of(result: Result, manifests: Mapping[str, Manifest]) -> dict[str, Any]:
    missing = [name for name in ("statsmodels", "pingouin") if util.find_spec(name) is None]
    heterogeneity: dict[str, Any] = {}
    others: list[dict[str, Any]] = []
    for prediction in result.predictions:
        units = units_of(prediction, manifests)
        if "statsmodels" not in missing:
            from emergence_stats.evaluation.opinions.by_statsmodels import heterogeneity_of

            found = heterogeneity_of(prediction)
            if found is not None:
                heterogeneity[prediction.name] = found
        others += [vars(one) for one in _opinions(units, missing)]
    return {"heterogeneity": heterogeneity, "others": others, "missing": missing}


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
