"""Commands about hypotheses: list, describe, test, report, register, check."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emergence_stats.errors import UsageError
from emergence_stats.interfaces.cli.app import (
    ControlsOption,
    JsonOption,
    Name,
    Names,
    OptionalNames,
    QuietOption,
    SuiteOption,
    TracesOption,
    VerboseOption,
    app,
    be_quiet,
    console_on,
    evaluated,
    exit_status,
    load_named,
    named_or_all,
    open_project,
    open_store,
    print_json,
    progress_of,
)

if TYPE_CHECKING:
    from emergence_stats.claims.project import Loaded, Project
    from emergence_stats.evaluation.recorded import Change
    from emergence_stats.evaluation.results import Result


class Format(StrEnum):
    console = "console"
    markdown = "markdown"
    html = "html"
    json = "json"
    junit = "junit"


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """Hypotheses: claim, registration, last recorded verdict."""
    from emergence_stats.claims.registration import state_of
    from emergence_stats.evaluation import recorded
    from emergence_stats.reports.console import print_table

    project = open_project()
    path = project.folder / "verdicts.lock"
    verdicts = recorded.read(path) if path.exists() else {}
    rows = [
        {
            "name": loaded.name,
            "claim": loaded.hypothesis.claim.text,
            "registration": state_of(loaded).status,
            "verdict": verdicts.get(loaded.name, {}).get("verdict"),
        }
        for loaded in load_named(project, None)
    ]
    if as_json:
        print_json({"schema_version": 1, "hypotheses": rows})
        return
    columns = ("name", "registration", "verdict", "claim")
    print_table(console_on(), columns, [[str(row[c] or "-") for c in columns] for row in rows])


@app.command()
def new(
    name: str,
    claim: Annotated[str | None, typer.Option(help="What is claimed, in a sentence.")] = None,
    measure: Annotated[str | None, typer.Option(help="The measure to begin with.")] = None,
) -> None:
    """Write a new hypothesis module that runs, to start from."""
    from emergence_stats.interfaces.scaffold import write_module
    from emergence_stats.interfaces.startup import import_pyarrow

    import_pyarrow()
    path = write_module(open_project(), name, claim, measure)
    typer.echo(f"wrote {path}")
    typer.echo(f"edit it, then: emergence-stats test {name} -v")


class DescribeFormat(StrEnum):
    console = "console"
    markdown = "markdown"
    json = "json"


class FormName(StrEnum):
    aspredicted = "aspredicted"
    osf = "osf"


@app.command()
def describe(
    name: Name,
    format_: Annotated[
        DescribeFormat, typer.Option("--format", help="How to write it.")
    ] = DescribeFormat.console,
    form: Annotated[
        FormName | None, typer.Option(help="As the fields of this preregistration form.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, not to stdout.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The plan as the methods section of a paper, or as a preregistration to file."""
    import json

    from emergence_stats.claims import forms as preregistration
    from emergence_stats.claims.registration import state_of
    from emergence_stats.support.files import check_folder, write_whole

    if output is not None:
        check_folder(output)
    project = open_project()
    loaded = project.load(project.named(name).name)
    state = state_of(loaded)
    chosen = str(form) if form is not None else None
    if as_json or format_ is DescribeFormat.json:
        plan = preregistration.as_json(loaded, state, chosen)
        text = json.dumps(plan, indent=2, allow_nan=False) + "\n"
    elif format_ is DescribeFormat.markdown or chosen is not None:
        text = preregistration.as_markdown(loaded, state, chosen)
    else:
        from emergence_stats.claims.methods import describe_lines

        text = "\n".join(describe_lines(loaded, state)) + "\n"
    if output is not None:
        write_whole(output, text)
    else:
        sys.stdout.write(text)


@app.command()
def test(
    names: Names,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    controls: ControlsOption = True,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Test hypotheses. Exit status 1: refuted; 3: inconclusive; 0: supported."""
    import time

    from emergence_stats.evaluation.results import to_json
    from emergence_stats.reports.console import print_details, print_line
    from emergence_stats.reports.words import SYMBOL, tally

    be_quiet(quiet)
    began = time.perf_counter()
    results = evaluated(open_project(), names, traces, suite, controls)
    if as_json:
        typer.echo(to_json(results))
    elif quiet:
        for result in results:
            typer.echo(f"{SYMBOL[result.verdict]} {result.name}: {result.verdict}")
    else:
        console = console_on()
        for result in results:
            print_details(console, result, verbose)
        print_line(console, f"{tally(results)} in {time.perf_counter() - began:.1f} s")
    raise typer.Exit(exit_status(results))


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
    quiet: QuietOption = False,
) -> None:
    """The whole picture: verdicts of all hypotheses, or of those named."""
    import time
    from io import StringIO

    from emergence_stats.evaluation.results import to_json
    from emergence_stats.reports.console import print_details, print_line, print_summary
    from emergence_stats.reports.markdown import to_markdown
    from emergence_stats.reports.words import tally
    from emergence_stats.support.files import check_folder, write_whole

    be_quiet(quiet)
    began = time.perf_counter()
    project = open_project()
    named_or_all(project, names, all_)
    if output is not None:
        check_folder(output)
    results = evaluated(project, names, traces, suite, controls)
    if len(results) > 1:
        from emergence_stats.robustness.multiplicity import adjust

        results = adjust(results)
    if as_json or format_ is Format.json:
        text = to_json(results) + "\n"
    elif format_ is Format.markdown:
        text = to_markdown(results)
    elif format_ is Format.junit:
        from emergence_stats.reports.junit import of_report

        text = of_report(results, project, time.perf_counter() - began)
    elif format_ is Format.html:
        from emergence_stats.interfaces.pages import html_page

        with progress_of("drawing claims") as progress:
            text = html_page(results, project, open_store(project, traces), progress)
    else:
        from rich.console import Console

        buffer = StringIO()
        console = Console(file=buffer) if output is not None else console_on()
        if quiet:
            print_line(console, tally(results))
        else:
            print_summary(console, results)
        if verbose:
            for result in results:
                print_details(console, result, verbose=True)
        text = buffer.getvalue()
    if output is not None:
        write_whole(output, text)
    else:
        sys.stdout.write(text)
    raise typer.Exit(exit_status(results))


@app.command()
def register(
    names: OptionalNames = None,
    check_: Annotated[bool, typer.Option("--check", help="Verify, write nothing.")] = False,
    traces: TracesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Freeze hypotheses: hash plan and source, list the runs seen. --check verifies them."""
    from emergence_stats.claims import registration as locks

    project = open_project()
    if check_:
        _register_check(load_named(project, names), as_json)
        return
    if not names:
        raise UsageError("name the hypotheses to register (or --check to verify all)")
    loaded = load_named(project, names)
    uri = traces or project.traces
    seen = []
    if "://" in uri or Path(uri).exists():
        seen = [run.manifest for run in open_store(project, uri).runs]
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
        print_json({"schema_version": 1, "registrations": rows})


def _register_check(loaded: list[Loaded], as_json: bool) -> None:
    from emergence_stats.claims.registration import state_of

    states = {one.name: state_of(one) for one in loaded}
    if as_json:
        rows = [
            {"name": name, "registration": state.status, "changes": list(state.changes)}
            for name, state in states.items()
        ]
        print_json({"schema_version": 1, "registrations": rows})
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


class CheckFormat(StrEnum):
    console = "console"
    json = "json"
    junit = "junit"
    github = "github"


@app.command()
def check(
    update: Annotated[bool, typer.Option("--update", help="Record the present verdicts.")] = False,
    format_: Annotated[
        CheckFormat | None,
        typer.Option("--format", help="How to say it; default: github in its CI, else console."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, not to stdout.")
    ] = None,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare with the recorded verdicts (verdicts.lock). Exit status 1: something changed."""
    import time

    from emergence_stats.evaluation import recorded
    from emergence_stats.support.files import check_folder, write_whole

    be_quiet(quiet)
    began = time.perf_counter()
    if output is not None:
        check_folder(output)
    project = open_project()
    path = project.folder / "verdicts.lock"
    before = {} if update else recorded.read(path)
    results = evaluated(project, None, traces, suite)
    changes = [] if update else recorded.compare(before, results)
    if update:
        recorded.write(path, results)
    how = CheckFormat.json if as_json else format_ or _default_format()
    if how is CheckFormat.json:
        text = _check_json(results, changes)
    elif how is CheckFormat.junit:
        from emergence_stats.reports.junit import of_check

        text = of_check(results, changes, project, time.perf_counter() - began)
    elif quiet and not changes:
        text = ""
    elif update:
        text = f"recorded {len(results)} verdicts in {path}\n"
    else:
        lines = [line for change in changes for line in change.lines()]
        lines.append(
            "if this is right, record it: emergence-stats check --update"
            if changes
            else f"{len(results)} verdicts are as recorded"
        )
        text = "\n".join(lines) + "\n"
        if how is CheckFormat.github:
            text += _for_github(results, before, changes, project)
    if output is not None:
        write_whole(output, text)
    else:
        sys.stdout.write(text)
    raise typer.Exit(1 if changes else 0)


def _default_format() -> CheckFormat:
    return CheckFormat.github if os.environ.get("GITHUB_ACTIONS") == "true" else CheckFormat.console


def _check_json(results: list[Result], changes: list[Change]) -> str:
    import json

    document = {
        "schema_version": 1,
        "verdicts": {result.name: str(result.verdict) for result in results},
        "changes": [line for change in changes for line in change.lines()],
        "changed": [change.to_dict() for change in changes],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _for_github(
    results: list[Result], before: dict[str, Any], changes: list[Change], project: Project
) -> str:
    """Annotations; the summary goes into the file that GitHub names for it."""
    from emergence_stats.reports.github import annotations_of, summary

    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if page:
        with Path(page).open("a", encoding="utf-8") as stream:
            stream.write(summary(results, changes))
    return "".join(f"{a}\n" for a in annotations_of(results, before, changes, project))
