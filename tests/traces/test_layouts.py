"""Files as trainers and loggers leave them: what an import reads from each, and what it says of it."""

import bz2
import gzip
import json
import lzma
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import emergence_stats as stats
from emergence_stats.traces.importing import paths, steps
from tests.support import es, imported, refused

SIZE = ("--set", "n_params=9")


def said(cwd, *arguments):
    """What an import that works prints."""
    done = es("traces", "import", *arguments, "--suite", "s", "--traces", "store", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def values(run, measure):
    traces = run.traces(measure)
    return dict(zip(traces.steps[0].tolist(), traces.values[0].tolist(), strict=True))


# --- identity ---------------------------------------------------------------------------------


def test_names_of_runs_tasks_and_scales_are_text_however_numeric_they_look(tmp_path):
    (tmp_path / "t.csv").write_text(
        "run,scale,task,step,measure,value\n001,1e3,1.1,0,2,1\n001,1e3,1.10,0,2,2\n002,1e3,1.1,0,2,3\n"
    )
    runs = imported(tmp_path, "t.csv", *SIZE)
    assert set(runs) == {"001", "002"}
    assert runs["001"].scale == "1e3"
    assert runs["001"].traces("2").task.tolist() == ["1.1", "1.10"]


@pytest.mark.parametrize(
    "places", [("v0/metrics.csv", "v1/metrics.csv"), ("a/x/t.csv", "b/x/t.csv")]
)
def test_two_files_of_one_name_are_two_runs_named_by_what_differs(tmp_path, places):
    for i, place in enumerate(places):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text(f"step,acc\n{i},.1\n{i + 2},.2\n")
    runs = imported(tmp_path, *places, *SIZE)
    assert set(runs) == {place.split("/")[0] for place in places}


def test_a_run_is_not_woven_from_two_files_unless_that_is_said(tmp_path):
    (tmp_path / "a.csv").write_text("run,step,acc\nr,0,.1\nr,20,.2\n")
    (tmp_path / "b.csv").write_text("run,step,acc\nr,10,.5\nr,30,.9\n")
    message = refused(tmp_path, "a.csv", "b.csv", *SIZE, "--suite", "s")
    assert "two trainings" in message
    assert "--join" in message
    assert set(imported(tmp_path, "a.csv", "b.csv", *SIZE, "--column", "run={file}-{run}")) == {
        "a-r",
        "b-r",
    }
    run = imported(tmp_path, "a.csv", "b.csv", *SIZE, "--join")["r"]
    assert list(values(run, "acc")) == [0, 10, 20, 30]


def test_measures_of_one_run_in_two_files_are_joined_and_that_is_said(tmp_path):
    (tmp_path / "a.csv").write_text("run,step,acc\nr,0,.1\n")
    (tmp_path / "b.csv").write_text("run,step,loss\nr,0,2\n")
    assert "run r is in 2 files" in said(tmp_path, "a.csv", "b.csv", *SIZE)


def test_a_name_of_a_run_in_another_suite_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("run,step,acc\nr0,0,.1\n")
    imported(tmp_path, "t.csv", *SIZE)
    done = es(
        *("traces", "import", "t.csv", *SIZE, "--suite", "other", "--traces", "store"), cwd=tmp_path
    )
    assert done.returncode == 2
    assert "suite 's'" in done.stderr


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["r-s0", "r-s10", "r-s2"], {("r", 0), ("r", 10), ("r", 2)}),
        (["unstable_seed0", "stable_seed0"], {("unstable", 0), ("stable", 0)}),
        (["seed3-wd", "seed4-wd"], {("wd", 3), ("wd", 4)}),
        (["s5_mech-seed1", "s5_mech-seed2"], {("s5_mech", 1), ("s5_mech", 2)}),
    ],
)
def test_seeds_stand_in_the_names_of_runs_or_files(tmp_path, names, expected):
    for name in names:
        (tmp_path / f"{name}.csv").write_text("step,acc\n0,.1\n")
    files = [f"{name}.csv" for name in names]
    assert "seeds are those in the names" in said(tmp_path, *files, *SIZE, "--dry-run")
    runs = imported(tmp_path, *files, *SIZE)
    assert {(run.scale, run.seed) for run in runs.values()} == expected


def test_numbers_that_are_no_seeds_are_not_read_as_such_and_numbering_is_said(tmp_path):
    (tmp_path / "t.csv").write_text("run,scale,step,acc\nrun-7,x,0,.1\nrun-8,x,0,.1\n")
    assert paths.seed_in("s5_mech") is None
    assert paths.seed_in("seed1-seed2") is None
    assert "numbered within a scale (run-7: 0, run-8: 1)" in said(tmp_path, "t.csv", *SIZE)


def test_a_pattern_reads_run_scale_and_seed_from_paths(tmp_path):
    for scale, seed in (("small", 3), ("large", 4)):
        folder = tmp_path / "out" / scale / f"try{seed}"
        folder.mkdir(parents=True)
        (folder / "log.csv").write_text("step,acc\n0,.1\n")
    files = sorted(tmp_path.glob("out/*/*/log.csv"))
    options = ("--path", "{scale}/try{seed}/log.csv", "--column", "run={scale}-{seed}")
    runs = imported(tmp_path, *files, *SIZE, *options)
    assert {(n, r.scale, r.seed) for n, r in runs.items()} == {
        ("small-3", "small", 3),
        ("large-4", "large", 4),
    }
    assert "has not the form" in refused(
        tmp_path / "out", *files, *SIZE, "--suite", "s", "--path", "{scale}_{seed}.csv"
    )


# --- steps ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "step", "unit"),
    [
        ("50K", 50_000, None),
        ("1.4M", 1_400_000, None),
        ("10B", 10**10, "tokens"),
        ("1e5", 100_000, None),
        ("step50000-tokens210B", 50_000, "optimiser steps"),
        ("checkpoint-1000", 1000, "optimiser steps"),
        ("20.0", 20, None),
    ],
)
def test_steps_are_read_in_any_spelling(cell, step, unit):
    assert steps.read(cell) == (step, unit)


@pytest.mark.parametrize("cell", ["0.5", "1.23456789K", "early", "", "nan", "12x"])
def test_what_is_no_step_is_none(cell):
    with pytest.raises(ValueError, match=r".*"):
        steps.read(cell)


@given(st.integers(0, 10**15), st.sampled_from(["step", "checkpoint-", "iter_", "global_step="]))
def test_a_step_in_a_name_is_the_number_in_it(number, word):
    found = steps.in_text(f"model/{word}{number}")
    assert found is not None
    assert found.of(None) == (number, "optimiser steps")


def test_of_steps_and_tokens_in_a_name_the_wanted_one_counts():
    found = steps.in_text("m-step50000-tokens210B")
    assert found.of("tokens") == (210 * 10**9, "tokens")
    assert found.rest == "m"
    assert steps.in_text("TinyLlama-1.1B-step-50K-105b").rest == "TinyLlama-1.1B"
    assert steps.in_text("pythia-70m") is None


def test_the_unit_of_steps_is_kept_and_a_claim_that_needs_another_leaves_the_run_out(tmp_path):
    (tmp_path / "t.csv").write_text("run,tokens,acc\nr,10B,.1\nr,20B,.2\n")
    assert "tokens in 1 run" in said(tmp_path, "t.csv", *SIZE, "--dry-run")
    run = imported(tmp_path, "t.csv", *SIZE)["r"]
    assert (run.manifest.step_unit, list(values(run, "acc"))) == ("tokens", [10**10, 2 * 10**10])
    (tmp_path / "hypotheses").mkdir()
    (tmp_path / "pyproject.toml").write_text('[tool.emergence_stats]\ntraces = "store"\n')
    (tmp_path / "hypotheses" / "h.py").write_text(
        '"""Ends above."""\nimport emergence_stats as es\n'
        "def end(run): return float(run.traces('acc').values[0, -1])\n"
        "h = es.Hypothesis(claim=es.Claim('x'), needs=es.Needs(['acc'], step_unit='optimiser steps'),\n"
        "    predictions=[es.Prediction('p', end, es.Region.above(0.0))])\n"
    )
    shown = es("test", "h", "-v", cwd=tmp_path).stdout
    assert "its steps are tokens, and the plan needs optimiser steps" in shown


def test_step_of_wandb_is_not_taken_where_a_better_column_is_there(tmp_path):
    (tmp_path / "h.csv").write_text(
        "_step,_timestamp,acc,trainer/global_step,epoch\n0,1,.1,0,0\n1,5,.2,50,1\n"
    )
    text = said(tmp_path, "h.csv", *SIZE, "--dry-run")
    assert "column 'trainer/global_step', and not '_step'" in text
    assert list(values(imported(tmp_path, "h.csv", *SIZE)["h"], "acc")) == [0, 50]


def test_a_first_checkpoint_that_is_not_step_0_is_said(tmp_path):
    (tmp_path / "t.csv").write_text("run,step,acc\nr,100,.1\n")
    assert "not step 0 in 1 run: r at 100" in said(tmp_path, "t.csv", *SIZE)


# --- restarts ---------------------------------------------------------------------------------

RESTARTED = "step,acc\n0,0.1\n10,0.2\n20,0.3\n30,0.4\n10,0.25\n20,0.35\n"


def test_after_a_restart_the_later_row_counts_and_the_dead_branch_does_not(tmp_path):
    (tmp_path / "t.csv").write_text(RESTARTED)
    assert "--later-counts" in refused(tmp_path, "t.csv", *SIZE, "--suite", "s")
    text = said(tmp_path, "t.csv", *SIZE, "--later-counts", "--dry-run")
    assert "1 value of t at steps that were written again" in text
    assert "2 values of t at steps 20 to 30, from before a restart" in text
    run = imported(tmp_path, "t.csv", *SIZE, "--later-counts")["t"]
    assert values(run, "acc") == {0: 0.1, 10: 0.25, 20: 0.35}


def test_steps_that_go_back_without_a_repeat_are_said(tmp_path):
    (tmp_path / "t.csv").write_text("step,acc\n10,.1\n30,.2\n20,.3\n")
    assert "goes back in steps" in said(tmp_path, "t.csv", *SIZE)
    (tmp_path / "down.csv").write_text("step,acc\n30,.1\n20,.2\n10,.3\n")
    assert "goes back" not in said(tmp_path, "down.csv", *SIZE)


def test_the_same_row_twice_is_one_measurement(tmp_path):
    (tmp_path / "t.csv").write_text("step,acc\n0,.1\n10,.2\n10,.2\n")
    assert values(imported(tmp_path, "t.csv", *SIZE)["t"], "acc") == {0: 0.1, 10: 0.2}


# --- layout -----------------------------------------------------------------------------------


def _zst(data):
    import pyarrow as pa

    return pa.compress(data, codec="zstd", asbytes=True)


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("t.csv.gz", gzip.compress),
        ("t.csv.bz2", bz2.compress),
        ("t.csv.xz", lzma.compress),
        ("T.CSV", bytes),
        ("t.csv.zip", None),
        ("t.csv.zst", _zst),
    ],
)
def test_compressed_files_and_capital_suffixes_are_read(tmp_path, name, pack):
    data = b"run,step,measure,value\nr,0,m,1\n"
    if pack is None:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("t.csv", data)
    else:
        (tmp_path / name).write_bytes(pack(data))
    assert values(imported(tmp_path, name, *SIZE)["r"], "m") == {0: 1.0}


def test_a_compressed_file_that_is_cut_off_is_an_error(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"step,acc\n" + b"0,.1\n" * 999)[:-9])
    assert "cannot be decompressed" in refused(tmp_path, "t.csv.gz", *SIZE, "--suite", "s")


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst", "zip"])
def test_a_small_file_that_unpacks_to_a_large_one_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("EMERGENCE_STATS_MAX_FILE_BYTES", "100000")
    data, path = b"step,acc\n" + b"0,.1\n" * 100_000, tmp_path / f"t.csv.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("t.csv", data)
    elif kind == "zst":
        import pyarrow as pa

        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(data)
    else:
        path.write_bytes({"gz": gzip, "bz2": bz2, "xz": lzma}[kind].compress(data))
    text = refused(tmp_path, path.name, *SIZE, "--suite", "s")
    assert "the limit is 100,000" in text
    assert "EMERGENCE_STATS_MAX_FILE_BYTES" in text


def test_a_semicolon_and_a_decimal_comma_are_seen_and_said(tmp_path):
    (tmp_path / "t.csv").write_text("run;step;acc\nr;0;0,25\nr;5;1\n")
    assert values(imported(tmp_path, "t.csv", *SIZE)["r"], "acc") == {0: 0.25, 5: 1.0}
    text = said(tmp_path, "t.csv", *SIZE, "--replace")
    assert "separated by ';'" in text
    assert "the comma in numbers is the decimal point" in text


def test_comments_an_index_without_name_and_spaces_in_the_header_do_no_harm_and_are_said(tmp_path):
    (tmp_path / "t.csv").write_text("# made by me\n, step, acc\n0,0, .5\n1,5, .6\n")
    text = said(tmp_path, "t.csv", *SIZE)
    assert "1 lines that begin with #" in text
    assert "column '' is an index without a name" in text
    assert "measures" in text
    assert "acc" in text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("step,acc\n0,.1\n".encode("utf-16"), "not UTF-8: it begins as UTF-16"),
        (b"step,acc\n0,.1\n1,\xff\n", "not UTF-8 (line 3)"),
        (b"step,acc\n0,.1\n1,.2,.3\n", "line 3 has 3 columns, and the first line has 2"),
        (b"step,acc,acc\n0,.1,.2\n", "column 'acc': the name appears twice"),
        (b"step,name\n0,x\n", "no column of numbers"),
        (b"step;acc;n\n0;0,5;1.234\n", "some numbers have a comma and some a point"),
        (b"run,step,acc\nA,0,.1\na,0,.2\n", "only in punctuation or capitals"),
        (b"step,acc\n0,1_000\n", "no column of numbers"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_its_place(tmp_path, data, words):
    (tmp_path / "t.csv").write_bytes(data)
    assert words in refused(tmp_path, "t.csv", *SIZE, "--suite", "s")


def test_steps_of_another_unit_are_no_measure(tmp_path):
    (tmp_path / "t.csv").write_text("run,step,tokens,acc\nr,100,1e9,.1\nr,200,2e9,.2\n")
    run = imported(tmp_path, "t.csv", *SIZE, "--column", "step=tokens")["r"]
    assert run.measures == {"acc"}
    assert list(values(run, "acc")) == [10**9, 2 * 10**9]


def test_every_column_that_is_left_out_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("step,acc,note,epoch,_runtime\n0,.1,x,0,9\n")
    text = said(tmp_path, "t.csv", *SIZE)
    for name in ("'note'", "'epoch'", "'_runtime'"):
        assert name in text


def test_nested_rows_and_lines_about_all_rows_are_read(tmp_path):
    lines = [
        {"_meta": {"optimizer": "adam", "size": "2M"}},
        {"step": 0, "val": {"acc": 0.1}},
        {"step": 9, "val": {"acc": "NaN"}},
        {"step": 20, "val": {"acc": 0.9}},
        {"_summary": {"grok_step": 20, "lost_step": None}},
    ]
    (tmp_path / "a_seed1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = ("--column", "n_params=_meta.size", "--event", "grok=_summary.grok_step")
    options += ("--event", "lost=_summary.lost_step", "--drop-not-finite")
    run = imported(tmp_path, "a_seed1.jsonl", "--measure", "accuracy=val.acc", *options)["a_seed1"]
    assert values(run, "accuracy") == {0: 0.1, 20: 0.9}
    assert (run.n_params, run.manifest.config["_meta.optimizer"]) == (2_000_000, "adam")
    grok, lost = stats.recorded(run, "grok"), stats.recorded(run, "lost")
    assert (grok.lo[0], grok.hi[0]) == (0, 20)
    assert (lost.lo[0], lost.hi[0]) == (20, np.inf)


def test_recorded_events_come_from_a_table_of_runs_too(tmp_path):
    (tmp_path / "t.csv").write_text("run,step,acc\na,0,.1\na,9,.2\nb,0,.1\n")
    (tmp_path / "runs.csv").write_text("run,n_params,grok\na,1M,9\nb,1M,\n")
    runs = imported(tmp_path, "t.csv", "--runs", "runs.csv", "--event", "grok=grok")
    assert stats.recorded(runs["a"], "grok", "acc").hi.tolist() == [9]
    assert stats.recorded(runs["b"], "grok", "acc").hi.tolist() == [np.inf]


@pytest.mark.parametrize("orient", ["records", "list", "split", "columns"])
def test_json_as_pandas_writes_it_is_a_table(tmp_path, orient):
    documents = {
        "records": [{"step": 0, "acc": 0.1}, {"step": 5, "acc": 0.2}],
        "list": {"step": [0, 5], "acc": [0.1, 0.2]},
        "split": {"columns": ["step", "acc"], "index": [0, 1], "data": [[0, 0.1], [5, 0.2]]},
        "columns": {"step": {"0": 0, "1": 5}, "acc": {"0": 0.1, "1": 0.2}},
    }
    (tmp_path / "t.json").write_text(json.dumps(documents[orient]))
    assert values(imported(tmp_path, "t.json", *SIZE)["t"], "acc") == {0: 0.1, 5: 0.2}


def test_nested_columns_of_parquet_have_dotted_names(tmp_path):
    table = pa.table({"step": [0, 5], "val": [{"acc": 0.1}, {"acc": 0.2}]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert values(imported(tmp_path, "t.parquet", *SIZE)["t"], "val.acc") == {0: 0.1, 5: 0.2}


def test_layers_stand_in_the_names_of_columns_and_a_file_may_lack_some(tmp_path):
    (tmp_path / "one.csv").write_text("step,sink_l0,acc\n0,.5,.1\n")
    (tmp_path / "two.csv").write_text("step,sink_l0,sink_l1\n0,.5,.6\n")
    options = ("--measure", "sink=sink_l{layer+1}", "--measure", "accuracy=acc?")
    runs = imported(tmp_path, "one.csv", "two.csv", *SIZE, *options)
    assert runs["two"].traces("sink").layer.tolist() == [1, 2]
    assert runs["one"].measures == {"sink", "accuracy"}
    assert "no column 'acc' (two.csv)" in said(
        tmp_path, "one.csv", "two.csv", *SIZE, *options, "--replace"
    )


def test_lists_in_cells_are_means_with_standard_errors(tmp_path):
    (tmp_path / "t.csv").write_text('step,trace\n0,"[1, 2, 3]"\n5,"[4.0 4.0]"\n')
    traces = imported(tmp_path, "t.csv", *SIZE, "--measure", "trace")["t"].traces("trace")
    assert traces.values.tolist() == [[2.0, 4.0]]
    assert traces.stderr[0] == pytest.approx([1 / np.sqrt(3), 0.0])


def test_each_measure_has_its_own_standard_error(tmp_path):
    (tmp_path / "t.csv").write_text("step,llc,llc_std,acc,acc_stderr\n0,4,.8,.5,.01\n")
    options = ("--measure", "llc", "--measure", "acc", "--stderr", "llc=llc_std/sqrt(16)")
    run = imported(tmp_path, "t.csv", *SIZE, *options)["t"]
    assert run.traces("llc").stderr[0, 0] == pytest.approx(0.2)
    assert run.traces("acc").stderr[0, 0] == pytest.approx(0.01)
    both = ("--measure", "llc", "--measure", "acc", "--column", "stderr=llc_std")
    assert "--stderr MEASURE=COLUMN" in refused(
        tmp_path / "store", "../t.csv", *SIZE, "--suite", "q", *both
    )


def test_several_mappings_read_one_file(tmp_path):
    (tmp_path / "t.csv").write_text("step,add_acc,mod_acc,loss\n0,.1,.2,3\n")
    (tmp_path / "map.toml").write_text(
        '[set]\nn_params = "9"\n[[parts]]\nset = {task = "add"}\nmeasures = {accuracy = "add_acc"}\n'
        '[[parts]]\nset = {task = "mod"}\nmeasures = {accuracy = "mod_acc"}\n'
        '[[parts]]\nmeasures = {loss = "loss"}\n'
    )
    run = imported(tmp_path, "t.csv", "--mapping", "map.toml")["t"]
    assert run.traces("accuracy").task.tolist() == ["add", "mod"]
    assert run.measures == {"accuracy", "loss"}


def test_measures_are_added_to_a_run_that_is_there(tmp_path):
    (tmp_path / "t.csv").write_text("run,seed,step,acc\nr,4,0,.1\n")
    (tmp_path / "more.csv").write_text("run,step,rank\nr,0,8\nr,5,6\n")
    imported(tmp_path, "t.csv", *SIZE)
    run = imported(tmp_path, "more.csv", "--add")["r"]
    assert (run.measures, run.seed, run.n_params) == ({"acc", "rank"}, 4, 9)
    assert set(run.manifest.further["imported"]) == {"t.csv", "more.csv"}
    done = es(
        "traces", "import", "more.csv", "--add", "--suite", "s", "--traces", "store", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "already has rank" in done.stderr


# --- what trainers leave ----------------------------------------------------------------------


def test_the_state_of_a_trainer_is_a_run_and_the_last_checkpoint_holds_all(tmp_path):
    history = [{"step": s, "epoch": s / 100, "eval_loss": 2 - s / 100} for s in (50, 100)]
    for step, entries in ((50, history[:1]), (100, history)):
        folder = tmp_path / "my-model" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        state = {"global_step": step, "log_history": entries}
        (folder / "trainer_state.json").write_text(json.dumps(state))
    runs = imported(tmp_path, "my-model", *SIZE)
    assert values(runs["my-model"], "eval_loss") == {50: 1.5, 100: 1.0}


def test_files_of_mlflow_are_a_run_with_its_parameters(tmp_path):
    run = tmp_path / "mlruns" / "0" / "abcdef99"
    (run / "metrics" / "val").mkdir(parents=True)
    (run / "params").mkdir()
    (run / "metrics" / "val" / "acc").write_text("1700000000000 0.1 0\n1700000001000 0.3 100\n")
    (run / "params" / "seed").write_text("7")
    (run / "params" / "lr").write_text("0.1")
    (found,) = imported(tmp_path, "mlruns", *SIZE).values()
    assert (found.run_id, found.seed, found.manifest.config["lr"]) == ("abcdef99", 7, "0.1")
    assert values(found, "val/acc") == {0: 0.1, 100: 0.3}
    assert found.manifest.created.startswith("2023-11-14")


def test_a_chart_with_another_axis_is_read_and_runs_of_one_name_are_refused(tmp_path):
    (tmp_path / "c.csv").write_text(
        '"train/global_step","a - acc","a - acc__MIN","a - acc__MAX","b - acc"\n0,.1,.1,.1,.2\n500,.2,.2,.2,.3\n'
    )
    runs = imported(tmp_path, "c.csv", *SIZE)
    assert values(runs["b"], "acc") == {0: 0.2, 500: 0.3}
    (tmp_path / "d.csv").write_text('"Step","r - acc","r - acc"\n0,.1,.2\n')
    assert "two runs are called 'r'" in refused(
        tmp_path / "store", "../d.csv", *SIZE, "--suite", "q"
    )


# --- TensorBoard ------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path):
    """Writes event files: folder, and (tag, value, step) of its scalars."""
    from torch.utils.tensorboard import SummaryWriter

    def _write(folder, *points):
        with SummaryWriter(tmp_path / "logs" / folder, filename_suffix=f".{len(points)}") as writer:
            for tag, value, step in points:
                writer.add_scalar(tag, value, step)
            if not points:
                writer.add_histogram("weights", np.arange(5.0), 0)

    return _write


def test_parts_of_a_training_in_two_folders_are_one_run(tmp_path, write):
    write("r/train", ("loss", 2.0, 0))
    write("r/validation", ("loss", 3.0, 0))
    runs = imported(tmp_path, "logs", *SIZE)
    assert runs["r"].measures == {"train/loss", "validation/loss"}
    assert "folder train is part of the run" in said(tmp_path, "logs", *SIZE, "--replace")


def test_folders_of_add_scalars_are_measures_of_their_run(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path / "logs" / "r") as writer:
        writer.add_scalar("loss", 2.0, 0)
        writer.add_scalars("acc", {"train": 0.5, "val": 0.25}, 0)
    assert imported(tmp_path, "logs", *SIZE)["r"].measures == {"loss", "acc_train", "acc_val"}


def test_folders_without_scalars_are_named_and_left_out(tmp_path, write):
    write("r", ("loss", 2.0, 0))
    write("r/weights")
    (tmp_path / "logs" / "killed").mkdir()
    (tmp_path / "logs" / "killed" / "events.out.tfevents.1.h").write_bytes(b"")
    (tmp_path / "logs" / "tfevents").mkdir()
    text = said(tmp_path, "logs", *SIZE)
    assert "1 run, 1 row" in text
    assert "no scalar" in text
    assert "killed" in text
    assert "weights" in text


def test_what_a_restart_left_in_event_files_does_not_count_and_is_said(tmp_path, write):
    write("r", ("loss", 1.0, 0), ("loss", 2.0, 20), ("loss", 3.0, 40))
    write("r", ("loss", 9.0, 20), ("loss", 8.0, 30))
    text = said(tmp_path, "logs", *SIZE, "--dry-run")
    assert "1 value of r at steps that were written again" in text
    assert "1 value of r at steps 40 to 40, from before a restart" in text
    assert values(imported(tmp_path, "logs", *SIZE)["r"], "loss") == {0: 1.0, 20: 9.0, 30: 8.0}


# --- lm-evaluation-harness --------------------------------------------------------------------


def result(path, model, results, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"results": results, "config": {"model_args": model}, **more}))


ACC = {"piqa": {"acc,none": 0.5, "acc_stderr,none": 0.01}}


def test_models_whose_paths_end_alike_are_runs_named_by_what_differs(tmp_path):
    for seed in (1, 2):
        for step in (100, 300):
            name = tmp_path / "out" / f"{seed}-{step}.json"
            result(name, f"tokenizer=/x/tok,pretrained=/ckpt/seed{seed}/step{step}/hf", ACC)
    runs = imported(tmp_path, "out", *SIZE)
    assert {(n, r.seed) for n, r in runs.items()} == {("seed1", 1), ("seed2", 2)}
    assert list(values(runs["seed2"], "acc")) == [100, 300]


def test_one_model_evaluated_into_two_folders_is_two_runs(tmp_path):
    for shots in ("zero-shot", "five-shot"):
        result(tmp_path / "out" / shots / "step100.json", "pretrained=org/m,revision=step100", ACC)
    assert set(imported(tmp_path, "out", *SIZE)) == {"m-zero-shot", "m-five-shot"}


def test_of_two_evaluations_of_a_checkpoint_the_newer_counts(tmp_path):
    for day, acc in ((11, 0.7), (10, 0.2)):
        name = f"results_2024-06-{day}T10-00-00.0.json"
        found = {"piqa": {"acc,none": acc}}
        result(tmp_path / "out" / "step100" / name, "pretrained=org/m", found)
    assert values(imported(tmp_path, "out", *SIZE)["m"], "acc") == {100: 0.7}


def test_groups_are_left_out_beside_their_tasks_and_kept_without_them(tmp_path):
    results = {name: {"acc,none": 0.5} for name in ("mmlu", "mmlu_a", "lonely")}
    groups = {"mmlu": ["mmlu_a"], "lonely": ["absent"]}
    result(tmp_path / "out" / "step1" / "r.json", "pretrained=m", results, group_subtasks=groups)
    text = said(tmp_path, "out", *SIZE)
    assert "groups mmlu: means of tasks that are imported too" in text
    run = imported(tmp_path, "out", *SIZE, "--replace")["m"]
    assert run.traces("acc").task.tolist() == ["lonely", "mmlu_a"]


def test_counts_of_samples_are_no_measures_and_filters_are_kept_apart(tmp_path):
    found = {
        "sample_len": 9,
        "sample_count": 9,
        "exact_match,strict": 0.1,
        "exact_match,loose": 0.2,
    }
    result(tmp_path / "out" / "step1" / "r.json", "pretrained=m", {"gsm8k": found})
    run = imported(tmp_path, "out", *SIZE)["m"]
    assert run.measures == {"exact_match,strict", "exact_match,loose"}


def test_a_file_that_is_cut_off_and_one_of_another_kind_are_named(tmp_path):
    result(tmp_path / "out" / "step1" / "r.json", "pretrained=m", ACC)
    (tmp_path / "out" / "step2.json").write_text('{"results": {"piqa"')
    (tmp_path / "out" / "other.json").write_text("{}")
    text = said(tmp_path, "out", *SIZE)
    assert "cut off? (out/step2.json)" in text
    assert "no result file of lm-evaluation-harness (out/other.json)" in text


def test_a_version_in_a_models_name_does_not_hide_its_row(tmp_path):
    result(tmp_path / "out" / "step1.json", "pretrained=E/pythia-v1.1-70m", ACC)
    (tmp_path / "models.csv").write_text("model,n_params\npythia-70m,70m\npythia-70m-deduped,70m\n")
    text = said(tmp_path, "out", "--runs", "models.csv")
    assert "'pythia-v1.1-70m' is 'pythia-70m' of the table" in text
