"""The command line: importing the modules of commands adds them, in the order of ``--help``."""

from emergence_stats.interfaces.cli import claims as commands_hypotheses
from emergence_stats.interfaces.cli import robustness as commands_robustness
from emergence_stats.interfaces.cli import runs as commands_runs
from emergence_stats.interfaces.cli.app import app

__all__ = ["app", "commands_hypotheses", "commands_robustness", "commands_runs"]
