"""Hypothesis tests for claims about training dynamics.

>>> import emergence_stats as es
>>> es.test("top_down")                    # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from emergence_stats import _moved
from emergence_stats.exports import MODULES

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
