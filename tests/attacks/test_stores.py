"""Writers that are killed, writers and readers at once: nothing lost, nothing torn, no false error."""

import itertools
import multiprocessing
import os

import pytest

from emergence_stats.errors import TraceError
from emergence_stats.traces import write
from emergence_stats.traces.store import Store
from tests.support import add_run, es, fill, result_of

WRITERS, READERS, ROUNDS = 4, 3, 12


def add(folder, seed, noise=0.01):
    add_run(folder, seed, tasks=("add",), noise=noise)


def noises(folder):
    """The first RankMe of each run, which tells one writing from another."""
    store = Store.open(folder)
    return {run.manifest.seed: store.read(run).column("value")[-1].as_py() for run in store.runs}


def _killed_at(number, after, folder):
    """Write a run, and end after so many calls that change files."""
    left = [number]

    def counting(call):
        def counted(*arguments, **options):
            if after:
                call_result = call(*arguments, **options)
            if left[0] == 0:
                os._exit(9)
            left[0] -= 1
            return call_result if after else call(*arguments, **options)

        return counted

    os.replace, os.fsync = counting(os.replace), counting(os.fsync)
    type(folder).unlink = counting(type(folder).unlink)
    add(folder, 1, noise=0.2)


@pytest.mark.parametrize("after", [False, True])
def test_a_writer_that_is_killed_at_any_moment_loses_nothing(tmp_path, after):
    context = multiprocessing.get_context("fork")
    for number in itertools.count():
        folder = tmp_path / f"{after}{number}"
        for seed in range(2):
            add(folder, seed)
        before = noises(folder)
        writer = context.Process(target=_killed_at, args=(number, after, folder))
        writer.start()
        writer.join()
        assert Store.open(folder).faults == ()
        cut_off = Store.open(folder).unfinished
        finished = write.recover(folder)
        assert list(cut_off) == finished
        now = noises(folder)
        assert now.keys() == before.keys()
        assert now[0] == before[0]
        if writer.exitcode == 0:
            assert now[1] != before[1]
            break
    assert number > 4


def test_a_write_that_was_cut_off_is_named_and_finished(project):
    for seed in range(2):
        add(project / "data", seed)
    folder = project / "data" / "sim"
    (folder / "sim-d32-s1.json").rename(folder / ".sim-d32-s1.json.pending")
    listed = es("traces", "ls", cwd=project)
    assert (listed.returncode, "sim-d32-s1" in listed.stdout) == (0, False)
    assert "cut off of sim-d32-s1" in listed.stderr
    done = es("traces", "validate", cwd=project)
    assert (done.returncode, "2 runs" in done.stdout) == (0, True)
    assert "finished the write of sim-d32-s1" in done.stderr
    assert len(Store.open(project / "data").runs) == 2


def test_a_pending_manifest_without_its_run_stops_no_other_write(project):
    folder = project / "data" / "sim"
    folder.mkdir()
    (folder / ".sim-d32-s1.json.pending").write_text("{")
    add(project / "data", 0)
    assert len(Store.open(project / "data").runs) == 1
    assert es("traces", "rm", "sim-d32-s1", cwd=project).returncode == 0
    assert not list(folder.glob(".*"))


def test_a_run_half_replaced_by_a_killed_writer_is_not_called_altered(tmp_path):
    add(tmp_path, 1)
    store = Store.open(tmp_path)
    (run,) = store.runs
    add(tmp_path, 1, noise=0.2)
    manifest = tmp_path / "sim" / "sim-d32-s1.json"
    manifest.rename(manifest.with_name(f".{manifest.name}.pending"))
    with pytest.raises(TraceError, match="was replaced after the store was opened"):
        store.read(run)


def _write_often(number, folder):
    for turn in range(ROUNDS):
        add(folder, turn % 3, noise=0.01 * (1 + number))


def _read_often(number, folder):
    for _ in range(4 * ROUNDS):
        store = Store.open(folder)
        assert len(store.runs) == 3
        for run in store.runs:
            try:
                whole = store.read(run).num_rows == run.manifest.rows
            except TraceError as error:  # true, and harmless
                whole = "was replaced after the store was opened" in str(error)
            assert whole


def test_writers_and_readers_at_once_lose_nothing_and_see_no_fault(tmp_path):
    for seed in range(3):
        add(tmp_path, seed)
    context = multiprocessing.get_context("fork")
    work = [_write_often] * WRITERS + [_read_often] * READERS
    processes = [context.Process(target=w, args=(n, tmp_path)) for n, w in enumerate(work)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(work)
    assert len(noises(tmp_path)) == 3
    assert not list(tmp_path.rglob(".*"))


def test_a_run_whose_name_begins_like_another_keeps_its_files(tmp_path):
    for name in ("a", "a.b", "a-1"):
        add_run(tmp_path, 0, name=name, tasks=("add",))
        (tmp_path / "sim" / f".{name}~0a.parquet.writing").touch()
    assert es("traces", "rm", "a", "--traces", tmp_path).returncode == 0
    left = {path.name for path in (tmp_path / "sim").iterdir()}
    assert left == {
        f"{prefix}{name}{suffix}"
        for name in ("a.b", "a-1")
        for prefix, suffix in (("", ".json"), ("", ".parquet"), (".", "~0a.parquet.writing"))
    }


# --- a write that was cut off, and what looks at the store before it is finished --------------


def cut_off(project, seed):
    """The run of this seed as a writer left it that was killed after it had decided to replace it."""
    manifest = project / "data" / "sim" / f"sim-d32-s{seed}.json"
    manifest.rename(manifest.with_name(f".{manifest.name}.pending"))


def test_a_registration_finishes_a_write_and_lists_its_run(project):
    fill(project, range(3))
    cut_off(project, 2)
    done = es("register", "learns", cwd=project)
    assert "3 runs seen" in done.stdout
    assert "finished the write of sim-d32-s2" in done.stderr


def test_a_run_that_is_left_out_is_said(project):
    fill(project, range(2))
    assert es("register", "learns", cwd=project).returncode == 0
    fill(project, range(5, 8))
    cut_off(project, 6)
    deviations = result_of(es("test", "learns", "--json", cwd=project))["deviations"]
    assert any("1 run left out" in text and "sim-d32-s6" in text for text in deviations)


def test_the_name_of_a_run_whose_write_was_cut_off_is_taken(project):
    fill(project, range(2))
    cut_off(project, 1)
    with pytest.raises(TraceError, match="already used in suite 'sim'"):
        write.check_unique(project / "data", "sim-d32-s1", "other")


def test_an_import_numbers_seeds_after_the_runs_whose_write_was_cut_off(project):
    rows = project / "rows.csv"
    lines = [f"{{}},{step},accuracy,{step / 10}" for step in range(3)]
    for run in ("a", "b"):
        rows.write_text(
            "\n".join(["run,step,measure,value", *(line.format(run) for line in lines)])
        )
        options = (
            "--suite",
            "sim",
            "--set",
            "scale=d32",
            "--set",
            "n_params=7",
            "--set",
            "n_layers=1",
        )
        done = es("traces", "import", rows, *options, cwd=project)
        assert done.returncode == 0, done.stderr
        if run == "a":
            manifest = project / "data" / "sim" / "a.json"
            manifest.rename(manifest.with_name(".a.json.pending"))
    seeds = {run.manifest.run_id: run.manifest.seed for run in Store.open(project / "data").runs}
    assert sorted(seeds) == ["a", "b"]
    assert seeds["a"] != seeds["b"]
