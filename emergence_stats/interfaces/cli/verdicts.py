"""Commands that judge: test, report, view, check, audit."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emergence_stats.errors import UsageError
from emergence_stats.interfaces.cli.app import app
from emergence_stats.interfaces.cli.options import (
    AllOption,
    ControlsOption,
    JsonOption,
    KeywordOption,
    OptionalNames,
    OutputOption,
    QuietOption,
    SuiteOption,
    TimeoutOption,
    TracesOption,
    TrustedOption,
    VerboseOption,
    VerbosityOption,
)
from emergence_stats.interfaces.cli.session import (
    Session,
    by_suffix,
    end_with_verdicts,
    session_of,
    write_or_print,
)
from emergence_stats.support.words import counted

if TYPE_CHECKING:
    from emergence_stats.evaluation.recorded import Change
    from emergence_stats.evaluation.results import Result


class Format(StrEnum):
    console = "console"
    markdown = "markdown"
    html = "html"
    json = "json"
    junit = "junit"
    csv = "csv"


_BY_SUFFIX = {
    ".html": Format.html,
    ".htm": Format.html,
    ".md": Format.markdown,
    ".json": Format.json,
    ".xml": Format.junit,
    ".csv": Format.csv,
    ".txt": Format.console,
    "": Format.console,
}


@app.command()
def test(
    context: typer.Context,
    names: OptionalNames = None,
    keyword: KeywordOption = None,
    all_: AllOption = False,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    controls: ControlsOption = True,
    as_json: JsonOption = False,
    verbose: VerbosityOption = 0,
    quiet: QuietOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Test hypotheses. Exit status 1: refuted; 3: inconclusive; 0: supported."""
    from emergence_stats.evaluation.results import to_json
    from emergence_stats.reports.console import print_all_details, print_line
    from emergence_stats.reports.words import SYMBOL, kinds_text, tally

    session = session_of(context, quiet, timeout)
    began = time.perf_counter()
    chosen = session.choose(names, keyword, all_)
    if chosen is not None and suite is None:
        _check_suites(session, chosen, traces)
    results = session.evaluate(chosen, traces, suite, controls)
    if verbose:
        results = session.with_opinions(results, traces)
    elif not (as_json or quiet):
        results = session.with_heterogeneity(results)
    if as_json:
        typer.echo(to_json(results, session.failed))
    elif quiet:
        for result in results:
            kinds = f" with reservations: {kinds_text(result)}" if result.qualified else ""
            typer.echo(f"{SYMBOL[result.verdict]} {result.name}: {result.verdict}{kinds}")
    else:
        console = session.console()
        print_all_details(console, results, verbose > 0, verbose > 1)
        print_line(
            console, f"{tally(results, len(session.failed))} in {time.perf_counter() - began:.1f} s"
        )
    end_with_verdicts(session, results)


def _check_suites(session: Session, names: Sequence[str], traces: str | None) -> None:
    """Raise `UsageError` for a named claim that says of no suite that it is meant, where the store has several."""
    suites = sorted({run.manifest.suite for run in session.store(traces).runs})
    for loaded in session.load_each(names) if len(suites) > 1 else ():
        if loaded.hypothesis.design is None:
            raise UsageError(
                f"{loaded.name} declares no design, and the store has suites {', '.join(suites)}: name one with --suite, or give "
                f"it a design, as in design=es.Design({suites[0]!r}, scales=[...], seeds=range(...))"
            )


@app.command()
def report(
    context: typer.Context,
    names: OptionalNames = None,
    keyword: KeywordOption = None,
    all_: AllOption = False,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="Output format; default: by the suffix of -o, else console."),
    ] = None,
    output: OutputOption = None,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    controls: ControlsOption = True,
    as_json: JsonOption = False,
    verbose: VerbosityOption = 0,
    quiet: QuietOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """The whole picture: verdicts of all hypotheses, or of those named."""
    from emergence_stats.support.files import check_folder

    session = session_of(context, quiet, timeout)
    began = time.perf_counter()
    chosen = session.choose(names, keyword, all_)
    if output is not None:
        check_folder(output)
    how = Format.json if as_json else format_ or by_suffix(output, _BY_SUFFIX)
    if how is Format.html:
        results, text = _page(session, chosen, traces, suite, controls)
    else:
        results = session.evaluate(chosen, traces, suite, controls)
        if verbose:
            results = session.with_opinions(results, traces)
        elif how is Format.markdown:
            results = session.with_heterogeneity(results)
        results = _adjusted(results)
        if how is Format.console:
            text = _console_text(session, results, output is not None, verbose)
        else:
            text = _document(session, results, how, time.perf_counter() - began)
    write_or_print(text, output, markup=how in (Format.html, Format.junit))
    end_with_verdicts(session, results)


def _adjusted(results: list[Result]) -> list[Result]:
    """Results with p-values adjusted over them, where there are several."""
    from emergence_stats.robustness.multiplicity import adjust

    return adjust(results) if len(results) > 1 else results


def _page(
    session: Session,
    names: Sequence[str] | None,
    traces: str | None,
    suite: str | None,
    controls: bool,
) -> tuple[list[Result], str]:
    """Results and their page. The second evaluation, which an audit wants, goes on beside the first."""
    from emergence_stats.audit.again import evaluating_again
    from emergence_stats.interfaces.pages import html_page

    loaded, store, project = session.load_each(names), session.store(traces), session.project
    with evaluating_again([one.name for one in loaded], project, store, suite, controls) as again:
        results = session.evaluate_loaded(loaded, traces, suite, controls, beside_others=False)
        results = _adjusted(session.with_opinions(results, traces))
        with session.progress("drawing claims") as progress:
            page = html_page(results, project, store, again, progress, errors=session.failed)
    return results, page


@app.command()
def view(
    context: typer.Context,
    names: OptionalNames = None,
    keyword: KeywordOption = None,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    controls: ControlsOption = True,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to listen; 0: any port that is free.")
    ] = 8765,
) -> None:
    """The HTML report in a browser, made again when a claim or the store changes."""
    from emergence_stats.interfaces.viewing import HOST, Pages, make_page, server, state_of

    session = session_of(context)
    session.choose(names, keyword)  # what is mistyped is said here
    project, store = session.project, traces or session.project.traces
    session.store(store)
    words = [*(names or ())]
    for option, value in (("-k", keyword), ("--traces", store), ("--suite", suite)):
        words += [option, value] if value is not None else []
    if not controls:
        words.append("--no-controls")
    here = Path.cwd()
    pages = Pages(
        make=lambda: make_page(words, here),
        state=lambda: state_of(project.root, project.folder, store),
    )
    try:
        serving = server(pages, port)
    except OSError as error:
        raise UsageError(
            f"port {port} of {HOST} cannot be used ({error.strerror}); choose another with --port, or any free one with --port 0"
        ) from None
    typer.echo(f"the report is at http://{HOST}:{serving.server_port}/ (Ctrl-C ends)")
    try:
        serving.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        serving.server_close()


def _document(session: Session, results: Sequence[Result], how: Format, seconds: float) -> str:
    if how is Format.json:
        from emergence_stats.evaluation.results import to_json

        return to_json(results, session.failed) + "\n"
    if how is Format.markdown:
        from emergence_stats.reports.markdown import to_markdown

        return to_markdown(results, session.failed)
    if how is Format.csv:
        from emergence_stats.reports.table import to_csv

        return to_csv(results)
    from emergence_stats.reports.junit import of_report

    return of_report(results, session.project, seconds, session.failed)


def _console_text(session: Session, results: Sequence[Result], to_file: bool, verbose: int) -> str:
    """What a terminal shows; a file has neither its width nor its colours."""
    from io import StringIO

    from rich.console import Console

    from emergence_stats.reports.console import print_all_details, print_line
    from emergence_stats.reports.summary import print_summary
    from emergence_stats.reports.words import tally

    console = Console(file=StringIO()) if to_file else session.console()
    with console.capture() as shown:
        if session.quiet:
            print_line(console, tally(results, len(session.failed)))
        else:
            print_summary(console, results, verbose > 0, len(session.failed))
        if verbose:
            print_all_details(console, results, True, verbose > 1)
    return shown.get()


class CheckFormat(StrEnum):
    console = "console"
    json = "json"
    junit = "junit"
    github = "github"


_CHECK_BY_SUFFIX = {
    ".json": CheckFormat.json,
    ".xml": CheckFormat.junit,
    ".txt": CheckFormat.console,
    "": CheckFormat.console,
}


@app.command()
def check(
    context: typer.Context,
    names: OptionalNames = None,
    keyword: KeywordOption = None,
    all_: AllOption = False,
    update: Annotated[bool, typer.Option("--update", help="Record the current verdicts.")] = False,
    format_: Annotated[
        CheckFormat | None,
        typer.Option(
            "--format",
            help="Output format; default: by the suffix of -o, github in its CI, else console.",
        ),
    ] = None,
    output: OutputOption = None,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """Compare with the recorded verdicts (verdicts.lock). Exit status 1: something changed."""
    from emergence_stats.evaluation import recorded
    from emergence_stats.support.files import check_folder

    session = session_of(context, quiet, timeout)
    began = time.perf_counter()
    if output is not None:
        check_folder(output)
    default = _default_format() if output is None else by_suffix(output, _CHECK_BY_SUFFIX)
    how = CheckFormat.json if as_json else format_ or default
    path = session.project.folder / "verdicts.lock"
    chosen = session.choose(names, keyword, all_)
    before = {} if update else recorded.read(path)
    if chosen is not None:
        before = {name: record for name, record in before.items() if name in chosen}
    results = session.evaluate(chosen, traces, suite)
    if update and session.failed:
        session.end()  # a record without these claims would say that they are gone
    before = {name: record for name, record in before.items() if name not in session.failed}
    changes = [] if update else recorded.compare(before, results)
    if update:
        recorded.write(path, results, keep_others=chosen is not None)
    if how is CheckFormat.json:
        text = _check_json(session, results, changes)
    elif how is CheckFormat.junit:
        from emergence_stats.reports.junit import of_check

        seconds = time.perf_counter() - began
        text = of_check(results, changes, session.project, seconds, session.failed)
    elif quiet and not changes:
        text = ""
    elif update:
        text = f"recorded {counted(len(results), 'verdict')} in {path}\n" + _without_runs(results)
    else:
        text = _check_text(results, changes)
        if how is CheckFormat.github:
            from emergence_stats.reports.github import without_commands

            text = without_commands(text) + _for_github(session, results, before, changes)
    write_or_print(text, output, markup=how is CheckFormat.junit)
    session.end(1 if changes else 0)


@app.command()
def audit(
    context: typer.Context,
    names: OptionalNames = None,
    keyword: KeywordOption = None,
    repeat: Annotated[
        bool, typer.Option("--repeat/--no-repeat", help="Evaluate every unit a second time.")
    ] = True,
    trusted: TrustedOption = None,
    output: OutputOption = None,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """What verdicts rest on, and what cannot be known. Exit status 1: something speaks against one."""
    from emergence_stats.audit.again import evaluating_again
    from emergence_stats.interfaces.audits import audits_of
    from emergence_stats.reports.audit import to_text
    from emergence_stats.support.files import check_folder

    session = session_of(context, quiet, timeout)
    if output is not None:
        check_folder(output)
    results = session.evaluate(session.choose(names, keyword), traces, suite)
    store, again = session.store(traces), None
    if repeat:
        with (
            session.progress("evaluating again"),
            evaluating_again([r.name for r in results], session.project, store, suite) as wait,
        ):
            again = wait()
    audits = audits_of(results, session.project, store, again, trusted)
    if as_json:
        document = {"schema_version": 1, "audits": [audit.to_dict() for audit in audits]}
        text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    else:
        text = to_text(audits, verbose)
    write_or_print(text, output)
    session.end(1 if any(audit.against for audit in audits) else 0)


def _default_format() -> CheckFormat:
    return CheckFormat.github if os.environ.get("GITHUB_ACTIONS") == "true" else CheckFormat.console


def _without_runs(results: Sequence[Result]) -> str:
    """Claims that are recorded without any run: such a record guards nothing."""
    return "".join(
        f"note: {r.name} is recorded without any run: {r.reason}\n"
        for r in results
        if not r.counted
    )


def _check_text(results: Sequence[Result], changes: Sequence[Change]) -> str:
    from emergence_stats.reports.words import tally

    lines = [line for change in changes for line in change.lines()]
    if changes:
        lines.append("if this is right, record it: emergence-stats check --update")
    else:
        lines.append(
            f"{counted(len(results), 'verdict')} {'is' if len(results) == 1 else 'are'} as recorded: {tally(results)}"
        )
    return "\n".join(lines) + "\n"


def _check_json(session: Session, results: list[Result], changes: list[Change]) -> str:
    document: dict[str, Any] = {
        "schema_version": 1,
        "verdicts": {result.name: str(result.verdict) for result in results},
        "qualifiers": {
            result.name: [{"kind": q.kind, "text": q.text} for q in result.qualifiers]
            for result in results
        },
        "changes": [line for change in changes for line in change.lines()],
        "changed": [change.to_dict() for change in changes],
    }
    if session.failed:
        document["errors"] = {name: str(error) for name, error in session.failed.items()}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _for_github(
    session: Session, results: list[Result], before: dict[str, Any], changes: list[Change]
) -> str:
    """Annotations; the summary goes into the file that GitHub names for it."""
    from emergence_stats.reports.github import annotations_of, summary

    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if page:
        with Path(page).open("a", encoding="utf-8") as stream:
            stream.write(summary(results, changes, session.failed))
    found = annotations_of(results, before, changes, session.project, session.failed)
    return "".join(f"{a}\n" for a in found)
