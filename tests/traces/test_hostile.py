"""Inputs that were once read wrongly without a word, or ended in a traceback: each is refused now, or its notes say what was done."""

import json
import struct

import pytest

from tests.support import es, imported, refused

SIZE = ("--set", "n_params=9")
SUITE = ("--suite", "s")
HUGE = "1" + "0" * 400


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text) if isinstance(text, bytes) else path.write_text(text)


def said(cwd, *arguments):
    done = es("traces", "import", *arguments, *SUITE, "--traces", "store", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails(cwd, *arguments):
    """The one line of an import that is refused, whatever the store has."""
    done = es("traces", "import", *arguments, *SUITE, "--traces", "store", cwd=cwd)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def manifest(cwd, run_id):
    return json.loads((cwd / "store" / "s" / f"{run_id}.json").read_text())


def values(run, measure):
    traces = run.traces(measure)
    return dict(zip(traces.steps[0].tolist(), traces.values[0].tolist(), strict=True))


# --- two runs are never one -------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [("модель", "данные"), ("-5", "5"), ("a b", "a/b")])
@pytest.mark.parametrize("option", ["--replace", "--add"])
def test_a_name_that_no_file_can_have_takes_no_other_runs_place(tmp_path, first, second, option):
    write(
        tmp_path,
        {"a.csv": f"run,step,acc\n{first},0,.1\n", "b.csv": f"run,step,loss\n{second},0,.9\n"},
    )
    told = said(tmp_path, "a.csv", *SIZE)
    assert f"{first!r} is" in told
    assert repr(first) in fails(tmp_path, "b.csv", *SIZE, option)


def test_what_is_added_to_a_run_leaves_what_is_known_of_it(tmp_path):
    write(
        tmp_path,
        {
            "a.csv": "run,step,loss,g\nr,0,1,50\nr,100,0.5,50\n",
            "b.csv": "run,step,acc\nr,0,0.1\nr,100,0.5\n",
        },
    )
    said(tmp_path, "a.csv", *SIZE, "--set", "n_layers=12", "--event", "grok=g", "--measure", "loss")
    path = tmp_path / "store" / "s" / "r.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "device": "a GPU", "mine": 1}))
    before = manifest(tmp_path, "r")
    said(tmp_path, "b.csv", "--add")
    after = manifest(tmp_path, "r")
    for name in ("n_layers", "device", "events", "mine", "seed", "scale", "n_params"):
        assert after[name] == before[name], name
    assert set(before["software"].items()) <= set(after["software"].items())


@pytest.mark.parametrize(
    ("options", "words"),
    [(("--set", "n_params=7b"), "n_params"), (("--set", "seed=7"), "seed"), (("--set", "step_unit=tokens"), "tokens")],
)  # fmt: skip
def test_facts_that_contradict_the_run_are_refused(tmp_path, options, words):
    write(tmp_path, {"a.csv": "run,step,loss,seed\nr,0,1,3\n", "b.csv": "run,step,acc\nr,0,0.1\n"})
    said(tmp_path, "a.csv", *SIZE)
    assert words in fails(tmp_path, "b.csv", "--add", *options)


def test_measures_are_added_to_no_run_that_is_not_there(tmp_path):
    write(tmp_path, {"a.csv": "run,step,loss\nr1,0,1\n", "b.csv": "run,step,acc\nr_1,0,0.1\n"})
    said(tmp_path, "a.csv", *SIZE)
    assert "did you mean 'r1'?" in fails(tmp_path, "b.csv", "--add", *SIZE)


def test_a_table_of_runs_contradicts_nothing_and_says_which_rows_have_no_run(tmp_path):
    write(
        tmp_path,
        {
            "a.csv": "run,step,loss,seed\nr,0,1,5\n",
            "runs.csv": "run,seed,n_params\nr,6,70m\n",
            "more.csv": "run,n_params\nr,70m\nextra,1b\n",
        },
    )
    assert "seed" in fails(tmp_path, "a.csv", "--runs", "runs.csv")
    assert "no run: extra" in said(tmp_path, "a.csv", "--runs", "more.csv")


def test_a_place_in_the_path_contradicts_no_column(tmp_path):
    write(tmp_path, {"seed1/t.csv": "run,step,acc,seed\nr,0,.1,2\n"})
    assert "by the path" in fails(tmp_path, "seed1/t.csv", *SIZE, "--path", "seed{seed}/t.csv")


def test_the_same_file_twice_and_the_same_bytes_are_said(tmp_path):
    write(tmp_path, {"t.csv": "step,acc\n0,.1\n", "copy.csv": "step,acc\n0,.1\n"})
    (tmp_path / "link.csv").symlink_to("t.csv")
    told = said(tmp_path, "t.csv", "link.csv", "copy.csv", *SIZE)
    assert "link.csv is the same as t.csv" in told
    assert "have the same bytes" in told
    assert "2 runs" in told


def test_runs_that_are_called_by_seeds_alone_have_one_scale(tmp_path):
    write(tmp_path, {f"seed{n}/metrics.csv": f"step,acc\n0,.{n}\n" for n in (1, 2)})
    runs = imported(tmp_path, "seed1/metrics.csv", "seed2/metrics.csv", *SIZE)
    assert {(run.scale, run.seed) for run in runs.values()} == {("all", 1), ("all", 2)}


# --- steps and their units --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('ckpt,acc\n"step1,000",0.1\n"step2,000",0.2\n', ("--column", "step=ckpt")),
        ("step,acc\nstep1_000,0.1\nstep20_000,0.2\n", ()),
        ("step,acc\n1_000,0.1\n20_000,0.2\n", ()),
        ("step,acc\n\u0661\u0660,0.1\n", ()),
        ("step,level,acc\n1,1_0,0.1\n", ()),
        ("step;acc\n1.000;0,1\n20.000;0,2\n", ("--decimal", ",")),
        ("step;n\n1.000;5\n20.000;6\n", ()),
        ("step;ppl\n0;1.234\n10;56,7\n", ("--decimal", ",")),
        ("step,acc\nstep1000,.1\n10B,.2\n", ()),
        ("step,acc\ntokens_10B,.1\nstep3,.2\n", ()),
        ("step,acc\nstep500,.1\nstep1000-tokens2B,.2\n", ("--set", "step_unit=tokens")),
        ("step,acc,g\n0,.1,-5\n", ("--event", "grok=g")),
        ("step,acc,g\n0,.1,1B\n", ("--event", "grok=g", "--measure", "acc")),
        ("step,acc,g_epoch\n0,.1,3\n", ("--event", "grok=g_epoch", "--measure", "acc")),
        ("step,acc\n0,.1\n", ("--set", "step_unit=bananas")),
        (f"step,acc\n{'9' * 400}k,0.1\n", ()),
    ],
)  # fmt: skip
def test_steps_that_are_not_clear_are_refused(tmp_path, text, options):
    write(tmp_path, {"t.csv": text})
    refused(tmp_path, "t.csv", *SIZE, *SUITE, *options)


def test_files_of_one_run_with_two_units_are_refused(tmp_path):
    write(
        tmp_path,
        {"a.csv": "run,step,loss\nr,100,0.5\n", "b.csv": "run,tokens,acc\nr,2000000,0.5\n"},
    )
    for order in (("a.csv", "b.csv"), ("b.csv", "a.csv")):
        assert "tokens" in refused(tmp_path, *order, *SIZE, *SUITE)
    said(tmp_path, "a.csv", *SIZE)
    assert "tokens" in fails(tmp_path, "b.csv", "--add")


def test_billions_on_the_axis_of_a_chart_are_tokens(tmp_path):
    write(tmp_path, {"c.csv": '"Step","r1 - acc"\n1B,0.1\n2B,0.2\n'})
    said(tmp_path, "c.csv", *SIZE)
    assert manifest(tmp_path, "r1")["step_unit"] == "tokens"


def test_a_column_of_an_event_is_not_said_to_be_left_out(tmp_path):
    write(tmp_path, {"t.csv": "step,acc,g\n0,.1,50\n"})
    assert "'g'" not in said(tmp_path, "t.csv", *SIZE, "--event", "grok=g", "--measure", "acc")
    assert manifest(tmp_path, "t")["events"]["grok"][0]["step"] == 50


def test_seeds_beyond_what_a_float_holds_stay_what_they_are(tmp_path):
    big = 2**53 + 1
    write(tmp_path, {"t.csv": f"run,step,acc,seed\na,0,.1,{big}\nb,0,.1,{big - 1}\n"})
    assert {run.seed for run in imported(tmp_path, "t.csv", *SIZE).values()} == {big, big - 1}


# --- JSON -------------------------------------------------------------------------------------


def test_cells_of_a_column_are_paired_by_their_names(tmp_path):
    write(tmp_path, {"t.json": '{"step":{"0":0,"1":10},"acc":{"1":0.9,"0":0.1}}'})
    assert values(imported(tmp_path, "t.json", *SIZE)["t"], "acc") == {0: 0.1, 10: 0.9}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.json", '{"columns":["step","acc","acc"],"data":[[0,0.1,0.9]]}'),
        ("t.json", '{"columns":["step","acc"],"data":[[0,0.1,5],[10]]}'),
        ("t.jsonl", '{"step":0,"acc":0.1,"acc":0.9}'),
        ("t.json", '{"step":[0,1],"acc":[1,2],"acc":[3,4]}'),
        ("t.jsonl", '{"step":0,"val":{"acc":0.1},"val.acc":0.9}'),
        ("t.jsonl", '{"run":"a","step":0,"acc":0.1}\n{"_summary":{"g":10}}\n{"run":"b","step":0,"acc":0.1}\n{"_summary":{"g":null}}'),
        ("t.jsonl", f'{{"step":0,"acc":{HUGE}}}'),
        ("t.jsonl", '{"step":0,"task":"\\ud800","acc":0.1}'),
        ("t.jsonl", '{"run":NaN,"step":0,"acc":0.1}'),
        ("t.json", "[" * 100_000),
    ],
    ids=["a column twice", "rows of two lengths", "a key twice", "a key twice in columns", "a name and an object", "two runs", "too large", "half a character", "a run without a name", "too deep"],
)  # fmt: skip
def test_json_that_is_not_clear_is_refused(tmp_path, name, text):
    write(tmp_path, {name: text})
    refused(tmp_path, name, *SIZE, *SUITE)


def test_a_line_with_a_step_is_a_measurement_however_it_is_called(tmp_path):
    line = '{"_val":{"step":%d,"acc":0.%d}}\n'
    write(tmp_path, {"t.jsonl": line % (0, 1) + line % (1, 2)})
    run = imported(
        tmp_path, "t.jsonl", *SIZE, "--column", "step=_val.step", "--measure", "acc=_val.acc"
    )["t"]
    assert values(run, "acc") == {0: 0.1, 1: 0.2}


def test_true_and_percentages_are_said_to_be_converted(tmp_path):
    write(
        tmp_path,
        {"t.jsonl": '{"step":0,"measure":"won","value":true}', "p.csv": "step,acc\n0,45%\n"},
    )
    assert "true and false are 1 and 0" in said(tmp_path, "t.jsonl", *SIZE)
    assert "45%" in said(tmp_path, "p.csv", *SIZE)


def test_percentages_beside_numbers_without_the_sign_are_refused(tmp_path):
    write(tmp_path, {"t.csv": "step,acc\n0,50%\n10,60\n"})
    assert "'60' has no percent sign" in refused(tmp_path, "t.csv", *SIZE, *SUITE)


# --- tables -----------------------------------------------------------------------------------


def test_names_that_become_one_are_refused(tmp_path):
    write(tmp_path, {"t.csv": "step,train/acc,val/acc\n0,.9,.1\n"})
    assert "'train/acc'" in refused(
        tmp_path, "t.csv", *SIZE, *SUITE, "--names", r"\w+/(?P<measure>\w+)"
    )


def test_runs_without_any_value_are_named(tmp_path):
    write(tmp_path, {"t.csv": "run,step,acc\na,0,.1\nb,0,\n"})
    assert "runs without any value of acc: b" in said(tmp_path, "t.csv", *SIZE)


@pytest.mark.parametrize("cell", ["0.1_5", "1_0", "\u0661\u0660", "\uff11"])
def test_numbers_that_python_alone_reads_are_none(tmp_path, cell):
    write(tmp_path, {"t.csv": f"step,acc,loss\n0,.1,1\n1,{cell},2\n"})
    refused(tmp_path, "t.csv", *SIZE, *SUITE, "--measure", "acc")
    assert f"'acc' ({cell!r} in row 1)" in said(tmp_path, "t.csv", *SIZE)


def test_lists_know_the_decimal_comma(tmp_path):
    write(tmp_path, {"t.csv": "step;trace\n0;[0,5 0,6]\n1;[0,7 0,8]\n"})
    run = imported(tmp_path, "t.csv", *SIZE, "--measure", "trace", "--decimal", ",")["t"]
    assert values(run, "trace") == pytest.approx({0: 0.55, 1: 0.75})


def test_names_with_a_hash_are_no_comments(tmp_path):
    write(tmp_path, {"t.csv": "run,step,acc\n#1,0,.1,\n#2,0,.2,\n3,0,.3,\n"})
    assert "3 runs" in said(tmp_path, "t.csv", *SIZE)


def test_a_table_of_runs_knows_the_decimal_comma(tmp_path):
    write(tmp_path, {"t.csv": "run,step,acc\nr,0,.1\n", "runs.csv": "run;n_params;lr\nr;70m;0,5\n"})
    assert imported(tmp_path, "t.csv", "--runs", "runs.csv")["r"].manifest.config["lr"] == 0.5


def test_a_cell_that_is_no_number_is_named_with_its_column(tmp_path):
    write(tmp_path, {"t.csv": 'step,acc,loss\n0,.1,1\n1,"1,234.5",2\n'})
    assert "'acc' ('1,234.5' in row 1)" in said(tmp_path, "t.csv", *SIZE)


def test_all_columns_that_are_left_out_are_named(tmp_path):
    names = [f"note{i}" for i in range(9)]
    write(tmp_path, {"t.csv": f"step,acc,{','.join(names)}\n0,.1,{','.join('x' * 9)}\n"})
    told = said(tmp_path, "t.csv", *SIZE)
    assert all(name in told for name in names)


@pytest.mark.parametrize(
    "options",
    [
        ("--set", "task=a", "--stderr", "acc=se"),
        ("--path", "{1}.csv"),
        ("--measure", "x=l{layer}_{layer}"),
        ("--add", "--replace"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path, options):
    write(tmp_path, {"t.csv": "step,measure,value,se\n0,acc,.1,.01\n"})
    refused(tmp_path, "t.csv", *SIZE, *SUITE, *options)


def test_a_list_in_a_mapping_is_refused(tmp_path):
    write(
        tmp_path, {"t.csv": "step,acc\n0,.1\n", "m.toml": "suite = 's'\n[set]\ntask = ['a', 'b']\n"}
    )
    assert "['a', 'b']" in refused(tmp_path, "t.csv", *SIZE, "--mapping", "m.toml")


# --- files of tools ---------------------------------------------------------------------------


def trainer(entries, step=40):
    return json.dumps({"global_step": step, "log_history": entries})


def test_a_history_that_the_last_checkpoint_lacks_is_joined(tmp_path):
    entry = [{"step": n, "loss": 1 / n} for n in (10, 20, 30, 40)]
    write(
        tmp_path,
        {
            "r/checkpoint-20/trainer_state.json": trainer(entry[:2], 20),
            "r/checkpoint-40/trainer_state.json": trainer(entry[2:]),
        },
    )
    told = said(tmp_path, "r", *SIZE)
    assert "steps 10 to 20" in told
    assert "steps 10-40" in told or "10-40" in told


@pytest.mark.parametrize(
    "text",
    [
        trainer([None, {"step": 1, "loss": 1.0}]),
        trainer([{"step": 1, "loss": 1.0}], step="x"),
        '{"log_history": [{"step": 1, "loss": ' + HUGE + "}]}",
        "[" * 100_000,
    ],
    ids=["null", "a step in words", "too large", "too deep"],
)
def test_a_trainer_state_that_cannot_be_read_is_one_line(tmp_path, text):
    write(tmp_path, {"r/trainer_state.json": text})
    refused(tmp_path, "r", *SIZE, *SUITE)


@pytest.mark.parametrize(
    "options",
    [
        ("--measure", "loss", "--measure", "x=los"),
        ("--stderr", "loss=se"),
        ("--event", "grok=g"),
        ("--where", "foo=bar"),
    ],
)
def test_options_count_for_the_files_of_tools_too(tmp_path, options):
    write(tmp_path, {"r/trainer_state.json": trainer([{"step": 1, "loss": 1.0, "eval_loss": 2.0}])})
    refused(tmp_path, "r", *SIZE, *SUITE, *options)


def test_rows_of_tools_are_selected_and_measures_doubled_and_named(tmp_path):
    write(
        tmp_path,
        {"r/trainer_state.json": trainer([{"step": 1, "loss": 1.0, "eval_loss": 2.0, "lr": 3.0}])},
    )
    told = said(
        tmp_path,
        "r",
        *SIZE,
        "--measure",
        "a=eval_loss",
        "--measure",
        "b=eval_loss",
        "--path",
        "{task}/trainer_state.json",
    )
    assert "not asked for: loss, lr" in told
    runs = imported(tmp_path, "r", *SIZE, "--replace", "--where", "measure=loss")
    assert set(runs["r"].measures) == {"loss"}


def lm_eval(results, **further):
    return json.dumps(
        {
            "results": results,
            "config": {"model_args": "pretrained=lab/m,revision=step10"},
            **further,
        }
    )


def test_results_that_are_no_numbers_are_named(tmp_path):
    results = {"arc": {"acc,none": 0.5, "acc_stderr,none": "N/A"}, "wiki": {"ppl,none": "N/A"}}
    write(tmp_path, {"out/r.json": lm_eval(results)})
    assert "ppl of wiki" in said(tmp_path, "out", *SIZE)


def test_a_group_without_subtasks_is_a_task(tmp_path):
    results = {"mmlu": {"acc,none": 0.5}, "arc": {"acc,none": 0.6}}
    write(tmp_path, {"out/r.json": lm_eval(results, groups={"mmlu": {}}, group_subtasks={})})
    assert "mmlu" in imported(tmp_path, "out", *SIZE)["m"].traces("acc").task.tolist()


def test_two_numbers_of_examples_are_not_one_evaluation(tmp_path):
    files = {
        f"out/r{n}.json": lm_eval({"arc": {"acc,none": n / 10}}, **{"n-shot": {"arc": n}})
        for n in (0, 5)
    }
    write(tmp_path, files)
    assert "5 here" in refused(tmp_path, "out", *SIZE, *SUITE)


@pytest.mark.parametrize("date", [1718000000000, 1e300], ids=["milliseconds", "never"])
def test_any_date_of_an_evaluation_is_read(tmp_path, date):
    write(tmp_path, {"out/r.json": lm_eval({"arc": {"acc,none": 0.5}}, date=date)})
    assert "1 run" in said(tmp_path, "out", *SIZE)


def test_a_run_that_mlflow_deleted_is_left_out_and_timestamps_order_its_lines(tmp_path):
    lines = "1700000000002 .2 20\n1700000000001 .1 10\n1700000000003 .3 30\n"
    for name, stage in (("a1", "active"), ("b2", "deleted")):
        write(
            tmp_path,
            {
                f"m/0/{name}/metrics/acc": lines,
                f"m/0/{name}/metrics/metrics/x": lines,
                f"m/0/{name}/meta.yaml": f"lifecycle_stage: {stage}\n",
            },
        )
    told = said(tmp_path, "m", *SIZE)
    assert "1 run" in told
    assert "deleted" in told
    run = imported(tmp_path, "m", *SIZE, "--replace")["a1"]
    assert values(run, "acc") == {10: 0.1, 20: 0.2, 30: 0.3}
    assert set(run.measures) == {"acc", "metrics/x"}


@pytest.mark.parametrize("line", ["1700000000000 abc 0\n", "1700000000000 .1 x\n"])
def test_a_line_of_mlflow_that_is_none_is_refused(tmp_path, line):
    write(tmp_path, {"m/r/metrics/acc": "1700000000000 .1 0\n" + line})
    refused(tmp_path, "m", *SIZE, *SUITE)


def test_event_files_that_end_early_or_are_damaged_are_said_to_be(tmp_path):
    writer = pytest.importorskip("tensorboard.summary.writer.event_file_writer")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    events = writer.EventFileWriter(str(tmp_path / "tb"))
    for step in range(20):
        summary = Summary(value=[Summary.Value(tag="acc", simple_value=step)])
        events.add_event(Event(step=step, wall_time=step + 1.0, summary=summary))
    events.close()
    (file,) = (tmp_path / "tb").iterdir()
    whole = file.read_bytes()
    ends, at = [], 0
    while at < len(whole):
        at += 16 + struct.unpack("<Q", whole[at : at + 8])[0]
        ends.append(at)
    file.write_bytes(whole[: ends[10] + 5])
    assert "cut off" in said(tmp_path, "tb", *SIZE)
    flipped = bytearray(whole)
    flipped[ends[10] + 20] ^= 255
    file.write_bytes(bytes(flipped))
    assert "damaged" in fails(tmp_path, "tb", *SIZE, "--replace")


def test_files_of_other_tools_in_a_folder_are_named(tmp_path):
    write(
        tmp_path,
        {
            "r/trainer_state.json": trainer([{"step": 1, "loss": 1.0}]),
            "r/metrics.csv": "step,acc\n0,.1\n",
        },
    )
    assert "metrics.csv" in said(tmp_path, "r", *SIZE)
