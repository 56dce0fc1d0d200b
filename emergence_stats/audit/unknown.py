"""What no audit can tell, and what this one cannot: a green light that hides its limits would not be earned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emergence_stats.audit.facts import Entry, Repeated, TracedRun
from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration import State
from emergence_stats.support.git import History
from emergence_stats.support.words import first_of


def unknown(
    loaded: Loaded,
    state: State,
    entries: Sequence[Entry],
    runs: Sequence[TracedRun],
    imported: int,
    history: History,
    repeated: Repeated | None,
) -> Iterator[str]:
    """What is not known about one claim, a sentence each. `imported`: runs that count and were; `history`: of the store."""
    if not entries or state.registration is None:
        yield "whether the plan was made before the runs: it is not registered"
    else:
        yield from _of_the_plan(loaded, state.registration.latest, entries[-1])
        yield from (
            f"whether it matters that {note}"
            for note in state.notes
            if " when " in note or " since " in note
        )
    yield from _of_the_runs(runs, history, loaded.history)
    if imported:
        yield (
            f"when {imported} of the runs that count were measured: they were imported, and are dated by the import unless "
            "their source gave another time"
        )
    together = [
        r for r in runs if r.use == "counted" and entries and r.commit == entries[-1].commit
    ]
    if together and together[0].commit is not None and not history.is_shallow:
        yield (
            f"whether {len(together)} of the runs that count were made after the plan: one commit brought both "
            f"({together[0].commit[:12]})"
        )
    if repeated is None:
        yield "whether a second evaluation gives the same values: it was not asked for"
    yield (
        "whether the traces are those of the trainings that their manifests name: collect some of them anew, and "
        "compare"
    )
    yield "whether somebody had looked at such runs, elsewhere, when the plan was made"
    yield (
        "whether this package and the libraries that it uses are what they say: install them yourself, and run this "
        "again"
    )


def _of_the_plan(loaded: Loaded, latest: dict[str, object], entry: Entry) -> Iterator[str]:
    history = loaded.history
    if not history.is_known:
        yield "whether the lock was made anew: it is in no git repository that can be read"
    elif entry.commit is None:
        yield "whether the lock was made anew: its latest entry is not committed"
    elif history.is_shallow:
        yield "whether the lock was made anew: this clone is shallow (git fetch --unshallow)"
    if not any(stamp.verified for stamp in entry.stamps):
        yield (
            "when the plan was made: its date and the dates of commits are set by the author's own clock, and there is no "
            "timestamp of an authority that was verified"
        )
    if "read" not in latest:
        yield (
            "what the code of the claim read besides its source, and which code of this package decided, when it was "
            "registered: the latest entry is of the first format, which does not say"
        )
    lacking = entry.runs_seen - entry.values_kept
    if lacking:
        yield (
            "whether runs are copies, with other names and slightly other values, of those that the plan had seen: of "
            f"{lacking} of the {entry.runs_seen} the entry keeps too few different numbers to tell, or none"
        )
    if entry.in_history is False:
        yield "whether the plan was made at the revision that the entry names: the history of the repository lacks it"


def _of_the_runs(runs: Sequence[TracedRun], history: History, of_lock: History) -> Iterator[str]:
    counted = [run for run in runs if run.use == "counted"]
    if not history.is_known:
        yield "when the runs were made: only their own manifests say so, in no git repository that can be read"
        return
    if history.is_shallow:
        yield "when the runs were made: this clone is shallow, and its oldest commit holds all that was before"
    if of_lock.is_known and of_lock.top != history.top:
        yield (
            "whether the runs were made after the plan: the store and the lock are in two repositories, whose commits "
            "have no order"
        )
    uncommitted = [run.run_id for run in counted if run.commit is None]
    if uncommitted:
        some = first_of(uncommitted)
        yield (
            f"when {len(uncommitted)} of the {len(counted)} runs that count were made: only their own manifests say so, and "
            f"no commit holds them as they are ({some})"
        )
