"""What rules against silent misreading must leave alone, and what they missed: the near side and the far side of each."""

import json

import pytest

from tests.support import imported, refused
from tests.traces.test_hostile import SIZE, SUITE, fails, manifest, said, values, write
from tests.traces.test_named_apart import events, result  # noqa: F401
from tests.traces.test_silent import lines

# --- rows and columns -------------------------------------------------------------------------


def test_a_row_of_no_step_dates_an_event(tmp_path):
    table = lines("step,epoch,acc,grok_step", "0,0,0.1,", "100,1,0.9,", ",2,,100")
    write(tmp_path, {"r.csv": table})
    run = imported(tmp_path, "r.csv", *SIZE, "--measure", "acc", "--event", "grok=grok_step")["r"]
    (event,) = run.manifest.further["events"]["grok"]
    assert event["step"] == 100
    assert values(run, "acc") == {0: 0.1, 100: 0.9}


def test_other_columns_of_steps_are_known_in_capitals(tmp_path):
    table = lines("Global Step,Epoch,Loss,Test Acc", "0,0,3,", "10,1,2,", ",2,,0.5")
    write(tmp_path, {"t.csv": table, "u.csv": lines("Step,Epoch,Tokens,Loss", "0,0,0,3")})
    assert "1 row without a 'Global Step': of 'Test Acc'" in said(
        tmp_path, "t.csv", *SIZE, "--measure", "Loss"
    )
    told = said(tmp_path, "u.csv", *SIZE)
    assert "every column of numbers: Loss (" in told
    assert "column 'Step', and not 'Tokens', 'Epoch'" in told


@pytest.mark.parametrize(
    ("head", "row", "options"),
    [
        ("run,run_id,step,acc", "a,7,0,.1", ()),
        ("scale,model,step,acc", "m,3,0,.1", ()),
        ("run_id,model,step,acc", "1,2,0,.1", ("--column", "run=model")),
        ("Data Seed,Seed,step,acc", "1,2,0,.1", ("--column", "seed=Data Seed")),
    ],
)
def test_a_second_name_of_a_run_is_no_measure(tmp_path, head, row, options):
    write(tmp_path, {"t.csv": lines(head, row)})
    told = said(tmp_path, "t.csv", *SIZE, *options)
    assert "every column of numbers: acc (" in told
    assert "left out  column" in told


def test_capitals_alone_make_no_target_of_what_cannot_be_one(tmp_path):
    write(tmp_path, {"t.csv": lines("Step,Metric,Value", "0,0.11,0.5")})
    assert "every column of numbers: Metric, Value" in said(tmp_path, "t.csv", *SIZE)
    write(tmp_path, {"u.csv": lines("Step,Level,Loss", "0,INFO,3")})
    assert values(imported(tmp_path, "u.csv", *SIZE)["u"], "Loss") == {0: 3.0}


def test_a_measure_without_values_is_named(tmp_path):
    write(tmp_path, {"t.csv": lines("_step,step,loss,acc", "0,0,,.1", "1,,3,", "2,10,,.2")})
    assert "measure 'loss' without any value" in said(tmp_path, "t.csv", *SIZE)


@pytest.mark.parametrize("names", [("a", "a "), (" a", "a")])
def test_spaces_make_no_two_runs(tmp_path, names):
    write(tmp_path, {"t.csv": lines("run,step,acc", f"{names[0]},0,.1", f"{names[1]},10,.2")})
    assert said(tmp_path, "t.csv", *SIZE, "--set", "run=z")


def test_a_table_of_scales_may_have_a_column_of_titles(tmp_path):
    scales = lines("model,name,n_params", "s,Small GPT,1000")
    write(tmp_path, {"t.csv": lines("run,model,step,acc", "r,s,0,.1"), "s.csv": scales})
    assert imported(tmp_path, "t.csv", "--runs", "s.csv")["r"].n_params == 1000


# --- names of steps, events and sizes ---------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "iteration t", "global_step_t", "ms_marco_step", "ms_coco/step", "HR_step", "ln_step", "steps since 1000",
        "eval_every_1000_steps", "time_step", "lifetime_steps", "time/iterations", "step_in_epoch",
    ],
)  # fmt: skip
def test_a_name_of_steps_that_says_no_factor_is_taken(tmp_path, name):
    write(tmp_path, {"t.csv": lines(f"{name},acc", "2,.1")})
    run = imported(tmp_path, "t.csv", *SIZE, "--column", f"step={name}", "--measure", "acc")["t"]
    assert values(run, "acc") == {2: 0.1}
    assert "step_unit" not in run.manifest.further


@pytest.mark.parametrize(
    "name",
    [
        "tokens_in_B", "B tokens", "M_tokens", "M tok", "k-steps", "1k steps", "bn_tokens", "tokens (bn)", "tokens (mio)",
        "tokens_×10⁹", "iteration (x100)", "steps (10)", "tokens [in 100s]", "steps/10", "train_time_min", "walltime_h", "elapsed [h]",
    ],
)  # fmt: skip
def test_more_factors_are_refused_unless_the_name_is_in_braces(tmp_path, name):
    write(tmp_path, {"t.csv": lines(f"{name},acc", "2,.1")})
    options = (*SIZE, "--measure", "acc")
    message = refused(tmp_path, "t.csv", *options, *SUITE, "--column", f"step={name}")
    assert "the name says" in message
    assert f"'{{{name}}}'" in message
    run = imported(tmp_path, "t.csv", *options, "--column", f"step={{{name}}}")["t"]
    assert values(run, "acc") == {2: 0.1}


@pytest.mark.parametrize("name", ["grok_ksteps", "grok_hours", "grok step (k)", "grok_B_tokens"])
def test_factors_of_events_are_refused(tmp_path, name):
    write(tmp_path, {"t.csv": lines(f"run,step,acc,{name}", "r,0,.1,5")})
    write(
        tmp_path, {"u.csv": lines("run,step,acc", "r,0,.1"), "r.csv": lines(f"run,{name}", "r,5")}
    )
    event = (*SIZE, *SUITE, "--measure", "acc", "--event", f"g={name}")
    assert "the name says" in refused(tmp_path, "t.csv", *event)
    assert "the name says" in refused(tmp_path, "u.csv", *event, "--runs", "r.csv")


def test_a_time_of_an_event_may_be_its_step(tmp_path):
    write(tmp_path, {"t.csv": lines("run,step,acc,grok_time", "r,0,.1,0")})
    assert "1 dated" in said(tmp_path, "t.csv", *SIZE, "--measure", "acc", "--event", "g=grok_time")


@pytest.mark.parametrize("name", ["Params (M)", "n_params_million"])
def test_factors_of_sizes_are_refused(tmp_path, name):
    write(tmp_path, {"t.csv": lines(f"step,{name},acc", "0,70,.1")})
    message = refused(tmp_path, "t.csv", *SUITE, "--column", f"n_params={name}")
    assert "no numbers of parameters" in message


# --- what is there already --------------------------------------------------------------------


def test_every_file_is_remembered_whatever_it_is_called(tmp_path):
    write(
        tmp_path,
        {
            "a/m.csv": lines("run,step,acc", "r,0,.1"),
            "b/m.csv": lines("run,step,loss", "r,0,3"),
            "c/m.csv": lines("run,step,rank", "r,0,4"),
        },
    )
    said(tmp_path, "a/m.csv", "b/m.csv", *SIZE)
    assert len(set(manifest(tmp_path, "r")["imported"].values())) == 2
    said(tmp_path, "c/m.csv", "--add")
    assert len(set(manifest(tmp_path, "r")["imported"].values())) == 3


def test_a_file_of_several_runs_is_no_copy_of_itself(tmp_path):
    write(tmp_path, {"t.csv": lines("run,step,acc,loss", "a,0,.1,3", "b,0,.2,4")})
    said(tmp_path, "t.csv", *SIZE, "--measure", "acc")
    for options in (("--replace", *SIZE, "--measure", "acc"), ("--add", "--measure", "loss")):
        assert "has the bytes" not in said(tmp_path, "t.csv", *options)


@pytest.mark.parametrize("layers", [(0, 12, 13), (5,)])
def test_blocks_that_are_known_stay(tmp_path, layers):
    write(tmp_path, {"a.csv": lines("run,step,acc", "r,0,.1")})
    write(
        tmp_path, {"b.csv": lines("run,step,layer,rank", *(f"r,0,{layer},3" for layer in layers))}
    )
    said(tmp_path, "a.csv", *SIZE, "--set", "n_layers=12")
    told = said(tmp_path, "b.csv", "--add")
    assert manifest(tmp_path, "r")["n_layers"] == 12
    assert "blocks" not in told


# --- tools ------------------------------------------------------------------------------------


def test_a_model_evaluated_in_a_folder_and_one_below_is_two_runs(tmp_path):
    for folder, step, acc in (("", 1000, 0.3), ("int8/", 1000, 0.2), ("", 2000, 0.4)):
        path = f"o/{folder}step{step}/r.json"
        write(tmp_path, {path: result(acc, "", date=1.7e9 + step + 9 * bool(folder))})
    runs = imported(tmp_path, "o", *SIZE)
    assert values(runs["p"], "acc") == {1000: 0.3, 2000: 0.4}
    assert values(runs["p-int8"], "acc") == {1000: 0.2}


def test_what_a_file_does_not_tell_is_no_difference(tmp_path):
    older = json.loads(result(0.5))
    del older["n-shot"], older["versions"]
    write(tmp_path, {"a.json": json.dumps(older), "b.json": result(0.6, "step9")})
    assert len(values(imported(tmp_path, "a.json", "b.json", *SIZE)["p"], "acc")) == 2


def test_groups_that_are_left_out_are_not_compared(tmp_path):
    for n, shots in ((0, 0), (9, 5)):
        one = json.loads(result(0.5, f"step{n}"))
        one["results"]["all"] = {"acc,none": 0.5}
        one["n-shot"]["all"] = shots
        one["groups"], one["group_subtasks"] = {"all": {}}, {"all": ["piqa"]}
        write(tmp_path, {f"{n}.json": json.dumps(one)})
    assert said(tmp_path, "0.json", "9.json", *SIZE)


def test_only_what_is_asked_for_is_compared(tmp_path):
    write(
        tmp_path,
        {
            "o/0shot/a.json": result(0.5),
            "o/0shot/b.json": result(0.6, "step9"),
            "o/5shot/c.json": result(0.7, "step99", shots=5),
        },
    )
    assert "piqa was evaluated" in refused(tmp_path, "o", *SIZE, *SUITE)
    runs = imported(tmp_path, "o", *SIZE, "--where", "folder=0shot")
    assert values(runs["p"], "acc") == {0: 0.5, 9: 0.6}


def test_a_run_of_a_tool_is_chosen_by_its_own_name(tmp_path):
    write(tmp_path, {f"m/0/{run}/metrics/acc": "1500 0.1 1\n" for run in ("a", "b")})
    assert "mine" in said(tmp_path, "m", *SIZE, "--set", "run=mine", "--where", "run=a")


def test_a_run_that_was_logged_without_steps_stops_no_other(tmp_path, events):  # noqa: F811
    events("tb/x", {"acc": [(None, 0.1), (None, 0.9)]})
    events("tb/y", {"acc": [(0, 0.1), (10, 0.9)]})
    assert "no scalar with a step" in said(tmp_path, "tb", *SIZE)
    write(tmp_path, {"m/0/x/metrics/acc": "1 0.1 0\n2 0.5 0\n", "m/0/y/metrics/acc": "1 0.1 1\n"})
    assert "without a metric that was logged with a step" in said(tmp_path, "m", *SIZE, "--replace")


def test_parts_of_two_trainings_are_two_runs(tmp_path, events):  # noqa: F811
    for run in ("exp1", "exp2"):
        events(f"logs/{run}/train", {"loss": [(0, 2), (10, 1)]})
    runs = imported(tmp_path, "logs/exp1/train", "logs/exp2/train", *SIZE)
    assert sorted(runs) == ["exp1", "exp2"]


def test_files_of_one_folder_are_one_training_file_by_file(tmp_path, events):  # noqa: F811
    events("r", {"loss": [(0, 3), (10, 2)], "eval": [(10, 0.5)]})
    events("r", {"loss": [(5, 2.5), (10, 1.9)]})
    files = sorted(str(file.relative_to(tmp_path)) for file in (tmp_path / "r").iterdir())
    for sources in (["r"], files):
        run = imported(tmp_path, *sources, *SIZE, "--replace")["r"]
        assert values(run, "loss") == {0: 3.0, 5: 2.5, 10: pytest.approx(1.9)}


def test_a_training_that_began_twice_logged_step_0_twice(tmp_path, events):  # noqa: F811
    events("r", {"eval": [(0, 0.5)], "loss": [(0, 3), (10, 2)]})
    events("r", {"eval": [(0, 0.25)], "loss": [(0, 3), (10, 1)]})
    assert values(imported(tmp_path, "r", *SIZE)["r"], "eval") == {0: 0.25}


def test_another_unit_names_the_file_that_has_it(tmp_path):
    write(tmp_path, {"a.csv": lines("run,step,acc", "r,0,.1")})
    write(tmp_path, {"q.csv": lines("run,tokens,loss", "r,0,3")})
    said(tmp_path, "a.csv", *SIZE)
    assert "q.csv" in fails(tmp_path, "q.csv", "--add", "--measure", "loss")
