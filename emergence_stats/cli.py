"""The command line. Heavy imports wait inside the commands, so that ``--help`` is quick."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emergence_stats.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from emergence_stats.hypothesis import Prediction
    from emergence_stats.multiverse import Multiverse
    from emergence_stats.power import Power
    from emergence_stats.project import Loaded, Project
    from emergence_stats.results import Result
    from emergence_stats.store import Store

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
Names = Annotated[list[str], typer.Argument(metavar="NAME ...", help="Names of hypotheses.")]
OptionalNames = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME ...]", help="Names of hypotheses.")
]


class Format(StrEnum):
    console = "console"
    markdown = "markdown"
    json = "json"


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
) -> None:
    pass


# --- shared -----------------------------------------------------------------------------------


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr)


def _project() -> Project:
    from emergence_stats.project import Project

    return Project()


def _load(project: Project, names: list[str] | None) -> list[Loaded]:
    chosen = list(dict.fromkeys(names)) if names else list(project.sources)
    if not chosen:
        raise UsageError(f"there is no hypothesis in {project.folder}")
    return [project.load(name) for name in chosen]


def _store(project: Project, uri: str | None) -> Store:
    from emergence_stats.startup import import_pyarrow
    from emergence_stats.store import Store

    import_pyarrow()
    return Store.open(uri or project.traces)


def _evaluate(
    project: Project,
    names: list[str] | None,
    traces: str | None,
    suite: str | None,
    controls: bool = True,
) -> list[Result]:
    from emergence_stats.evaluate import evaluate

    loaded = _load(project, names)
    store = _store(project, traces)
    with _progress("reading runs") as progress:
        results = evaluate(loaded, store, suite=suite, progress=progress, controls=controls)
    if suite is not None or not (project.folder / "robustness.lock").exists():
        return results
    from emergence_stats.robustness import attach

    return attach(results, project, store)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Progress on stderr, on a terminal alone."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    with console.status(what) as status:
        yield lambda done, total: status.update(f"{what}: {done}/{total}")


def _exit_status(results: list[Result]) -> int:
    verdicts = {str(result.verdict) for result in results}
    return 1 if "refuted" in verdicts else 3 if "inconclusive" in verdicts else 0


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, allow_nan=False))


# --- hypotheses -------------------------------------------------------------------------------


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """Hypotheses: claim, registration, last recorded verdict."""
    from emergence_stats import recorded
    from emergence_stats.registration import state_of
    from emergence_stats.report import print_table

    project = _project()
    path = project.folder / "verdicts.lock"
    verdicts = recorded.read(path) if path.exists() else {}
    rows = [
        {
            "name": loaded.name,
            "claim": loaded.hypothesis.claim.text,
            "registration": state_of(loaded).status,
            "verdict": verdicts.get(loaded.name, {}).get("verdict"),
        }
        for loaded in _load(project, None)
    ]
    if as_json:
        _print_json({"schema_version": 1, "hypotheses": rows})
        return
    columns = ("name", "registration", "verdict", "claim")
    print_table(_console(), columns, [[str(row[c] or "-") for c in columns] for row in rows])


@app.command()
def describe(name: str, as_json: JsonOption = False) -> None:
    """The plan in words: claim, needs, unit, predictions, regions, choices."""
    from emergence_stats.registration import state_of

    project = _project()
    loaded = project.load(project.named(name).name)
    state = state_of(loaded)
    if as_json:
        plan = {"name": name, "registration": state.status, "changes": list(state.changes)}
        _print_json({"schema_version": 1, **plan, **loaded.hypothesis.declaration()})
        return
    from emergence_stats.describe import describe_lines

    typer.echo("\n".join(describe_lines(loaded, state)))


@app.command()
def test(
    names: Names,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    controls: ControlsOption = True,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Test hypotheses. Exit status 1: refuted; 3: inconclusive; 0: supported."""
    import time

    from emergence_stats.report import print_details, print_line, tally, to_json

    began = time.perf_counter()
    results = _evaluate(_project(), names, traces, suite, controls)
    if as_json:
        typer.echo(to_json(results))
    else:
        console = _console()
        for result in results:
            print_details(console, result, verbose)
        print_line(console, f"{tally(results)} in {time.perf_counter() - began:.1f} s")
    raise typer.Exit(_exit_status(results))


@app.command()
def report(
    names: OptionalNames = None,
    all_: Annotated[bool, typer.Option("--all", help="Every hypothesis.")] = False,
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.console,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, not to stdout.")
    ] = None,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    controls: ControlsOption = True,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """The whole picture: verdicts of all hypotheses, or of those named."""
    from io import StringIO

    from emergence_stats.files import write_whole
    from emergence_stats.report import print_details, print_summary, to_json, to_markdown

    project = _project()
    _named(project, names, all_)
    results = _evaluate(project, names, traces, suite, controls)
    if len(results) > 1:
        from emergence_stats.multiplicity import adjust

        results = adjust(results)
    if as_json or format_ is Format.json:
        text = to_json(results) + "\n"
    elif format_ is Format.markdown:
        text = to_markdown(results)
    else:
        from rich.console import Console

        buffer = StringIO()
        console = Console(file=buffer) if output is not None else _console()
        print_summary(console, results)
        if verbose:
            for result in results:
                print_details(console, result, verbose=True)
        text = buffer.getvalue()
    if output is not None:
        write_whole(output, text)
    else:
        sys.stdout.write(text)
    raise typer.Exit(_exit_status(results))


@app.command()
def register(
    names: OptionalNames = None,
    check_: Annotated[bool, typer.Option("--check", help="Verify, write nothing.")] = False,
    traces: TracesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Freeze hypotheses: hash plan and source, list the runs seen. --check verifies them."""
    from emergence_stats import registration as locks

    project = _project()
    if check_:
        _register_check(_load(project, names), as_json)
        return
    if not names:
        raise UsageError("name the hypotheses to register (or --check to verify all)")
    loaded = _load(project, names)
    uri = traces or project.traces
    seen = []
    if "://" in uri or Path(uri).exists():
        seen = [run.manifest for run in _store(project, uri).runs]
    shown = uri
    if "://" not in uri and Path(uri).resolve().is_relative_to(project.root):
        shown = Path(uri).resolve().relative_to(project.root).as_posix()
    rows = []
    for one in loaded:
        before = locks.read_lock(one.source.lock)
        after = locks.register(one, seen, shown)
        entries = len(after.entries)
        new = before is None or entries > len(before.entries)
        rows.append(
            {
                "name": one.name,
                "plan": after.latest["plan"],
                "registered": after.latest["registered"],
                "runs_seen": len(after.latest["runs"]),
                "entries": entries,
                "new": new,
            }
        )
        if not as_json:
            what = "registered" if new else "was registered already, nothing written"
            seen_text = f"{rows[-1]['runs_seen']} runs seen"
            typer.echo(f"{one.name}: {what} ({after.latest['plan'][:7]}, {seen_text})")
    if as_json:
        _print_json({"schema_version": 1, "registrations": rows})


def _register_check(loaded: list[Loaded], as_json: bool) -> None:
    from emergence_stats.registration import state_of

    states = {one.name: state_of(one) for one in loaded}
    if as_json:
        rows = [
            {"name": name, "registration": state.status, "changes": list(state.changes)}
            for name, state in states.items()
        ]
        _print_json({"schema_version": 1, "registrations": rows})
    else:
        for name, state in states.items():
            typer.echo(f"{name}: {state.status}")
            for change in state.changes:
                typer.echo(f"  {change}")
    bad = [name for name, state in states.items() if state.status != "registered"]
    if bad:
        sys.stderr.write(
            f"emergence-stats: {len(bad)} of {len(states)} not as registered: {', '.join(bad)}. "
            f"Register anew with: emergence-stats register {' '.join(bad)}\n"
        )
        raise typer.Exit(1)


@app.command()
def check(
    update: Annotated[bool, typer.Option("--update", help="Record the present verdicts.")] = False,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare with the recorded verdicts (verdicts.lock). Exit status 1: something changed."""
    from emergence_stats import recorded

    project = _project()
    path = project.folder / "verdicts.lock"
    before = {} if update else recorded.read(path)
    results = _evaluate(project, None, traces, suite)
    if update:
        recorded.write(path, results)
        changes: list[str] = []
    else:
        changes = recorded.compare(before, results)
    if as_json:
        verdicts = {result.name: str(result.verdict) for result in results}
        _print_json({"schema_version": 1, "verdicts": verdicts, "changes": changes})
    elif update:
        typer.echo(f"recorded {len(results)} verdicts in {path}")
    elif changes:
        typer.echo("\n".join(changes))
        typer.echo("if this is right, record it: emergence-stats check --update")
    else:
        typer.echo(f"{len(results)} verdicts are as recorded")
    raise typer.Exit(1 if changes else 0)


# --- how far a verdict holds -------------------------------------------------------------------


RecordOption = Annotated[
    bool, typer.Option("--record", help="Keep the result for reports (robustness.lock).")
]


@app.command()
def multiverse(
    names: OptionalNames = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every hypothesis that declares one.")
    ] = False,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Specification curve: a file .svg, .png or .pdf."),
    ] = None,
    prediction: Annotated[
        str | None, typer.Option(help="Whose estimates are drawn; default: the first.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Processes; default: cores.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep and reuse no values.")] = False,
    record: RecordOption = False,
    as_json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every analysis.")] = False,
) -> None:
    """The verdict under every declared analysis choice."""
    from emergence_stats.multiverse import explore
    from emergence_stats.valuecache import default_folder

    project = _project()
    chosen = [one for one in _named(project, names, all_) if not all_ or one.hypothesis.multiverse]
    _check_picture(output, chosen)
    drawn = _prediction(chosen[0], prediction) if output is not None or prediction else None
    store = _store(project, traces)
    everything = []
    for loaded in chosen:
        with _progress(f"{loaded.name}, units") as progress:
            found = explore(
                project,
                loaded.name,
                store,
                suite=suite,
                processes=jobs,
                cache=None if no_cache else default_folder(),
                progress=progress,
            )
        everything.append(found)
        if output is not None and drawn is not None:
            from emergence_stats.pictures import save, specification_curve

            save(specification_curve(found, drawn), output)
        if record:
            from emergence_stats.robustness import record_multiverse

            record_multiverse(project, store, found)
        if not as_json:
            _show_multiverse(found, verbose)
    if as_json:
        _print_json(_one_or_all(everything, all_ or len(everything) > 1))


def _show_multiverse(found: Multiverse, verbose: bool) -> None:
    from emergence_stats import tables
    from emergence_stats.report import print_line, print_table

    console = _console()
    print_line(console, f"{found.name}: {tables.multiverse_statement(found)}")
    print_table(console, *tables.multiverse_rows(found))
    print_line(console, "* as registered")
    flips = tables.flip_texts(found)
    print_line(
        console,
        f"single choices that change the verdict: {'; '.join(flips)}"
        if flips
        else "no single choice changes the verdict",
    )
    if found.empty:
        print_line(console, f"{found.empty} analyses have no interval and count for nothing")
    for absent in found.why_not:
        print_line(
            console,
            f"no runs of suite {absent}; make them with: emergence-stats collect --suite {absent}",
        )
    if verbose:
        print_line(console)
        print_table(console, *tables.specification_rows(found))


@app.command()
def power(
    names: OptionalNames = None,
    all_: Annotated[bool, typer.Option("--all", help="Every hypothesis.")] = False,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Picture: a file .svg, .png or .pdf.")
    ] = None,
    draws: Annotated[int, typer.Option(min=10, help="Simulated studies for each number.")] = 1000,
    most: Annotated[int, typer.Option(min=2, max=1000, help="Seeds a scale at most.")] = 64,
    record: RecordOption = False,
    as_json: JsonOption = False,
) -> None:
    """Chance of each verdict by the number of runs, from pilot runs."""
    from emergence_stats.power import power as simulate

    project = _project()
    chosen = _named(project, names, all_)
    _check_picture(output, chosen)
    store = _store(project, traces)
    everything = []
    for loaded in chosen:
        with _progress(f"{loaded.name}, seeds a scale") as progress:
            found = simulate(
                loaded,
                store,
                suite=suite,
                draws=draws,
                most=most,
                progress=partial(_up_to, progress, most),
            )
        everything.append(found)
        if output is not None:
            from emergence_stats.pictures import power_curve, save

            save(power_curve(found), output)
        if record:
            from emergence_stats.robustness import record_power

            record_power(project, store, found)
        if not as_json:
            _show_power(found)
    if as_json:
        _print_json(_one_or_all(everything, all_ or len(everything) > 1))


def _up_to(progress: Callable[[int, int], None], most: int, seeds: int) -> None:
    progress(seeds, most)


def _show_power(found: Power) -> None:
    from emergence_stats import tables
    from emergence_stats.report import print_line, print_table

    console = _console()
    whose = "runs that the plan had seen" if found.seen else "all runs there are: the plan saw none"
    print_line(
        console,
        f"{found.name}: as {found.pilots} pilot runs show it ({whose}); {found.draws} simulated studies each",
    )
    print_table(console, *tables.power_rows(found))
    if found.planned is not None:
        print_line(console, "* as planned")
    for text in tables.needed_texts(found):
        print_line(console, text)


def _one_or_all(found: list[Any], many: bool) -> dict[str, Any]:
    """JSON of one result, or of a list."""
    if many:
        return {"schema_version": 1, "results": [one.to_dict() for one in found]}
    return {"schema_version": 1, **found[0].to_dict()}


def _named(project: Project, names: list[str] | None, all_: bool) -> list[Loaded]:
    if not names and not all_:
        raise UsageError("name hypotheses, or ask for --all")
    if names and all_:
        raise UsageError("names and --all exclude one another")
    return _load(project, names)


def _check_picture(output: Path | None, chosen: list[Loaded]) -> None:
    """A picture that cannot be written is reported before the work is done."""
    if output is None:
        return
    from emergence_stats.pictures import check_suffix

    check_suffix(output)
    if len(chosen) > 1:
        raise UsageError(f"{output}: a picture is of one hypothesis, and {len(chosen)} are named")


def _prediction(loaded: Loaded, name: str | None) -> Prediction:
    predictions = {p.name: p for p in loaded.hypothesis.predictions}
    if name is not None and name not in predictions:
        raise UsageError(f"{loaded.name} has no prediction {name!r}, only {', '.join(predictions)}")
    return predictions[name or next(iter(predictions))]


# --- runs -------------------------------------------------------------------------------------


@app.command()
def plan(
    name: str,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which runs of the confirmatory set are there, which are missing, what they would cost."""
    from emergence_stats.planning import plan_lines, plan_of

    project = _project()
    found = plan_of(project.load(project.named(name).name), traces or project.traces, suite)
    if as_json:
        _print_json({"schema_version": 1, **found})
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
    project = _project()
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
        _print_json({"schema_version": 1, "collected": done, "store": uri})
    else:
        typer.echo(f"{done} runs collected into {uri}")


@traces_app.command("ls")
def traces_ls(
    traces: TracesOption = None, suite: SuiteOption = None, as_json: JsonOption = False
) -> None:
    """Runs of the store."""
    from emergence_stats.report import print_table

    store = _store(_project(), traces)
    runs = [r.manifest for r in store.runs if suite in (None, r.manifest.suite)]
    if as_json:
        fields = ("run_id", "suite", "scale", "seed", "n_params", "n_layers", "rows", "created")
        rows = [{field: getattr(m, field) for field in fields} for m in runs]
        _print_json({"schema_version": 1, "store": store.uri, "runs": rows})
        return
    columns = ("run_id", "suite", "scale", "seed", "parameters", "rows", "created")
    cells = [
        (m.run_id, m.suite, m.scale, str(m.seed), f"{m.n_params:,}", f"{m.rows:,}", m.created)
        for m in runs
    ]
    print_table(_console(), columns, cells)


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

    store = _store(_project(), store_ or traces)
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
        _print_json({"schema_version": 1, "store": store.uri, **counts, "problems": problems})
    elif not problems:
        typer.echo(f"{len(files)} runs, {rows:,} rows: valid")
    if problems:
        for problem in problems:
            sys.stderr.write(f"emergence-stats: error: {problem}\n")
        raise typer.Exit(2)
