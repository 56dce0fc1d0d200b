"""Traces of somebody else: tables, W&B, TensorBoard, lm-evaluation-harness; and real ones where they lie."""

import csv
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergence_stats import first_lasting
from emergence_stats.traces.importing.columns import count
from tests.support import ROOT, SHARED, es, imported, refused

OUTSIDE = SHARED / "outside"
there = pytest.mark.skipif(not OUTSIDE.is_dir(), reason="no measurements from outside here")


LONG = """model,seed,step,task,metric,value,stderr
a,0,0,copy,acc,0.1,0.01
a,0,10,copy,acc,0.12345678901234567,0.01
a,0,0,add,acc,0.0,
a,0,10,add,acc,,
b,3,0,copy,acc,1e-300,0.5
"""


# --- tables -----------------------------------------------------------------------------------


def test_a_long_table_with_usual_names_needs_no_mapping(tmp_path):
    (tmp_path / "long.csv").write_text(LONG)
    runs = imported(tmp_path, "long.csv", "--column", "run=model", "--set", "n_params=1.5k")
    assert set(runs) == {"a", "b"}
    a = runs["a"].traces("acc", tasks=True)
    assert a.task.tolist() == ["add", "copy"]
    assert a.values[1].tolist() == [0.1, 0.12345678901234567]  # to the last digit
    assert a.length.tolist() == [1, 2]  # an empty cell is no measurement
    assert a.stderr[1].tolist() == [0.01, 0.01]
    assert runs["b"].seed == 3
    assert runs["a"].n_params == 1500
    assert runs["a"].manifest.further["imported"]["long.csv"]


def test_the_same_in_parquet_and_json_lines_gives_the_same_traces(tmp_path):
    rows = list(csv.DictReader(LONG.splitlines()))
    numbers = {"seed": int, "step": int, "value": float, "stderr": float}
    typed = [{k: numbers.get(k, str)(v) if v else None for k, v in row.items()} for row in rows]
    (tmp_path / "long.csv").write_text(LONG)
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in typed))
    pq.write_table(pa.Table.from_pylist(typed), tmp_path / "long.parquet")
    digests = []
    for name in ("long.csv", "long.jsonl", "long.parquet"):
        options = ("--column", "run=model", "--set", "n_params=7", "--replace")
        runs = imported(tmp_path, name, *options)
        digests.append({k: run.manifest.sha256 for k, run in runs.items()})
    assert digests[0] == digests[1] == digests[2]


def test_a_wide_table_has_a_measure_a_column(tmp_path):
    (tmp_path / "wide.csv").write_text("id,step,test_acc,test_loss\nx,0,.1,2\nx,5,.2,1.5\n")
    options = ("--measure", "accuracy=test_acc", "--measure", "loss=test_loss")
    fixed = ("--set", "task=mod", "--set", "level=1", "--set", "n_params=9")
    runs = imported(tmp_path, "wide.csv", "--column", "run=id", *options, *fixed)
    assert runs["x"].measures == {"accuracy", "loss"}
    traces = runs["x"].traces("accuracy", tasks=True)
    assert (traces.task[0], traces.level[0]) == ("mod", 1)
    assert traces.steps[0].tolist() == [0, 5]


@pytest.mark.parametrize("in_file", [False, True])
def test_percent_become_shares_with_their_errors(tmp_path, in_file):
    (tmp_path / "t.csv").write_text("run,step,acc,acc_se,loss\nx,0,12.5,2,40\nx,5,87.5,1,30\n")
    (tmp_path / "m.toml").write_text(
        'percent = ["accuracy"]\n[measures]\naccuracy = "acc"\nloss = "loss"\n'
    )
    said = ("--mapping", "m.toml")
    if not in_file:
        said = ("--measure", "accuracy=acc", "--measure", "loss", "--percent", "accuracy")
    runs = imported(tmp_path, "t.csv", "--set", "n_params=9", "--set", "task=a", *said)
    traces = runs["x"].traces("accuracy")
    assert traces.values[0].tolist() == [0.125, 0.875]
    assert traces.stderr[0].tolist() == [0.02, 0.01]
    assert runs["x"].traces("loss").values[0].tolist() == [40, 30]


def test_an_accuracy_that_is_no_share_is_doubted(tmp_path):
    (tmp_path / "t.csv").write_text("run,step,accuracy\nx,0,0\nx,5,87.5\ny,0,1\ny,5,1.0\n")
    done = es("traces", "import", "t.csv", "--suite", "s", "--set", "n_params=9", cwd=tmp_path)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("doubtful")]
    assert "87.5 in x:" in line
    assert "--percent accuracy" in line


def test_a_mapping_file_says_the_same_and_options_go_before_it(tmp_path):
    (tmp_path / "wide.csv").write_text("id,kind,step,acc\nx,one,0,.1\nx,two,0,.2\nx,two,5,.3\n")
    (tmp_path / "runs.csv").write_text("run,size,seed,optimizer\nx-two,2M,4,adam\n")
    (tmp_path / "map.toml").write_text(
        'suite = "other"\nruns = "runs.csv"\n[columns]\nrun = "{id}-{kind}"\nn_params = "size"\n'
        '[measures]\naccuracy = "acc"\n[where]\nkind = "two"\n'
    )
    runs = imported(tmp_path, "wide.csv", "--mapping", "map.toml")
    assert list(runs) == ["x-two"]
    run = runs["x-two"]
    assert (run.manifest.suite, run.n_params, run.seed) == ("s", 2_000_000, 4)
    assert run.manifest.config["optimizer"] == "adam"


def test_tasks_levels_and_layers_are_read_from_names(tmp_path):
    (tmp_path / "wide.csv").write_text("step,val/copy-2/rankme@3,lr\n0,4,.1\n9,2,.1\n")
    options = ("--measure", "val/copy-2/rankme@3=val/copy-2/rankme@3")
    pattern = r"val/(?P<task>\w+)-(?P<level>\d+)/(?P<measure>\w+)@(?P<layer>\d+)"
    runs = imported(tmp_path, "wide.csv", *options, "--names", pattern, "--set", "n_params=9")
    traces = runs["wide"].traces("rankme", layers=[3])
    assert (traces.task[0], traces.level[0], traces.values[0].tolist()) == ("copy", 2, [4.0, 2.0])
    assert runs["wide"].n_layers == 3


def test_seeds_that_nobody_says_are_numbers_within_a_scale(tmp_path):
    (tmp_path / "t.csv").write_text(
        "run,scale,step,measure,value\nx,s,0,m,1\ny,s,0,m,1\nz,t,0,m,1\n"
    )
    runs = imported(tmp_path, "t.csv", "--set", "n_params=9")
    assert {k: run.seed for k, run in runs.items()} == {"x": 0, "y": 1, "z": 0}
    assert runs["x"].manifest.config["seed_numbered_by_import"] is True


def test_a_second_import_gives_other_seeds_and_a_replaced_run_keeps_its_own(tmp_path):
    options = ("--set", "n_params=9", "--set", "scale=s")
    (tmp_path / "first.csv").write_text("run,step,measure,value\nx,0,m,1\ny,0,m,1\n")
    (tmp_path / "then.csv").write_text("run,step,measure,value\na,0,m,1\ny,0,m,2\n")
    imported(tmp_path, "first.csv", *options)
    runs = imported(tmp_path, "then.csv", *options, "--replace")
    assert {k: run.seed for k, run in runs.items()} == {"x": 0, "y": 1, "a": 2}
    assert runs["y"].traces("m").values.tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("step,value\n0,1\n", (), ("no column for the measure", "--measure")),
        ("it,measure,value\n0,m,1\n", (), ("no column for the step", "it", "--column step=")),
        ("step,measure,value\n0,m,high\n", (), ("'high' is not a number", "column 'value', row 0")),
        ("step,measure,value\n0.5,m,1\n", (), ("'0.5' is not a whole number", "column 'step'")),
        ("step,measure,value\n0,m,1\n1,m,nan\n", (), ("nan", "row 1", "--drop-not-finite")),
        ("step,measure,value\n0,m,1\n0,m,2\n", (), ("twice at step 0", "row 1", "row 0")),
        ("step,measure,value\n0,m,1\n", ("--column", "stepp=step"), ("did you mean 'step'",)),
        ("step,measure,value\n0,m,1\n", ("--column", "step=stp"), ("did you mean 'step'",)),
        ("step,measure,value\n0,m,1\n", ("--where", "measure=q"), ("no row with measure = q",)),
        ("step,measure,value\n0,m,1\n", ("--set", "n_params"), ("write NAME=VALUE",)),
        ("step,measure,value\n0,m,1\n", ("--set", "n_params=big"), ("not a number of parameters",)),
        ("step,measure,value\n", (), ("no row",)),
        (
            "step,acc\n0,1\n1,n.a.\n",
            ("--measure", "accuracy=acc"),
            ("'n.a.'", "column 'acc', row 1"),
        ),
        ("step,measure,value\n0,m,1\n", ("--percent", "n"), ("--percent", "no measure 'n'")),
        (
            "run,step,measure,value\na,0,m,1\nb,-5,m,1\n",
            (),
            ("-5 is not between 0", "t.csv, column 'step', row 1"),
        ),
        ("step,level,measure,value\n0,70000,m,1\n", (), ("70000 is not between 0 and 32767",)),
        ('step,measure,value\n0,"m\n', (), ("not valid csv",)),
        ("run,seed,step,measure,value\nx,0,0,m,1\nx,1,1,m,1\n", (), ("seed 0 and 1", "row 1")),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, text, options, words):
    (tmp_path / "t.csv").write_text(text)
    fixed = () if any("n_params" in option for option in options) else ("--set", "n_params=9")
    message = refused(tmp_path, "t.csv", "--suite", "s", *fixed, *options)
    for word in words:
        assert word in message
    assert message.count("\n") == 1


def test_parameters_a_suite_and_a_file_have_to_be_named(tmp_path):
    (tmp_path / "t.csv").write_text("step,measure,value\n0,m,1\n")
    assert "number of parameters" in refused(tmp_path, "t.csv", "--suite", "s")
    assert "--suite" in refused(tmp_path, "t.csv")
    assert "no such file" in refused(tmp_path, "none.csv", "--suite", "s")
    (tmp_path / "t.txt").write_text("what")
    assert "--format" in refused(tmp_path, "t.txt", "--suite", "s")


def test_runs_that_are_there_are_replaced_only_when_asked(tmp_path):
    (tmp_path / "t.csv").write_text("run,step,measure,value\nx,0,m,1\n")
    options = ("t.csv", "--set", "n_params=9")
    imported(tmp_path, *options)
    done = es("traces", "import", *options, "--suite", "s", "--traces", "store", cwd=tmp_path)
    assert done.returncode == 2
    assert "--replace" in done.stderr
    (tmp_path / "t.csv").write_text("run,step,measure,value\nx,0,m,2\n")
    assert imported(tmp_path, *options, "--replace")["x"].traces("m").values.tolist() == [[2.0]]


def test_a_dry_run_writes_nothing_and_json_says_all(tmp_path):
    (tmp_path / "long.csv").write_text(LONG)
    options = ("--column", "run=model", "--set", "n_params=9", "--suite", "s", "--traces", "store")
    done = es("traces", "import", "long.csv", *options, "--dry-run", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert [run["run_id"] for run in found["runs"]] == ["a", "b"]
    assert (found["empty_cells"], found["written"]) == (1, False)
    assert not (tmp_path / "store").exists()


@given(st.integers(1, 10**12))
def test_a_number_of_parameters_is_a_number_in_any_spelling(number):
    assert count(number) == count(str(number)) == count(float(number)) == number
    assert count(f"{number % 999 + 1}m") == (number % 999 + 1) * 10**6


# --- Weights & Biases -------------------------------------------------------------------------


def test_the_export_of_a_chart_has_a_run_a_column(tmp_path):
    (tmp_path / "chart.csv").write_text(
        '"Step","run-1 - acc","run-1 - acc__MIN","run-1 - acc__MAX","big - run - acc"\n'
        "0,0.1,0.1,0.1,0.3\n5,0.2,0.2,0.2,\n"
    )
    runs = imported(tmp_path, "chart.csv", "--set", "n_params=9", "--measure", "accuracy=acc")
    assert set(runs) == {"run-1", "big-run"}
    assert runs["run-1"].traces("accuracy").values.tolist() == [[0.1, 0.2]]
    assert runs["big-run"].traces("accuracy").length.tolist() == [1]


def test_the_history_of_a_run_has_a_metric_a_column(tmp_path):
    lines = [
        {"_step": 0, "_runtime": 1.5, "_timestamp": 9.0, "val/copy/acc": 0.25, "note": "x"},
        {"_step": 10, "_runtime": 2.5, "_timestamp": 10.0, "val/copy/acc": 0.5, "note": "y"},
        {"_step": 20, "_runtime": 3.5, "_timestamp": 11.0, "train/loss": 1.0, "note": "z"},
    ]
    (tmp_path / "abc123.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pattern = r"val/(?P<task>\w+)/(?P<measure>\w+)"
    runs = imported(tmp_path, "abc123.jsonl", "--set", "n_params=9", "--names", pattern)
    assert runs["abc123"].measures == {"acc", "train/loss"}  # what begins with _ is of the tool
    assert runs["abc123"].traces("acc", tasks=True).task.tolist() == ["copy"]


# --- TensorBoard ------------------------------------------------------------------------------


def test_event_files_give_a_run_a_folder(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    for seed in range(2):
        with SummaryWriter(tmp_path / "logs" / "d32" / f"seed{seed}") as writer:
            for step in (0, 1, 10):
                writer.add_scalar("eval/copy/accuracy", seed + step / 16, step)
            writer.add_text("note", "not a scalar", 0)
    pattern = r"eval/(?P<task>\w+)/(?P<measure>\w+)"
    runs = imported(tmp_path, "logs", "--set", "n_params=9", "--names", pattern)
    assert set(runs) == {"d32-seed0", "d32-seed1"}
    traces = runs["d32-seed1"].traces("accuracy", tasks=True)
    assert traces.steps.tolist() == [[0, 1, 10]]
    assert traces.values.tolist() == [[1.0, 1.0625, 1.625]]
    assert runs["d32-seed0"].manifest.created.startswith("20")


# --- lm-evaluation-harness --------------------------------------------------------------------


def results(new, step, acc):
    if new:
        return {
            "results": {
                "lambada_openai": {
                    "alias": "lambada_openai",
                    "acc,none": acc,
                    "acc_stderr,none": 0.01,
                    "perplexity,none": 9.5,
                    "perplexity_stderr,none": "N/A",
                }
            },
            "config": {
                "model": "hf",
                "model_args": f"pretrained=EleutherAI/pythia-70m,revision=step{step},dtype=float",
                "model_num_parameters": 70426624,
            },
            "date": 1718000000.5,
        }
    return {
        "results": {"lambada_openai": {"acc": acc, "acc_stderr": 0.01, "ppl": 9.5}},
        "versions": {"lambada_openai": 0},
        "config": {"model": "gpt2", "model_args": "pretrained=EleutherAI/pythia-70m"},
    }


@pytest.mark.parametrize("new", [True, False])
def test_result_files_give_a_checkpoint_each(tmp_path, new):
    for step, acc in ((0, 0.0), (1000, 0.25), (143000, 0.5)):
        folder = tmp_path / "out" / f"pythia-70m-step{step}"
        folder.mkdir(parents=True)
        (folder / "results_2024.json").write_text(json.dumps(results(new, step, acc)))
        (folder / "unrelated.json").write_text("{}")
    options = () if new else ("--set", "n_params=70m")
    runs = imported(tmp_path, "out", *options, "--measure", "accuracy=acc")
    (run,) = runs.values()
    assert run.run_id == "pythia-70m"
    assert run.n_params == (70426624 if new else 70_000_000)
    traces = run.traces("accuracy", tasks=True)
    assert traces.steps.tolist() == [[0, 1000, 143000]]
    assert traces.values.tolist() == [[0.0, 0.25, 0.5]]
    assert traces.stderr.tolist() == [[0.01, 0.01, 0.01]]


def test_a_checkpoint_without_a_step_is_an_error(tmp_path):
    found = results(False, 0, 0.5)
    (tmp_path / "results.json").write_text(json.dumps(found))
    assert "step cannot be determined" in refused(tmp_path, "results.json", "--suite", "s")


# --- measurements that nobody here made -------------------------------------------------------


@there
def test_onsets_of_grokking_are_those_that_the_author_recorded(tmp_path):
    folder = OUTSIDE / "muon_grokking"
    runs = imported(
        tmp_path,
        folder / "mech.csv",
        *("--measure", "accuracy=test_acc", "--set", "task=add_mod_97", "--set", "level=0"),
        *("--runs", folder / "mech_runs.csv", "--column", "n_params=summary_n_params"),
        *("--column", "scale={optimizer}_{init_scale}_{weight_decay}"),
    )
    recorded = {
        row["run"]: float(row["summary_grok_step"] or "inf")
        for row in csv.DictReader((folder / "mech_runs.csv").open())
    }
    onsets = {}
    for name, run in runs.items():
        traces = run.traces("accuracy", tasks=True)
        onsets[name] = float(first_lasting(traces, traces.values >= 0.95, persistence=1).hi[0])
    assert len(onsets) == 30
    assert onsets == recorded
    assert sum(np.isfinite(list(onsets.values()))) > 20


@there
def test_the_evaluations_of_pythia_are_imported_whole(tmp_path):
    path = OUTSIDE / "pythia_evals" / "pythia_v1_checkpoints.csv"
    runs = imported(tmp_path, path, "--column", "run={model}-{folder}", "--set", "n_params=1")
    with path.open() as stream:
        rows = list(csv.DictReader(stream))
    assert sum(run.manifest.rows for run in runs.values()) == len(rows)
    one = rows[1234]
    traces = runs[f"{one['model']}-{one['folder']}"].traces(one["metric"], tasks=True)
    i = traces.task.tolist().index(one["task"])
    j = traces.steps[i].tolist().index(int(one["step"]))
    assert traces.values[i, j] == float(one["value"])
    assert traces.stderr[i, j] == float(one["stderr"])


@there
def test_the_example_on_pythia_says_what_its_page_says(tmp_path):
    root = ROOT
    shutil.copytree(root / "examples" / "pythia", tmp_path / "pythia")
    here = tmp_path / "pythia"
    table = OUTSIDE / "pythia_evals" / "pythia_v1_checkpoints.csv"
    done = es("traces", "import", table, "--mapping", "import.toml", cwd=here)
    assert "16 runs, 3,888 rows written" in done.stdout, done.stderr
    done = es("test", "larger_earlier", "same_order", cwd=here)
    assert done.returncode == 3
    page = (root / "docs" / "import.md").read_text("utf-8")
    for line in done.stdout.splitlines()[:-1]:  # the last one has the seconds
        assert f"    {line}".rstrip() in page.splitlines()
