"""The command that fills a store with measurements made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer
from typer.core import TyperCommand

from emergence_stats.errors import UsageError
from emergence_stats.interfaces.cli.app import traces_app
from emergence_stats.interfaces.cli.options import DryRunOption, JsonOption, TracesOption
from emergence_stats.interfaces.cli.session import Session, print_json, session_of
from emergence_stats.support.words import counted, visible

if TYPE_CHECKING:
    from emergence_stats.traces.importing import Summary

Texts = list[str] | None
_IN_ROW = 4  # measures that a row of the summary names


class _EachOnce(TyperCommand):
    """A command whose options that take one value may not be given twice: the second would take the first one's place."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        seen: set[str] = set()
        for option in self.make_parser(ctx).parse_args(list(args))[2]:
            if not isinstance(option, click.Option) or option.multiple or option.is_flag:
                continue
            if option.opts[0] in seen:
                raise click.UsageError(f"{option.opts[0]} is given twice; it takes one value", ctx)
            seen.add(option.opts[0])
        return super().parse_args(ctx, args)


@traces_app.command("import", cls=_EachOnce)
def traces_import(
    context: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="FILE ...", help="Files, or folders of event or result files."),
    ],
    suite: Annotated[str | None, typer.Option("--suite", help="The suite of the runs.")] = None,
    traces: TracesOption = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, parquet, jsonl, json, wandb, tensorboard, lm-eval, trainer or mlflow; default: by name and content.",
        ),
    ] = None,
    column: Annotated[
        Texts,
        typer.Option(
            metavar="TARGET=COLUMN",
            help="run, scale, seed, n_params, n_layers, step, step_unit, task, level, layer, measure, value, stderr or "
            "created; COLUMN may be a text with {columns}, {file} and {folder}.",
        ),
    ] = None,
    set_: Annotated[
        Texts, typer.Option("--set", metavar="TARGET=VALUE", help="One value for all rows.")
    ] = None,
    measure: Annotated[
        Texts,
        typer.Option(
            metavar="NAME=COLUMN",
            help="A column that is a measure, and its name in the store; COLUMN may have places, as rank_l{layer}, and "
            "? at its end if a file may lack it.",
        ),
    ] = None,
    stderr: Annotated[
        Texts,
        typer.Option(
            metavar="MEASURE=COLUMN",
            help="Standard errors of a measure; COLUMN/sqrt(N) of standard deviations.",
        ),
    ] = None,
    percent: Annotated[
        Texts,
        typer.Option(metavar="MEASURE", help="Values of this measure are in percent: divide them."),
    ] = None,
    event: Annotated[
        Texts,
        typer.Option(
            metavar="NAME=COLUMN", help="The step of an event that the authors dated; empty: never."
        ),
    ] = None,
    where: Annotated[
        Texts, typer.Option(metavar="COLUMN=VALUE", help="Only rows with this value.")
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Read task, level, layer, measure from a metric's name, by groups of these names.",
        ),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="What the path of a file tells, as {scale}/seed{seed}/metrics.csv or {run}_s{seed}.csv.",
        ),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(help="A table with one row per run, or per scale: n_params, seed and so on."),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file that says all this; options override it.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="Between columns of a CSV file; default: by its first line.")
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(help="The decimal point of numbers in a CSV file: . or ,")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace runs that already exist.")
    ] = False,
    add: Annotated[
        bool, typer.Option("--add", help="Add measures to runs that already exist.")
    ] = False,
    drop_not_finite: Annotated[
        bool, typer.Option("--drop-not-finite", help="Leave out values that are NaN or infinite.")
    ] = False,
    later_counts: Annotated[
        bool,
        typer.Option(
            "--later-counts",
            help="Where a step is there twice, the later row counts, as after a restart.",
        ),
    ] = False,
    join: Annotated[
        bool, typer.Option("--join", help="Files that hold the same run are of one training.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import measurements made elsewhere: tables, W&B, TensorBoard, MLflow, trainer states, lm-evaluation-harness."""
    from emergence_stats.traces.importing import Choices, Mapping, Reading, Request
    from emergence_stats.traces.importing.mapping import pairs

    if replace and add:
        raise UsageError("--replace writes a run anew, and --add adds to it: say one of them")
    session = session_of(context)
    wanted = Mapping(
        columns=pairs(column or [], "--column"),
        constants=pairs(set_ or [], "--set"),
        measures=pairs(measure or [], "--measure", alone=True),
        errors=pairs(stderr or [], "--stderr"),
        events=pairs(event or [], "--event"),
        where=pairs(where or [], "--where"),
        names=names,
        path=path,
        percent=tuple(percent or ()),
    )
    how = Reading(format_, delimiter, decimal)
    request = Request.of(sources, suite, wanted, how=how, facts=runs, mapping=mapping)
    choices = Choices(replace, add, drop_not_finite, later_counts, join, dry_run)
    folder = session.writable(traces)
    with session.progress("writing runs") as progress:
        summary = request.run(folder, choices, progress)
    if as_json:
        print_json({"schema_version": 1, "store": folder, **summary.to_dict()})
    else:
        _show(session, summary, folder)


def _show(session: Session, summary: Summary, folder: str) -> None:
    from emergence_stats.reports.console import print_table

    columns = ("run", "scale", "seed", "parameters", "rows", "steps", "tasks", "measures")
    cells = [
        (
            one.run_id,
            one.scale,
            str(one.seed),
            f"{one.n_params:,}",
            f"{one.rows:,}",
            f"{one.steps[0]}-{one.steps[1]}",
            str(len(one.tasks)),
            ", ".join(one.measures) if len(one.measures) <= _IN_ROW else str(len(one.measures)),
        )
        for one in summary.runs
    ]
    print_table(session.console(), columns, cells)
    lines = [*_many_measures(summary), *summary.notes.lines()]
    width = max((len(kind) for kind, _ in lines), default=0)
    for kind, text in lines:
        typer.echo(visible(f"{kind.ljust(width)}  {text}"))
    what = "written" if summary.written else "would be written"
    total = sum(one.rows for one in summary.runs)
    n = len(summary.runs)
    typer.echo(
        f"{counted(n, 'run')}, {counted(total, 'row')} {what} to {folder}, suite {summary.suite}"
    )


def _many_measures(summary: Summary) -> list[tuple[str, str]]:
    """The measures of runs whose rows have only their number, once for all runs that have the same."""
    from emergence_stats.traces.importing.notes import few

    groups: dict[tuple[str, ...], list[str]] = {}
    for one in summary.runs:
        if len(one.measures) > _IN_ROW:
            groups.setdefault(tuple(one.measures), []).append(one.run_id)
    alone = len(groups) == 1 and len(next(iter(groups.values()))) == len(summary.runs)
    return [
        ("measures", ", ".join(measures) + ("" if alone else f" ({few(runs)})"))
        for measures, runs in groups.items()
    ]
