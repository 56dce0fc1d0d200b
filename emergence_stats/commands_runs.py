"""Commands about runs: plan, collect, and the trace store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from emergence_stats.app import (
    JsonOption,
    SuiteOption,
    TracesOption,
    app,
    console_on,
    open_project,
    open_store,
    print_json,
    traces_app,
)
from emergence_stats.errors import UsageError

if TYPE_CHECKING:
    pass


@app.command()
def plan(
    name: str,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which runs of the confirmatory set are there, which are missing, what they would cost."""
    from emergence_stats.planning import plan_lines, plan_of

    project = open_project()
    found = plan_of(project.load(project.named(name).name), traces or project.traces, suite)
    if as_json:
        print_json({"schema_version": 1, **found})
    else:
        typer.echo("\n".join(plan_lines(found)))


@app.command()
def collect(
    name: Annotated[
        str | None, typer.Argument(help="Hypothesis whose runs are wanted; none: a whole suite.")
    ] = None,
    suite: SuiteOption = None,
    traces: TracesOption = None,
    engine: Annotated[str, typer.Option(help="Training backend; there is one: torch.")] = "torch",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Runs at a time; default: cores.")
    ] = None,
    scale: Annotated[list[str] | None, typer.Option(help="Only these scales.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Only these seeds.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the missing runs; one that was killed goes on where it was."""
    from emergence_stats.planning import collect_missing

    if engine != "torch":
        raise UsageError(f"there is no engine {engine!r}; the engine is torch")
    project = open_project()
    loaded = project.load(project.named(name).name) if name else None
    uri = traces or project.traces
    if "://" in uri:
        raise UsageError(f"collect writes to a local folder, and {uri} is a URI")
    try:
        done = collect_missing(
            loaded, uri, suite, device=device, jobs=jobs, scales=scale, seeds=seed
        )
    except KeyboardInterrupt:
        sys.stderr.write("emergence-stats: interrupted; collect again to go on from what is kept\n")
        raise typer.Exit(130) from None
    if as_json:
        print_json({"schema_version": 1, "collected": done, "store": uri})
    else:
        typer.echo(f"{done} runs collected into {uri}")


@traces_app.command("ls")
def traces_ls(
    traces: TracesOption = None, suite: SuiteOption = None, as_json: JsonOption = False
) -> None:
    """Runs of the store."""
    from emergence_stats.report import print_table

    store = open_store(open_project(), traces)
    runs = [r.manifest for r in store.runs if suite in (None, r.manifest.suite)]
    if as_json:
        fields = ("run_id", "suite", "scale", "seed", "n_params", "n_layers", "rows", "created")
        rows = [{field: getattr(m, field) for field in fields} for m in runs]
        print_json({"schema_version": 1, "store": store.uri, "runs": rows})
        return
    columns = ("run_id", "suite", "scale", "seed", "parameters", "rows", "created")
    cells = [
        (m.run_id, m.suite, m.scale, str(m.seed), f"{m.n_params:,}", f"{m.rows:,}", m.created)
        for m in runs
    ]
    print_table(console_on(), columns, cells)


@traces_app.command("validate")
def traces_validate(
    store_: Annotated[
        str | None, typer.Argument(metavar="[URI]", help="Trace store; default: the project's.")
    ] = None,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every manifest, hash, column and row. Exit status 2: something is broken."""
    from emergence_stats.errors import TraceError

    store = open_store(open_project(), store_ or traces)
    files = [run for run in store.runs if suite in (None, run.manifest.suite)]
    if not files:
        raise TraceError("the trace store is empty", file=store.uri)
    problems = []
    rows = 0
    for run in files:
        try:
            rows += store.read(run).num_rows
        except TraceError as error:
            problems.append(str(error))
    if as_json:
        counts = {"runs": len(files), "rows": rows}
        print_json({"schema_version": 1, "store": store.uri, **counts, "problems": problems})
    elif not problems:
        typer.echo(f"{len(files)} runs, {rows:,} rows: valid")
    if problems:
        for problem in problems:
            sys.stderr.write(f"emergence-stats: error: {problem}\n")
        raise typer.Exit(2)
