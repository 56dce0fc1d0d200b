"""Wherever runs are trained and whatever is lost meanwhile, the store has them whole, and the same traces."""

import dataclasses
import hashlib
import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from filelock import FileLock, Timeout  # noqa: E402

from emergence_stats.errors import CollectError, TraceError, UsageError  # noqa: E402
from emergence_stats.traces import remote  # noqa: E402
from emergence_stats.traces.store import Store  # noqa: E402
from emergence_training.collect import collect, missing_runs  # noqa: E402
from emergence_training.engines import on_ray, on_slurm  # noqa: E402
from emergence_training.engines.bars import Bars  # noqa: E402
from emergence_training.engines.task import Options, Task  # noqa: E402
from emergence_training.engines.workplace import Workplace  # noqa: E402
from emergence_training.loop import Training  # noqa: E402
from emergence_training.model.pieces import is_out_of_memory  # noqa: E402
from emergence_training.run import train_run  # noqa: E402
from emergence_training.suites import SUITES, Scale  # noqa: E402
from tests.traces import s3  # noqa: E402

SCALE = Scale(8, 2, heads=2)
TINY = dataclasses.replace(
    SUITES["smoke"], name="tiny", scales=(SCALE,), steps=12, dense_steps=4, checkpoints=7, evaluation_samples=20
)  # fmt: skip
WILD = dataclasses.replace(TINY, name="wild", learning_rate_times_width=1e20, warmup=1, clip_norm=1e30)  # fmt: skip


def wait_until(condition, seconds=60):
    """Wait for what other processes do."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def place(monkeypatch, tmp_path):
    """A store at an address, the server that has it, and where its runs are kept meanwhile."""
    pytest.importorskip("moto")
    for key, value in s3.KEYS.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(remote, "WAITS", ())
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with s3.server() as port:
        yield s3.store_uri(port, "runs")


def traces(store):
    """The values of each run, whatever the file that has them."""
    opened = Store.open(store)
    assert opened.faults == ()
    return {
        run.manifest.run_id: hashlib.sha256(
            json.dumps(opened.read(run).to_pydict(), sort_keys=True).encode()
        ).hexdigest()
        for run in opened.runs
    }


def test_runs_reach_a_store_elsewhere_and_leave_nothing_here(place, tmp_path):
    train_run(tmp_path / "here", TINY, SCALE, 0)
    train_run(place, TINY, SCALE, 0)
    assert traces(place) == traces(tmp_path / "here")
    work = Workplace.of(place)
    assert str(work.scratch).startswith(str(tmp_path / "state"))
    assert not [path for path in work.scratch.rglob("*") if path.is_file()]
    assert missing_runs(place, TINY, None, [0, 1]) == [(SCALE, 1)]


def test_a_bucket_that_is_not_there_is_an_error_before_anything_is_trained(monkeypatch, tmp_path):
    pytest.importorskip("moto")
    for key, value in s3.KEYS.items():
        monkeypatch.setenv(key, value)
    with s3.server() as port:
        place = s3.store_uri(port, "there").replace("there", "elsewhere")
        with pytest.raises(TraceError, match="there is no bucket"):
            collect(place, TINY, None, [0], scratch=str(tmp_path / "scratch"))
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_store_that_is_away_loses_no_run(monkeypatch, tmp_path):
    pytest.importorskip("moto")
    for key, value in s3.KEYS.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(remote, "WAITS", ())
    scratch = tmp_path / "scratch"
    with s3.server() as port:
        place = s3.store_uri(port, "away")
    with pytest.raises(CollectError, match="collect again to send it"):
        train_run(place, TINY, SCALE, 0, scratch=scratch)
    kept = traces(scratch / "outbox")
    assert list(kept) == ["tiny-d8L2-s0"]
    with s3.server(port):
        s3.store_uri(port, "away")
        assert (
            collect(place, TINY, None, [0], scratch=str(scratch)) == 0
        )  # nothing is trained again
        assert traces(place) == kept
    assert not [path for path in scratch.rglob("*") if path.is_file()]


@pytest.mark.parametrize("ending", [rb"~\S+parquet", rb"\.json"], ids=["traces", "manifest"])
def test_a_network_that_is_lost_in_the_middle_of_a_write_tears_and_loses_nothing(
    monkeypatch, tmp_path, ending
):
    pytest.importorskip("moto")
    for key, value in s3.KEYS.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(remote, "WAITS", ())
    for seed in (0, 1):
        train_run(tmp_path / "here", TINY, SCALE, seed)
    with s3.server() as port:
        direct = s3.store_uri(
            port, tmp_path.name.replace("_", "-").lower()
        )  # a line of its own, for who reads meanwhile
        train_run(direct, TINY, SCALE, 1, scratch=tmp_path / "scratch")
        wire = s3.Wire(port)
        place = direct.replace(f":{port}", f":{wire.port}")
        wire.break_in(rb"PUT \S*tiny-d8L2-s0" + ending)
        with pytest.raises(CollectError, match="collect again to send it"):
            train_run(place, TINY, SCALE, 0, scratch=tmp_path / "scratch")
        assert wire.broken.is_set()
        assert list(traces(direct)) == ["tiny-d8L2-s1"]
        wire.mend()
        assert collect(place, TINY, None, [0], scratch=str(tmp_path / "scratch")) == 0
        assert traces(direct) == traces(tmp_path / "here")


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_what_was_measured(tmp_path):
    manifest = train_run(tmp_path, WILD, SCALE, 0)
    stopped = manifest.further["stopped"]
    assert "loss is" in stopped["error"] and stopped["last_step"] < WILD.last_step  # noqa: PT018
    store = Store.open(tmp_path)
    steps = store.read(store.runs[0]).column("step").to_pylist()
    assert max(steps) == stopped["last_step"]
    assert missing_runs(tmp_path, WILD, None, [0]) == []


def test_a_batch_that_does_not_fit_is_taken_in_pieces(monkeypatch):
    def state(pieces):
        training = Training(TINY, SCALE, 0, torch.device("cpu"))
        loss = training.loss

        def small(model, inputs, targets):
            if pieces and len(inputs) > 8:
                torch.empty(1 << 60)  # more than there is
            return loss(model, inputs, targets)

        training.loss = small
        list(training.steps())
        return training

    whole = state(False)
    with pytest.warns(RuntimeWarning, match="going on with 8"):
        parts = state(True)
    assert parts.pieces.n == TINY.batch // 8
    state = parts.state()
    parts.restore({**state, "pieces": 2})
    assert (state["pieces"], parts.pieces.n) == (4, 2)
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_an_error_that_is_not_of_memory_is_raised(monkeypatch):
    training = Training(TINY, SCALE, 0, torch.device("cpu"))

    def broken(*_):
        raise RuntimeError("something else")

    training.loss = broken
    with pytest.raises(RuntimeError, match="something else"):
        list(training.steps())
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


@pytest.mark.parametrize("width", [128, 768])
def test_the_memory_of_a_run_grows_with_its_model(width):
    small = Task("data", SUITES["paper_early"], Scale(width, 2), 0).memory()
    large = Task("data", SUITES["paper_early"], Scale(width, 12), 0).memory()
    assert 1e9 < small < large < 1e11


def test_an_engine_that_there_is_not_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="known engines: local, ray, slurm"):
        collect(tmp_path, TINY, engine="kubernetes")


def test_a_process_that_is_killed_is_named_and_its_run_can_be_continued(tmp_path, monkeypatch):
    def kill(_bars, _run_id, _step, _loss):
        for child in multiprocessing.active_children():
            child.kill()

    monkeypatch.setattr(Bars, "show", kill)
    long = dataclasses.replace(TINY, name="long", steps=10**6)
    words = "process of run long-d8L2-s0 ended with status -9; collect again"
    with pytest.raises(CollectError, match=words):
        collect(tmp_path, long, None, [0, 1], options=Options(jobs=1))
    assert not multiprocessing.active_children()


def damaged(store, suite, seed):
    """A state of a run that cannot be read; what is said of it."""
    run_id = suite.run_id(SCALE, seed)
    folder = store / suite.name / f".{run_id}.partial"
    folder.mkdir(parents=True)
    (folder / "state.pt").write_bytes(b"half a state")
    return f"warning: run {run_id} begins anew: its saved state"


def test_what_a_run_warns_of_is_said_where_it_was_called(tmp_path, capfd):
    said = damaged(tmp_path, TINY, 0)
    assert collect(tmp_path, TINY, None, [0]) == 1
    err = capfd.readouterr().err
    assert said in err
    assert "RuntimeWarning" not in err


def test_each_failure_is_said(tmp_path, capfd):
    suite = dataclasses.replace(TINY, name="broken")
    for seed in (0, 1):
        place = tmp_path / "broken" / f".broken-d8L2-s{seed}.partial"
        place.parent.mkdir(exist_ok=True)
        place.write_text("a file where a folder is made")
    with pytest.raises(CollectError) as first:
        collect(tmp_path, suite, None, [0, 1], options=Options(jobs=2))
    runs = {f"broken-d8L2-s{seed}" for seed in (0, 1)}
    err = capfd.readouterr().err
    (other,) = {run for run in runs if f"error: run {run}" in err}
    (one,) = runs - {other}
    assert one in str(first.value)


def test_jobs_of_a_queue_give_the_same_traces(tmp_path, capfd):
    """One of them diverges, and of one the saved state is damaged; both are said."""
    pytest.importorskip("submitit")
    suite = dataclasses.replace(WILD, name="smoke", scales=(SCALE,))
    for seed in (0, 1):
        train_run(tmp_path / "here", suite, SCALE, seed)
    options = Options(slurm={"cluster": "local"})
    said = damaged(tmp_path / "queue", suite, 1)
    assert collect(tmp_path / "queue", suite, None, [0, 1], engine="slurm", options=options) == 2
    assert traces(tmp_path / "queue") == traces(tmp_path / "here")
    err = capfd.readouterr().err
    assert "smoke-d8L2-s0 stopped early: the loss is" in err
    assert err.count(said) == 1
    assert not list((tmp_path / "queue/.slurm").glob("told-*"))


def test_a_job_that_fails_says_why_and_names_its_logs(tmp_path):
    pytest.importorskip("submitit")
    suite = dataclasses.replace(TINY, name="broken", batch=-1)
    options = Options(slurm={"cluster": "local"})
    with pytest.raises(CollectError, match=r"s0 failed: \w+Error: .*negative.* \(logs: "):
        collect(tmp_path / "queue", suite, None, [0], engine="slurm", options=options)


def test_jobs_that_are_cancelled_end_and_print_nothing(tmp_path, monkeypatch, capfd):
    pytest.importorskip("submitit")
    store = tmp_path / "queue"

    def interrupt(
        _seconds,
    ):  # in the middle of the run: before that submitit may not know its process yet
        wait_until(lambda: list(store.glob(".slurm/told-*/*.progress")))
        raise KeyboardInterrupt

    def has_ended():
        try:
            for lock in store.glob("long/.*.partial/lock"):
                FileLock(lock).acquire(timeout=0).lock.release()
        except Timeout:
            return False
        return True

    monkeypatch.setattr(on_slurm, "time", SimpleNamespace(sleep=interrupt))
    # submitit interrupts its processes, which would ignore it as this one may
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    long = dataclasses.replace(TINY, name="long", steps=10**6)
    options = Options(slurm={"cluster": "local"})
    try:
        with pytest.raises(KeyboardInterrupt):
            collect(store, long, None, [0], engine="slurm", options=options)
    finally:
        signal.signal(signal.SIGINT, before)
    wait_until(has_ended)
    wait_until(lambda: "KeyboardInterrupt" in (store / ".slurm/submitit.err").read_text())
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"cluster": "nowhere"}, "one of slurm, local, debug"),
        ({"cluster": "local", "timeout_min": "soon"}, "number of minutes"),
        ({"cluster": "local", "timeout_min": "0"}, "number of minutes"),
        (
            {"cluster": "local", "partitoin": "cpu"},
            "no parameter partitoin; did you mean partition",
        ),
        ({}, "no sbatch on this machine"),
        ({"partitoin": "cpu"}, "no parameter partitoin; did you mean partition"),
    ],
)
def test_what_slurm_cannot_do_is_an_error_before_anything_is_trained(
    tmp_path, monkeypatch, parameters, words
):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=f"--engine slurm: .*{words}"):
        collect(tmp_path, TINY, None, [0], engine="slurm", options=Options(slurm=parameters))
    assert not list(tmp_path.rglob("*.parquet"))


def test_jobs_that_a_cluster_refuses_are_an_error_in_its_words(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    for name in ("sbatch", "srun", "sinfo"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: nope' >&2\nexit 1\n")  # fmt: skip
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    options = Options(slurm={"partition": "nope"})
    store = tmp_path / "store"
    with pytest.raises(UsageError, match=r"refuses the jobs \(.*invalid partition specified: nope"):
        collect(store, TINY, None, [0], engine="slurm", options=options)
    assert not list(store.glob(".slurm/told-*"))


def test_what_a_listener_no_longer_hears_ends_no_run(tmp_path):
    job = on_slurm.Job(Task(str(tmp_path), TINY, SCALE, 0), str(tmp_path / "gone/run.progress"))
    job._tell(0, 12, 1.0)
    job._say("a word")


@pytest.mark.parametrize(
    ("device", "engine", "there", "words"),
    [
        ("cuda:7", "local", 1, "there is 1 CUDA device here"),
        ("cuda:2", "local", 2, "there are 2 CUDA devices here, counted from 0"),
        ("cuda", "local", 0, "torch sees no CUDA device here"),
        ("cuda:1", "ray", 4, "say --device cuda"),
        ("cuda:1", "slurm", 4, "say --device cuda"),
        ("tpu", "local", 0, "known devices"),
    ],
)
def test_a_device_that_there_is_not_is_an_error(
    tmp_path, monkeypatch, device, engine, there, words
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    with pytest.raises(UsageError, match=f"{device}.*{words}"):
        collect(tmp_path / "store", TINY, None, [0], device=device, engine=engine)
    assert not (tmp_path / "store").exists()


def test_an_address_where_nothing_listens_is_an_error_at_once(tmp_path):
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    options = Options(address=f"127.0.0.1:{port}")
    with pytest.raises(UsageError, match=f"127.0.0.1:{port}: nothing answers"):
        collect(tmp_path, TINY, None, [0], engine="ray", options=options)


def test_what_answers_and_is_no_cluster_is_an_error(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(on_ray, "_HEALTH", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        options = Options(address=f"127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(UsageError, match="what answers there is no Ray cluster"):
            collect(tmp_path / "data", TINY, None, [0], engine="ray", options=options)
    assert not (tmp_path / "data").exists()


NOTICES_SOON = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 2,
}


def test_a_cluster_that_loses_a_node_gives_the_same_traces(tmp_path, monkeypatch, capfd):
    """And says of a run there that it diverged, and that a saved state was damaged."""
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else they wait for all other tests
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    longer = dataclasses.replace(TINY, name="longer", steps=150, checkpoints=20)
    for seed in (0, 1):
        train_run(tmp_path / "here", longer, SCALE, seed)
    store, lost = tmp_path / "cluster", []
    head = {"num_cpus": 1, "memory": 4e9, "_system_config": NOTICES_SOON}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=1, memory=4e9)

    def lose():
        while len(list(store.glob("longer/.*.partial/lock"))) < 2:
            time.sleep(0.05)
        cluster.remove_node(second, allow_graceful=False)
        lost.append(len(Store.open(store).runs))

    try:
        loses = threading.Thread(target=lose, daemon=True)
        loses.start()
        options = Options(jobs=2, address=cluster.address)
        assert collect(store, longer, None, [0, 1], engine="ray", options=options) == 2
        loses.join()
        assert lost == [0]  # both were in the middle
        assert traces(store) == traces(tmp_path / "here")
        said = damaged(store, WILD, 0)
        assert collect(store, WILD, None, [0], engine="ray", options=options) == 1
        err = capfd.readouterr().err
        assert "wild-d8L2-s0 stopped early: the loss is" in err
        assert err.count(said) == 1
    finally:
        cluster.shutdown()


def test_a_lost_worker_is_named_in_a_line_without_colours(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")

    def get(_reference):
        raise ray.exceptions.NodeDiedError("\x1b[36mThe node died.\x1b[0m Look for\nraylet.out.")

    monkeypatch.setattr(ray, "get", get)
    problem, outcome = on_ray._end(Task(str(tmp_path), TINY, SCALE, 0), None)
    assert outcome is None
    assert str(problem).endswith("its worker was lost for good (The node died)")


def test_a_cluster_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "1")
    with pytest.raises(UsageError, match="no Ray cluster can be joined there"):
        collect(tmp_path, TINY, None, [0], engine="ray", options=Options(address="auto"))


def test_a_run_that_no_node_has_room_for_is_an_error(tmp_path):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, _memory=1e9, include_dashboard=False, log_to_driver=False)
    try:
        with pytest.raises(UsageError, match="no node of the Ray cluster has room"):
            collect(tmp_path, TINY, None, [0], engine="ray", options=Options())
    finally:
        ray.shutdown()
