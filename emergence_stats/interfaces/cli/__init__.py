"""The command line: importing the modules adds their commands, in the order of ``--help``."""

from emergence_stats.interfaces.cli import (
    claims,
    importing,
    robustness,
    runs,
    shown,
    traces,
    verdicts,
)  # isort: skip
from emergence_stats.interfaces.cli.app import app

__all__ = ["app", "claims", "importing", "robustness", "runs", "shown", "traces", "verdicts"]
