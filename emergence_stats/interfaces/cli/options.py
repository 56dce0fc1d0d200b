"""Arguments and options that several commands have, or that take many words to declare."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from emergence_stats.errors import EmergenceStatsError

TracesOption = Annotated[
    str | None,
    typer.Option("--traces", metavar="URI", help="Trace store: a folder or a pyarrow URI."),
]
SuiteOption = Annotated[str | None, typer.Option("--suite", help="Use the runs of this suite.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Only JSON on stdout.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show every run.")]
VerbosityOption = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Show every value; -vv: and what became of every run of the store.",
    ),
]
ControlsOption = Annotated[
    bool, typer.Option("--controls/--no-controls", help="Run the declared controls too.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Only the essentials: no progress, no tables.")
]


TrustedOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--trusted",
        metavar="PEM",
        help="Certificates of timestamp authorities; default: the setting.",
    ),
]


def _names_that_begin(incomplete: str) -> list[str]:
    """For completion in a shell."""
    from emergence_stats.claims.project import Project

    try:
        return [name for name in Project().sources if name.startswith(incomplete)]
    except EmergenceStatsError:
        return []


Names = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME ...",
        help="Names, paths or patterns of hypotheses.",
        autocompletion=_names_that_begin,
    ),
]
OptionalNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME ...]",
        help="Names, paths or patterns of hypotheses; none: all.",
        autocompletion=_names_that_begin,
    ),
]
KeywordOption = Annotated[
    str | None,
    typer.Option(
        "-k",
        metavar="EXPR",
        help="Only those whose name or folder has these parts: and, or, not, ( ).",
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="Every hypothesis, as without names.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file, not to stdout.")
]
PictureOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Picture: a file .svg, .png or .pdf.")
]
RecordOption = Annotated[
    bool, typer.Option("--record", help="Keep the result for reports (robustness.lock).")
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Processes; default: one per core.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(min=0.1, metavar="SECONDS", help="End the command if it takes longer; status 2."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")]

# --- of an import -----------------------------------------------------------------------------


class Colour(StrEnum):
    auto = "auto"
    always = "always"
    never = "never"
