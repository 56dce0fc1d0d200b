"""More inputs that were once read wrongly without a word: each is refused now, or a note says what was done."""

import bz2
import json
import lzma

import pandas as pd
import pytest

from tests.support import es, imported, refused
from tests.traces.test_hostile import SIZE, SUITE, said, values, write


def lines(*rows):
    return "".join(f"{row}\n" for row in rows)


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (lines("step,acc,loss,stderr", "0,.1,2,.01"), (), ("2 measures", "--stderr")),
        (lines("step,acc,acc_stderr", "0,45%,1.2"), (), ("'1.2' has no percent sign",)),
        (lines("step,acc", "0,45%%"), ("--measure", "acc"), ("45%%",)),
        (lines("step;acc;date", "1.000;45%;01.02.2024", "2.000;50%;02.02.2024"), (), ("thousands",)),
        (lines("step;n;version", "1.000;5;3.11.2"), (), ("thousands",)),
        (lines("step,acc", "step1.000,.1"), (), ("step1.000",)),
        (lines("step,acc", "step1 000,.1"), (), ("step1 000",)),
        (lines("step,acc", "steps1000-2000,.1"), (), ("steps1000-2000",)),
        (lines("step,acc", "step10/100,.1"), (), ("step10/100",)),
        (lines("ckpt,acc", "gpt2/step100,.1", "bert/step200,.2"), ("--column", "step=ckpt"), ("'gpt2' and of 'bert'", "--column run")),
        (lines("tokens (B),acc", "1,.1"), ("--column", "step=tokens (B)"), ("(B)",)),
        (lines("steps [x1000],acc", "1,.1"), ("--column", "step=steps [x1000]"), ("[x1000]",)),
        (lines("step,task,measure,value", "0,add,val/acc,.1"), ("--names", r"(?P<task>\w+)/(?P<measure>\w+)"), ("'add' in its column", "'val' by --names")),
        (lines("run,tokens,acc,grok_step", "b,0,.1,50"), ("--measure", "acc", "--event", "g=grok_step"), ("optimiser steps", "tokens")),
        (lines("run,epoch,acc,grok_step", "b,0,.1,50"), ("--measure", "acc", "--event", "g=grok_step"), ("optimiser steps", "epochs")),
        (lines("run,step,acc,grok", "a,0,.1,", ",,,150"), ("--measure", "acc", "--event", "g=grok"), ("an event and no run",)),
        (lines("step,acc,grok", "0,.1,never", "1,.1,5"), ("--measure", "acc", "--event", "g=grok"), ("None and 5",)),
        (lines("#step,acc", "0,.1"), (), ("begins with #", "without the #")),
        (lines("step,acc", "0,.1").encode("utf-16-le"), (), ("UTF-16",)),
    ],
)  # fmt: skip
def test_what_is_not_clear_in_a_table_is_refused(tmp_path, text, options, words):
    write(tmp_path, {"t.csv": text})
    message = refused(tmp_path, "t.csv", *SIZE, *SUITE, *options)
    assert all(word in message for word in words), message


def test_parameters_that_may_have_a_point_of_thousands_are_refused(tmp_path):
    write(tmp_path, {"t.csv": lines("step,acc", "0,.1")})
    assert "400.000" in refused(tmp_path, "t.csv", *SUITE, "--set", "n_params=400.000")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.csv.xz", lzma.compress(b"step,acc\n0,.1\n") + lzma.compress(b"10,.2\n")[2:]),
        ("t.csv.xz", lzma.compress(b"step,acc\n0,.1\n") + b"10,.2\n"),
        ("t.csv.bz2", bz2.compress(b"step,acc\n0,.1\n") + b"10,.2\n"),
        ("t.csv.bz2", bz2.compress(b"step,acc\n0,.1\n")[:-4]),
    ],
)
def test_a_compressed_file_that_is_damaged_behind_its_first_stream_is_refused(tmp_path, name, data):
    write(tmp_path, {name: data})
    assert "cannot be decompressed" in refused(tmp_path, name, *SIZE, *SUITE)


@pytest.mark.parametrize("packed", [lzma.compress, bz2.compress])
def test_streams_one_after_the_other_are_one_file(tmp_path, packed):
    suffix = "xz" if packed is lzma.compress else "bz2"
    write(tmp_path, {f"t.csv.{suffix}": packed(b"step,acc\n0,.1\n") + packed(b"10,.2\n")})
    assert values(imported(tmp_path, f"t.csv.{suffix}", *SIZE)["t"], "acc") == {0: 0.1, 10: 0.2}


def test_sources_that_date_an_event_differently_are_refused(tmp_path):
    write(
        tmp_path,
        {
            "a.csv": lines("run,step,acc,grok", "a,0,.1,10"),
            "b.csv": lines("run,step,loss,grok", "a,0,.1,99"),
            "runs.csv": lines("run,grok", "a,99"),
            "tokens.csv": lines("run,grok_tokens", "a,10B"),
        },
    )
    measures = ("--measure", "acc=acc?", "--measure", "loss=loss?")
    event = ("--event", "grok=grok")
    words = ("step 99 here", "at 10")
    both = refused(tmp_path, "a.csv", "b.csv", *SIZE, *SUITE, *measures, *event)
    table = refused(
        tmp_path, "a.csv", *SIZE, *SUITE, "--measure", "acc", *event, "--runs", "runs.csv"
    )
    assert all(word in message for word in words for message in (both, table))
    unit = refused(tmp_path, "a.csv", *SIZE, *SUITE, "--measure", "acc", "--event", "g=grok_tokens", "--runs", "tokens.csv")  # fmt: skip
    assert "in tokens" in unit
    said(tmp_path, "a.csv", *SIZE, "--measure", "acc", *event)
    done = es("traces", "import", "b.csv", *SUITE, "--traces", "store", "--add", "--measure", "loss", *event, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2
    assert "at step 10 here, and at 99" in done.stderr


def test_what_is_added_to_a_run_contradicts_no_config(tmp_path):
    write(
        tmp_path,
        {
            "a.csv": lines("run,step,acc", "a,0,.1"),
            "b.csv": lines("run,step,loss", "a,0,2"),
            "one.csv": lines("run,lr", "a,.1"),
            "two.csv": lines("run,lr", "a,.5"),
        },
    )
    said(tmp_path, "a.csv", *SIZE, "--runs", "one.csv")
    done = es("traces", "import", "b.csv", *SUITE, "--traces", "store", "--add", "--runs", "two.csv", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2
    assert "lr 0.1 in the store, and 0.5 here" in done.stderr


def test_a_table_of_runs_names_each_run_and_takes_the_decimal_point_that_is_said(tmp_path):
    write(
        tmp_path,
        {
            "t.csv": lines("run;step;acc", "None;0;0,5"),
            "blank.csv": lines("run,seed", ",9"),
            "point.csv": lines("run;n_params;lr", "None;405632;0,001", "b;7;0.002"),
        },
    )
    assert "no run" in refused(tmp_path, "t.csv", *SIZE, *SUITE, "--runs", "blank.csv")
    run = imported(tmp_path, "t.csv", "--runs", "point.csv", "--decimal", ",")["None"]
    assert run.manifest.config["lr"] == "0,001"  # 0.002 is no number with a decimal comma


# --- what is said, and right ------------------------------------------------------------------


def test_standard_errors_are_no_tasks(tmp_path):
    write(tmp_path, {"t.csv": lines("step,acc_add,acc_add_stderr", "0,.1,.01", "10,.2,.01")})
    traces = imported(tmp_path, "t.csv", *SIZE, "--measure", "acc=acc_{task}")["t"].traces("acc")
    assert list(traces.task) == ["add"]
    assert traces.stderr[0].tolist() == [0.01, 0.01]


def test_where_takes_names_as_they_are_and_numbers_as_numbers(tmp_path):
    write(
        tmp_path,
        {
            "t.csv": lines("task,step,acc", "1.10,0,.1", "1.10,9,.2", "1.1,0,.3"),
            "n.csv": lines("run,step,acc", "001,0,.1", "1,0,.3"),
            "lr.csv": lines("lr,step,acc", "0.0010,0,.1", "0.01,0,.3"),
        },
    )
    assert "2 rows where task is not 1.1" in said(tmp_path, "t.csv", *SIZE, "--where", "task=1.1")
    assert "001" not in imported(tmp_path, "n.csv", *SIZE, "--where", "run=1")
    assert "1 row where lr" in said(tmp_path, "lr.csv", *SIZE, "--where", "lr=1e-3")


@pytest.mark.parametrize(
    ("name", "text", "options", "words"),
    [
        ("t.csv", lines("task,step,acc", "add,0,.1", ",100,.5"), (), ("1 row without a task",)),
        ("t.csv", lines("task,step,acc", '"add ",0,.1', "add,10,.2"), (), ("spaces around", "'add '")),
        ("t.csv", lines("_step,epoch,tokens,loss", "0,0,0,3"), (), ("'_step'", "not 'tokens', 'epoch'")),
        ("t.csv", lines("step,acc,acc_stderr", "0,.45,1%"), (), ("percentages",)),
        ("t.csv", lines("step,acc", '0,"[45%, 55%]"'), ("--measure", "acc"), ("percentages in them",)),
        ("t.csv", lines("step,acc,sd,n", "0,.5,.1,4", "9,.6,.1,"), ("--measure", "acc", "--stderr", "acc=sd/sqrt(n)"), ("1 of sd/sqrt(n)",)),
        ("t.csv", lines("step,acc", "0,.1", ",", "10,.2"), (), ("1 row of empty cells",)),
        ("t.csv", lines("sep=;", "step;acc", "0;.1"), (), ("'sep=;'",)),
        ("t.csv", lines("step,measure,value", "0,acc,45%", "0,loss,2.3"), (), ("percentages",)),
        ("t.csv", lines("step,ok", "0,True"), ("--measure", "ok"), ("true and false are 1 and 0",)),
        ("t.json", '{"columns":["step","acc"],"index":["a","b"],"data":[[1,0.5],[2,0.6]]}', (), ("index of its rows", "'a', 'b'")),
        ("t.json", '{"step":{"a":1,"b":2},"acc":{"a":0.5,"b":0.6}}', (), ("index of its rows", "'a', 'b'")),
        ("t.jsonl", lines('{"_meta":{"seed":7,"tags":[1,2]}}', '{"step":1,"acc":0.5}'), (), ("_meta.seed", "_meta.tags")),
        ("seed3/gpt_seed4.csv", lines("step,acc", "0,.1"), ("--path", "seed{seed}/*.csv"), ("seed 3, and 4 in its name",)),
    ],
)  # fmt: skip
def test_what_is_done_with_a_table_is_said(tmp_path, name, text, options, words):
    write(tmp_path, {name: text})
    told = said(tmp_path, name, *SIZE, *options)
    assert all(word in told for word in words), told


def test_a_line_with_any_kind_of_step_is_a_measurement(tmp_path):
    write(tmp_path, {"t.jsonl": lines('{"_a":{"iter":0,"loss":3}}', '{"_a":{"iter":1,"loss":2}}')})
    run = imported(tmp_path, "t.jsonl", *SIZE, "--column", "step=_a.iter", "--measure", "loss=_a.loss")  # fmt: skip
    assert values(run["t"], "loss") == {0: 3.0, 1: 2.0}


def test_a_range_that_pandas_calls_step_is_the_step(tmp_path):
    frame = pd.DataFrame({"epoch": [0, 1], "acc": [0.1, 0.2]}, index=pd.RangeIndex(0, 1000, 500, name="step"))  # fmt: skip
    frame.to_parquet(tmp_path / "t.parquet")
    assert values(imported(tmp_path, "t.parquet", *SIZE)["t"], "acc") == {0: 0.1, 500: 0.2}
    frame.rename_axis(None).to_parquet(tmp_path / "u.parquet")
    assert "0, 500" in said(tmp_path, "u.parquet", *SIZE, "--column", "step=epoch")


def test_gaps_in_standard_errors_leave_the_values(tmp_path):
    pd.DataFrame({"step": [0, 9], "acc": [0.1, 0.2], "acc_stderr": [float("nan"), 0.01]}).to_parquet(tmp_path / "t.parquet")  # fmt: skip
    assert values(imported(tmp_path, "t.parquet", *SIZE)["t"], "acc") == {0: 0.1, 9: 0.2}


def test_a_restart_holds_for_what_was_measured_less_often_and_where_it_diverged(tmp_path):
    write(
        tmp_path,
        {
            "t.csv": lines("step,loss,val", "0,5,5", "100,4,4", "200,3,3", "300,2,2", "150,3.5,", "250,2.9,"),
            "d.csv": lines("step,acc", "0,.1", "100,.2", "200,.3", "300,.4", "200,nan", "300,nan"),
        },
    )  # fmt: skip
    run = imported(tmp_path, "t.csv", *SIZE, "--later-counts")["t"]
    assert values(run, "loss") == {0: 5.0, 100: 4.0, 150: 3.5, 250: 2.9}
    assert values(run, "val") == {0: 5.0, 100: 4.0}
    run = imported(tmp_path, "d.csv", *SIZE, "--later-counts", "--drop-not-finite")["d"]
    assert values(run, "acc") == {0: 0.1, 100: 0.2}


def test_measures_that_are_written_late_are_no_restart(tmp_path):
    write(tmp_path, {"t.csv": lines("step,loss,val", "100,4,", "200,3,", "150,,7", "300,2,")})
    run = imported(tmp_path, "t.csv", *SIZE, "--later-counts")["t"]
    assert values(run, "loss") == {100: 4.0, 200: 3.0, 300: 2.0}
    assert values(run, "val") == {150: 7.0}


@pytest.mark.parametrize(
    "rows", [("0,.1,", "100,.2,", ",,150"), ("0,.1,150", "100,.2,"), ("0,.1,150", "100,.2,150")]
)
def test_an_event_stands_in_any_row_of_its_run(tmp_path, rows):
    write(tmp_path, {"t.csv": lines("step,acc,grok", *rows)})
    run = imported(tmp_path, "t.csv", *SIZE, "--measure", "acc", "--event", "grok=grok")["t"]
    assert run.manifest.further["events"]["grok"] == [{"task": None, "level": None, "step": 150}]


def test_a_run_was_made_when_its_first_checkpoint_was_in_any_zone(tmp_path):
    first, later = "2024-01-01T00:00:00+14:00", "2023-12-31T20:00:00Z"
    write(tmp_path, {"t.csv": lines("run,step,acc,created", f"d,0,.1,{first}", f"d,1,.1,{later}")})
    assert imported(tmp_path, "t.csv", *SIZE)["d"].manifest.created == first


def test_one_fact_in_two_spellings_is_one(tmp_path):
    write(tmp_path, {"a.csv": lines("run,step,acc,n_params", "r,0,.1,1M"), "b.csv": lines("run,step,loss,n_params", "r,0,.1,1000000")})  # fmt: skip
    assert imported(tmp_path, "a.csv", "b.csv")["r"].manifest.n_params == 1_000_000


def test_config_that_differs_between_files_of_a_run_is_said(tmp_path):
    write(tmp_path, {"lr0.1/a.csv": lines("run,step,acc", "x,0,.1"), "lr0.2/b.csv": lines("run,step,loss", "x,0,2")})  # fmt: skip
    told = said(tmp_path, "lr0.1/a.csv", "lr0.2/b.csv", *SIZE, "--path", "lr{lr}/*.csv")
    assert "lr of run x is '0.1' in one file and '0.2'" in told


# --- files of tools ---------------------------------------------------------------------------


def state(step, *entries):
    history = [{"step": at, **metrics} for at, metrics in entries]
    return json.dumps({"global_step": step, "log_history": history})


def test_folders_whose_names_hold_a_number_of_steps_are_trainings(tmp_path):
    write(
        tmp_path,
        {
            "runs/lr1e-3_steps1000/trainer_state.json": state(1000, (1000, {"loss": 1.0})),
            "runs/lr1e-4_steps1000/trainer_state.json": state(1000, (1000, {"loss": 9.0})),
        },
    )
    found = imported(tmp_path, "runs", *SIZE)
    assert {name: values(run, "loss") for name, run in found.items()} == {
        "lr1e-3_steps1000": {1000: 1.0},
        "lr1e-4_steps1000": {1000: 9.0},
    }


def test_histories_are_compared_by_what_they_hold(tmp_path):
    write(
        tmp_path,
        {
            "r/checkpoint-100/trainer_state.json": state(100, (100, {"loss": 1.0}), (100, {"eval_loss": 3.3})),
            "r/checkpoint-200/trainer_state.json": state(200, (100, {"loss": 7.0}), (200, {"loss": 0.5})),
        },
    )  # fmt: skip
    assert "step 100 is another one" in refused(tmp_path, "r", *SIZE, *SUITE)
    write(tmp_path, {"r/checkpoint-200/trainer_state.json": "\ufeff" + state(200, (100, {"loss": 1.0}), (200, {"loss": 0.5}))})  # fmt: skip
    run = imported(tmp_path, "r", *SIZE)["r"]
    assert values(run, "eval_loss") == {100: 3.3}
    assert values(run, "loss") == {100: 1.0, 200: 0.5}


def results(arguments="", shots=None, metrics=None, **config):
    document = {"results": metrics or {"piqa": {"acc,none": 0.5}}, "versions": {}}
    document["config"] = {"model_args": arguments, **config}
    return json.dumps(document | ({"n-shot": {"piqa": shots}} if shots is not None else {}))


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (results("pretrained=m,revision=step1000", 0), results("pretrained=m,revision=step2000", 5), "examples"),
        (results("pretrained=m,revision=step1000", num_fewshot=0), results("pretrained=m,revision=step2000", num_fewshot=5), "examples"),
        (results("pretrained=m,revision=step1000", limit=10), results("pretrained=m,revision=step2000"), "limit"),
        (results("pretrained=m,revision=step2000"), results("pretrained=m,revision=step2000"), "the step is 2000"),
        (results("pretrained=/data/exp_step2/m"), results("pretrained=m"), "the step is 2 by"),
    ],
)  # fmt: skip
def test_evaluations_of_two_kinds_are_refused(tmp_path, first, second, words):
    write(tmp_path, {"ev/zero/step1000/r.json": first, "ev/five/step2000/r.json": second})
    assert words in refused(tmp_path, "ev", *SIZE, *SUITE)


def test_adapters_and_files_that_name_a_model_are_runs(tmp_path):
    write(
        tmp_path,
        {
            "ev/A/checkpoint-100/r.json": results("pretrained=base,peft=out/A"),
            "ev/B/checkpoint-200/r.json": results("pretrained=base,peft=out/B"),
            "old/70m-step1000.json": results(),
            "old/step2000_410m.json": results(),
        },
    )
    assert sorted(imported(tmp_path, "ev", "old", *SIZE)) == ["410m", "70m", "A", "B"]


def test_results_and_files_that_are_left_out_are_named(tmp_path):
    metrics = {"t": {"acc,none": 0.5, "score": 3.0}, "avg": 0.7}
    write(
        tmp_path,
        {
            "ev/step100/r.json": results("pretrained=m,dtype=fp16", metrics=metrics),
            "ev/step200/r.json": results("pretrained=m,dtype=int8", metrics=metrics),
            "ev/step300/r.json.gz": b"\x1f\x8b",
            "ev/step100/samples_t.jsonl": "{}\n",
        },
    )
    told = said(tmp_path, "ev", *SIZE)
    for words in ("avg", "score of t", "dtype fp16 and int8", "step300/r.json.gz", "step100/samples_t.jsonl"):  # fmt: skip
        assert words in told, words


def test_names_of_mlflow_end_with_their_line(tmp_path):
    write(
        tmp_path,
        {
            "m/0/aaa123456/metrics/loss": "1700000000000 0.5 0\n",
            "m/0/aaa123456/meta.yaml": "run_name:\nstatus: 3\nrun_id: aaa123456\n",
            "m/.trash/ccc/metrics/loss": "1700000000000 0.5 0\n",
            "m/0/ddd/meta.yaml": "run_name: ''\nrun_id: ddd\n",
        },
    )
    told = said(tmp_path, "m", *SIZE)
    assert "runs without metrics: ddd" in told
    assert "in the trash" in told
    assert (tmp_path / "store/s/aaa123456.json").exists()


def test_a_folder_of_tables_deeper_down_says_how_to_name_them(tmp_path):
    write(tmp_path, {"logs/v0/metrics.csv": lines("step,acc", "0,.1")})
    assert "logs/*/*.csv" in refused(tmp_path, "logs", *SIZE, *SUITE)


def test_a_table_of_runs_has_the_usual_names_too(tmp_path):
    write(
        tmp_path,
        {
            "t.csv": lines("run,step,acc", "a,0,.1", "b,0,.2"),
            "runs.csv": lines("run,model,num_params,num_layers,seed", "a,70m,70M,6,1", "b,70m,70M,6,2"),
        },
    )  # fmt: skip
    assert "column 'num_params' is n_params" in said(tmp_path, "t.csv", "--runs", "runs.csv", "--dry-run")  # fmt: skip
    run = imported(tmp_path, "t.csv", "--runs", "runs.csv")["b"].manifest
    assert (run.scale, run.n_params, run.n_layers, run.seed) == ("70m", 70_000_000, 6, 2)
    assert not {"model", "num_params", "num_layers"} & run.config.keys()


def test_a_name_that_cannot_be_printed_is_named_with_its_place(tmp_path):
    write(tmp_path, {"t.csv": lines("task,step,acc", "add,0,.1", "add\u200b,0,.1")})
    message = refused(tmp_path, "t.csv", *SIZE, *SUITE)
    assert "t.csv, column 'task', row 1" in message
    assert "printed" in message


def test_names_that_look_alike_are_said(tmp_path):
    write(tmp_path, {"t.csv": lines("task,step,acc", "caf\u00e9,0,.1", "cafe\u0301,0,.2")})
    assert "tasks that look alike" in said(tmp_path, "t.csv", *SIZE)


def test_a_column_of_standard_errors_is_no_measure(tmp_path):
    write(tmp_path, {"t.csv": lines("step,acc,spread", "0,.1,.01")})
    run = imported(tmp_path, "t.csv", *SIZE, "--stderr", "acc=spread")["t"]
    assert set(run.measures) == {"acc"}


def test_a_table_that_is_sorted_down_has_no_restarts(tmp_path):
    write(tmp_path, {"t.csv": lines("step,acc", "40,.5", "30,.4", "20,.3", "10,.2", "0,.1")})
    run = imported(tmp_path, "t.csv", *SIZE, "--later-counts")["t"]
    assert values(run, "acc") == {0: 0.1, 10: 0.2, 20: 0.3, 30: 0.4, 40: 0.5}
    write(tmp_path, {"u.csv": lines("step,a,b", "300,1,1", "200,2,", "100,3,3", "50,4,")})
    run = imported(tmp_path, "u.csv", *SIZE, "--later-counts")["u"]
    assert values(run, "a") == {50: 4.0, 100: 3.0, 200: 2.0, 300: 1.0}
    assert values(run, "b") == {100: 3.0, 300: 1.0}


def test_a_restart_in_one_file_says_nothing_of_another(tmp_path):
    write(
        tmp_path,
        {
            "a_val.csv": lines("run,step,val", "r,0,5", "r,100,4", "r,200,3"),
            "b_train.csv": lines("run,step,loss", "r,0,5", "r,100,4", "r,200,3", "r,50,4", "r,200,2"),
        },
    )  # fmt: skip
    run = imported(tmp_path, "a_val.csv", "b_train.csv", *SIZE, "--later-counts")["r"]
    assert values(run, "val") == {0: 5.0, 100: 4.0, 200: 3.0}
    assert values(run, "loss") == {0: 5.0, 50: 4.0, 200: 2.0}
    write(tmp_path, {"more.csv": lines("run,step,acc", "r,0,.5", "r,100,.4", "r,50,.3")})
    run = imported(tmp_path, "more.csv", "--add", "--later-counts")["r"]
    assert values(run, "val") == {0: 5.0, 100: 4.0, 200: 3.0}


def test_what_a_whole_run_took_is_no_row(tmp_path):
    write(tmp_path, {"t.jsonl": lines('{"_meta":{"tokens":9,"lr":0.1}}', '{"step":1,"acc":0.5}')})
    run = imported(tmp_path, "t.jsonl", *SIZE)["t"]
    assert run.manifest.config["_meta.tokens"] == 9
    assert values(run, "acc") == {1: 0.5}


def test_config_of_what_is_added_leaves_that_of_the_run(tmp_path):
    write(tmp_path, {"a.jsonl": lines('{"_meta":{"batch_size":64}}', '{"run":"r","step":1,"loss":0.5}'), "b.jsonl": lines('{"_meta":{"batch_size":8}}', '{"run":"r","step":1,"acc":0.5}')})  # fmt: skip
    said(tmp_path, "a.jsonl", *SIZE)
    assert "is 64 in the store and 8 here: the former stays" in said(tmp_path, "b.jsonl", "--add")
    assert json.loads((tmp_path / "store/s/r.json").read_text())["config"]["_meta.batch_size"] == 64


def test_events_in_steps_of_a_run_whose_steps_are_called_so_are_taken(tmp_path):
    write(tmp_path, {"t.csv": lines("run,step,acc,grok_step", "r,0,.1,5"), "runs.csv": lines("run,grok_step", "r,5")})  # fmt: skip
    tokens = ("--set", "step_unit=tokens")
    for facts in ((), ("--runs", "runs.csv")):
        told = ("--measure", "acc", "--event", "g=grok_step", *tokens, *facts)
        run = imported(tmp_path, "t.csv", *SIZE, *told, "--replace")["r"]
        assert run.manifest.further["events"]["g"][0]["step"] == 5
