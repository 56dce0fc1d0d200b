"""What a collection finds where it writes: other runs, damaged states, places that are none."""

import dataclasses
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

torch = pytest.importorskip("torch")

from emergence_stats.errors import CollectError, UsageError  # noqa: E402
from emergence_stats.traces.store import Store  # noqa: E402
from emergence_training import collect as collecting  # noqa: E402
from emergence_training import run as training_run  # noqa: E402
from emergence_training.collect import collect, made_otherwise, missing_runs  # noqa: E402
from emergence_training.engines import outcome  # noqa: E402
from emergence_training.engines.bars import Bars  # noqa: E402
from emergence_training.engines.outcome import (  # noqa: E402
    BEING_MADE,
    THERE,
    Outcome,
    attempt,
)
from emergence_training.engines.partial import RunInProgress  # noqa: E402
from emergence_training.engines.task import Options, Task  # noqa: E402
from emergence_training.engines.together import train_together  # noqa: E402
from emergence_training.engines.workplace import Workplace  # noqa: E402
from emergence_training.run import train  # noqa: E402
from emergence_training.suites import SUITES, Scale  # noqa: E402

SCALE = Scale(8, 1, heads=2)
TINY = dataclasses.replace(SUITES["smoke"], steps=8, evaluation_samples=8, scales=(SCALE,))


def server(number):
    return f"s3://lab/traces?endpoint_override=127.0.0.1:{number}&scheme=http"


# --- the outbox -------------------------------------------------------------------------------


def kept(scratch, uri):
    """A workplace of `uri` whose outbox has a run that could not be sent."""
    work = Workplace.of(uri, scratch)
    train(Task(str(work.outbox), TINY, SCALE, 0))
    work._label()
    return work


def test_two_servers_with_a_bucket_of_one_name_have_two_outboxes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one, other = (Workplace.of(server(port)).scratch for port in (1, 2))
    assert one != other
    assert Workplace.of("s3://lab/traces").scratch == Workplace.of("s3://lab/traces/").scratch


def test_runs_that_are_kept_for_one_store_are_not_sent_to_another(tmp_path):
    work = kept(tmp_path, "s3://lab/one")
    with pytest.raises(
        CollectError, match=r"keeps runs for s3://lab/one, and not for s3://lab/two"
    ):
        Workplace.of("s3://lab/two", tmp_path).send_what_is_left()
    assert len(Store.open(work.outbox).runs) == 1


def test_an_outbox_without_runs_is_for_whoever_comes(tmp_path):
    Workplace.of("s3://lab/one", tmp_path)._label()
    assert Workplace.of("s3://lab/two", tmp_path).send_what_is_left() == ([], [])


def test_a_broken_run_in_an_outbox_is_named(tmp_path):
    work = kept(tmp_path, "s3://lab/one")
    next(work.outbox.glob("smoke/*.json")).write_text("{")
    sent, (fault,) = work.send_what_is_left()
    assert sent == []
    assert "smoke-d8L1-s0.json" in fault


@pytest.mark.parametrize("folder", [None, ""])
def test_without_a_folder_for_what_is_not_whole_it_says_so(monkeypatch, folder):
    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.home", unknown)
    with pytest.raises(UsageError, match="--scratch"):
        Workplace.of("s3://lab/traces", folder)


@pytest.mark.parametrize(
    ("scratch", "words"),
    [("s3://lab/scratch", "no address"), ("file", "is a file"), ("file/below", "cannot be made")],
)
def test_what_can_be_no_folder_for_runs_is_an_error_that_names_the_option(
    tmp_path, monkeypatch, scratch, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(
        UsageError, match=f"{words}.*" if scratch != "file/below" else words
    ) as error:
        collect(tmp_path / "data", TINY, seeds=[0], scratch=scratch)
    assert "--scratch" in str(error.value)


# --- what is asked for ------------------------------------------------------------------------


def test_a_store_that_would_be_gone_is_refused_before_training(monkeypatch):
    monkeypatch.setattr(collecting, "missing_runs", lambda *_: pytest.fail("too late"))
    with pytest.raises(UsageError, match="in memory is gone"):
        collect("memory://traces", TINY)


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file is a file, and a trace store is a folder"):
        collect(tmp_path / "file", TINY)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_no_generator_takes_is_refused(tmp_path, seed):
    with pytest.raises(UsageError, match=f"seed {seed}: a seed is a whole number from 0"):
        missing_runs(tmp_path, TINY, None, [seed])


def test_a_scale_that_is_named_twice_is_one(tmp_path):
    assert len(missing_runs(tmp_path, TINY, [SCALE.name] * 2, [0])) == 1


def test_runs_of_the_suites_name_with_other_settings_are_named(tmp_path, capfd):
    train(Task(str(tmp_path), TINY, SCALE, 0))
    assert made_otherwise(tmp_path, TINY, None, [0]) == []
    changed = dataclasses.replace(TINY, batch=TINY.batch // 2)
    assert collect(tmp_path, changed, seeds=[0]) == 0
    said = capfd.readouterr().err
    assert "warning: run smoke-d8L1-s0 is there, made with other settings" in said
    assert f"(batch {TINY.batch}, now {changed.batch})" in said
    assert "traces rm smoke-d8L1-s0" in said


# --- beside other collections -----------------------------------------------------------------


def test_a_run_that_another_process_makes_is_left_to_it(tmp_path, capfd):
    """The others are made; what is left is told in the end."""
    said = pytest.raises(CollectError, match=r"1 of the runs is being made .*smoke-d8L1-s0")
    with RunInProgress(tmp_path, Task(str(tmp_path), TINY, SCALE, 0)), said:
        collect(tmp_path, TINY, seeds=[0, 1], options=Options(jobs=1))
    assert "smoke-d8L1-s0 is being made by another process" in capfd.readouterr().err
    assert [run.manifest.seed for run in Store.open(tmp_path).runs] == [1]
    assert collect(tmp_path, TINY, seeds=[0, 1]) == 1


def test_a_run_that_is_there_by_now_is_not_made_again(tmp_path):
    task = Task(str(tmp_path), TINY, SCALE, 0)
    assert attempt(task) == Outcome()
    (manifest,) = tmp_path.glob("smoke/*.json")
    before = manifest.stat().st_mtime_ns
    assert attempt(task) == THERE
    assert manifest.stat().st_mtime_ns == before


def test_a_run_that_another_process_has_just_made_is_not_made_again(tmp_path, monkeypatch):
    """Seen under the lock: it came between the look into the store and the beginning."""
    task = Task(str(tmp_path), TINY, SCALE, 0)
    train(task)
    (manifest,) = tmp_path.glob("smoke/*.json")
    before = manifest.stat().st_mtime_ns
    monkeypatch.setattr(outcome, "is_there", lambda _task: False)
    assert attempt(task) == THERE
    assert manifest.stat().st_mtime_ns == before
    assert not list(tmp_path.rglob("*.partial"))
    with pytest.raises(
        CollectError, match=r"is there already; .*`emergence-stats traces rm smoke-"
    ):
        train(task)


def test_seeds_that_share_a_process_are_left_one_by_one(tmp_path):
    tasks = [Task(str(tmp_path), TINY, SCALE, seed) for seed in range(3)]
    train(tasks[1])
    with RunInProgress(tmp_path, tasks[0]):
        outcomes = dict(train_together(tasks))
    assert [outcomes[task.run_id] for task in tasks] == [BEING_MADE, THERE, Outcome()]


def test_collections_of_one_store_share_the_runs(tmp_path):
    """Two at once: all runs are there, and who ends while the other makes one says so."""

    def one(_):
        try:
            return collect(tmp_path, TINY, seeds=range(4), options=Options(jobs=1))
        except CollectError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(one, range(2)))
    assert any(isinstance(end, int) for end in ends)
    for end in ends:
        assert isinstance(end, int) or "being made by other processes" in end
    assert len(Store.open(tmp_path).runs) == 4
    assert collect(tmp_path, TINY, seeds=range(4)) == 0


# --- saved states -----------------------------------------------------------------------------


class Killed(Exception):
    pass


def begun(store, monkeypatch, **task):
    """The saved state of a run that was killed."""
    monkeypatch.setattr(training_run, "SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(training_run, "SAVING_PAYS", 0.0)

    def die(step, _steps, _loss):
        if step > 4:
            raise Killed

    with pytest.raises(Killed):
        train(Task(str(store), TINY, SCALE, 0, **task), die)
    (state,) = store.rglob("state.pt")
    return state


@pytest.mark.parametrize("content", [b"", b"no pickle", None], ids=["empty", "text", "half"])
def test_a_damaged_state_is_said_and_the_run_begins_anew(tmp_path, monkeypatch, content):
    state = begun(tmp_path, monkeypatch)
    whole = state.read_bytes()
    state.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.warns(
        RuntimeWarning, match=f"begins anew: its saved state {re.escape(str(state))}"
    ):
        manifest = train(Task(str(tmp_path), TINY, SCALE, 0))
    assert manifest.rows
    assert not state.exists()


def test_a_state_of_other_settings_is_said(tmp_path, monkeypatch):
    begun(tmp_path, monkeypatch)
    other = dataclasses.replace(TINY, batch=TINY.batch // 2)
    with pytest.warns(RuntimeWarning, match=r"begins anew: .* other settings \(batch\)"):
        train(Task(str(tmp_path), other, SCALE, 0))


def test_a_run_that_goes_on_elsewhere_says_where_it_began(tmp_path, monkeypatch):
    begun(tmp_path, monkeypatch)
    monkeypatch.setattr(training_run, "device_name", lambda _device: "another machine")
    manifest = train(Task(str(tmp_path), TINY, SCALE, 0))
    assert manifest.device == "another machine"
    (earlier,) = manifest.further["earlier"]
    assert earlier["to_step"] >= 4
    assert earlier["device"] != "another machine"
    assert earlier["software"] == dict(manifest.software)
    assert json.dumps(manifest.further)


# --- progress ---------------------------------------------------------------------------------


def test_a_run_that_stopped_early_is_no_measure_of_the_time_left(capfd):
    tasks = [Task("", TINY, SCALE, seed) for seed in (0, 1)]
    with Bars(tasks) as bars:
        bars.show(tasks[0].run_id, 0, 1.0)
        bars.finish(
            tasks[0].run_id, written=True, stopped="stopped early: the loss is nan at step 1"
        )
    said = capfd.readouterr().err
    assert "smoke-d8L1-s0 stopped early: the loss is nan at step 1; its traces until then" in said
    assert "left" not in said


def test_a_collection_says_that_a_run_diverged(tmp_path, capfd):
    wild = dataclasses.replace(TINY, learning_rate_times_width=1e30, clip_norm=1e30)
    assert collect(tmp_path, wild, seeds=[0]) == 1
    assert "smoke-d8L1-s0 stopped early: the loss is" in capfd.readouterr().err


def test_a_server_that_the_environment_names_tells_stores_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = set()
    for port in (1, 2):
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        found.add(Workplace.of("s3://lab/traces").scratch)
    assert len(found) == 2


def test_processes_of_one_collection_label_and_empty_an_outbox_at_once(tmp_path):
    work = Workplace.of("s3://lab/one", tmp_path)

    def label_and_empty(_number):
        for _ in range(200):
            work._label()
            work._unlabel()

    (tmp_path / "outbox" / "smoke").mkdir(parents=True)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(label_and_empty, range(4)))
    assert not list(tmp_path.rglob("*for.txt*"))
