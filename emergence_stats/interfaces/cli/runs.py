"""Commands about the runs that a claim wants: plan, collect."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from emergence_stats.errors import UsageError
from emergence_stats.interfaces.cli.app import app
from emergence_stats.interfaces.cli.options import (
    JobsOption,
    JsonOption,
    Name,
    SuiteOption,
    TracesOption,
)
from emergence_stats.interfaces.cli.session import print_json, session_of


@app.command()
def plan(
    context: typer.Context,
    name: Name,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which runs of the confirmatory set are there, which are missing, what they would cost."""
    from emergence_stats.claims.planning import plan_lines, plan_of

    session = session_of(context)
    loaded = session.one(name)
    found = plan_of(loaded, traces or session.project.traces, suite)
    design = loaded.hypothesis.design
    if design is not None and design.sequential and found["confirmatory"] and _any_there(found):
        from emergence_stats.evaluation.evaluate import evaluate

        result = evaluate([loaded], session.store(traces))[0]
        found["looks"] = {
            "at": list(design.looks) if design is not None else [],
            "verdict": str(result.verdict),
            "confirmatory": result.confirmatory,
            "reason": result.reason,
        }
    if as_json:
        print_json({"schema_version": 1, **found})
    else:
        typer.echo("\n".join(plan_lines(found)))


def _any_there(found: dict[str, Any]) -> bool:
    return any(run["state"] == "there" for run in found["runs"])


@app.command()
def collect(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Hypothesis whose runs are wanted; none: a whole suite.")
    ] = None,
    suite: SuiteOption = None,
    traces: TracesOption = None,
    engine: Annotated[str, typer.Option(help="Training backend; the only one is torch.")] = "torch",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    jobs: JobsOption = None,
    scale: Annotated[list[str] | None, typer.Option(help="Only these scales.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Only these seeds.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the missing runs; a killed one continues where it stopped."""
    from emergence_stats.claims.collecting import collect_missing

    if engine != "torch":
        raise UsageError(f"unknown engine {engine!r}; the only engine is torch")
    session = session_of(context)
    loaded = session.one(name) if name else None
    folder = session.folder(traces, "collect writes to")
    try:
        done = collect_missing(
            loaded,
            folder,
            suite,
            device=device,
            jobs=jobs or session.project.settings["jobs"],
            scales=scale,
            seeds=seed,
        )
    except KeyboardInterrupt:
        sys.stderr.write("emergence-stats: interrupted; collect again to continue\n")
        raise typer.Exit(130) from None
    if as_json:
        print_json({"schema_version": 1, "collected": done, "store": folder})
    else:
        typer.echo(f"{done} runs collected into {folder}")
