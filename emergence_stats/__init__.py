"""Hypothesis tests for claims about training dynamics.

>>> import emergence_stats as es
>>> es.test("top_down")                    # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from emergence_stats import _moved

# Public names and the modules that hold them; imported on first use (PEP 562).
MODULES: Mapping[str, str] = MappingProxyType(
    {
        "Claim": "core.plan",
        "Control": "core.controls.control",
        "Count": "core.plan",
        "Design": "core.plan",
        "EmergenceStatsError": "errors",
        "EventLags": "core.events.lags",
        "Events": "core.events.definitions",
        "Hypothesis": "core.plan",
        "LargestDifference": "core.analyses",
        "Mean": "core.analyses",
        "Median": "core.analyses",
        "Needs": "core.plan",
        "Pooled": "core.plan",
        "Prediction": "core.plan",
        "Region": "core.regions",
        "Reported": "core.reported",
        "Result": "evaluation.results",
        "Run": "core.runs",
        "Share": "core.analyses",
        "Slope": "core.analyses",
        "Store": "interfaces.looking",
        "TraceSet": "core.runs",
        "Undefined": "core.runs",
        "Verdict": "core.verdicts",
        "class_contrast": "core.events.precursors",
        "collapse": "core.events.definitions",
        "compare": "interfaces.api",
        "cross_correlation_lag": "core.events.crosscorrelation",
        "describe": "interfaces.api",
        "emergence": "core.events.definitions",
        "equal_noise": "core.controls.usual",
        "event_lags": "core.events.lags",
        "false_alarms": "core.events.precursors",
        "first_lasting": "core.events.definitions",
        "floor": "core.events.definitions",
        "half_way": "core.events.onsets",
        "interval_order": "core.events.definitions",
        "largest_step": "core.events.steps",
        "leads": "core.events.precursors",
        "load_runs": "interfaces.looking",
        "logarithm": "core.events.onsets",
        "mismatched_tasks": "core.controls.usual",
        "multiverse": "interfaces.api",
        "placebo": "core.controls.usual",
        "plot": "interfaces.looking",
        "power": "interfaces.api",
        "precedence": "core.events.definitions",
        "recorded": "core.events.definitions",
        "recovery": "core.events.definitions",
        "report": "interfaces.api",
        "shuffled_answers": "core.controls.usual",
        "sigmoid": "core.events.onsets",
        "specificity": "core.events.precursors",
        "surrogate": "core.controls.usual",
        "test": "interfaces.api",
        "to_frame": "interfaces.looking",
        "with_options": "core.controls.usual",
        "write_run": "traces.write",
    }
)

_moved.install()

__all__ = sorted(MODULES)


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return getattr(import_module(f"emergence_stats.{MODULES[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version  # 20 ms that --help does not need

        return version("emergence-stats")
    raise AttributeError(f"module 'emergence_stats' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
