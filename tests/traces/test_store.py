"""The trace format: what is written is read, and what is broken is named."""

import errno
import hashlib
import itertools
import json
import multiprocessing
import os
import signal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emergence_stats.errors import TraceError
from emergence_stats.traces.store import Store
from emergence_stats.traces.write import write_run
from tests.support import add_run, simulated_table

RUN = "sim/sim-d32-s0"


def read(path, **selection):
    opened = Store.open(path)
    return opened.read(opened.runs[0], **selection)


def rewrite(store, change):
    """Change the Parquet file as an outside writer would, and its manifest to match."""
    path = store / f"{RUN}.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    manifest = json.loads((store / f"{RUN}.json").read_text())
    manifest["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest["rows"] = pq.read_metadata(path).num_rows
    (store / f"{RUN}.json").write_text(json.dumps(manifest))


def set_column(name, values, kind=None):
    def change(table):
        index = table.column_names.index(name)
        return table.set_column(index, name, pa.array(values(table), kind))

    return change


def test_what_was_written_is_read(tmp_path):
    table = simulated_table(np.random.default_rng(1), tasks=("add",))
    add_run(tmp_path, 0, tasks=("add",))
    found = read(tmp_path)
    assert found.num_rows == table.num_rows
    manifest = Store.open(tmp_path).runs[0].manifest
    assert manifest.rows == table.num_rows
    assert manifest.schema_version == 1


def test_only_what_is_asked_for_is_read(store):
    rankme = read(store, measures=["rankme"], layers=[1, 2])
    assert set(rankme.column("measure").to_pylist()) == {"rankme"}
    assert set(rankme.column("layer").to_pylist()) == {1, 2}
    assert set(read(store, measures=["accuracy"], layers=[1]).column("layer").to_pylist()) == {None}


def test_a_uri_opens_as_a_folder_does(store):
    by_uri = Store.open(store.as_uri())
    assert by_uri.read(by_uri.runs[0]).num_rows == read(store).num_rows


def test_further_columns_and_plain_strings_are_read(store):
    def change(table):
        plain = table.set_column(0, "run_id", table.column("run_id").cast(pa.string()))
        return plain.append_column("n_samples", pa.array([200] * table.num_rows))

    rewrite(store, change)
    assert read(store).column_names[0] == "run_id"


def broken(store, *words, **selection):
    with pytest.raises(TraceError) as caught:
        read(store, **selection)
    for word in words:
        assert word in str(caught.value)


def test_a_truncated_file_is_named(store):
    path = store / f"{RUN}.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    broken(store, "sim-d32-s0.parquet", "sha256")


def test_a_truncated_file_with_a_hash_that_fits_is_named(store):
    path = store / f"{RUN}.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    manifest = json.loads((store / f"{RUN}.json").read_text())
    manifest["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (store / f"{RUN}.json").write_text(json.dumps(manifest))
    broken(store, "sim-d32-s0.parquet", "Parquet")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_numbers_are_named_by_row(store, bad):
    def values(table):
        found = table.column("value").to_pylist()
        row = next(i for i, m in enumerate(table.column("measure").to_pylist()) if m == "rankme")
        found[row + 3] = bad
        values.row = row + 3
        return found

    rewrite(store, set_column("value", values))
    broken(store, "'value'", f"row {values.row}")
    # Rows are counted in the file even when only some of them are read.
    broken(store, "'value'", f"row {values.row}", measures=["rankme"])
    broken(store, "'value'", f"row {values.row}", measures=["rankme"], layers=[4])


def test_a_null_value_is_named(store):
    rewrite(store, set_column("value", lambda t: [None, *t.column("value").to_pylist()[1:]]))
    broken(store, "'value'", "row 0")


def test_a_row_without_measure_is_not_passed_over(store):
    rewrite(store, set_column("measure", lambda t: [None, *t.column("measure").to_pylist()[1:]]))
    broken(store, "'measure'", "row 0", measures=["rankme"])


def test_a_wrong_type_is_named(store):
    rewrite(store, set_column("level", lambda t: t.column("level").to_pylist(), pa.int64()))
    broken(store, "'level'", "int64", "int16")


def test_a_missing_column_is_named(store):
    rewrite(store, lambda table: table.drop_columns(["layer"]))
    broken(store, "'layer'", "missing")


def test_a_duplicate_key_is_named(store):
    def change(table):
        return pa.concat_tables([table, table.slice(5, 1)])

    rewrite(store, change)
    broken(store, "duplicate key", "row")


def test_a_step_that_goes_back_is_named(store):
    def steps(table):
        found = table.column("step").to_pylist()
        found[1], found[2] = found[2], found[1]
        return found

    rewrite(store, set_column("step", steps, pa.int64()))
    broken(store, "'step'", "row 2", "comes after")


def test_a_negative_step_is_named(store):
    rewrite(
        store, set_column("step", lambda t: [-1, *t.column("step").to_pylist()[1:]], pa.int64())
    )
    broken(store, "'step'", "row 0", "-1")


@pytest.mark.parametrize("column", ["level", "layer"])
def test_a_number_below_0_that_would_be_taken_for_none_is_named(store, column):
    def negative(table):
        found = table.column(column).to_pylist()
        row = next(i for i, value in enumerate(found) if value is not None)
        return [*found[:row], -1, *found[row + 1 :]]

    rewrite(store, set_column(column, negative, pa.int16()))
    broken(store, f"'{column}'", "-1", "counts from 0")


def test_a_foreign_run_id_is_named(store):
    rewrite(store, set_column("run_id", lambda t: ["x"] * t.num_rows))
    broken(store, "'run_id'", "row 0")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda m: m.pop("seed"), "seed"),
        (lambda m: m.update(seed="three"), "'three'"),
        (lambda m: m.update(schema_version=2), "schema_version is 2"),
        (lambda m: m.update(schema_version=True), "schema_version is True"),
        (lambda m: m.update(created="yesterday"), "yesterday"),
        (lambda m: m.update(run_id="other"), "other"),
        (lambda m: m.update(sha256="0"), "sha256"),
        (lambda m: m.update(rows=-1), "rows"),
    ],
)
def test_a_broken_manifest_is_named(store, change, word):
    path = store / f"{RUN}.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    broken(store, "sim-d32-s0.json", word)


def test_a_wrong_count_of_rows_is_named_whatever_is_read(store):
    path = store / f"{RUN}.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"rows": manifest["rows"] + 1}))
    with pytest.raises(TraceError, match="rows, but the manifest says"):
        read(store, measures=["accuracy"])


def test_a_file_of_one_row_group_is_read_alike(store):
    before = read(store, measures=["accuracy"]).column("value").to_pylist()
    rewrite(store, lambda table: table)  # pq.write_table makes one row group of all measures
    assert read(store, measures=["accuracy"]).column("value").to_pylist() == before


def test_a_manifest_that_is_no_json_is_named(store):
    (store / f"{RUN}.json").write_text("{")
    broken(store, "sim-d32-s0.json", "JSON")


def test_a_missing_manifest_is_named(store):
    (store / f"{RUN}.json").unlink()
    broken(store, "sim-d32-s0.json", "missing")


def test_no_store_is_named(tmp_path):
    with pytest.raises(TraceError, match="no trace store here"):
        Store.open(tmp_path / "nowhere")


def test_a_run_that_breaks_the_format_is_not_written(tmp_path):
    table = simulated_table(np.random.default_rng(1), tasks=("add",))
    value = pa.array([float("nan"), *table.column("value").to_pylist()[1:]])
    bad = table.set_column(table.column_names.index("value"), "value", value)
    with pytest.raises(TraceError, match="nan"):
        write_run(
            tmp_path, bad, run_id="r", suite="s", scale="d", n_params=1, n_layers=1, seed=0,
            config={}, software={}, device="cpu",
        )  # fmt: skip
    assert not list(tmp_path.rglob("*.parquet"))


def _write_for_ever(path, written):
    for seed in itertools.cycle(range(3)):
        add_run(path, seed, tasks=("add",))
        written.set()


def test_a_full_disk_names_the_run_and_leaves_the_store_as_it_was(store, monkeypatch):
    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = {path.name: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        add_run(store, 1, tasks=("add",))
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(store / "sim/sim-d32-s1.parquet"))  # fmt: skip
    assert {p.name: p.read_bytes() for p in store.rglob("*") if p.is_file()} == before


def test_a_writer_that_is_killed_leaves_a_valid_store(tmp_path):
    context = multiprocessing.get_context("spawn")
    written = context.Event()
    writer = context.Process(target=_write_for_ever, args=(tmp_path, written))
    writer.start()
    written.wait()
    while not list(tmp_path.rglob(".*.writing")):  # in the middle of another run
        pass
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    opened = Store.open(tmp_path)
    assert opened.runs
    for run in opened.runs:
        opened.read(run)


def test_a_store_between_two_renames_ignores_the_unfinished_run(store):
    (store / f"{RUN}.json").rename(store / "sim" / ".sim-d32-s0.json.pending")
    assert Store.open(store).runs == ()
