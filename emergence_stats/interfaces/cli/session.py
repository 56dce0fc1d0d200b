"""What one call of the command line shares: its project, and how it evaluates and prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EPIPE
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer

from emergence_stats.errors import EmergenceStatsError, NoHypothesisError, UsageError
from emergence_stats.interfaces.cli.options import Colour
from emergence_stats.interfaces.startup import is_unicode

if TYPE_CHECKING:
    from rich.console import Console

    from emergence_stats.claims.project import Loaded, Project
    from emergence_stats.evaluation.results import Result
    from emergence_stats.support.progress import Progress
    from emergence_stats.traces.store import Store

T = TypeVar("T")


@dataclass
class Session:
    """`colour`: the value of ``--color``, None if it is not given. `quiet`: no progress. `failed`: errors of single claims, by
    name, which are told at the end (`end`).
    """

    colour: Colour | None = None
    quiet: bool = False
    failed: dict[str, EmergenceStatsError] = field(default_factory=dict)
    _stores: dict[str, Store] = field(default_factory=dict, init=False)

    @cached_property
    def project(self) -> Project:
        """The project of the folder in which the command was called."""
        from emergence_stats.claims.project import Project

        return Project()

    def choose(
        self, words: Sequence[str] | None, keyword: str | None = None, all_: bool = False
    ) -> list[str] | None:
        """Names of the claims that a command is about, None for all, which is also what ``--all`` asks for.

        Raises what `choosing.choose` raises.
        """
        from emergence_stats.interfaces.cli.choosing import choose

        if words and all_:
            raise UsageError("give either names or --all, not both")
        return choose(self.project, words, keyword)

    def load(self, words: Sequence[str] | None) -> list[Loaded]:
        """Hypotheses by name, path or pattern, each once, or all."""
        chosen = self.choose(words) or list(self.project.sources)
        if not chosen:
            raise UsageError(f"there is no hypothesis: {self.project.why_none}")
        return [self.project.load(name) for name in chosen]

    def load_each(self, names: Sequence[str] | None) -> list[Loaded]:
        """Those of these names, for commands that look at one claim after another: one that cannot be imported keeps none of the others.

        What lies among all claims and is none is named on stderr. Raises an error if nothing can be imported.
        """
        loaded, notes = [], [] if names else self.project.notes()
        chosen = list(names) if names else list(self.project.sources)
        for name in chosen:
            with self.apart(name):
                try:
                    loaded.append(self.project.load(name))
                except NoHypothesisError:
                    source = self.project.named(name)
                    if names or source.path is None or source.lock.exists():
                        raise  # it is asked for, or was a claim when it was registered
                    notes.append(
                        f"{self.project.shown(source.path)} holds no Hypothesis, so it is no claim; begin its name with an "
                        f"underscore (_{source.path.name}) if claims import it"
                    )
        for note in notes if not self.quiet else ():
            say(f"note: {note}")
        if not loaded:
            self._raise_failed()
            raise UsageError(f"there is no hypothesis: {self.project.why_none}")
        return loaded

    @contextmanager
    def apart(self, name: str) -> Iterator[None]:
        """What is wrong with one claim inside is told at the end, and keeps no other from its turn."""
        try:
            yield
        except EmergenceStatsError as error:
            self.failed[name] = error

    def _raise_failed(self) -> None:
        """End with what failed, if anything did."""
        *others, last = [None, *self.failed.values()]
        for error in others[1:]:
            say(f"error: {error}")
        if last is not None:
            raise last

    def end(self, status: int = 0) -> NoReturn:
        """End the command: with `status`, or with 2 and their errors if claims failed."""
        for error in self.failed.values():
            say(f"error: {error}")
        raise typer.Exit(2 if self.failed else status)

    def store(self, uri: str | None) -> Store:
        """The trace store at `uri`, by default the project's. All of a call see one state of it, which is scanned once."""
        from emergence_stats.interfaces.startup import import_pyarrow
        from emergence_stats.traces.store import Store

        import_pyarrow()
        where = self._uri(uri)
        if where not in self._stores:
            self._stores[where] = Store.open(where)
        return self._stores[where]

    def writable(self, uri: str | None) -> str:
        """The store that is changed, by default the project's: a folder or a URI, whose bucket is there."""
        from emergence_stats.interfaces.startup import import_pyarrow
        from emergence_stats.traces.places import check_bucket

        import_pyarrow()
        where = self._uri(uri)
        check_bucket(where)
        return where

    def _uri(self, given: str | None) -> str:
        uri = given if given is not None else self.project.traces
        if Path(uri).is_file():
            raise UsageError(
                f"{uri} is a file, and a trace store is a folder, or an address as s3://lab/traces; `emergence-stats traces import` reads "
                "files into one"
            )
        return uri

    def evaluate(
        self,
        names: Sequence[str] | None,
        traces: str | None,
        suite: str | None,
        controls: bool = True,
    ) -> list[Result]:
        """Results of these hypotheses, with what is recorded of them if the suite is the plan's.

        One that fails has none, and keeps no other from having its own. Raises an error if all fail.
        """
        return self.evaluate_loaded(self.load_each(names), traces, suite, controls)

    def evaluate_loaded(
        self,
        loaded: Sequence[Loaded],
        traces: str | None,
        suite: str | None,
        controls: bool = True,
        beside_others: bool = True,
    ) -> list[Result]:
        """The same of hypotheses that are loaded. `beside_others`: half of the runs in another process."""
        from emergence_stats.evaluation.evaluate import evaluate
        from emergence_stats.evaluation.watching.meaning import with_meanings
        from emergence_stats.evaluation.watching.notes import check_suite, with_notes
        from emergence_stats.evaluation.watching.shown import in_units

        store = self.store(traces)
        check_suite(suite, store, loaded)
        with self.progress("reading runs") as progress:
            results = evaluate(
                loaded,
                store,
                suite=suite,
                progress=progress,
                controls=controls,
                beside_others=beside_others,
                failures=self.failed,
            )
        if not results:
            self._raise_failed()
        results = in_units(with_notes(results, self.project, store), self.project)
        results = with_meanings(results, self.project)
        if suite is not None or not (self.project.folder / "robustness.lock").exists():
            return results
        from emergence_stats.robustness.recorded import attach

        return attach(results, self.project, store)

    def with_heterogeneity(self, results: Sequence[Result]) -> list[Result]:
        """The results with how their scales differ."""
        from emergence_stats.evaluation.opinions.gather import with_heterogeneity

        return with_heterogeneity(results)

    def with_opinions(self, results: Sequence[Result], traces: str | None) -> list[Result]:
        """The results with what other packages say, which takes a second to load."""
        from emergence_stats.evaluation.opinions.gather import with_opinions

        manifests = {run.manifest.run_id: run.manifest for run in self.store(traces).runs}
        return with_opinions(results, manifests)

    def console(self, stderr: bool = False) -> Console:
        from rich.console import Console as RichConsole

        class Console(RichConsole):
            def on_broken_pipe(self) -> None:
                raise BrokenPipeError(EPIPE, "broken pipe")  # rich ends with 1, which means refuted

        colour = self.colour or Colour(self.project.settings["color"])
        return Console(
            stderr=stderr,
            no_color=True if colour is Colour.never else None,
            force_terminal=True if colour is Colour.always and not stderr else None,
        )

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Progress on stderr, only on a terminal."""
        console = self.console(stderr=True)
        if self.quiet or not console.is_terminal:
            yield lambda done, total: None
            return
        spinner = "dots" if is_unicode(sys.stderr) else "line"
        with console.status(what, spinner=spinner) as status:
            yield lambda done, total: status.update(f"{what}: {done}/{total}")


def session_of(
    context: typer.Context, quiet: bool = False, timeout: float | None = None
) -> Session:
    """The session of the call. `timeout`: seconds that it may take from here."""
    from emergence_stats.support import guard

    if timeout is not None:
        if not guard.is_guarded():
            raise UsageError(
                "--timeout needs a process that can be watched, which this system lacks"
            )
        guard.limit_time(timeout)
    _check_not_empty(context)
    session = context.ensure_object(Session)
    session.quiet = quiet
    return session


def _check_not_empty(context: typer.Context) -> None:
    """Raise `UsageError` for an option that is given and empty, as of a shell variable that is not set: what it would be taken for
    is not what was meant.
    """
    for option in context.command.params:
        given = context.params.get(option.name or "")
        empty = any(
            not str(one).strip() for one in (given if isinstance(given, list | tuple) else [given])
        )
        if option.param_type_name == "option" and option.name != "keyword" and empty:
            raise UsageError(f"{option.opts[0]} is empty; give it a value, or leave it out")


def print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def by_suffix(output: Path | None, known: Mapping[str, T]) -> T:
    """The format that a file's name says, without a file that of no suffix. Raises `UsageError` for a suffix that says none."""
    suffix = output.suffix.lower() if output is not None else ""
    if suffix not in known:
        suffixes = ", ".join(filter(None, known))
        raise UsageError(
            f"{output}: no format has this suffix, only {suffixes}; or name one with --format"
        )
    return known[suffix]


def write_or_print(text: str, output: Path | None, markup: bool = False) -> None:
    """Write into a file, whole or not at all, which is said on a terminal; to stdout if none is named.

    `markup`: HTML or XML, which says itself that it is UTF-8. On a stdout of another encoding its characters are written as
    references.
    """
    from emergence_stats.support.files import write_whole

    if output is not None:
        write_whole(output, text)
        if sys.stdout.isatty():
            typer.echo(f"wrote {output}")
    elif markup and not is_unicode(sys.stdout):
        sys.stdout.write(text.encode("ascii", "xmlcharrefreplace").decode())
    else:
        sys.stdout.write(text)


def say(text: str) -> None:
    """A line on stderr."""
    from emergence_stats.support.words import visible

    sys.stderr.write(f"emergence-stats: {visible(text)}\n")


def end_with_verdicts(session: Session, results: Sequence[Result]) -> NoReturn:
    """Exit with 1 if anything is refuted, with 3 if anything is inconclusive, else with 0; with 2 if a claim failed."""
    verdicts = {str(result.verdict) for result in results}
    session.end(1 if "refuted" in verdicts else 3 if "inconclusive" in verdicts else 0)
