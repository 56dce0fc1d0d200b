"""What one call of the command line shares: its project, and how it evaluates and prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from emergence_stats.errors import UsageError
from emergence_stats.interfaces.cli.options import Colour

if TYPE_CHECKING:
    from rich.console import Console

    from emergence_stats.claims.project import Loaded, Project
    from emergence_stats.evaluation.results import Result
    from emergence_stats.support.progress import Progress
    from emergence_stats.traces.store import Store


@dataclass
class Session:
    """`colour`: the value of ``--color``, None if it is not given. `quiet`: no progress."""

    colour: Colour | None = None
    quiet: bool = False

    @cached_property
    def project(self) -> Project:
        """The project of the folder in which the command was called."""
        from emergence_stats.claims.project import Project

        return Project()

    def one(self, name: str) -> Loaded:
        """A hypothesis by name. Raises `UsageError` for an unknown name."""
        return self.project.load(self.project.named(name).name)

    def load(self, names: Sequence[str] | None) -> list[Loaded]:
        """Hypotheses by name, each once, or all."""
        chosen = list(dict.fromkeys(names)) if names else list(self.project.sources)
        if not chosen:
            raise UsageError(f"there is no hypothesis: {self.project.why_none}")
        return [self.project.load(name) for name in chosen]

    def load_named_or_all(self, names: Sequence[str] | None, all_: bool) -> list[Loaded]:
        """The same; ``--all`` asks for all."""
        if not names and not all_:
            raise UsageError("name hypotheses, or use --all")
        if names and all_:
            raise UsageError("give either names or --all, not both")
        return self.load(names)

    def store(self, uri: str | None) -> Store:
        """The trace store at `uri`, by default the project's."""
        from emergence_stats.interfaces.startup import import_pyarrow
        from emergence_stats.traces.store import Store

        import_pyarrow()
        return Store.open(uri or self.project.traces)

    def folder(self, uri: str | None, verb: str) -> str:
        """The store as a folder to be changed. Raises `UsageError` for a URI."""
        chosen = uri or self.project.traces
        if "://" in chosen:
            raise UsageError(f"{verb} a local folder, but {chosen} is a URI")
        return chosen

    def evaluate(
        self,
        names: Sequence[str] | None,
        traces: str | None,
        suite: str | None,
        controls: bool = True,
    ) -> list[Result]:
        """Results of these hypotheses, with what is recorded of them if the suite is the plan's."""
        from emergence_stats.evaluation.evaluate import evaluate

        loaded = self.load(names)
        store = self.store(traces)
        with self.progress("reading runs") as progress:
            results = evaluate(
                loaded, store, suite=suite, progress=progress, controls=controls, beside_others=True
            )
        if suite is not None or not (self.project.folder / "robustness.lock").exists():
            return results
        from emergence_stats.robustness.recorded import attach

        return attach(results, self.project, store)

    def with_opinions(self, results: Sequence[Result], traces: str | None) -> list[Result]:
        """The results with what other packages say, which takes a second to load."""
        from emergence_stats.evaluation.opinions.gather import with_opinions

        manifests = {run.manifest.run_id: run.manifest for run in self.store(traces).runs}
        return with_opinions(results, manifests)

    def console(self, stderr: bool = False) -> Console:
        from rich.console import Console

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
        with console.status(what) as status:
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
    session = context.ensure_object(Session)
    session.quiet = quiet
    return session


def print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def write_or_print(text: str, output: Path | None) -> None:
    """Write into a file, whole or not at all; to stdout if none is named."""
    from emergence_stats.support.files import write_whole

    if output is not None:
        write_whole(output, text)
    else:
        sys.stdout.write(text)


def end_with_verdicts(results: Sequence[Result]) -> NoReturn:
    """Exit with 1 if anything is refuted, with 3 if anything is inconclusive, else with 0."""
    verdicts = {str(result.verdict) for result in results}
    raise typer.Exit(1 if "refuted" in verdicts else 3 if "inconclusive" in verdicts else 0)
