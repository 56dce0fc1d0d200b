"""Stores that would take a reader's memory are refused before anything is decoded."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emergence_stats.errors import TraceError
from emergence_stats.traces.limits import MAX_MANIFEST_BYTES, MAX_ROWS
from emergence_stats.traces.store import Store
from tests.support import add_run, es


@pytest.fixture
def manifest(tmp_path):
    add_run(tmp_path / "data", 0, tasks=("add",))
    return tmp_path / "data" / "sim" / "sim-d32-s0.json"


def replace_rows(manifest, table, **options):
    """Put another table into the run, with a manifest that agrees."""
    parquet = manifest.with_suffix(".parquet")
    pq.write_table(table, parquet, **options)
    fields = json.loads(manifest.read_text())
    fields["rows"] = table.num_rows
    fields["sha256"] = hashlib.sha256(parquet.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(fields))
    return parquet


def constant(text, rows):
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [text])


def many(rows, **columns):
    """A table of rows that hardly differ, so that its file is small."""
    return pa.table(
        {
            "run_id": constant("sim-d32-s0", rows),
            "step": pa.array(np.arange(rows)),
            "task": constant("add", rows),
            "level": pa.nulls(rows, pa.int16()),
            "layer": pa.nulls(rows, pa.int16()),
            "measure": constant("accuracy", rows),
            "value": pa.array(np.zeros(rows)),
            "stderr": pa.nulls(rows, pa.float64()),
            **columns,
        }
    )


def test_a_file_of_too_many_rows_is_refused_before_it_is_decoded(manifest):
    step = pa.array(np.zeros(MAX_ROWS.default + 1, np.int64))
    file = replace_rows(manifest, many(MAX_ROWS.default + 1, step=step), compression="zstd")
    assert file.stat().st_size < 2**20
    before = pa.total_allocated_bytes()
    done = es("traces", "validate", "--traces", manifest.parent.parent)
    assert done.returncode == 2
    assert "the run has 10,000,001 rows, and the limit is 10,000,000" in done.stderr
    assert "EMERGENCE_STATS_MAX_ROWS" in done.stderr
    assert pa.total_allocated_bytes() - before < 2**24


def test_limits_are_the_readers_to_set(manifest, monkeypatch):
    replace_rows(manifest, many(2_000))
    (run,) = Store.open(manifest.parent.parent).runs
    for variable, what in (
        ("EMERGENCE_STATS_MAX_ROWS", "2,000 rows"),
        ("EMERGENCE_STATS_MAX_RUN_BYTES", "bytes, and the limit is 1,999"),
    ):
        monkeypatch.setenv(variable, "1999")
        with pytest.raises(TraceError, match=f"{what}.*{variable}"):
            Store.open(manifest.parent.parent).read(run)
        monkeypatch.setenv(variable, "9999999")
    assert Store.open(manifest.parent.parent).read(run).num_rows == 2_000


@pytest.mark.parametrize("text", ["0", "-1", "1e9", "many", "9" * 30, "٣"])
def test_a_limit_that_is_no_number_is_an_error(manifest, text):
    done = es(
        "traces", "validate", "--traces", manifest.parent.parent, EMERGENCE_STATS_MAX_ROWS=text
    )
    assert done.returncode == 2
    assert "EMERGENCE_STATS_MAX_ROWS" in done.stderr


def test_a_long_name_is_in_memory_once_and_not_once_a_row(manifest):
    rows, name = 5_000, "x" * 100_000
    plain = many(rows, measure=pa.array([name] * rows))  # 500 MB, were it not encoded in the file
    replace_rows(manifest, plain, store_schema=False)
    del plain
    store = Store.open(manifest.parent.parent)
    before = pa.total_allocated_bytes()
    table = store.read(store.runs[0])
    assert table.num_rows == rows
    assert pa.total_allocated_bytes() - before < 2**24


def test_a_manifest_of_many_megabytes_is_not_read(manifest):
    fields = json.loads(manifest.read_text())
    fields["config"]["notes"] = "x" * MAX_MANIFEST_BYTES.default
    manifest.write_text(json.dumps(fields))
    done = es("traces", "ls", "--traces", manifest.parent.parent)
    assert done.returncode == 2
    assert "EMERGENCE_STATS_MAX_MANIFEST_BYTES" in done.stderr
    with pytest.raises(TraceError, match="MAX_MANIFEST_BYTES"):
        add_run(manifest.parent.parent, 1, further=fields["config"])
