"""The application: its help, its groups, and the options that go before a command.

Heavy imports wait inside functions, so that ``--help`` is quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

from emergence_stats.interfaces.cli.options import Colour
from emergence_stats.interfaces.cli.session import Session

app = typer.Typer(
    name="emergence-stats",
    help="Test claims about training dynamics on traces of real training runs.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # boxed help would take longer to import than all the rest
)
traces_app = typer.Typer(help="The trace store.", no_args_is_help=True)
app.add_typer(traces_app, name="traces")


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        typer.echo(f"emergence-stats {version('emergence-stats')}")
        raise typer.Exit


@app.callback()
def _main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    color: Annotated[
        Colour | None,
        typer.Option(help="auto: on a terminal, unless NO_COLOR is set. Default: the setting."),
    ] = None,
) -> None:
    context.obj = Session(color)
