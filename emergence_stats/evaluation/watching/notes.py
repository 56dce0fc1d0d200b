"""What a reader has to know of the runs besides a verdict: those without a value, measures that no run has, late beginnings."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from emergence_stats.claims.project import Project
from emergence_stats.evaluation.results import Result
from emergence_stats.support.words import listed, ranges
from emergence_stats.traces.store import RunFile, Store

_MOST = 3  # reasons that are told; `test -v` has all
_NAMES = 4  # runs that are named with a reason
_ROUNDING = 1e-6


def with_notes(results: Sequence[Result], project: Project, store: Store) -> list[Result]:
    """The results, each with its notes. Raises `TraceError` for a store that is broken.

    Runs of the training backend begin at step 0 and are not read.
    """
    files = {file.manifest.run_id: file for file in store.runs}
    known: dict[str, set[str]] = {}
    seen: dict[str, dict[str, _Seen]] = {}
    found = []
    for result in results:
        wanted = project.load(result.name).hypothesis.needs.measures
        counted = [use.run_id for use in result.runs if use.status == "counted"]
        for run_id in counted:
            lacking = set(wanted) - seen.setdefault(run_id, {}).keys()
            if lacking and not _is_ours(files[run_id]):
                seen[run_id] |= _look(store, files[run_id], lacking)
        notes = [*_refused(result)]
        for measure in wanted:
            there = [seen[i].get(measure, _OURS) for i in counted]
            notes += [
                note for note in (_beginning(measure, there), _no_share(measure, there)) if note
            ]
        if not counted:
            notes += _unknown(result, wanted, store, files, known)
        found.append(replace(result, notes=(*result.notes, *notes)) if notes else result)
    return found


def _refused(result: Result) -> Iterator[str]:
    """Runs that gave no value, by reason, where others did."""
    whose: dict[str, list[str]] = {}
    for use in result.runs:
        if use.status == "refused":
            whose.setdefault(use.why, []).append(use.run_id)
    if not result.counted or not whose:
        return
    most = sorted(whose.items(), key=lambda pair: -len(pair[1]))
    for why, names in most[:_MOST]:
        short = ranges(names)
        which = listed(short) if len(short) <= _NAMES else f"{short[0]}, ..."
        yield f"{len(names)} run{'s' if len(names) != 1 else ''} of {len(result.runs)} cannot be used ({which}): {why}"
    if len(most) > _MOST:
        yield f"{len(most) - _MOST} more reasons of runs that cannot be used: `emergence-stats test {result.name} -v`"


def _unknown(
    result: Result,
    wanted: Sequence[str],
    store: Store,
    files: dict[str, RunFile],
    known: dict[str, set[str]],
) -> Iterator[str]:
    """Measures that no refused run has, with what they have."""
    some = [use.run_id for use in result.runs if use.status == "refused"]
    for run_id in some[:_MOST]:
        if run_id not in known:
            column = store.read(files[run_id]).column("measure")
            known[run_id] = {str(name) for name in column.unique().to_pylist()}
    there = set().union(*(known[i] for i in some[:_MOST])) if some else set()
    for measure in wanted:
        if there and measure not in there:
            yield f"no measure is called {measure!r} in these runs{_near(measure, there)}; they have {', '.join(sorted(there))}"


def _near(name: str, there: Collection[str]) -> str:
    close = difflib.get_close_matches(name, there, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _is_ours(file: RunFile) -> bool:
    return {"torch", "revision"} <= file.manifest.software.keys()


@dataclass(frozen=True)
class _Seen:
    """Of a measure of a run: the first step, and the least and largest value."""

    first: int
    least: float
    most: float


_OURS = _Seen(0, 0.0, 0.0)


def _look(store: Store, file: RunFile, measures: set[str]) -> dict[str, _Seen]:
    table = store.read(file, measures).select(["measure", "step", "value"])
    rows = table.group_by("measure").aggregate(
        [("step", "min"), ("value", "min"), ("value", "max")]
    )
    return {
        row["measure"]: _Seen(row["step_min"], row["value_min"], row["value_max"])
        for row in rows.to_pylist()
    }


def _beginning(measure: str, there: Sequence[_Seen]) -> str | None:
    late = sorted(one.first for one in there if one.first > 0)
    if not late:
        return None
    at = f"step {late[0]:,}" + (f" to {late[-1]:,}" if late[-1] != late[0] else "")
    return (
        f"{measure} begins at {at}, not 0, in {len(late)} of {len(there)} runs: what the claim takes for the beginning is "
        "there"
    )


def _no_share(measure: str, there: Sequence[_Seen]) -> str | None:
    """An accuracy that is none: events of a claim are between chance and 1."""
    beyond = [one for one in there if one.least < -_ROUNDING or one.most > 1 + _ROUNDING]
    if measure != "accuracy" or not beyond:
        return None
    most = max((end for one in beyond for end in (one.least, one.most)), key=abs)
    return f"accuracy is a share, from 0 to 1, and reaches {most:g} in {len(beyond)} of {len(there)} runs: is it in percent?"
