"""Commands about how far a verdict holds: multiverse, power."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from emergence_stats.errors import UsageError
from emergence_stats.interfaces.cli.app import app
from emergence_stats.interfaces.cli.options import (
    AllOption,
    JobsOption,
    JsonOption,
    KeywordOption,
    Names,
    OptionalNames,
    PictureOption,
    RecordOption,
    SuiteOption,
    TimeoutOption,
    TracesOption,
)
from emergence_stats.interfaces.cli.session import Session, print_json, session_of

if TYPE_CHECKING:
    from emergence_stats.claims.project import Loaded
    from emergence_stats.core.plan import Prediction
    from emergence_stats.robustness.multiverse import Multiverse
    from emergence_stats.robustness.power import Power


@app.command()
def multiverse(
    context: typer.Context,
    names: OptionalNames = None,
    keyword: KeywordOption = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every hypothesis that declares one.")
    ] = False,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    output: PictureOption = None,
    prediction: Annotated[
        str | None, typer.Option(help="The prediction to draw; default: the first.")
    ] = None,
    jobs: JobsOption = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Do not cache values.")] = False,
    record: RecordOption = False,
    as_json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every analysis.")] = False,
) -> None:
    """The verdict under every declared analysis choice."""
    from emergence_stats.robustness.cache import default_folder
    from emergence_stats.robustness.explore import explore
    from emergence_stats.robustness.recorded import check_recordable, record_multiverse

    session = session_of(context)
    project = session.project
    asked = session.load_each(_chosen(session, names, keyword, all_))
    chosen = [loaded for loaded in asked if names or loaded.hypothesis.multiverse]
    if not chosen:
        raise UsageError("none of these hypotheses declares a multiverse")
    _check_picture(output, chosen)
    drawn = _prediction(chosen[0], prediction) if output is not None or prediction else None
    store = session.store(traces)
    for loaded in chosen if record else ():
        check_recordable(loaded, store, suite)
    everything = []
    for loaded in chosen:
        with session.apart(loaded.name):
            with session.progress(f"{loaded.name}, units") as progress:
                universe = explore(
                    project,
                    loaded.name,
                    store,
                    suite=suite,
                    processes=jobs or project.settings["jobs"],
                    cache=None if no_cache or record else default_folder(),  # no record rests on it
                    progress=progress,
                )
            everything.append(universe)
            if output is not None and drawn is not None:
                _draw_multiverse(universe, drawn, output)
            if record:
                record_multiverse(project, store, universe)
            if not as_json:
                _show_multiverse(session, universe, verbose)
    _end(session, everything, as_json, many=names is None)


def _draw_multiverse(universe: Multiverse, prediction: Prediction, output: Path) -> None:
    from emergence_stats.reports.pictures.robustness import specification_curve
    from emergence_stats.reports.pictures.style import save
    from emergence_stats.robustness.multiverse import curve_of

    save(specification_curve(curve_of(universe, prediction.name), prediction.region), output)


def _show_multiverse(session: Session, universe: Multiverse, verbose: bool) -> None:
    from emergence_stats.reports import robustness as tables
    from emergence_stats.reports.console import print_line, print_table
    from emergence_stats.robustness import words

    console, summary = session.console(), universe.summary()
    print_line(console, f"{universe.name}: {words.multiverse_statement(summary)}")
    print_table(console, *tables.multiverse_rows(universe))
    print_line(console, "* as registered")
    flips = words.flip_texts(summary)
    print_line(
        console,
        f"single choices that change the verdict: {'; '.join(flips)}"
        if flips
        else "no single choice changes the verdict"
        + (", of those that have an interval" if universe.empty else ""),
    )
    for text in words.explained_texts(summary):
        print_line(console, text)
    for absent in universe.why_not:
        print_line(
            console,
            f"no runs of suite {absent}; make them with: emergence-stats collect --suite {absent}",
        )
    if verbose:
        print_line(console)
        print_table(console, *tables.specification_rows(universe))


@app.command()
def power(
    context: typer.Context,
    names: OptionalNames = None,
    keyword: KeywordOption = None,
    all_: AllOption = False,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    output: PictureOption = None,
    draws: Annotated[int, typer.Option(min=10, help="Simulated studies for each number.")] = 1000,
    most: Annotated[int, typer.Option(min=2, max=1000, help="Most seeds per scale.")] = 64,
    record: RecordOption = False,
    as_json: JsonOption = False,
) -> None:
    """Chance of each verdict by the number of runs, from pilot runs."""
    from emergence_stats.robustness.recorded import check_recordable, record_power
    from emergence_stats.robustness.simulate import simulate

    session = session_of(context)
    chosen = session.load_each(_chosen(session, names, keyword, all_))
    _check_picture(output, chosen)
    store = session.store(traces)
    for loaded in chosen if record else ():
        check_recordable(loaded, store, suite)
    everything = []
    for loaded in chosen:
        with session.apart(loaded.name):
            with session.progress(f"{loaded.name}, seeds per scale") as progress:
                simulated = simulate(
                    loaded, store, suite=suite, draws=draws, most=most, progress=progress
                )
            everything.append(simulated)
            if output is not None:
                from emergence_stats.reports.pictures.robustness import power_curve
                from emergence_stats.reports.pictures.style import save

                save(power_curve(simulated), output)
            if record:
                record_power(session.project, store, simulated)
            if not as_json:
                _show_power(session, simulated)
    _end(session, everything, as_json, many=names is None)


def _show_power(session: Session, simulated: Power) -> None:
    from emergence_stats.reports import robustness as tables
    from emergence_stats.reports.console import print_line, print_table
    from emergence_stats.robustness import words

    console = session.console()
    whose = (
        "runs that the plan had seen" if simulated.seen else "all runs there are: the plan saw none"
    )
    print_line(
        console,
        f"{simulated.name}: as {simulated.pilots} pilot runs show it ({whose}); {simulated.draws} simulated studies each",
    )
    print_table(console, *tables.power_rows(simulated))
    if simulated.planned is not None:
        print_line(console, "* as planned")
    told = tables.told(simulated)
    if len(told) < len(simulated.rows):
        print_line(
            console, f"more seeds, up to {simulated.rows[-1].seeds}, are as certain as {told[-1]}"
        )
    if lacking := words.lacking_text(simulated):
        print_line(console, lacking)
    for text in words.needed_texts(simulated):
        print_line(console, text)


def _chosen(
    session: Session, names: list[str] | None, keyword: str | None, all_: bool
) -> list[str] | None:
    """The claims that are asked for: these commands take minutes, so that all of them have to be asked for."""
    if not names and keyword is None and not all_:
        raise UsageError("name hypotheses, or use --all: it takes a while")
    return session.choose(names, keyword, all_)


def _end(session: Session, results: list[Any], as_json: bool, many: bool) -> NoReturn:
    """Print the JSON of what could be done, and end with what could not."""
    if as_json and results:
        print_json(_one_or_all(results, many or len(results) > 1))
    session.end()


def _one_or_all(results: list[Any], many: bool) -> dict[str, Any]:
    """JSON of one result, or of a list."""
    if many:
        return {"schema_version": 1, "results": [result.to_dict() for result in results]}
    return {"schema_version": 1, **results[0].to_dict()}


def _check_picture(output: Path | None, chosen: list[Loaded]) -> None:
    """A picture that cannot be written is reported before the work is done."""
    if output is None:
        return
    from emergence_stats.reports.pictures.style import check_suffix

    check_suffix(output)
    if len(chosen) > 1:
        raise UsageError(f"{output}: a picture shows one hypothesis, but {len(chosen)} are named")


def _prediction(loaded: Loaded, name: str | None) -> Prediction:
    predictions = {p.name: p for p in loaded.hypothesis.predictions}
    if name is not None and name not in predictions:
        raise UsageError(f"{loaded.name} has no prediction {name!r}, only {', '.join(predictions)}")
    return predictions[name or next(iter(predictions))]


@app.command()
def pool(
    context: typer.Context,
    names: Names,
    traces: TracesOption = None,
    as_json: JsonOption = False,
    timeout: TimeoutOption = None,
) -> None:
    """One claim over all its registrations and suites, by random effects. Not a verdict."""
    from emergence_stats.evaluation.opinions.pooling import pool as pooled
    from emergence_stats.evaluation.opinions.pooling import sets_of
    from emergence_stats.reports.console import print_line, print_table
    from emergence_stats.reports.robustness import POOL_COLUMNS, pool_rows
    from emergence_stats.robustness.studies import estimates_of_sets

    session = session_of(context, timeout=timeout)
    store, documents = session.store(traces), []
    for loaded in session.load(names):
        sets = sets_of(loaded, store)
        found = list(pooled(loaded.hypothesis, estimates_of_sets(loaded, store, sets)))
        if as_json:
            documents.append({"name": loaded.name, "predictions": [p.to_dict() for p in found]})
            continue
        console = session.console()
        print_line(
            console, f"{loaded.name}: sets of runs that no other set shares; pilots are not pooled"
        )
        print_table(console, POOL_COLUMNS, pool_rows(found))
    if as_json:
        print_json({"schema_version": 1, "pooled": documents})
