"""Commands about claims before they are judged: list, new, describe, register."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emergence_stats.errors import HypothesisError, UsageError
from emergence_stats.interfaces.cli.app import app
from emergence_stats.interfaces.cli.options import (
    JsonOption,
    KeywordOption,
    OptionalNames,
    OutputOption,
    TracesOption,
)
from emergence_stats.interfaces.cli.session import (
    Session,
    by_suffix,
    print_json,
    say,
    session_of,
    write_or_print,
)
from emergence_stats.support.words import counted

if TYPE_CHECKING:
    from emergence_stats.claims.project import Loaded
    from emergence_stats.claims.registration import Registration
    from emergence_stats.claims.registration.seen import Sketch
    from emergence_stats.core.plan import Hypothesis
    from emergence_stats.traces.format import Manifest
    from emergence_stats.traces.store import Store


@app.command("list")
def list_(
    context: typer.Context,
    names: OptionalNames = None,
    keyword: KeywordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hypotheses: claim, registration, last recorded verdict."""
    from emergence_stats.claims.loader import claim_text
    from emergence_stats.claims.registration import state_of
    from emergence_stats.evaluation import recorded
    from emergence_stats.reports.console import print_table

    session = session_of(context)
    path = session.project.folder / "verdicts.lock"
    verdicts = recorded.read(path) if path.exists() else {}
    rows = []
    project = session.project
    # A file above that is not read has to be said, and is where nothing else is found.
    alone = not project.sources and project.shipped and not (project.ignored or names or keyword)
    for loaded in [] if alone else session.load_each(session.choose(names, keyword)):
        with session.apart(loaded.name):
            rows.append(
                {
                    "name": loaded.name,
                    "claim": loaded.hypothesis.claim.text,
                    "registration": state_of(loaded).status,
                    "verdict": verdicts.get(loaded.name, {}).get("verdict"),
                }
            )
    shipped = {} if names or keyword else session.project.shipped
    if as_json:
        print_json({"schema_version": 1, "hypotheses": rows, "shipped": list(shipped)})
        session.end()
    columns = ("name", "registration", "verdict", "claim")
    if rows or not shipped:
        cells = [[str(row[c] or "-") for c in columns] for row in rows]
        print_table(session.console(), columns, cells)
    if shipped:
        typer.echo(
            "shipped with emergence-stats, for your own traces (`emergence-stats test NAME --traces ...`):"
        )
        width = max(map(len, shipped))
        for name, source in shipped.items():
            typer.echo(f"  {name.ljust(width)}  {claim_text(source.path)}")
        typer.echo("the runs of their study are not in the package, but in data/ of its repository")
    session.end()


@app.command()
def new(
    context: typer.Context,
    name: str,
    claim: Annotated[str | None, typer.Option(help="What is claimed, in a sentence.")] = None,
    measure: Annotated[str | None, typer.Option(help="The measure to begin with.")] = None,
) -> None:
    """Write a new hypothesis module that runs, to start from."""
    from emergence_stats.interfaces.scaffold import write_module
    from emergence_stats.interfaces.startup import import_pyarrow

    import_pyarrow()
    path = write_module(session_of(context).project, name, claim, measure)
    typer.echo(f"wrote {path}")
    typer.echo(f"edit it, then: emergence-stats test {name} -v")


class DescribeFormat(StrEnum):
    console = "console"
    markdown = "markdown"
    json = "json"


_BY_SUFFIX = {
    ".md": DescribeFormat.markdown,
    ".json": DescribeFormat.json,
    ".txt": DescribeFormat.console,
    "": DescribeFormat.console,
}


class FormName(StrEnum):
    aspredicted = "aspredicted"
    osf = "osf"


@app.command()
def describe(
    context: typer.Context,
    names: OptionalNames = None,
    keyword: KeywordOption = None,
    format_: Annotated[
        DescribeFormat | None,
        typer.Option("--format", help="Output format; default: by the suffix of -o, else console."),
    ] = None,
    form: Annotated[
        FormName | None, typer.Option(help="As the fields of this preregistration form.")
    ] = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plans as the methods section of a paper, or as preregistrations to file."""
    import json

    from emergence_stats.claims.describing import forms as preregistration
    from emergence_stats.claims.registration import state_of
    from emergence_stats.support.files import check_folder

    if output is not None:
        check_folder(output)
    how = format_ or by_suffix(output, _BY_SUFFIX)
    session = session_of(context)
    plans = [(one, state_of(one)) for one in session.load_each(session.choose(names, keyword))]
    chosen = str(form) if form is not None else None
    if as_json or how is DescribeFormat.json:
        found = [preregistration.as_json(loaded, state, chosen) for loaded, state in plans]
        several = {"schema_version": 1, "hypotheses": found}
        text = (
            json.dumps(found[0] if len(found) == 1 else several, indent=2, allow_nan=False) + "\n"
        )
    elif how is DescribeFormat.markdown or chosen is not None:
        texts = [preregistration.as_markdown(loaded, state, chosen) for loaded, state in plans]
        text = "\n".join(texts)
    else:
        from emergence_stats.claims.describing.methods import describe_lines

        text = "\n".join("\n".join(describe_lines(*plan)) + "\n" for plan in plans)
    write_or_print(text, output)
    session.end()


@app.command()
def register(
    context: typer.Context,
    names: OptionalNames = None,
    check_: Annotated[bool, typer.Option("--check", help="Verify, write nothing.")] = False,
    traces: TracesOption = None,
    timestamp: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Have this authority (RFC 3161) stamp the registration."),
    ] = None,
    recompute: Annotated[
        bool,
        typer.Option(
            "--recompute",
            help="Take over a change of the framework's core, if it moves no number: recompute and compare.",
        ),
    ] = False,
    close: Annotated[
        str | None,
        typer.Option(
            metavar="WHY",
            help="Close the study of these hypotheses; what is registered next is another study, no amendment.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Freeze hypotheses: hash plan and source, list the runs seen. --check verifies them."""
    session = session_of(context)
    if sum((check_, recompute, close is not None)) + (timestamp is not None) > 1:
        raise UsageError(
            "--check, --recompute, --close and --timestamp are four different tasks: one at a time"
        )
    if check_:
        _verify(session, session.load_each(session.choose(names)), as_json)
        return
    if not names:
        raise UsageError("name the hypotheses to register (or --check to verify all)")
    if close is not None:
        _close(session.load(names), close, as_json)
        return
    rows = []
    for loaded in session.load(names):
        rows.append((_recompute if recompute else _register)(session, loaded, traces))
        if timestamp is not None:
            rows[-1]["timestamp"] = _stamp(session, loaded, timestamp)
        if rows[-1]["new"] and loaded.hypothesis.design is None:
            say(
                f"note: {loaded.name} declares no design, so the plan does not say which runs decide, nor how many: any would do, and "
                "every verdict says so"
            )
    if as_json:
        print_json({"schema_version": 1, "registrations": rows})
        return
    for row in rows:
        what = "registered" if row["new"] else "already registered, nothing written"
        typer.echo(
            f"{row['name']}: {what} ({row['plan'][:7]}, {counted(row['runs_seen'], 'run')} seen)"
        )
        if timestamp is not None:
            typer.echo(f"  {_stamped(row)}")


def _close(loaded: list[Loaded], why: str, as_json: bool) -> None:
    from emergence_stats.claims import registration as locks

    closed = {one.name: locks.close(one, why).latest for one in loaded}
    if as_json:
        rows = [
            {"name": name, "closed": e["closed"], "on": e["closed_on"]}
            for name, e in closed.items()
        ]
        print_json({"schema_version": 1, "registrations": rows})
        return
    for name in closed:
        typer.echo(f"{name}: its study is closed")


def _stamp(session: Session, loaded: Loaded, authority: str) -> dict[str, Any]:
    from emergence_stats.claims.registration import add_timestamp

    roots = session.project.authorities
    try:
        _, stamp = add_timestamp(loaded, authority, roots)
    except UsageError as error:
        raise UsageError(
            f"{loaded.name} is registered, but not stamped: {error}. Register it again with --timestamp to have it stamped"
        ) from None
    return {
        "time": stamp.time.isoformat(),
        "signer": stamp.authority,
        "verified": bool(roots),
    }


def _stamped(row: dict[str, Any]) -> str:
    stamp = row["timestamp"]
    how = "verified" if stamp["verified"] else "not verified: the setting `authorities` names none"
    return f"stamped at {stamp['time']} by {stamp['signer']} ({how})"


def _register(session: Session, loaded: Loaded, traces: str | None) -> dict[str, Any]:
    from emergence_stats.audit.rehearsal import check_repeats, sketches_of
    from emergence_stats.claims import registration as locks
    from emergence_stats.evaluation.judging.outcomes import check_both_ways
    from emergence_stats.support.words import visible

    uri = traces or session.project.traces
    seen: list[Manifest] = []
    values: Mapping[str, Sketch] = {}
    locks.current_plan(loaded)  # raises early what would be wrong in the end
    state = locks.state_of(loaded)
    store = _store_to_see(session, uri, named=traces is not None)
    if store is not None:
        seen = [run.manifest for run in store.runs]
    registered = state.registration if state.status == "registered" else None
    tried = frozen = registered is not None and not registered.lacks(seen)
    if not frozen:
        check_both_ways(loaded.name, loaded.hypothesis)
    if store is not None and seen and not frozen:
        tried = check_repeats(loaded, session.project, store)
        with session.progress(f"reading the runs that {loaded.name} sees") as progress:
            values = sketches_of(loaded, store, progress)
    for lacking in _lacking(loaded, uri, store) if not frozen else ():
        say(f"note: {loaded.name}: {visible(lacking)}; is the design mistyped?")
    if not tried:
        why = f"no run of {visible(uri)} has a value" if seen else f"{visible(uri)} has no run"
        say(
            f"note: {loaded.name}: {why}, so no estimate was tried. What its code reads from other folders than its own, "
            "once there are runs, will not be part of the registration"
        )
    from emergence_stats.traces.places import is_uri

    root = session.project.root
    shown = uri
    if not is_uri(uri) and Path(uri).resolve().is_relative_to(root):
        shown = Path(uri).resolve().relative_to(root).as_posix()
    before = locks.read_lock(loaded.source.lock)
    after = locks.register(loaded, seen, shown, values)
    return _row(loaded.name, before, after)


def _row(name: str, before: Registration | None, after: Registration) -> dict[str, Any]:
    return {
        "name": name,
        "plan": after.latest["plan"],
        "registered": after.latest["registered"],
        "runs_seen": len(after.frozen()["runs"]),
        "entries": len(after.entries),
        "new": before is None or len(after.entries) > len(before.entries),
    }


def _recompute(session: Session, loaded: Loaded, traces: str | None) -> dict[str, Any]:
    from emergence_stats.claims import registration as locks
    from emergence_stats.evaluation import recorded

    def same() -> str | None:
        path = session.project.folder / "verdicts.lock"
        old = recorded.read(path).get(loaded.name) if path.exists() else None
        result = session.evaluate([loaded.name], traces, None)[0]
        if old is None:
            return (
                "no verdict is recorded that the new numbers could be compared with"
                if result.counted
                else None
            )
        return recorded.moved(old, result)

    before = locks.read_lock(loaded.source.lock)
    after = locks.recompute(loaded, same)
    return _row(loaded.name, before, after)


def _lacking(loaded: Loaded, uri: str, store: Store | None) -> Iterator[str]:
    """What the design names and no run of the store has."""
    design = loaded.hypothesis.design
    if design is None or store is None or not store.runs:
        return
    runs = [run.manifest for run in store.runs]
    suites = sorted({run.suite for run in runs})
    if design.suite not in suites:
        yield f"{uri} has no run of suite {design.suite}, only of {', '.join(suites)}"
        return
    scales = sorted({run.scale for run in runs if run.suite == design.suite})
    unknown = [scale for scale in design.scales if scale not in scales]
    if unknown:
        yield f"suite {design.suite} has no run of scale {', '.join(unknown)}, only of {', '.join(scales)}"


def _store_to_see(session: Session, uri: str, named: bool) -> Store | None:
    """The store whose runs a registration lists as seen, with cut-off writes finished.

    None for the project's if there is none yet. Raises what `Store.open` raises.
    """
    from emergence_stats.traces.places import is_uri
    from emergence_stats.traces.write import recover

    if not is_uri(uri):
        if not Path(uri).exists() and not named:
            return None
        if Path(uri).is_dir():
            for run_id in recover(uri):
                say(f"note: finished the write of {run_id}, which was cut off")
    store = session.store(uri)
    usual = session.project.traces
    if named and not store.runs and Path(usual).is_dir() and session.store(None).runs:
        raise UsageError(
            f"{uri} has no run, but {usual} has: name the store whose runs the plan sees"
        )
    if store.unfinished:
        raise UsageError(
            f"{uri}: a write of {', '.join(store.unfinished)} was cut off and cannot be finished, so that these runs would "
            "count as unseen; write them again, or remove them with `emergence-stats traces rm`"
        )
    return store


def _is_no_test(name: str, hypothesis: Hypothesis) -> bool:
    """Whether `register` would refuse a plan, since its runs leave one verdict out of reach; then it says so."""
    from emergence_stats.evaluation.judging.outcomes import check_both_ways

    try:
        check_both_ways(name, hypothesis)
    except HypothesisError as error:
        say(f"note: {error}: it cannot be registered")
        return True
    return False


def _verify(session: Session, loaded: list[Loaded], as_json: bool) -> None:
    from emergence_stats.claims.registration import state_of
    from emergence_stats.support.words import visible

    states = {}
    for one in loaded:
        with session.apart(one.name):
            states[one.name] = state_of(one)
    if as_json:
        rows = [
            {
                "name": name,
                "registration": state.status,
                "changes": list(state.changes),
                "doubts": list(state.doubts),
                "notes": list(state.notes),
            }
            for name, state in states.items()
        ]
        print_json({"schema_version": 1, "registrations": rows})
    else:
        for name, state in states.items():
            typer.echo(f"{name}: {state.status}")
            for change in state.changes:
                typer.echo(f"  {visible(change)}")
            for kind, lines in (("doubt", state.doubts), ("note", state.notes)):
                for line in lines:
                    typer.echo(f"  {kind}: {visible(line)}")
    unregistered = [name for name, state in states.items() if state.status == "unregistered"]
    amended = [name for name, state in states.items() if state.status == "amended"]
    if unregistered:
        plans = {one.name: one.hypothesis for one in loaded}
        no_test = [name for name in unregistered if _is_no_test(name, plans[name])]
        unregistered = [name for name in unregistered if name not in no_test]
        fresh = [name for name in unregistered if not states[name].notes]
        if fresh:
            say(
                f"not registered yet: {', '.join(fresh)}. Freeze with: emergence-stats register "
                f"{' '.join(fresh)}"
            )
    if amended:
        say(
            f"{len(amended)} of {len(states)} plans amended: {', '.join(amended)}. Undo the changes above, and "
            "they are registered as before. Registering again lists every run of the store as seen, so that a "
            "confirmatory verdict then needs new runs"
        )
    session.end(1 if unregistered or amended else 0)
