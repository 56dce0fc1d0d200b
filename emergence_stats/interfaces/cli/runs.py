"""Commands about runs: plan, collect, and the trace store."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from emergence_stats.errors import UsageError
from emergence_stats.interfaces.cli.app import (
    JsonOption,
    Name,
    SuiteOption,
    TracesOption,
    app,
    console_on,
    open_project,
    open_store,
    print_json,
    traces_app,
)


@app.command()
def plan(
    name: Name,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which runs of the confirmatory set are there, which are missing, what they would cost."""
    from emergence_stats.claims.planning import plan_lines, plan_of

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
    from emergence_stats.claims.planning import collect_missing

    if engine != "torch":
        raise UsageError(f"there is no engine {engine!r}; the engine is torch")
    project = open_project()
    loaded = project.load(project.named(name).name) if name else None
    uri = traces or project.traces
    if "://" in uri:
        raise UsageError(f"collect writes to a local folder, and {uri} is a URI")
    try:
        done = collect_missing(
            loaded,
            uri,
            suite,
            device=device,
            jobs=jobs or project.settings["jobs"],
            scales=scale,
            seeds=seed,
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
    """Runs of the store. Exit status 2: some are broken; the others are listed all the same."""
    from emergence_stats.reports.console import print_table

    store = open_store(open_project(), traces)
    runs = [r.manifest for r in store.readable if suite in (None, r.manifest.suite)]
    if as_json:
        fields = ("run_id", "suite", "scale", "seed", "n_params", "n_layers", "rows", "created")
        rows = [{field: getattr(m, field) for field in fields} for m in runs]
        problems = list(map(str, store.faults))
        print_json({"schema_version": 1, "store": store.uri, "runs": rows, "problems": problems})
    else:
        columns = ("run_id", "suite", "scale", "seed", "parameters", "rows", "created")
        cells = [
            (m.run_id, m.suite, m.scale, str(m.seed), f"{m.n_params:,}", f"{m.rows:,}", m.created)
            for m in runs
        ]
        print_table(console_on(), columns, cells)
    _end_with(store.faults)


def _end_with(problems: Sequence[object]) -> None:
    """Name what is broken in a store, and end with status 2 where anything is."""
    for problem in problems:
        sys.stderr.write(f"emergence-stats: error: {problem}\n")
    if problems:
        raise typer.Exit(2)


@traces_app.command("rm")
def traces_rm(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN ...]", help="Names of runs.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option("--suite", help="Runs of this suite; without names, all of it.")
    ] = None,
    traces: TracesOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove runs from the store, broken ones too."""
    from emergence_stats.traces.remove import remove_runs

    uri = traces or open_project().traces
    if "://" in uri:
        raise UsageError(f"runs are removed from a local folder, and {uri} is a URI")
    removed = remove_runs(uri, runs or [], suite, dry_run=dry_run)
    if as_json:
        rows = [one._asdict() for one in removed]
        print_json({"schema_version": 1, "store": uri, "removed": rows, "written": not dry_run})
        return
    for one in removed:
        typer.echo(f"{one.suite}/{one.run_id}")
    what = "would be removed" if dry_run else "removed"
    typer.echo(f"{len(removed)} run{'s' if len(removed) != 1 else ''} {what} from {uri}")


@traces_app.command("import")
def traces_import(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="FILE ...", help="Files, or folders of event or result files."),
    ],
    suite: Annotated[
        str | None, typer.Option("--suite", help="The suite that the runs make up.")
    ] = None,
    traces: TracesOption = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", help="csv, parquet, jsonl, wandb, tensorboard or lm-eval; default: by name."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TARGET=COLUMN",
            help="run, scale, seed, n_params, n_layers, step, task, level, layer, measure, value, stderr or created; COLUMN may be a text with {columns}.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="TARGET=VALUE", help="The same for all rows."),
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN", help="A column that is a measure, and its name in the store."
        ),
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Only rows with this value.")
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Read task, level, layer, measure from a metric's name by groups of these names.",
        ),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(help="A table with a row a run, or a row a scale: n_params, seed and so on."),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file that says all this; options go before it.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace runs that are there.")
    ] = False,
    drop_not_finite: Annotated[
        bool, typer.Option("--drop-not-finite", help="Leave out values that are NaN or infinite.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring measurements of somebody else into the store: tables, W&B, TensorBoard, lm-evaluation-harness."""
    from dataclasses import asdict

    from emergence_stats.interfaces.cli.app import progress_of
    from emergence_stats.reports.console import print_table
    from emergence_stats.traces.importing import Mapping, import_traces, read_sources
    from emergence_stats.traces.importing.mapping import pairs
    from emergence_stats.traces.importing.sources import FORMATS, read_facts

    wanted = Mapping(
        columns=pairs(column or [], "--column"),
        constants=pairs(set_ or [], "--set"),
        measures=pairs(measure or [], "--measure"),
        where=pairs(where or [], "--where"),
        names=names,
    )
    said: dict[str, str] = {}
    if mapping is not None:
        of_file, said = Mapping.read(mapping)
        wanted = wanted.over(of_file)
    suite = suite or said.get("suite")
    if suite is None:
        raise UsageError("name the suite that the runs make up, with --suite")
    kind = format_ or said.get("format")
    if kind is not None and kind not in FORMATS:
        raise UsageError(f"there is no format {kind!r}; formats are {', '.join(FORMATS)}")
    if runs is None and mapping is not None and "runs" in said:
        runs = mapping.parent / said["runs"]
    uri = traces or open_project().traces
    if "://" in uri:
        raise UsageError(f"import writes to a local folder, and {uri} is a URI")
    facts = read_facts(runs, wanted) if runs is not None else None
    found = list(read_sources(sources, kind, wanted, facts))
    with progress_of("writing runs") as progress:
        done = import_traces(
            found,
            uri,
            suite,
            facts=facts,
            replace_runs=replace,
            drop_not_finite=drop_not_finite,
            dry_run=dry_run,
            progress=progress,
        )
    empty = sum(rows.empty for rows in found)
    dropped = sum(len(rows) for rows in found) - sum(one.rows for one in done)
    if as_json:
        counts = {"empty_cells": empty, "not_finite": dropped, "written": not dry_run}
        rows = [asdict(one) for one in done]
        print_json({"schema_version": 1, "store": uri, "suite": suite, **counts, "runs": rows})
        return
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
            ", ".join(one.measures),
        )
        for one in done
    ]
    print_table(console_on(), columns, cells)
    left = [f"{empty:,} cells are empty"] * bool(empty)
    left += [f"{dropped:,} values are not finite and were left out"] * bool(dropped)
    for name in sorted({name for one in done for name in one.empty}):
        ids = [one.run_id for one in done if name in one.empty]
        few = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
        left.append(f"{runs} has no {name} for {len(ids)} of the runs ({few})")
    what = "would be written" if dry_run else "written"
    total = sum(one.rows for one in done)
    typer.echo(
        "; ".join([f"{len(done)} runs, {total:,} rows {what} to {uri}, suite {suite}", *left])
    )


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
    files = [run for run in store.readable if suite in (None, run.manifest.suite)]
    if not files and not store.faults:
        raise TraceError("the trace store is empty", file=store.uri)
    problems = list(map(str, store.faults))
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
    _end_with(problems)
