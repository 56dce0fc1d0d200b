"""Commands about the runs that a claim wants: plan, collect."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emergence_stats.errors import UsageError
from emergence_stats.interfaces.cli.app import app
from emergence_stats.interfaces.cli.options import (
    AllOption,
    JobsOption,
    JsonOption,
    KeywordOption,
    OptionalNames,
    SuiteOption,
    TracesOption,
)
from emergence_stats.interfaces.cli.session import Session, print_json, say, session_of
from emergence_stats.support.words import counted, listed

if TYPE_CHECKING:
    from emergence_stats.claims.project import Loaded


@app.command()
def plan(
    context: typer.Context,
    names: OptionalNames = None,
    keyword: KeywordOption = None,
    all_: AllOption = False,
    traces: TracesOption = None,
    suite: SuiteOption = None,
    device: Annotated[
        str, typer.Option(help="cuda: what each scale of the suites would cost on a GPU, too.")
    ] = "cpu",
    memory: Annotated[
        float | None, typer.Option(help="GB of the GPU's memory; default: of the one measured.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Which runs of the confirmatory set are there, which are missing, what they would cost."""
    from emergence_stats.claims.planning.plans import plan_lines, plan_of, total_of

    if device not in ("cpu", "cuda"):
        raise UsageError(f"unknown device {device!r}; known devices: cpu, cuda")
    if memory is not None and (device != "cuda" or not 0 < memory < float("inf")):
        raise UsageError(
            "--memory is that of a GPU, in GB: say --device cuda, and a number above 0"
        )

    session = session_of(context)
    chosen = session.choose(names, keyword, all_)
    uri, plans = traces or session.project.traces, []
    loaded = session.load_each(chosen)
    for one in loaded:
        with session.apart(one.name):
            if one.hypothesis.design is None and suite is None and chosen is None:
                say(f"note: {one.name} declares no design, so the runs it wants are not known")
                continue
            plans.append(plan_of(one, uri, suite))
            if traces is not None:
                plans[-1]["traces"] = traces
    gpus = _on_gpu({found["suite"] for found in plans}, memory) if device == "cuda" else {}
    for found in plans:
        if found["suite"] in gpus:
            found["gpu"] = gpus[found["suite"]]
    if chosen is not None and len(loaded) == len(plans) == 1:
        _add_looks(session, loaded[0], plans[0])
        if as_json:
            print_json({"schema_version": 1, **plans[0]})
        else:
            typer.echo("\n".join(plan_lines(plans[0])))
    elif as_json and plans:
        print_json({"schema_version": 1, "plans": plans, "total": total_of(plans)})
    elif plans:
        _show_plans(session, plans)
    if not as_json:
        _show_gpus(session, gpus, plans)
    session.end()


def _on_gpu(suites: set[str], memory: float | None) -> dict[str, dict[str, Any]]:
    """By suite: what was measured, and what its scales cost. Raises `UsageError` if no suite's cost is known."""
    from emergence_stats.claims.backend import costs_on_gpu

    found, unknown = {}, []
    for name in sorted(suites):
        try:
            found[name] = costs_on_gpu(name, memory)
        except UsageError as error:
            unknown.append(error)
    if unknown and not found:
        raise unknown[0]
    for each in unknown:
        say(f"note: {each}")
    return {name: {"on": basis, "scales": scales} for name, (basis, scales) in found.items()}


def _show_gpus(
    session: Session, gpus: dict[str, dict[str, Any]], plans: list[dict[str, Any]]
) -> None:
    from emergence_stats.claims.planning.plans import total_on_gpu
    from emergence_stats.reports.console import print_line, print_table

    for suite, found in gpus.items():
        print_line(session.console(), f"suite {suite} on {found['on']}")
        columns = (
            "scale",
            "ms a step",
            "s a checkpoint",
            "minutes a run",
            "GB",
            "largest batch",
            "",
        )
        rows = [
            (
                cost["scale"], f"{cost['step_ms']:.1f}", f"{cost['checkpoint_s']:.2f}", f"{60 * cost['hours']:.1f}",
                f"{cost['memory_gb']:.2f}", f"{cost['largest_batch']:,}", cost["basis"],
            )
            for cost in found["scales"]
        ]  # fmt: skip
        print_table(session.console(), columns, rows)
        small = [cost["scale"] for cost in found["scales"] if not cost["largest_batch"]]
        if small:
            text = f"not one sample fits into the memory at {listed(small)}: these cannot be trained there"
            print_line(session.console(), text)
        missing, hours = total_on_gpu(plans, suite)
        if missing and not small:
            text = f"{counted(missing, 'run')} of suite {suite} missing: {hours:.1f} hours on one of these"
            print_line(session.console(), text)


def _add_looks(session: Session, loaded: Loaded, found: dict[str, Any]) -> None:
    """Of a plan that looks early: how far it is."""
    from emergence_stats.evaluation.evaluate import evaluate

    design = loaded.hypothesis.design
    if (
        design is None
        or not design.sequential
        or not found["confirmatory"]
        or not _any_there(found)
    ):
        return
    result = evaluate([loaded], session.store(found["store"]))[0]
    found["looks"] = {
        "at": list(design.looks),
        "verdict": str(result.verdict),
        "confirmatory": result.confirmatory,
        "reason": result.reason,
    }


def _show_plans(session: Session, plans: list[dict[str, Any]]) -> None:
    """A line each, and the runs of all of them, which several claims share."""
    from emergence_stats.claims.planning.plans import cost_text, total_of
    from emergence_stats.reports.console import print_line, print_table

    rows = []
    for found in plans:
        states = Counter(run["state"] for run in found["runs"])
        counts = [str(states[state]) for state in ("there", "pilot", "missing")]
        rows.append((found["name"], found["suite"], str(len(found["runs"])), *counts))
    console, total = session.console(), total_of(plans)
    print_table(console, ("hypothesis", "suite", "runs", "there", "pilots", "missing"), rows)
    missing = f"{total['missing']} missing"
    if total["missing"]:
        missing += f": {cost_text(total['seconds'], total['unknown'])}"
    print_line(
        console,
        f"{counted(total['runs'], 'run')} in all, each counted once: {total['there']} there, {missing}",
    )
    for note in dict.fromkeys(note for found in plans for note in found["notes"]):
        print_line(console, f"note: {note}")


def _any_there(found: dict[str, Any]) -> bool:
    return any(run["state"] == "there" for run in found["runs"])


@app.command()
def collect(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME ...]",
            help="Names, paths or patterns of hypotheses whose runs are wanted; none: all of --suite.",
        ),
    ] = None,
    keyword: KeywordOption = None,
    suite: SuiteOption = None,
    traces: TracesOption = None,
    engine: Annotated[
        str,
        typer.Option(help="Where runs are trained: local (processes here), ray or slurm."),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Of a Ray cluster, as auto or HOST:PORT; none: one on this machine."),
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A parameter of the Slurm jobs, as partition=gpu."),
    ] = None,
    scratch: Annotated[
        str | None,
        typer.Option(help="Folder of this machine for runs on their way to a store elsewhere."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    jobs: JobsOption = None,
    together: Annotated[
        int,
        typer.Option(
            min=1, help="Seeds of one scale that share a process and each step; for GPUs."
        ),
    ] = 1,
    models: Annotated[
        str | None,
        typer.Option(help="Folder with published models, for suites of those: as the hub's cache."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A published model that is no suite's: OWNER/NAME on the hub, or a folder with its checkpoints."
        ),
    ] = None,
    revisions: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Of that model, these checkpoints only: 'step*000'."),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(help="Folder with text files, for language models that are trained here."),
    ] = None,
    scale: Annotated[list[str] | None, typer.Option(help="Only these scales.")] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(help="Only these seeds; others than the suite's are trained, too."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the missing runs; a killed one continues where it stopped."""
    from emergence_stats.claims.backend import How
    from emergence_stats.claims.planning.collecting import collect_missing
    from emergence_stats.traces.importing.mapping import pairs

    if engine == "torch":  # its name in version 0.1
        engine = "local"
    if address is not None and engine != "ray":
        raise UsageError("--address is that of a Ray cluster: say --engine ray")
    if together > 1 and engine != "local":
        raise UsageError("--together is of processes of this machine: say --engine local")
    if slurm and engine != "slurm":
        raise UsageError("--slurm is of the jobs of a Slurm cluster: say --engine slurm")
    if revisions is not None and model is None:
        raise UsageError("--revisions are those of a model: say --model")
    if model is not None and (names or keyword):
        raise UsageError("--model is of a run of its own, and of no hypothesis")
    session = session_of(context)
    how = How(
        device,
        jobs or (session.project.settings["jobs"] if engine == "local" else None),
        engine,
        address,
        pairs(slurm or [], "--slurm"),
        scratch,
        together,
        models,
        corpus,
        model,
        revisions,
    )
    asked = names or keyword
    wanted = session.load_each(session.choose(names, keyword)) if asked else [None]
    folder = session.writable(traces)
    try:
        done = sum(
            collect_missing(
                loaded,
                folder,
                suite,
                how,
                scales=scale,
                seeds=seed,
            )
            for loaded in wanted
        )
    except KeyboardInterrupt:
        sys.stderr.write("emergence-stats: interrupted; collect again to continue\n")
        raise typer.Exit(130) from None
    if as_json:
        print_json({"schema_version": 1, "collected": done, "store": folder})
    else:
        typer.echo(f"{counted(done, 'run')} collected into {folder}")
    session.end()
