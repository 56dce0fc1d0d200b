"""The command line: importing the modules adds their commands, in the order of ``--help``."""

from emergence_stats.interfaces.cli import claims, verdicts, robustness, runs, traces, shown  # isort: skip
from emergence_stats.interfaces.cli.app import app

__all__ = ["app", "claims", "robustness", "runs", "shown", "traces", "verdicts"]
