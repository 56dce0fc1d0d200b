"""The audit of a claim: its result, its lock, the store, and what git and timestamp authorities say of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from emergence_stats.audit.facts import Audit, Entry, File, Repeated, TracedRun
from emergence_stats.audit.stamps import stamps_of
from emergence_stats.audit.unknown import unknown
from emergence_stats.claims.project import Loaded
from emergence_stats.claims.registration import Registration, State, current_plan, state_of
from emergence_stats.claims.registration.history import first_commit
from emergence_stats.claims.registration.plan import deciding_code, read_now
from emergence_stats.claims.registration.seen import says_something
from emergence_stats.claims.selection import AMENDED, choose_runs, of_registrations
from emergence_stats.errors import TraceError
from emergence_stats.evaluation.results import Result
from emergence_stats.support.git import History, Version
from emergence_stats.support.words import first_of
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import Store


def history_of(store: Store) -> History:
    """What git says about the manifests of a store, nothing if it is not a local folder."""
    folder = Path(store.base)
    if not folder.is_dir():
        return History()
    return History(folder, ".json", {f"{run.manifest.run_id}.json" for run in store.runs})


def gather(
    loaded: Loaded,
    result: Result,
    store: Store,
    history: History,
    repeated: Repeated | None,
    trusted: Sequence[Path] = (),
) -> Audit:
    """The audit of one claim. `history`: of the store; `trusted`: certificates of timestamp authorities."""
    state = state_of(loaded)
    entries = tuple(_entries(loaded, state.registration, trusted))
    runs = tuple(_runs(loaded, result, state, store, history))
    return Audit(
        name=result.name,
        claim=result.claim.text,
        verdict=str(result.verdict),
        reason=result.reason,
        basis=result.basis,
        registration=state.status,
        plan=result.plan.digest,
        entries=entries,
        files=tuple(_files(loaded, state.registration)),
        runs=runs,
        repeated=repeated,
        against=(
            *_against(result, state, store, entries, repeated),
            *_before(loaded, result, entries, runs),
            *_edited(runs, store, history),
        ),
        deviations=tuple(_of_times(state)),
        unknown=tuple(
            unknown(loaded, state, entries, runs, _imported(result, store), history, repeated)
        ),
    )


def _entries(
    loaded: Loaded, registration: Registration | None, trusted: Sequence[Path]
) -> Iterator[Entry]:
    history = loaded.history
    can_tell = history.is_known and not history.is_shallow
    for number, entry in enumerate(registration.entries if registration else ()):
        assert registration is not None
        revision, seen = entry.get("git_commit"), registration.frozen(number)["runs"]
        first = first_commit(registration, number, history)
        yield Entry(
            number=number + 1,
            registered=entry["registered"],
            digest=entry["digest"],
            revision=revision,
            in_history=history.holds(revision) if revision and can_tell else None,
            commit=first.commit if first else None,
            committed=first.date if first else None,
            runs_seen=len(seen),
            values_kept=sum(says_something(run.get("values", {})) for run in seen),
            stamps=tuple(stamps_of(registration, entry["digest"], trusted)),
        )


def _files(loaded: Loaded, registration: Registration | None) -> Iterator[File]:
    plan, entry = current_plan(loaded), registration.latest if registration else {}
    read = {**read_now(loaded, entry.get("read", {})), **plan.read}
    kinds = (("code", "source", plan.code), ("read", "read", read))
    shown = set()
    for field, kind, now in (*kinds, ("deciding", "deciding", deciding_code())):
        held = entry.get(field, {})
        for name in sorted(now.keys() | held.keys()):
            if name not in shown:  # a deciding module that the claim imports is one of its sources
                yield File(name, kind, now.get(name), held.get(name))
            shown.add(name)


def _runs(
    loaded: Loaded, result: Result, state: State, store: Store, history: History
) -> Iterator[TracedRun]:
    use = {use.run_id: use.status for use in result.runs if use.status in ("counted", "pilot")}
    for control in loaded.hypothesis.controls:
        if control.suite is not None:
            chosen = choose_runs(loaded.hypothesis, state, store, control.suite)
            for run_id in chosen.with_status("counted"):
                use.setdefault(run_id, "control")
    for run in store.runs:
        m = run.manifest
        if m.run_id in use:
            commit, date = _first_commit(m, history)
            yield TracedRun(m.run_id, use[m.run_id], m.sha256, m.created, commit, date)


def _first_commit(run: Manifest, history: History) -> tuple[str | None, str | None]:
    """The oldest commit whose manifest is of the same bytes."""
    found = _committed(run, history)
    return (found[0].commit, found[0].date) if found else (None, None)


def _committed(run: Manifest, history: History) -> list[Version]:
    """Committed manifests of the same traces, oldest first."""
    versions = reversed(history.versions(f"{run.run_id}.json"))
    return [v for v in versions if v.content is not None and run.sha256.encode() in v.content]


def _edited(runs: Sequence[TracedRun], store: Store, history: History) -> Iterator[str]:
    """Runs that count whose manifest says something else than when it was first committed."""
    manifests = {run.manifest.run_id: run.manifest for run in store.runs}
    for run in runs:
        if run.use != "counted":
            continue
        for version in _committed(manifests[run.run_id], history):
            try:
                before = Manifest.from_json(version.content or b"", "commit")
            except TraceError:
                continue
            if before != manifests[run.run_id]:
                yield (
                    f"the manifest of {run.run_id} was another in commit {version.commit[:12]} ({version.date}), of the "
                    "same traces"
                )
                break


def _of_times(state: State) -> Iterator[str]:
    if state.registration is not None:
        yield from of_registrations(state.registration.studies()[-1])


def _against(
    result: Result,
    state: State,
    store: Store,
    entries: Sequence[Entry],
    repeated: Repeated | None,
) -> Iterator[str]:
    yield from state.changes
    known = {*_of_times(state), AMENDED}
    yield from (text for text in result.deviations if text not in known)
    if state.registration is None:
        yield from state.notes  # a lock that commits hold
    elif result.counted and not result.confirmatory and state.status == "registered":
        uses = [use.run_id for use in result.runs if use.status == "counted"]
        manifests = {run.manifest.run_id: run.manifest for run in store.runs}
        seen = sum(state.registration.saw(manifests[run_id]) for run_id in uses)
        if seen:
            yield f"it is exploratory: the plan had seen {seen} of the {len(uses)} runs that count when it was registered"
    if repeated is not None and repeated.different:
        yield (
            f"{len(repeated.different)} of {repeated.units} values are others when evaluated again "
            f"({first_of(repeated.different)})"
        )
    for entry in entries:
        for stamp in entry.stamps:
            if stamp.verified is False:
                yield f"entry {entry.number}: the timestamp of {stamp.authority} {stamp.why}"


def _before(
    loaded: Loaded, result: Result, entries: Sequence[Entry], runs: Sequence[TracedRun]
) -> Iterator[str]:
    """Runs that were there when the plan was registered, which does not list them, as commits show."""
    if not entries or not result.confirmatory:
        return
    latest, history = entries[-1], loaded.history
    early = [
        run
        for run in runs
        if run.use == "counted"
        and run.commit is not None
        and (
            _is_before(history, run.commit, latest.revision)
            or (run.commit != latest.commit and _is_before(history, run.commit, latest.commit))
        )
    ]
    if early:
        yield (
            f"{len(early)} of the runs that count were committed before the registration, which does not list them "
            f"as seen ({early[0].run_id} in {str(early[0].commit)[:12]})"
        )


def _is_before(history: History, commit: str, other: str | None) -> bool:
    return other is not None and history.is_before(commit, other)


def _imported(result: Result, store: Store) -> int:
    """How many of the runs that count were imported."""
    counted = {use.run_id for use in result.runs if use.status == "counted"}
    runs = (run.manifest for run in store.runs if run.manifest.run_id in counted)
    return sum("imported by" in run.software for run in runs)
