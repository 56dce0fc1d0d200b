"""What the commands share: the application, options, and how they open, evaluate and print.

Heavy imports wait inside functions, so that ``--help`` is quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emergence_stats.errors import EmergenceStatsError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from emergence_stats.claims.project import Loaded, Project
    from emergence_stats.evaluation.results import Result
    from emergence_stats.traces.store import Store

app = typer.Typer(
    name="emergence-stats",
    help="Test claims about training dynamics on traces of real training runs.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxed help would take longer to import than all the rest
)
traces_app = typer.Typer(help="The trace store.", no_args_is_help=True)
app.add_typer(traces_app, name="traces")

TracesOption = Annotated[
    str | None,
    typer.Option("--traces", metavar="URI", help="Trace store: a folder or a URI of pyarrow's."),
]
SuiteOption = Annotated[str | None, typer.Option("--suite", help="Use the runs of this suite.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Only JSON on stdout.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show every run.")]
ControlsOption = Annotated[
    bool, typer.Option("--controls/--no-controls", help="Run the declared controls too.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Only what has to be said: no progress, no tables.")
]


def _names_that_begin(incomplete: str) -> list[str]:
    """For completion in a shell."""
    try:
        return [name for name in open_project().sources if name.startswith(incomplete)]
    except EmergenceStatsError:
        return []


Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Name of a hypothesis.", autocompletion=_names_that_begin),
]
Names = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME ...", help="Names of hypotheses.", autocompletion=_names_that_begin
    ),
]
OptionalNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME ...]", help="Names of hypotheses.", autocompletion=_names_that_begin
    ),
]


class Colour(StrEnum):
    auto = "auto"
    always = "always"
    never = "never"


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        typer.echo(f"emergence-stats {version('emergence-stats')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    color: Annotated[
        Colour | None,
        typer.Option(help="auto: on a terminal, unless NO_COLOR is set. Default: the setting."),
    ] = None,
) -> None:
    global _colour
    _colour = color


# --- shared -----------------------------------------------------------------------------------


_colour: Colour | None = None  # of --color, for this call of the program
_quiet = False


def be_quiet(quiet: bool) -> None:
    """No progress from here on."""
    global _quiet
    _quiet = quiet


def console_on(stderr: bool = False) -> Console:
    from rich.console import Console

    colour = _colour or Colour(open_project().settings["color"])
    return Console(
        stderr=stderr,
        no_color=True if colour is Colour.never else None,
        force_terminal=True if colour is Colour.always and not stderr else None,
    )


def open_project() -> Project:
    from emergence_stats.claims.project import Project

    return Project()


def load_named(project: Project, names: list[str] | None) -> list[Loaded]:
    chosen = list(dict.fromkeys(names)) if names else list(project.sources)
    if not chosen:
        raise UsageError(f"there is no hypothesis in {project.folder}")
    return [project.load(name) for name in chosen]


def open_store(project: Project, uri: str | None) -> Store:
    from emergence_stats.interfaces.startup import import_pyarrow
    from emergence_stats.traces.store import Store

    import_pyarrow()
    return Store.open(uri or project.traces)


def evaluated(
    project: Project,
    names: list[str] | None,
    traces: str | None,
    suite: str | None,
    controls: bool = True,
) -> list[Result]:
    from emergence_stats.evaluation.evaluate import evaluate

    loaded = load_named(project, names)
    store = open_store(project, traces)
    with progress_of("reading runs") as progress:
        results = evaluate(loaded, store, suite=suite, progress=progress, controls=controls)
    if suite is not None or not (project.folder / "robustness.lock").exists():
        return results
    from emergence_stats.robustness.recorded import attach

    return attach(results, project, store)


@contextmanager
def progress_of(what: str) -> Iterator[Callable[[int, int], None]]:
    """Progress on stderr, on a terminal alone."""
    console = console_on(stderr=True)
    if _quiet or not console.is_terminal:
        yield lambda done, total: None
        return
    with console.status(what) as status:
        yield lambda done, total: status.update(f"{what}: {done}/{total}")


def exit_status(results: list[Result]) -> int:
    verdicts = {str(result.verdict) for result in results}
    return 1 if "refuted" in verdicts else 3 if "inconclusive" in verdicts else 0


def print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def named_or_all(project: Project, names: list[str] | None, all_: bool) -> list[Loaded]:
    if not names and not all_:
        raise UsageError("name hypotheses, or ask for --all")
    if names and all_:
        raise UsageError("names and --all exclude one another")
    return load_named(project, names)
