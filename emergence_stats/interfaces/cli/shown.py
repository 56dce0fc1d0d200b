"""One run looked at: traces show."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emergence_stats.errors import UsageError
from emergence_stats.interfaces.cli.app import traces_app
from emergence_stats.interfaces.cli.options import JsonOption, PictureOption, TracesOption
from emergence_stats.interfaces.cli.session import print_json, session_of
from emergence_stats.interfaces.startup import is_unicode
from emergence_stats.support.words import near, number, sparkline

if TYPE_CHECKING:
    from emergence_stats.core.runs import TraceSet
    from emergence_stats.traces.store import RunFile, Store

_POINTS = 24  # of a sparkline


@traces_app.command("show")
def traces_show(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name of a run.")],
    traces: TracesOption = None,
    output: PictureOption = None,
    as_json: JsonOption = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="A line for each layer, or each task.")
    ] = False,
) -> None:
    """What was measured in one run: each measure over the steps."""
    from emergence_stats.core.runs import Run

    session = session_of(context)
    if output is not None:
        from emergence_stats.reports.pictures.style import check_suffix

        check_suffix(output)
    store = session.store(traces)
    file = _run_named(store, run)
    m, measured = file.manifest, Run(file.manifest, store.read(file))
    sets = {name: measured.traces(name) for name in sorted(measured.measures)}
    if output is not None:
        from emergence_stats.reports.pictures.run import measures_of
        from emergence_stats.reports.pictures.style import save

        save(measures_of(sets, m.step_unit), output)
    if as_json:
        shown = {name: _facts(one) for name, one in sets.items()}
        facts = {key: getattr(m, key) for key in ("run_id", "suite", "scale", "seed", "created")}
        print_json({"schema_version": 1, **facts, "measures": shown})
        return
    from emergence_stats.reports.console import print_line, print_table

    console, unicode = session.console(), is_unicode(sys.stdout)
    blocks = (
        f"{m.n_layers} block{'s' if m.n_layers > 1 else ''}" if m.n_layers else "no known blocks"
    )
    print_line(
        console,
        f"{m.run_id}: suite {m.suite}, scale {m.scale}, seed {m.seed}, {m.n_params:,} parameters, "
        f"{blocks}, {m.rows:,} rows of {m.step_unit}, made {m.created}",
    )
    rows = []
    for name, one in sets.items():
        rows.append(_row(name, one, unicode))
        rows += [_row(f"  {part}", some, unicode) for part, some in _parts(one) if verbose]
    columns = ("measure", "traces", "steps", "first", "last", "median over log steps")
    print_table(console, columns, rows)


def _run_named(store: Store, name: str) -> RunFile:
    """A run by its name, or as SUITE/RUN. Raises `UsageError` with the nearest for an unknown one."""
    known = {file.manifest.run_id: file for file in store.runs}
    suite, _, run_id = name.rpartition("/")
    found = known.get(run_id)
    if found is not None and suite in ("", found.manifest.suite):
        return found
    hint = near(run_id, known, "; `emergence-stats traces ls -v` lists them")
    raise UsageError(f"{store.uri} has no run {name!r}{hint}")


def _parts(one: TraceSet) -> Iterator[tuple[str, TraceSet]]:
    """The traces of each layer; of a measure without layers, those of each task."""
    layers = sorted({int(layer) for layer in one.layer if layer >= 0})
    if layers:
        yield from ((f"layer {layer}", one.select(one.layer == layer)) for layer in layers)
    else:
        tasks = sorted({str(task) for task in one.task if task})
        yield from ((task, one.select(one.task == task)) for task in tasks)


def _row(name: str, one: TraceSet, unicode: bool) -> tuple[str, ...]:
    found, line = _facts(one), median_line(one)
    first, last = found["steps"]
    ends = (number(found["first"]), number(found["last"]))
    return (name, str(len(one)), f"{first}-{last}", *ends, sparkline(line, unicode))


def _facts(one: TraceSet) -> dict[str, Any]:
    """Of a measure: how many traces, their steps, their median at both ends, the least and the largest value."""
    line = median_line(one)
    return {
        "traces": len(one),
        "steps": [int(one.steps.min()), int(one.steps.max())],
        "first": line[0],
        "last": line[-1],
        "least": float(one.values.min()),
        "most": float(one.values.max()),
    }


def median_line(one: TraceSet, points: int = _POINTS) -> list[float]:
    """The median over traces at `points` places, evenly spaced in log steps; between checkpoints on straight lines.

    There are no more places than checkpoints.
    """
    import numpy as np

    points = min(points, len(np.unique(one.steps)))
    at = np.linspace(np.log1p(one.steps.min()), np.log1p(one.steps.max()), points)
    each = [
        np.interp(at, np.log1p(steps[:n]), values[:n])
        for steps, values, n in zip(one.steps, one.values, one.length, strict=True)
    ]
    return [float(value) for value in np.median(each, axis=0)]
