"""Commands about the trace store: ls, validate, rm, catalogue; `show` is in `shown`, `import` in `importing`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from emergence_stats.errors import UsageError
from emergence_stats.interfaces.cli.app import traces_app
from emergence_stats.interfaces.cli.options import (
    DryRunOption,
    JsonOption,
    SuiteOption,
    TracesOption,
    VerboseOption,
)
from emergence_stats.interfaces.cli.session import print_json, session_of
from emergence_stats.support.files import as_of
from emergence_stats.support.words import counted, natural, near, ranges, visible

if TYPE_CHECKING:
    from emergence_stats.traces.format import Manifest
    from emergence_stats.traces.store import RunFile, Store


@traces_app.command("ls")
def traces_ls(
    context: typer.Context,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Runs of the store; of many, how many of each suite and scale. Exit status 2: some are broken; the others are still listed."""
    from emergence_stats.reports.console import print_line, print_table

    session = session_of(context)
    store = session.store(traces)
    runs = [run.manifest for run in _of_suite(store, suite)]
    runs.sort(key=lambda m: (natural(m.suite), m.n_params, natural(m.run_id)))
    if as_json:
        fields = ("run_id", "suite", "scale", "seed", "n_params", "n_layers", "rows", "created")
        rows = [{field: getattr(m, field) for field in fields} for m in runs]
        problems = list(map(str, store.faults))
        print_json({"schema_version": 1, "store": store.uri, "runs": rows, "problems": problems})
    else:
        console = session.console()
        print_table(console, *(_each(runs) if verbose or len(runs) <= _LISTED else _summed(runs)))
        suites, rows_ = {m.suite for m in runs}, sum(m.rows for m in runs)
        what = f"{counted(len(runs), 'run')} of {counted(len(suites), 'suite')}, {rows_:,} rows"
        stopped = sum(bool(m.further.get("stopped")) for m in runs)
        what += f", {stopped} stopped before their end" if stopped else ""
        more = "" if verbose or len(runs) <= _LISTED else "; -v lists each"
        print_line(console, f"{what} in {store.uri}{more}")
    _note_unfinished(store)
    _end_with(store.faults)


def _of_suite(store: Store, suite: str | None) -> list[RunFile]:
    """The runs of a suite, by default all. Raises `UsageError` for a suite of which there is none."""
    runs = [run for run in store.readable if suite in (None, run.manifest.suite)]
    if not runs and suite is not None and not store.faults:  # those broken may be of it
        there = sorted({run.manifest.suite for run in store.readable})
        has = f"; it has {', '.join(there) or 'no run at all'}"
        raise UsageError(f"{store.uri} has no run of suite {suite!r}{near(suite, there, has)}")
    return runs


_LISTED = 20  # runs that are listed one by one
Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]


def _each(runs: Sequence[Manifest]) -> Rows:
    columns = ("run_id", "suite", "scale", "seed", "parameters", "rows", "created")
    return columns, [
        (
            f"{m.run_id} (stopped)" if m.further.get("stopped") else m.run_id,
            m.suite, m.scale, str(m.seed), f"{m.n_params:,}", f"{m.rows:,}", m.created,
        )
        for m in runs
    ]  # fmt: skip


def _summed(runs: Sequence[Manifest]) -> Rows:
    """A row for each scale of each suite."""
    columns = ("suite", "scale", "parameters", "runs", "seeds", "rows")
    groups: dict[tuple[str, str], list[Manifest]] = {}
    for m in runs:
        groups.setdefault((m.suite, m.scale), []).append(m)
    return columns, [
        (
            suite,
            scale,
            f"{some[0].n_params:,}",
            str(len(some)),
            ", ".join(ranges(str(m.seed) for m in some)).strip("[]"),
            f"{sum(m.rows for m in some):,}",
        )
        for (suite, scale), some in groups.items()
    ]


def _note_unfinished(store: Store) -> None:
    if store.unfinished:
        sys.stderr.write(
            f"emergence-stats: note: a write was cut off of {visible(', '.join(store.unfinished))}; "
            "`emergence-stats traces validate` finishes it if all of it is there, `traces rm` removes it\n"
        )


def _end_with(problems: Sequence[object]) -> None:
    """Report what is broken in a store, and exit with status 2 if anything is."""
    for problem in problems:
        sys.stderr.write(f"emergence-stats: error: {visible(str(problem))}\n")
    if problems:
        raise typer.Exit(2)


@traces_app.command("rm")
def traces_rm(
    context: typer.Context,
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN ...]", help="Names of runs.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option("--suite", help="Runs of this suite; without names, all of it.")
    ] = None,
    traces: TracesOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove runs from the store, broken ones too."""
    from emergence_stats.traces.remove import remove_runs

    folder = session_of(context).writable(traces)
    removed = remove_runs(folder, runs or [], suite, dry_run=dry_run)
    if as_json:
        rows = [one._asdict() for one in removed]
        print_json({"schema_version": 1, "store": folder, "removed": rows, "written": not dry_run})
        return
    for one in removed:
        typer.echo(visible(f"{one.suite}/{one.run_id}"))
    what = "would be removed" if dry_run else "removed"
    typer.echo(f"{counted(len(removed), 'run')} {what} from {folder}")


@traces_app.command("validate")
def traces_validate(
    context: typer.Context,
    store_: Annotated[
        str | None, typer.Argument(metavar="[URI]", help="Trace store; default: the project's.")
    ] = None,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every manifest, hash, column and row. Exit status 2: something is broken."""
    from emergence_stats.errors import TraceError
    from emergence_stats.traces.write import recover

    session = session_of(context)
    uri = store_ or traces or session.project.traces
    for run_id in recover(uri):
        sys.stderr.write(f"emergence-stats: note: finished the write of {visible(run_id)}\n")
    store = session.store(uri)
    files = _of_suite(store, suite)
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
        typer.echo(f"{counted(len(files), 'run')}, {counted(rows, 'row')}: valid")
    _end_with(problems)


@traces_app.command("catalogue")
def traces_catalogue(
    context: typer.Context,
    traces: TracesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the manifests of all runs into one file of the store, so that opening a large one is quick.

    `collect` and `import` do so by themselves in stores elsewhere of 200 runs and more. A run that is newer than the catalogue is read
    from its own file.
    """
    store = session_of(context).store(traces)
    _end_with(store.faults)
    with as_of(f"the catalogue of {store.uri}"):
        runs = store.write_catalogue(anew=True)
    if as_json:
        print_json({"schema_version": 1, "store": store.uri, "runs": runs})
    else:
        typer.echo(f"{counted(runs, 'run')} in the catalogue of {store.uri}")
