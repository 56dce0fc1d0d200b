"""The command line: importing the modules of commands adds them, in the order of ``--help``."""

from emergence_stats import commands_hypotheses, commands_robustness, commands_runs
from emergence_stats.app import app

__all__ = ["app", "commands_hypotheses", "commands_robustness", "commands_runs"]
