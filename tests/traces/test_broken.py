"""A store never gets a run that its reader refuses; and one broken run does not hide the others."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emergence_stats.errors import TraceError
from emergence_stats.traces.store import Store
from emergence_stats.traces.write import write_run
from tests.support import add_run, edited, es, failed, simulated_table

TABLE = "run,step,measure,value\nr0,0,accuracy,0.1\nr0,1,accuracy,0.9\nr1,0,accuracy,0.2\n"
FACTS = ("--set", "n_params=1k")


@pytest.fixture
def table(project):
    (project / "t.csv").write_text(TABLE)
    return project


def files(root):
    return sorted(path.relative_to(root / "data").as_posix() for path in root.glob("data/*/*"))


def test_a_run_name_of_another_suite_is_refused_before_anything_is_written(table):
    assert es("traces", "import", "t.csv", "--suite", "a", *FACTS, cwd=table).returncode == 0
    before = files(table)
    for more in ((), ("--replace",)):
        done = es("traces", "import", "t.csv", "--suite", "b", *FACTS, *more, cwd=table)
        failed(done, "run_id 'r0'", "suite 'a'", "traces rm r0")
    assert files(table) == before


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("n_layers", "-2", ("runs.csv", "n_layers", "row 1")),
        ("n_params", "", ("r1", "parameters")),
        ("n_params", "0", ("n_params", "row 1")),
        ("n_params", "1" * 400, ("n_params", "row 1")),
        ("created", "yesterday", ("created", "ISO 8601")),
        ("n_layers", "1e30", ("n_layers", "too large")),
        ("n_params", "1.5", ("n_params", "row 1")),
    ],
)
def test_a_bad_cell_in_the_table_of_runs_leaves_the_store_as_it_was(table, column, cell, words):
    header, good = ("run,n_params", "r0,1000")
    if column == "n_params":
        rows = f"{header}\n{good}\nr1,{cell}\n"
    else:
        good_cell = {"n_layers": "2", "created": "2026-01-01"}[column]
        rows = f"{header},{column}\n{good},{good_cell}\nr1,1000,{cell}\n"
    (table / "runs.csv").write_text(rows)
    done = es("traces", "import", "t.csv", "--suite", "a", "--runs", "runs.csv", cwd=table)
    failed(done, *words)
    assert files(table) == []


@pytest.mark.parametrize("column", ["n_layers", "seed", "scale", "created"])
def test_an_empty_cell_in_the_table_of_runs_is_said_and_the_store_can_be_read(table, column):
    cell = {"created": "2026-01-01"}.get(column, "3")
    (table / "runs.csv").write_text(f"run,n_params,{column}\nr0,1000,\nr1,1000,{cell}\n")
    done = es("traces", "import", "t.csv", "--suite", "a", "--runs", "runs.csv", cwd=table)
    assert done.returncode == 0, done.stderr
    assert f"runs.csv has no {column} for 1 of the runs: r0" in done.stdout
    assert es("traces", "validate", cwd=table).returncode == 0


@pytest.mark.parametrize("name", ["d.csv", "d.tsv"])
def test_a_column_name_twice_is_named(table, name):
    (table / name).write_text(
        "step,a,a\n0,0.1,0.2\n".replace(",", "\t" if name == "d.tsv" else ",")
    )
    options = ("--suite", "d", "--measure", "accuracy=a", *FACTS)
    failed(es("traces", "import", name, *options, cwd=table), name, "column 'a'", "twice")


def test_a_column_name_twice_in_the_table_of_runs_is_named(table):
    (table / "runs.csv").write_text("run,n_params,n_params\nr0,1,2\nr1,1,2\n")
    done = es("traces", "import", "t.csv", "--suite", "a", "--runs", "runs.csv", cwd=table)
    failed(done, "runs.csv", "column 'n_params'", "twice")


def test_a_negative_standard_error_is_found_before_earlier_runs_are_written(table):
    (table / "t.csv").write_text(
        "run,step,measure,value,stderr\na,0,llc,1,0.1\nb,0,llc,1,0.1\nb,1,llc,1,-0.1\n"
    )
    done = es("traces", "import", "t.csv", "--suite", "a", *FACTS, cwd=table)
    failed(done, "t.csv", "stderr", "row 2")
    assert files(table) == []


def test_a_name_too_long_for_a_file_is_found_before_earlier_runs_are_written(table):
    (table / "t.csv").write_text(TABLE + "b" * 244 + ",0,accuracy,0.5\n")
    failed(es("traces", "import", "t.csv", "--suite", "a", *FACTS, cwd=table), "244 characters")
    assert files(table) == []


@pytest.mark.parametrize("name", ["r1.json", "r1.parquet", ".r1.json.pending"])
def test_a_folder_in_the_place_of_a_file_is_found_before_earlier_runs_are_written(table, name):
    (table / "data" / "a" / name).mkdir(parents=True)
    options = ("--suite", "a", *FACTS, "--replace")
    failed(es("traces", "import", "t.csv", *options, cwd=table), name, "folder")
    assert files(table) == [f"a/{name}"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError("the disk is full")])
def test_an_import_that_is_interrupted_leaves_nothing(table, monkeypatch, fault):
    from emergence_stats.traces import write

    stage, staged = write.PreparedRun.stage, []

    def interrupted(run):
        if staged:
            raise fault
        staged.append(run)
        return stage(run)

    monkeypatch.setattr(write.PreparedRun, "stage", interrupted)
    done = es("traces", "import", "t.csv", "--suite", "a", *FACTS, cwd=table)
    assert done.returncode == (130 if fault is KeyboardInterrupt else 2)
    assert files(table) == []


def test_an_import_of_nothing_is_an_error(table):
    (table / "t.csv").write_text("run,step,measure,value\nr0,0,accuracy,\n")
    failed(
        es("traces", "import", "t.csv", "--suite", "a", *FACTS, cwd=table),
        "t.csv",
        "no measurement",
    )


def test_bytes_that_are_no_text_are_named_and_not_taken_for_names(table):
    (table / "t.csv").write_bytes(TABLE.encode() + "\xe9t\xe9,0,accuracy,0.5\n".encode("latin-1"))
    failed(es("traces", "import", "t.csv", "--suite", "a", *FACTS, cwd=table), "line", "UTF-8")


def test_a_column_name_twice_in_parquet_is_named(table):
    columns = [pa.array([0]), pa.array([0.5]), pa.array([0.5])]
    pq.write_table(pa.Table.from_arrays(columns, ["step", "value", "value"]), table / "t.parquet")
    options = ("--suite", "a", "--set", "measure=accuracy", *FACTS)
    failed(es("traces", "import", "t.parquet", *options, cwd=table), "column 'value'", "twice")


@pytest.mark.parametrize("line", ["names = 1", "suite = 2", "columns = 'x'", "format = ['csv']"])
def test_a_mapping_with_a_value_of_another_kind_is_named(table, line):
    (table / "m.toml").write_text(line + "\n")
    done = es("traces", "import", "t.csv", "--mapping", "m.toml", *FACTS, cwd=table)
    failed(done, "m.toml", line.split()[0])


@pytest.mark.parametrize(
    "fault",
    [
        {"n_layers": -1},
        {"n_layers": 2**15},
        {"n_params": 10**400},
        {"seed": 2**70},
        {"scale": "\ud800"},
        {"n_params": 0},
        {"scale": None},
        {"seed": 1.5},
        {"created": "yesterday"},
        {"config": {"lr": float("nan")}},
        {"config": {"model": object()}},
    ],
)
def test_a_writer_refuses_what_a_reader_would(store, fault):
    import numpy as np

    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    facts = {
        "run_id": "new", "suite": "sim", "scale": "d", "n_params": 1, "n_layers": 1, "seed": 0, "config": {}, "software": {},
        "device": "none",
    }  # fmt: skip
    with pytest.raises(TraceError, match=r"new\.json"):
        write_run(
            store, simulated_table(np.random.default_rng(0), tasks=("add",)), **{**facts, **fault}
        )
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


# --- one broken run ---------------------------------------------------------------------------


@pytest.fixture
def broken(project):
    """Three runs, of which the manifest of the second is not valid JSON."""
    for seed in range(3):
        add_run(project / "data", seed, tasks=("add",))
    (project / "data" / "sim" / "sim-d32-s1.json").write_text("{")
    return project


def test_the_others_are_listed_and_the_broken_one_is_named(broken):
    done = es("traces", "ls", cwd=broken)
    assert done.returncode == 2
    assert "sim-d32-s0" in done.stdout
    assert "sim-d32-s2" in done.stdout
    assert "sim-d32-s1.json" in done.stderr
    listed = json.loads(es("traces", "ls", "--json", cwd=broken).stdout)
    assert [run["run_id"] for run in listed["runs"]] == ["sim-d32-s0", "sim-d32-s2"]
    assert len(listed["problems"]) == 1
    with pytest.raises(TraceError, match="sim-d32-s1"):
        _ = Store.open(broken / "data").runs


@pytest.mark.parametrize("text", ['{"config": NaN}', "[" * 100_000, '{"scale": "\\ud800"}'])
def test_a_manifest_that_no_command_could_work_with_is_named(broken, text):
    (broken / "data" / "sim" / "sim-d32-s1.json").write_text(text)
    done = es("traces", "ls", cwd=broken)
    assert done.returncode == 2
    assert "sim-d32-s1.json: the manifest is not valid JSON" in done.stderr
    assert "sim-d32-s2" in done.stdout


def test_a_suite_behind_a_link_is_removed_without_an_error(broken):
    (broken / "data" / "sim").rename(broken / "real")
    (broken / "data" / "sim").symlink_to(broken / "real")
    assert es("traces", "rm", "--suite", "sim", cwd=broken).returncode == 0
    assert files(broken) == []


def test_validate_checks_the_others_too(broken):
    path = broken / "data" / "sim" / "sim-d32-s2.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    done = es("traces", "validate", cwd=broken)
    assert done.returncode == 2
    assert "sim-d32-s1.json" in done.stderr
    assert "sim-d32-s2.parquet" in done.stderr


def test_the_broken_run_can_be_replaced(broken):
    (broken / "t.csv").write_text("run,step,measure,value\nsim-d32-s1,0,accuracy,0.5\n")
    options = ("--suite", "sim", *FACTS)
    assert es("traces", "import", "t.csv", *options, cwd=broken).returncode == 2
    assert es("traces", "import", "t.csv", *options, "--replace", cwd=broken).returncode == 0
    assert es("traces", "ls", cwd=broken).returncode == 0


def test_the_broken_run_can_be_removed(broken):
    before = files(broken)
    done = es("traces", "rm", "sim-d32-s1", "--dry-run", cwd=broken)
    assert done.returncode == 0
    assert "sim/sim-d32-s1" in done.stdout
    assert files(broken) == before
    assert es("traces", "rm", "sim-d32-s1", cwd=broken).returncode == 0
    assert es("traces", "ls", cwd=broken).returncode == 0
    assert files(broken) == [name for name in before if "s1" not in name]


@pytest.mark.parametrize(
    "left", ["sim-d32-s1.parquet", "sim-d32-s1.json", ".sim-d32-s1.json.pending"]
)
def test_half_a_run_can_be_removed(broken, left):
    folder = broken / "data" / "sim"
    (folder / "sim-d32-s1.json").unlink()
    (folder / "sim-d32-s1.parquet").unlink()
    (folder / left).write_text("{}")
    assert es("traces", "rm", "sim-d32-s1", cwd=broken).returncode == 0
    assert es("traces", "ls", cwd=broken).returncode == 0
    assert not [name for name in files(broken) if "s1" in name]


def test_a_run_that_two_suites_have_is_removed_from_the_one_that_is_named(broken):
    folder = broken / "data" / "sim"
    (folder / "sim-d32-s1.json").unlink()
    (folder / "sim-d32-s1.parquet").unlink()
    (broken / "data" / "copy").mkdir()
    for suffix in (".json", ".parquet"):
        text = (folder / f"sim-d32-s0{suffix}").read_bytes()
        if suffix == ".json":
            text = edited(text, b'"sim"', b'"copy"')
        (broken / "data" / "copy" / f"sim-d32-s0{suffix}").write_bytes(text)
    done = es("traces", "ls", cwd=broken)
    assert done.returncode == 2
    assert "traces rm sim-d32-s0 --suite" in done.stderr
    failed(es("traces", "rm", "sim-d32-s0", cwd=broken), "copy, sim", "--suite")
    assert es("traces", "rm", "sim-d32-s0", "--suite", "copy", cwd=broken).returncode == 0
    assert es("traces", "ls", cwd=broken).returncode == 0
    assert not (broken / "data" / "copy").exists()


def test_a_whole_suite_is_removed_and_no_other(broken):
    add_run(broken / "data", 0, suite="other", tasks=("add",))
    done = es("traces", "rm", "--suite", "sim", "--json", cwd=broken)
    assert len(json.loads(done.stdout)["removed"]) == 3
    assert files(broken) == ["other/other-d32-s0.json", "other/other-d32-s0.parquet"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "--suite"),
        (("sim-d32-s9",), "did you mean"),
        (("--suite", "none"), "'none'"),
        (("sim-d32-s0", "nothing"), "'nothing'"),
    ],
)
def test_what_is_not_there_cannot_be_removed_and_nothing_goes(broken, arguments, word):
    before = files(broken)
    failed(es("traces", "rm", *arguments, cwd=broken), word)
    assert files(broken) == before
