"""What may not depend on how files and columns are named: the same is said of them one by one and of their folder, in any capitals."""

import json

import pytest

from tests.support import imported, refused
from tests.traces.test_hostile import SIZE, SUITE, fails, said, values, write
from tests.traces.test_silent import lines


def result(acc=0.5, revision="step0", model="E/p", shots=0, **further):
    arguments = f"pretrained={model}" + (f",revision={revision}" if revision else "")
    config = {"model_args": arguments, **further.pop("config", {})}
    return json.dumps(
        {
            "results": {"piqa": {"acc,none": acc}},
            "versions": {"piqa": 1},
            "n-shot": {"piqa": shots},
            "config": config,
            **further,
        }
    )


# --- result files of lm-evaluation-harness ----------------------------------------------------


DIFFERENT = [
    {"shots": 5},
    {"config": {"limit": 10}},
    {"versions": {"piqa": 2}},
    {"n-samples": {"piqa": {"original": 100, "effective": 50}}},
]


@pytest.mark.parametrize("different", DIFFERENT)
@pytest.mark.parametrize("named", ["res", "files", "folders"])
def test_evaluations_that_differ_are_no_trace_however_they_are_named(tmp_path, different, named):
    alike = {"n-samples": {"piqa": {"original": 100, "effective": 100}}}
    write(
        tmp_path,
        {
            "res/x0/a.json": result(**alike),
            "res/x5/b.json": result(0.6, "step1000", **{**alike, **different}),
        },
    )
    sources = {
        "res": ["res"],
        "files": ["res/x0/a.json", "res/x5/b.json"],
        "folders": ["res/x0", "res/x5"],
    }
    message = refused(tmp_path, *sources[named], *SIZE, *SUITE)
    assert "piqa was evaluated with" in message
    assert "--set run=NAME" in message


def test_the_newer_of_two_evaluations_counts_in_any_order(tmp_path):
    write(tmp_path, {"a.json": result(0.5, date=1.7e9), "b.json": result(0.6, date=1.6e9)})
    for order in (["a.json", "b.json"], ["b.json", "a.json"]):
        runs = imported(tmp_path, *order, *SIZE, "--replace")
        assert values(runs["p"], "acc") == {0: 0.5}


@pytest.mark.parametrize("steps", [(500, 1000), (500, 500)])
def test_models_of_two_folders_are_two_runs_file_by_file(tmp_path, steps):
    write(
        tmp_path,
        {
            f"{n}.json": result(n / 10, "", f"/out/seed{n}/model/checkpoint-{step}")
            for n, step in enumerate(steps)
        },
    )
    runs = imported(tmp_path, "0.json", "1.json", *SIZE)
    assert [run.seed for run in runs.values()] == [0, 1]


def test_revisions_of_two_stages_are_no_trace(tmp_path):
    write(
        tmp_path,
        {
            "a.json": result(0.5, "stage1-step1000-tokens4B"),
            "b.json": result(0.6, "stage2-ingredient1-step2000-tokens8B"),
        },
    )
    assert "'stage1'" in refused(tmp_path, "a.json", "b.json", *SIZE, *SUITE)


def test_a_limit_of_all_evaluations_is_doubted(tmp_path):
    write(tmp_path, {"a.json": result(config={"limit": 10})})
    assert "doubtful  evaluated on the first 10 examples" in said(tmp_path, "a.json", *SIZE)


def test_a_step_that_stands_in_a_model_or_a_path_is_said(tmp_path):
    write(tmp_path, {"step2_trials/r.json": result(revision="")})
    assert "by the path, as 2 by 'step2_trials/r.json'" in said(
        tmp_path, "step2_trials/r.json", *SIZE
    )
    write(tmp_path, {"r.json": result(revision="", model="x/gpt-step-by-step-7b")})
    assert "as 7,000,000,000 by 'x/gpt-step-by-step-7b'" in said(tmp_path, "r.json", *SIZE)


def test_a_step_that_is_set_need_not_be_found(tmp_path):
    write(tmp_path, {"r.json": result(revision="main")})
    runs = imported(tmp_path, "r.json", *SIZE, "--set", "step=143000")
    assert values(runs["p"], "acc") == {143000: 0.5}


# --- names of columns -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        lines("Run,Step,Acc", "a,0,.1", "b,10,.2"),
        lines("RUN ID,STEP,acc", "a,0,.1", "b,10,.2"),
        lines("run-name,Global Step,acc", "a,0,.1", "b,10,.2"),
    ],
)
def test_capitals_and_what_stands_between_words_do_not_matter(tmp_path, table):
    write(tmp_path, {"t.csv": table})
    told = said(tmp_path, "t.csv", *SIZE)
    assert "is the run" in told
    assert "2 runs" in told


def test_a_long_table_in_capitals_is_long(tmp_path):
    table = lines("Run,Step,Task,Layer,Metric,Value", "a,0,add,1,rank,3", "a,0,mod,2,rank,4")
    write(tmp_path, {"t.csv": table})
    run = imported(tmp_path, "t.csv", *SIZE)["a"]
    traces = run.traces("rank", tasks=True, layers="all")
    assert traces.task.tolist() == ["add", "mod"]
    assert traces.layer.tolist() == [1, 2]


def test_a_value_alone_stays_a_measure(tmp_path):
    write(tmp_path, {"t.csv": lines("Wall time,Step,Value", "1.7e9,0,.1", "1.7e9,10,.2")})
    assert values(imported(tmp_path, "t.csv", *SIZE)["t"], "Value") == {0: 0.1, 10: 0.2}


def test_a_seed_in_capitals_is_one(tmp_path):
    write(tmp_path, {"t.csv": lines("Run,Seed,Step,Acc", "a,1,0,.1", "b,2,10,.2")})
    assert [run.seed for run in imported(tmp_path, "t.csv", *SIZE).values()] == [1, 2]


def test_a_table_of_runs_may_be_that_of_weights_and_biases(tmp_path):
    table = lines("run,step,acc", "a,0,.1")
    write(tmp_path, {"t.csv": table, "runs.csv": lines("Name,Seed,num_params", "a,4,1000")})
    run = imported(tmp_path, "t.csv", "--runs", "runs.csv")["a"]
    assert (run.seed, run.n_params) == (4, 1000)


# --- what a column of steps counts ------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "tokens_B", "Mtokens", "ktokens", "billion_tokens", "tokens_in_billions", "samples_M", "tokens/1e9", '"tokens, 1e9"',
        "log10_tokens", "steps_k", "kilosteps", "steps x1000", "x1e3 steps", "steps (in 1000s)", "Gtok", "hours", "runtime (minutes)",
    ],
)  # fmt: skip
def test_a_factor_anywhere_in_the_name_is_refused(tmp_path, name):
    write(tmp_path, {"t.csv": lines(f"{name},acc", "2,.1")})
    column = name.strip('"')
    message = refused(tmp_path, "t.csv", *SIZE, *SUITE, "--column", f"step={column}")
    assert "the name says" in message
    chart = lines(f'{name},"a - acc","a - acc__MIN"', "2,.1,.1")
    write(tmp_path, {"c.csv": chart})
    assert "the name says" in refused(tmp_path, "c.csv", *SIZE, *SUITE)


@pytest.mark.parametrize(
    "name", ["step", "step_b1", "global_step", "train_log/step", "timesteps", "tokens_base", "iter"]
)
def test_names_without_a_factor_are_not(tmp_path, name):
    write(tmp_path, {"t.csv": lines(f"{name},acc", "2,.1")})
    run = imported(tmp_path, "t.csv", *SIZE, "--column", f"step={name}", "--measure", "acc")["t"]
    assert values(run, "acc") == {2: 0.1}


def test_an_axis_that_says_nothing_known_is_guessed_aloud(tmp_path):
    write(tmp_path, {"t.csv": lines("flops,acc", "0,.1", "10,.2")})
    told = said(tmp_path, "t.csv", *SIZE, "--column", "step=flops")
    assert "guessed   column 'flops' counts optimiser steps" in told


def test_a_column_of_units_counts(tmp_path):
    table = lines("run,step,step_unit,acc", "r,0,tokens,.1", "r,10,tokens,.2")
    write(tmp_path, {"t.csv": table, "u.csv": table.replace("10,tokens", "10,steps")})
    assert "tokens in 1 run" in said(tmp_path, "t.csv", *SIZE)
    assert "tokens in some places" in fails(tmp_path, "u.csv", *SIZE)


@pytest.mark.parametrize(("cell", "step"), [("1000 steps", 1000), ("10 B tokens", 10**10)])
def test_a_cell_may_say_what_it_counts(tmp_path, cell, step):
    write(tmp_path, {"t.csv": lines("step,acc", f"{cell},.1")})
    assert values(imported(tmp_path, "t.csv", *SIZE)["t"], "acc") == {step: 0.1}


# --- what is set for all rows, and what is there ----------------------------------------------


def test_one_value_for_all_takes_the_place_of_a_column_aloud(tmp_path):
    write(tmp_path, {"t.csv": lines("run,seed,scale,step,acc", "r,3,160m,0,.1")})
    told = said(tmp_path, "t.csv", *SIZE, "--set", "seed=4", "--set", "scale=70m")
    assert "column 'seed' (3), as seed is set to 4" in told
    assert "column 'scale' (160m), as scale is set to 70m" in told
    assert " acc\n" in told


def test_one_name_for_two_runs_is_not_one_training(tmp_path):
    write(tmp_path, {"t.csv": lines("run,step,acc", "r,0,.1", "q,10,.2")})
    write(tmp_path, {"a.json": result(0.5), "b.json": result(0.6, "step9", "E/q")})
    for sources in (["t.csv"], ["a.json", "b.json"]):
        message = fails(tmp_path, *sources, *SIZE, "--set", "run=z")
        assert "they may be two trainings" in message
        assert "--join" in message
        assert said(tmp_path, *sources, *SIZE, "--set", "run=z", "--join", "--replace")


def test_a_name_with_an_empty_place_is_refused(tmp_path):
    write(tmp_path, {"t.csv": lines("lr,seed,step,acc", ",1,0,.1", "2,1,0,.1")})
    options = ("--column", "run=lr{lr}-s{seed}", "--measure", "acc")
    assert "{lr} of the run is empty" in refused(tmp_path, "t.csv", *SIZE, *SUITE, *options)


@pytest.mark.parametrize("option", ["--runs", "--path", "--mapping", "--names", "--suite"])
def test_an_option_with_one_value_is_given_once(tmp_path, option):
    write(tmp_path, {"t.csv": lines("step,acc", "0,.1")})
    message = refused(tmp_path, "t.csv", *SIZE, *SUITE, option, "a", option, "b")
    assert f"{option} is given twice" in message


def test_percent_signs_are_not_divided_twice(tmp_path):
    write(tmp_path, {"t.csv": lines("step,acc", "0,45%")})
    message = refused(tmp_path, "t.csv", *SIZE, *SUITE, "--percent", "acc")
    assert "have percent signs" in message


def test_percent_for_all_parts_is_of_those_that_have_the_measure(tmp_path):
    table = lines("step,acc_small,loss_small", "0,50,2")
    mapping = 'suite="s"\npercent=["acc"]\n[set]\nn_params=9\n' + "".join(
        f'[[parts]]\n[parts.measures]\n{name}="{name}_small"\n' for name in ("acc", "loss")
    )
    write(tmp_path, {"t.csv": table, "m.toml": mapping})
    told = said(tmp_path, "t.csv", "--mapping", "m.toml")
    assert "acc is in percent" in told
    assert "left out" not in told


# --- events, and what is there already --------------------------------------------------


def test_events_are_counted_and_those_behind_the_end_are_doubted(tmp_path):
    table = lines("run,step,acc,g", "a,0,.1,5", "b,0,.1,-1", "c,0,.1,300000", "d,0,.1,inf")
    write(tmp_path, {"t.csv": table})
    told = said(tmp_path, "t.csv", *SIZE, "--event", "grok=g", "--measure", "acc")
    assert "grok: 2 dated, 2 never came" in told
    assert "event grok of run c is at step 300,000, and its measurements end at 0" in told


def test_a_layer_behind_the_last_is_doubted(tmp_path):
    write(tmp_path, {"t.csv": lines("run,step,n_layers,layer,acc", "r,0,2,5,.5")})
    assert "run r has 2 layers, and measurements of layer 5" in said(tmp_path, "t.csv", *SIZE)


def test_what_the_store_has_already_is_said(tmp_path):
    table = lines("step,scale,seed,acc", "0,m,3,.1")
    write(tmp_path, {"a.csv": table, "b.csv": table})
    said(tmp_path, "a.csv", *SIZE)
    assert "b.csv has the bytes of the file that run a is from" in said(tmp_path, "b.csv", *SIZE)
    write(tmp_path, {"a.csv": table.replace("m,3", "r,0")})
    told = said(tmp_path, "a.csv", *SIZE, "--replace")
    assert "replaced  run a\n" in told
    assert "scale of run a was m, and is r" in told
    assert "seed of run a was 3, and is 0" in told


@pytest.mark.parametrize(("first", "second"), [("r", "R"), ("модель", "данные")])
def test_a_name_that_differs_in_nothing_that_files_can_have_is_another_run(tmp_path, first, second):
    write(
        tmp_path,
        {
            f"{n}.csv": lines("run,step,acc", f"{name},0,.1")
            for n, name in enumerate((first, second))
        },
    )
    said(tmp_path, "0.csv", *SIZE)
    assert "give them other names with --column run" in fails(tmp_path, "1.csv", *SIZE)


def test_another_task_of_a_measure_can_be_added(tmp_path):
    write(
        tmp_path,
        {f"{task}.csv": lines("run,step,task,acc", f"r,0,{task},.1") for task in ("piqa", "sciq")},
    )
    said(tmp_path, "piqa.csv", *SIZE)
    said(tmp_path, "sciq.csv", "--add")
    assert "already has acc" in fails(tmp_path, "sciq.csv", "--add")


def test_rows_of_a_logger_at_no_step_of_training_are_left_out(tmp_path):
    table = lines("_step,trainer/global_step,loss,gpu", "0,0,3,", "1,,,50", "2,10,2,")
    write(tmp_path, {"t.csv": table})
    assert "1 row without a 'trainer/global_step': of 'gpu'" in said(
        tmp_path, "t.csv", *SIZE, "--measure", "loss"
    )


# --- loggers ----------------------------------------------------------------------------------


def test_metrics_of_mlflow_without_a_step_are_left_out(tmp_path):
    write(
        tmp_path,
        {
            "m/0/r/metrics/val_acc": "1500 0.1 0\n2500 0.5 0\n3500 0.9 0\n",
            "m/0/r/metrics/loss": "1000 3 0\n2000 2 10\n",
        },
    )
    told = said(tmp_path, "m", *SIZE)
    assert "logged without a step, so that all values are at step 0: val_acc (3 values)" in told
    write(tmp_path, {"n/0/r/metrics/val_acc": "1500 0.1\n2500 0.5\n"})
    assert "no metric was logged with a step" in fails(tmp_path, "n", *SIZE)


@pytest.fixture
def events(tmp_path):
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    def make(folder, tags):
        with SummaryWriter(tmp_path / folder) as writer:
            for tag, points in tags.items():
                for step, value in points:
                    writer.add_scalar(tag, value, step)

    return make


def test_parts_of_a_training_are_one_run_folder_by_folder(tmp_path, events):
    for part in ("train", "validation"):
        events(f"logs/r/{part}", {"loss": [(0, 2), (10, 1)]})
    for sources in (["logs"], ["logs/r/train", "logs/r/validation"]):
        told = said(tmp_path, *sources, *SIZE, "--replace")
        assert "1 run, 4 rows" in told
        assert "folder train is part of the run" in told


def test_scalars_without_a_step_are_left_out(tmp_path, events):
    events("logs/r", {"acc": [(None, 0.1), (None, 0.9)], "loss": [(0, 2), (10, 1)]})
    assert "all values are at step 0: acc (2 values)" in said(tmp_path, "logs/r", *SIZE)


def test_what_add_hparams_writes_is_no_run(tmp_path, events):
    events("logs/r", {"loss": [(0, 2), (10, 1)]})
    events("logs/r/1795899772.142709", {"hparam/acc": [(0, 0.9)]})
    told = said(tmp_path, "logs", *SIZE)
    assert "1 run, 2 rows" in told
    assert "final values that add_hparams wrote" in told
