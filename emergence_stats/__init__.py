"""Hypothesis tests for claims about training dynamics.

>>> import emergence_stats as es
>>> es.test("top_down")                    # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from types import MappingProxyType
from typing import Any

from emergence_stats import _moved

# Public names and the modules that hold them; imported on first use (PEP 562).
MODULES: Mapping[str, str] = MappingProxyType(
    {
        "Claim": "core.plan",
        "Control": "core.controls",
        "Count": "core.plan",
        "Design": "core.plan",
        "EmergenceStatsError": "errors",
        "EventLags": "core.timing.lags",
        "Events": "events",
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
        "Run": "runs",
        "Share": "core.analyses",
        "Slope": "core.analyses",
        "Store": "traces.store",
        "TraceSet": "runs",
        "Undefined": "runs",
        "Verdict": "core.verdicts",
        "class_contrast": "core.timing.precursors",
        "collapse": "events",
        "cross_correlation_lag": "core.timing.crosscorrelation",
        "emergence": "events",
        "equal_noise": "core.usual_controls",
        "event_lags": "core.timing.lags",
        "false_alarms": "core.timing.precursors",
        "first_lasting": "events",
        "floor": "events",
        "leads": "core.timing.precursors",
        "mismatched_tasks": "core.usual_controls",
        "multiverse": "interfaces.api",
        "placebo": "core.usual_controls",
        "power": "interfaces.api",
        "precedence": "events",
        "recovery": "events",
        "shuffled_answers": "core.usual_controls",
        "specificity": "core.timing.precursors",
        "surrogate": "core.usual_controls",
        "test": "interfaces.api",
        "varied": "core.usual_controls",
        "write_run": "traces.write",
    }
)
# The same names for a plan that was registered before the core was there, which is judged by the rules that it was
# registered under: while such a claim is imported, they are these. Goes with the first study.
FIRST_STUDY: Mapping[str, str] = MappingProxyType(
    {
        **MODULES,
        **dict.fromkeys(
            (
                "Claim",
                "Count",
                "Design",
                "Hypothesis",
                "Mean",
                "Needs",
                "Pooled",
                "Prediction",
                "Share",
            ),
            "hypothesis",
        ),
        **dict.fromkeys(
            (
                "Control",
                "equal_noise",
                "mismatched_tasks",
                "placebo",
                "shuffled_answers",
                "surrogate",
            ),
            "controls",
        ),
        "Region": "regions",
        "Slope": "hypothesis",
        "Verdict": "verdicts",
        "varied": "controls",
    }
)
_names: ContextVar[Mapping[str, str]] = ContextVar("public names", default=MODULES)

_moved.install()

__all__ = sorted(MODULES)


def __getattr__(name: str) -> Any:
    names = _names.get()
    if name in names:
        return getattr(import_module(f"emergence_stats.{names[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version  # 20 ms that --help does not need

        return version("emergence-stats")
    raise AttributeError(f"module 'emergence_stats' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


@contextmanager
def public_names(names: Mapping[str, str]) -> Iterator[None]:
    """`MODULES`, or `FIRST_STUDY`: what is imported from this package until then."""
    before = _names.set(names)
    try:
        yield
    finally:
        _names.reset(before)
