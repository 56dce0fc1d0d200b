"""Stores that are not on this machine's disk: written by many, killed at random, read meanwhile; and their catalogues."""

import json
import multiprocessing
import os
import signal
import time

import numpy as np
import pyarrow as pa
import pytest

from emergence_stats.errors import TraceError, UsageError
from emergence_stats.traces import catalogue, places, remote
from emergence_stats.traces.places import locate
from emergence_stats.traces.remove import remove_runs
from emergence_stats.traces.store import Store
from emergence_stats.traces.write import write_run
from tests.support import HYPOTHESIS, add_run, es, failed, simulated_table
from tests.traces import s3


@pytest.fixture(scope="module")
def port():
    pytest.importorskip("moto")
    with s3.server() as port:
        yield port


@pytest.fixture(params=["s3", "memory"])
def uri(request, port, monkeypatch, tmp_path):
    monkeypatch.setattr(remote, "WAITS", ())
    name = tmp_path.name.replace("_", "-").lower()[:40]
    for key, value in s3.KEYS.items():
        monkeypatch.setenv(key, value)
    return s3.store_uri(port, name) if request.param == "s3" else f"memory://{name}/traces"


def add(uri, seed, suite="sim", **fields):
    table = simulated_table(np.random.default_rng(seed), tasks=("add",))
    facts = {"scale": "d32", "n_params": 1000, "n_layers": 2, "config": {}, "software": {}, "device": "none"}  # fmt: skip
    run_id = fields.pop("run_id", f"sim-d32-s{seed}")
    return write_run(uri, table, run_id=run_id, suite=suite, seed=seed, **{**facts, **fields})


def names(uri):
    return [run.manifest.run_id for run in Store.open(uri).runs]


def files(uri):
    import pyarrow.fs as pafs

    place = locate(uri)
    infos = place.filesystem.get_file_info(pafs.FileSelector(place.base, recursive=True))
    return sorted(info.base_name for info in infos if info.type == pafs.FileType.File)


def test_what_was_written_is_read(uri):
    manifest = add(uri, 0)
    store = Store.open(uri)
    assert store.runs[0].manifest == manifest
    there = store.read(store.runs[0], measures=["accuracy"])
    assert set(there.column("measure").to_pylist()) == {"accuracy"}
    assert there.num_rows == sum(
        m == "accuracy"
        for m in simulated_table(np.random.default_rng(0), tasks=("add",)).column("measure").to_pylist()
    )  # fmt: skip


def test_a_store_that_is_not_there_is_an_error_that_says_so(uri):
    with pytest.raises(TraceError, match="no trace store here"):
        Store.open(uri)


def test_a_run_is_replaced_as_a_whole_and_leaves_nothing(uri):
    add(uri, 0)
    second = add(uri, 0, device="another")
    store = Store.open(uri)
    assert [run.manifest for run in store.runs] == [second]
    assert store.read(store.runs[0]).num_rows == second.rows
    assert len(files(uri)) == 2


def test_a_run_that_is_replaced_after_it_was_found_is_said_to_be(uri):
    add(uri, 0)
    store = Store.open(uri)
    assert store.runs
    add(uri, 0, device="another", software={"other": "1"})
    with pytest.raises(TraceError, match="replaced after the store was opened"):
        store.read(store.runs[0])


def test_what_a_killed_writer_leaves_is_no_run_and_no_fault(uri, monkeypatch):
    add(uri, 0)

    def killed(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(remote.SentRun, "publish", killed)
    with pytest.raises(KeyboardInterrupt):
        add(uri, 1)
    with pytest.raises(KeyboardInterrupt):
        add(uri, 0, device="another")
    store = Store.open(uri)
    assert store.faults == ()
    assert [run.manifest.device for run in store.runs] == ["none"]
    assert store.read(store.runs[0]).num_rows


def test_two_suites_cannot_share_a_name(uri):
    add(uri, 0)
    with pytest.raises(TraceError, match="already used in suite 'sim'"):
        add(uri, 0, suite="other")


def test_runs_are_removed_with_all_that_was_left_of_them(uri, monkeypatch):
    add(uri, 0)
    add(uri, 1)
    with monkeypatch.context() as patched:
        patched.setattr(remote.SentRun, "publish", lambda self: None)
        add(uri, 1, device="another")
    assert [one.run_id for one in remove_runs(uri, ["sim-d32-s1"])] == ["sim-d32-s1"]
    assert names(uri) == ["sim-d32-s0"]
    assert len(files(uri)) == 2
    with pytest.raises(UsageError, match="no run 'sim-d32-s1'"):
        remove_runs(uri, ["sim-d32-s1"])


def test_a_manifest_names_no_file_of_another_run(uri):
    manifest = add(uri, 0)
    fields = json.loads(manifest.to_json()) | {"parquet": "../other/sim-d32-s1~ab.parquet"}
    remote.put(locate(uri), "sim/sim-d32-s0.json", json.dumps(fields).encode())
    assert "no Parquet file of it" in str(Store.open(uri).faults[0])


def test_a_place_that_does_not_answer_at_first_is_asked_again(uri, monkeypatch):
    asked = []

    def unsteady():
        asked.append(uri)
        if len(asked) < 3:
            raise OSError("connection refused")
        return "there"

    monkeypatch.setattr(remote, "WAITS", (0.0, 0.0, 0.0))
    assert remote.patiently(unsteady) == "there"


def _write_for_ever(uri, first):
    os.environ.update(s3.KEYS)
    for seed in range(first, first + 10_000):
        # every other run is one that the other writers write too, with other values
        add(uri, seed, run_id=f"sim-d32-s{seed}") if seed % 2 else write_shared(uri, seed)


def write_shared(uri, seed):
    table = simulated_table(np.random.default_rng(seed), tasks=("add",))
    write_run(
        uri, table, run_id="shared", suite="sim", scale="d32", seed=1, n_params=1000, n_layers=2,
        config={}, software={"writer": str(seed)}, device="none",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["s3", "folder"])
def test_eight_writers_killed_at_random_lose_and_tear_nothing(kind, port, tmp_path):
    os.environ.update(s3.KEYS)
    uri = s3.store_uri(port, "eight") if kind == "s3" else str(tmp_path / "store")
    add(uri, 1_000_000)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_for_ever, args=(uri, 1000 * i)) for i in range(8)]
    for writer in writers:
        writer.start()
    rng, known = np.random.default_rng(0), {}
    deadline = time.monotonic() + 20
    while writers:
        store = Store.open(uri)
        assert store.faults == ()
        now = {run.manifest.run_id: run.manifest for run in store.readable}
        assert set(known) - {"shared"} <= set(now) | set(store.unfinished), "a run was lost"
        known = now
        if len(now) > 4 or time.monotonic() > deadline:
            time.sleep(float(rng.uniform(0, 0.2)))
            writer = writers.pop()
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()
    store = Store.open(uri)
    assert store.faults == ()
    assert len(store.runs) > 4
    for run in store.runs:
        assert store.read(run).num_rows == run.manifest.rows


def test_runs_of_a_store_elsewhere_are_read_by_one_process(uri, monkeypatch, tmp_path):
    """A fork would have none of the threads that read a bucket, and might wait for them for ever."""
    from emergence_stats.evaluation import halves

    monkeypatch.setattr(halves.guard, "is_guarded", lambda: True)
    monkeypatch.setattr(halves.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(halves.threading, "active_count", lambda: 1)
    for seed in range(10):
        add(uri, seed)
        add_run(tmp_path / "here", seed, tasks=("add",))
    here, there = ([list(Store.open(place).runs)] * 2 for place in (tmp_path / "here", uri))
    assert halves.split(here)[1]
    assert halves.split(there) == (there, [])


class Torn:
    """A file system that cuts off the first `times` files that are read, as one does that are replaced meanwhile."""

    def __init__(self, filesystem, times):
        self._filesystem, self.times = filesystem, times

    def __getattr__(self, name):
        return getattr(self._filesystem, name)

    def open_input_file(self, path):
        with self._filesystem.open_input_file(path) as stream:
            data = stream.read()
        self.times -= 1
        return pa.BufferReader(data[:100] if self.times >= 0 else data)


def test_a_manifest_that_is_replaced_while_it_is_read_is_read_again(uri):
    manifest = add(uri, 0)
    for times, faults in ((3, 0), (50, 1)):  # one that is always cut off is broken
        store = Store.open(uri)
        store.filesystem = Torn(store.filesystem, times)
        assert len(store.faults) == faults
        assert [run.manifest for run in store.readable] == [manifest][faults:]


class Opened:
    """A file system that counts which files are opened."""

    def __init__(self, filesystem):
        self._filesystem, self.names = filesystem, []

    def __getattr__(self, name):
        return getattr(self._filesystem, name)

    def open_input_file(self, path):
        self.names.append(path.rpartition("/")[2])
        return self._filesystem.open_input_file(path)


def opened(uri):
    """What is opened to know the runs of a store."""
    store = Store.open(uri)
    store.filesystem = Opened(store.filesystem)
    return [run.manifest.run_id for run in store.runs], store.filesystem.names


def age(folder, seconds=60):
    """Make all files of a local store older."""
    for path in folder.rglob("*.*"):
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def test_with_a_catalogue_no_manifest_is_opened_but_those_that_changed(tmp_path):
    for seed in range(4):
        add_run(tmp_path, seed, tasks=("add",))
    age(tmp_path)
    assert Store.open(tmp_path).write_catalogue() == 4
    runs, names = opened(tmp_path)
    assert len(runs) == 4
    assert names == [catalogue.NAME]
    add_run(tmp_path, 2, tasks=("add",))
    add_run(tmp_path, 7, tasks=("add",))
    runs, names = opened(tmp_path)
    assert len(runs) == 5
    assert sorted(names) == sorted([catalogue.NAME, "sim-d32-s2.json", "sim-d32-s7.json"])


def test_a_manifest_that_is_as_young_as_the_catalogue_is_opened(tmp_path):
    add_run(tmp_path, 0, tasks=("add",))
    Store.open(tmp_path).write_catalogue()
    assert opened(tmp_path)[1] == [catalogue.NAME, "sim-d32-s0.json"]


def test_a_catalogue_that_lies_is_found_when_its_run_is_read_and_when_all_are_checked(tmp_path):
    add_run(tmp_path, 0, tasks=("add",))
    age(tmp_path)
    store = Store.open(tmp_path)
    store.write_catalogue()
    name, entry = next(iter(catalogue.read(locate(tmp_path), _info(tmp_path)).items()))
    lie = entry.manifest.replace(b'"seed": 0', b'"seed": 9')
    assert lie != entry.manifest
    catalogue.write(locate(tmp_path), {name: entry._replace(manifest=lie)})
    store = Store.open(tmp_path)
    assert store.runs[0].manifest.seed == 9
    with pytest.raises(TraceError, match="catalogue has another manifest"):
        store.read(store.runs[0])
    done = es("traces", "validate", str(tmp_path))
    assert done.returncode == 2
    assert "catalogue has another manifest" in done.stderr


def test_a_damaged_catalogue_says_nothing(tmp_path):
    for seed in range(3):
        add_run(tmp_path, seed, tasks=("add",))
    age(tmp_path)
    truth = [run.manifest for run in Store.open(tmp_path).runs]
    Store.open(tmp_path).write_catalogue()
    file = tmp_path / catalogue.NAME
    whole = file.read_bytes()
    damages = [
        whole[:at] + bytes([whole[at] ^ 0x24]) + whole[at + 1 :] for at in range(0, len(whole), 7)
    ]
    for damaged in [*damages, whole[: len(whole) // 2], b"", b"PAR1"]:
        file.write_bytes(damaged)
        assert [run.manifest for run in Store.open(tmp_path).runs] == truth


def test_a_catalogue_with_a_broken_manifest_does_not_speak_against_the_run(tmp_path):
    add_run(tmp_path, 0, tasks=("add",))
    age(tmp_path)
    Store.open(tmp_path).write_catalogue()
    name, entry = next(iter(catalogue.read(locate(tmp_path), _info(tmp_path)).items()))
    catalogue.write(locate(tmp_path), {name: entry._replace(manifest=b"{}")})
    assert opened(tmp_path) == (["sim-d32-s0"], [catalogue.NAME, "sim-d32-s0.json"])


def test_a_catalogue_that_lies_is_made_anew_from_the_manifests(tmp_path):
    add_run(tmp_path, 0, tasks=("add",))
    age(tmp_path)
    Store.open(tmp_path).write_catalogue()
    name, entry = next(iter(catalogue.read(locate(tmp_path), _info(tmp_path)).items()))
    lie = entry.manifest.replace(b'"seed": 0', b'"seed": 9')
    catalogue.write(locate(tmp_path), {name: entry._replace(manifest=lie)})
    assert es("traces", "catalogue", "--traces", str(tmp_path)).returncode == 0
    assert Store.open(tmp_path).runs[0].manifest.seed == 0
    assert es("traces", "validate", str(tmp_path)).returncode == 0


def test_a_catalogue_of_nothing_or_of_too_much_is_as_none(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    add_run(tmp_path, 0, tasks=("add",))
    age(tmp_path)
    Store.open(tmp_path).write_catalogue()
    path = tmp_path / catalogue.NAME
    table = pq.read_table(path)
    pq.write_table(table.set_column(2, "mtime_ns", pa.array([None], pa.int64())), path)
    assert opened(tmp_path) == (["sim-d32-s0"], [catalogue.NAME, "sim-d32-s0.json"])
    pq.write_table(table, path)
    assert opened(tmp_path)[1] == [catalogue.NAME]
    monkeypatch.setenv("EMERGENCE_STATS_MAX_RUN_BYTES", "10")
    assert opened(tmp_path)[1] == [catalogue.NAME, "sim-d32-s0.json"]


@pytest.mark.parametrize("text", ["s3:/lab/x", "gs:/lab", "file:/tmp/x"])
def test_an_address_with_one_slash_makes_no_folder(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TraceError, match="two slashes"):
        add(text, 0)
    assert list(tmp_path.iterdir()) == []


def _info(folder):
    return locate(folder).filesystem.get_file_info(str(folder / catalogue.NAME))


@pytest.mark.parametrize("content", [b"", b"no parquet", None])
def test_a_catalogue_that_cannot_be_read_is_as_none(tmp_path, content):
    import pyarrow.parquet as pq

    add_run(tmp_path, 0, tasks=("add",))
    if content is None:
        pq.write_table(pa.table({"other": [1]}), tmp_path / catalogue.NAME)
    else:
        (tmp_path / catalogue.NAME).write_bytes(content)
    assert opened(tmp_path)[0] == ["sim-d32-s0"]


def test_an_import_that_is_cut_off_while_runs_appear_says_how_many_are_there(tmp_path, monkeypatch):
    from emergence_stats.traces import write

    table = tmp_path / "t.csv"
    rows = [f"r{n},{step},{value}" for n in range(4) for step, value in ((0, 0.1), (10, 0.2))]
    table.write_text("\n".join(["run,step,accuracy", *rows]))
    publish, done = write.StagedRun.publish, []

    def until_two(self, *args):
        if len(done) == 2:
            raise OSError("the server went away")
        done.append(self)
        return publish(self, *args)

    monkeypatch.setattr(write.StagedRun, "publish", until_two)
    arguments = ["traces", "import", str(table), "--suite", "mine", "--set", "n_params=1000"]
    failed(
        es(*arguments, "--traces", str(tmp_path / "store")),
        "2 of 4 runs are there, and the others are not (the server went away)",
        "--replace",
    )
    monkeypatch.undo()
    assert es(*arguments, "--traces", str(tmp_path / "store"), "--replace").returncode == 0


def test_an_import_does_not_wait_for_a_server_once_for_each_run(tmp_path, monkeypatch):
    from emergence_stats.traces import write

    table = tmp_path / "t.csv"
    table.write_text("\n".join(["run,step,accuracy", *(f"r{n},0,0.1" for n in range(6))]))
    stage, staged, waited = write.PreparedRun.stage, [], []

    def away(self):
        waited.append(self)
        raise OSError("the server went away")

    def until_four(self):
        if len(staged) == 4:
            raise OSError("the server went away")
        staged.append(stage(self))
        return staged[-1]

    monkeypatch.setattr(write.PreparedRun, "stage", until_four)
    monkeypatch.setattr(write.StagedRun, "discard", away)
    arguments = ["traces", "import", str(table), "--suite", "mine", "--set", "n_params=1000"]
    failed(es(*arguments, "--traces", str(tmp_path / "store")), "the server went away")
    assert len(waited) == 1


@pytest.mark.parametrize(
    "command",
    [
        ("traces", "ls"),
        ("test", "learns", "--suite", "mine"),
        ("plan", "learns", "--suite", "smoke"),
        ("traces", "import", "t.csv", "--suite", "mine"),
    ],
)
def test_a_bucket_that_is_not_there_is_named(port, project, command):
    (project / "hypotheses" / "learns.py").write_text(HYPOTHESIS)
    (project / "t.csv").write_text("run,seed,scale,n_params,step,task,level,measure,value\n")
    uri = s3.store_uri(port, "there").replace("there", "elsewhere")
    failed(es(*command, "--traces", uri, cwd=project), "there is no bucket 'elsewhere'")


def test_a_server_without_tls_says_what_to_add(port):
    uri = s3.store_uri(port, "plain").replace("&scheme=http", "")
    with pytest.raises(TraceError, match="takes scheme=http"):
        Store.open(uri)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("AWS Error ACCESS_DENIED during HeadObject operation: No response body.", "AWS_PROFILE"),
        ("AWS Error UNKNOWN (HTTP status 403)", "AWS_PROFILE"),
        ("curlCode: 7, Couldn't connect to server", None),
    ],
)
def test_what_is_wrong_with_credentials_is_told_from_what_is_not(said, advice):
    text = str(places._cannot_open("s3://lab/traces", OSError(said)))
    assert said in text
    assert ("AWS_PROFILE" in text) == (advice is not None)


def test_what_a_client_says_at_length_is_cut():
    text = str(
        places._cannot_open("hdfs://lab/traces", OSError("no libhdfs\\n" + "tried /x\\n" * 99))
    )
    assert len(text) < 100
    assert "OSError" in str(places._cannot_open("sftp://lab/traces", OSError()))


def test_a_google_client_does_not_ask_for_a_quarter_of_an_hour(monkeypatch):
    import pyarrow.fs as pafs

    asked = []
    monkeypatch.setattr(
        places,
        "_from_uri",
        lambda uri: asked.append(uri) or (pafs.LocalFileSystem(), "/x"),
    )
    assert locate("gs://lab/traces").uri == "gs://lab/traces"
    locate("gs://lab/traces?anonymous=true")
    locate("gs://lab/traces?retry_limit_seconds=5")
    assert asked == [
        "gs://lab/traces?retry_limit_seconds=20",
        "gs://lab/traces?anonymous=true&retry_limit_seconds=20",
        "gs://lab/traces?retry_limit_seconds=5",
    ]
