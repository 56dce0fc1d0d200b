"""Runs whose first checkpoint is not step 0: a claim that starts from the beginning of a trace starts there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from emergence_stats.claims.project import Project
from emergence_stats.evaluation.results import Result
from emergence_stats.traces.store import RunFile, Store


def with_beginnings(results: Sequence[Result], project: Project, store: Store) -> list[Result]:
    """The results, each with a note for every measure that begins later in runs that count.

    Runs of the training backend begin at step 0 and are not read. Raises `TraceError` for a store that is broken.
    """
    files = {file.manifest.run_id: file for file in store.runs}
    first: dict[str, dict[str, int]] = {}
    found = []
    for result in results:
        counted = [use.run_id for use in result.runs if use.status == "counted"]
        wanted = project.load(result.name).hypothesis.needs.measures
        for run_id in counted:
            lacking = set(wanted) - first.setdefault(run_id, {}).keys()
            if lacking and not _is_ours(files[run_id]):
                first[run_id] |= _first_steps(store, files[run_id], lacking)
        notes = [
            note
            for measure in wanted
            if (note := _note(measure, [first[i].get(measure, 0) for i in counted]))
        ]
        found.append(replace(result, notes=(*result.notes, *notes)) if notes else result)
    return found


def _is_ours(file: RunFile) -> bool:
    return {"torch", "revision"} <= file.manifest.software.keys()


def _first_steps(store: Store, file: RunFile, measures: set[str]) -> dict[str, int]:
    table = store.read(file, measures).select(["measure", "step"])
    firsts = table.group_by("measure").aggregate([("step", "min")]).to_pylist()
    return {row["measure"]: row["step_min"] for row in firsts}


def _note(measure: str, firsts: Sequence[int]) -> str | None:
    late = sorted(step for step in firsts if step > 0)
    if not late:
        return None
    at = f"step {late[0]:,}" + (f" to {late[-1]:,}" if late[-1] != late[0] else "")
    return (
        f"{measure} begins at {at}, not 0, in {len(late)} of {len(firsts)} runs: what the claim takes for the beginning is "
        "there"
    )
