"""Hypothesis tests for claims about training dynamics.

>>> import emergence_stats as es
>>> es.test("top_down")                    # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from emergence_stats import _moved

# Public names and the modules that hold them; imported on first use (PEP 562).
MODULES: dict[str, str] = {
    "Claim": "hypothesis",
    "Control": "controls",
    "Count": "hypothesis",
    "Design": "hypothesis",
    "EmergenceStatsError": "errors",
    "Events": "events",
    "Hypothesis": "hypothesis",
    "Mean": "hypothesis",
    "Needs": "hypothesis",
    "Pooled": "hypothesis",
    "Prediction": "hypothesis",
    "Region": "regions",
    "Result": "evaluation.results",
    "Run": "runs",
    "Share": "hypothesis",
    "Slope": "hypothesis",
    "Store": "traces.store",
    "TraceSet": "runs",
    "Undefined": "runs",
    "Verdict": "verdicts",
    "collapse": "events",
    "emergence": "events",
    "equal_noise": "controls",
    "first_lasting": "events",
    "floor": "events",
    "mismatched_tasks": "controls",
    "multiverse": "interfaces.api",
    "placebo": "controls",
    "power": "interfaces.api",
    "precedence": "events",
    "recovery": "events",
    "shuffled_answers": "controls",
    "surrogate": "controls",
    "test": "interfaces.api",
    "varied": "controls",
    "write_run": "traces.write",
}

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
