"""What a result says of runs besides its verdict: late beginnings, runs without a value, measures that no run has."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

import emergence_stats as es_python
from tests.support import HYPOTHESIS, edit, edited, es, fill, simulated_table

HEAD = ("run", "seed", "scale", "n_params", "step", "task", "level", "measure", "value")


def rows(seed, first, measure="accuracy"):
    for step in range(first, 60, 5):
        yield f"r{seed}", seed, "x", 100, step, "add", 0, measure, 0.01 * step


@pytest.fixture
def late(project):
    """Imports three runs, whose traces begin at these steps."""

    def make(*firsts, also=()):
        with Path("t.csv").open("w", newline="") as stream:
            out = csv.writer(stream)
            out.writerow(HEAD)
            for seed, first in enumerate(firsts):
                out.writerows(rows(seed, first))
            out.writerows(also)
        done = es("traces", "import", "t.csv", "--suite", "late")
        assert done.returncode == 0, done.stderr

    (project / "hypotheses" / "learns.py").write_text(HYPOTHESIS)
    return make


def notes(*words):
    (result,) = json.loads(es("test", "learns", "--json", *words).stdout)["results"]
    return result["notes"]


def test_runs_that_begin_at_step_0_have_no_note(late):
    late(0, 0, 0)
    assert notes() == []


def test_those_that_begin_later_are_counted_with_their_steps(late):
    late(0, 10, 25)
    (note,) = notes()
    assert note.startswith("accuracy begins at step 10 to 25, not 0, in 2 of 3 runs")
    shown = es("test", "learns").stdout
    assert f"note: {note}" in shown
    for kind in ("html", "markdown"):
        assert note in es("report", "--format", kind).stdout
    assert note in es_python.test("learns").summary()


def test_only_measures_that_the_claim_needs_matter(late):
    late(0, 0, 0, also=rows(0, 20, "rankme"))
    assert notes() == []


def test_runs_of_unknown_origin_that_begin_at_step_0_have_no_note(project):
    fill(project, range(3))
    assert notes() == []


def test_runs_without_a_value_are_told_with_the_reason(late, project):
    text = edited(
        HYPOTHESIS,
        "    return run",
        '    if run.seed < 2:\n        raise es.Undefined("too young")\n    return run',
    )
    (project / "hypotheses" / "learns.py").write_text(
        text.replace("\nfrom", "\nimport emergence_stats as es\nfrom", 1)
    )
    late(0, 0, 0, 0, 0)
    (note,) = notes()
    assert note == "2 runs of 5 cannot be used (r[0-1]): final accuracy: too young"


def test_a_measure_that_no_run_has_is_told_with_those_there_are(late, project):
    text = edited(HYPOTHESIS, 'measures=["accuracy"]', 'measures=["acuracy"]')
    (project / "hypotheses" / "learns.py").write_text(text)
    late(0, 0)
    (note,) = notes()
    assert "'acuracy'" in note
    assert "did you mean 'accuracy'?" in note
    assert note.endswith("they have accuracy")


def test_a_window_with_too_few_checkpoints_is_said(late, project):
    """Steps 0, 5, 10, ...: two of them by step 10, and all by step 60."""
    text = HYPOTHESIS.replace("last=1", "last=1, within=10")
    (project / "hypotheses" / "learns.py").write_text(text)
    late(0, 0)
    (note,) = notes()
    assert note.startswith(
        "the claim looks at steps up to 10, and accuracy has 2 checkpoints there"
    )
    assert "2 of 2 runs" in note
    (project / "hypotheses" / "learns.py").write_text(text.replace("within=10", "within=15"))
    assert notes() == []
    (project / "hypotheses" / "learns.py").write_text(text.replace("within=10", "within=3"))
    (note,) = notes()
    assert "0 checkpoints" in note
    assert "the first after the beginning is step 5" in note


def test_an_accuracy_in_percent_is_asked_about(late):
    rows_of = [(*row[:-1], 100 * row[-1]) for row in rows(7, 0)]
    late(0, 0, also=rows_of)
    (note,) = notes()
    assert (
        note == "accuracy is a share, from 0 to 1, and reaches 55 in 1 of 3 runs: is it in percent?"
    )


def test_runs_that_a_recorder_wrote_in_a_clone_are_looked_at(project):
    """It notes torch and the revision of a clone, as the training backend does."""
    from emergence_stats.recorder.provenance import software

    table = simulated_table(np.random.default_rng(0), tasks=("add",))
    late = table.filter(pc.greater(table.column("step"), 4))
    for seed in range(2):
        es_python.write_run(
            project / "data", late, run_id=f"r{seed}", suite="own", scale="x", n_params=9, n_layers=4, seed=seed,
            config={"lr": 0.1}, software={**software(), "revision": "0" * 40}, device="cpu",
        )  # fmt: skip
    (note,) = notes()
    assert "not 0, in 2 of 2 runs" in note


# --- runs that end before others, and those that a plan had seen -------------------------------


def test_a_run_that_ends_before_others_of_its_scale_is_said(late):
    late(
        0,
        0,
        0,
        also=[("short", 9, "x", 100, step, "add", 0, "accuracy", 0.1) for step in (0, 5, 10)],
    )
    (note,) = notes()
    assert note.startswith(
        "accuracy ends at step 10 in short, where others of its scale go on, to 55"
    )


def test_a_run_that_was_stopped_is_said_before_there_is_a_registration(project):
    (project / "hypotheses" / "learns.py").write_text(HYPOTHESIS)
    fill(project, range(3))
    fill(project, [3], further={"stopped": 100})
    (note,) = notes()
    assert note.startswith("1 of the runs did not come to their end (sim-d32-s3)")


def test_a_registration_does_not_widen_what_counts(project):
    """Runs of other seeds than the plan's do not count beside planned ones, though the plan has seen them all."""
    path = project / "hypotheses" / "learns.py"
    text = edited(HYPOTHESIS, "import Claim", "import Claim, Design")
    design = 'at_least(0.5))],\n    design=Design("sim", ("d32",), (1, 2, 3)),'
    path.write_text(edited(text, "at_least(0.5))],", design))
    fill(project, range(6))
    counts = []
    for _ in range(2):
        (result,) = json.loads(es("test", "learns", "--json", "-v").stdout)["results"]
        counts.append(sorted(r["run_id"] for r in result["runs"] if r["status"] == "counted"))
        assert es("register", "learns").returncode == 0
    assert counts == [[f"sim-d32-s{seed}" for seed in (1, 2, 3)]] * 2


def test_the_layers_that_are_there_are_said_beside_those_that_the_claim_reads(project):
    text = edited(HYPOTHESIS, '["accuracy"]', '["accuracy", "rankme"], layers="final"')
    (project / "hypotheses" / "learns.py").write_text(text)
    rows = "".join(f"r,{step},{layer},add,0,3\n" for step in (0, 5) for layer in (1, 2))
    Path("t.csv").write_text("run,step,layer,task,level,rankme\n" + rows)
    more = ("--set", "n_params=9", "--set", "n_layers=12")
    assert es("traces", "import", "t.csv", "--suite", "late", *more).returncode == 0
    assert "rankme is at layers 1 and 2 in r, and the claim looks at 12" in notes()


# --- settings ---------------------------------------------------------------------------------


@pytest.fixture
def learns(project):
    (project / "hypotheses" / "learns.py").write_text(HYPOTHESIS)
    return project


def test_runs_of_one_scale_that_differ_in_a_setting_are_said(learns):
    fill(learns, range(4), config={"lr": 0.001})
    fill(learns, [4], config={"lr": 0.003})
    fill(learns, [5, 6], scale="d64", n_params=200_000, config={"lr": 0.003})
    (note,) = notes()
    assert "different lr" in note
    assert "d32 (0.001 in sim-d32-s[0-3]; 0.003 in sim-d32-s4)" in note
    assert "d64" not in note


@pytest.mark.parametrize(
    "setting", ["per_device_train_batch_size", "dataset_name", "model_id", "lora_rank", "data.path"]
)
def test_what_only_sounds_like_it_is_a_setting(learns, setting):
    for seed in range(4):
        fill(learns, [seed], config={setting: seed // 2})
    (note,) = notes()
    assert f"different {setting}" in note


def test_what_tells_one_run_from_another_is_no_setting(learns):
    for seed in range(4):
        named = {
            "data_seed": seed // 2,
            "run_name": "ab"[seed % 2],
            "output_dir": f"/x/{seed // 2}",
        }
        fill(learns, [seed], config={**named, "final_loss": 0.1 * seed, "threads": 1 + seed % 2})
    assert notes() == []


def test_a_setting_that_only_some_runs_give_is_not_compared(learns):
    fill(learns, [0, 1], config={"lr": 0.001})
    fill(learns, [2, 3])
    assert notes() == []


def test_the_name_of_a_setting_begins_no_line(learns):
    for seed in range(4):
        fill(learns, [seed], config={"lr\n::error::all is well\x1b[2K" + "x" * 999: seed // 2})
    (note,) = notes()
    assert note.isprintable()
    assert len(note) < 250


def test_many_settings_are_named_in_short(learns):
    fill(learns, range(3), config={f"setting{i}": i for i in range(12)})
    fill(learns, [3], config={f"setting{i}": [i] * 99 for i in range(12)})
    said = notes()
    assert len(said) == 4
    assert "9 more settings" in said[-1]
    assert all(len(note) < 250 for note in said)


def test_runs_that_are_not_as_their_suite_has_them_are_said(learns):
    for seed, other in enumerate([{}, {}, {"batch": 7}, {"batch": 7}, {"own_streams": True}]):
        as_declared(learns, seed, other)
    said = notes("--suite", "smoke")
    assert [note.split(" made with")[0] for note in said] == ["2 runs were", "1 run was"]
    assert "than suite smoke has now (smoke-d8L2-s[2-3]): batch 7, now " in said[0]
    assert "own_streams true, now false" in said[1]


def test_a_plan_says_so_of_the_runs_that_it_wants(learns):
    as_declared(learns, 0, {})
    plan = ("plan", "learns", "--suite", "smoke")
    assert json.loads(es(*plan, "--json").stdout)["notes"] == []
    assert "note:" not in es(*plan).stdout
    as_declared(learns, 1, {"batch": 7})
    note = "1 run was made with other settings than suite smoke has now (smoke-d8L2-s1): batch 7, now 32"
    assert json.loads(es(*plan, "--json").stdout)["notes"] == [note]
    assert f"note: {note}" in es(*plan).stdout
    assert f"note: {note}" in es("plan", "--suite", "smoke").stdout


def as_declared(project, seed, other):
    """A simulated run of suite smoke that says it was made as the suite is declared, but for `other`."""
    from emergence_training.suites import SMOKE

    scale = SMOKE.scales[0]
    config = {**SMOKE.config(scale, seed), **other}
    fill(project, [seed], suite="smoke", scale=scale.name, config=config)


def test_runs_of_one_checkpoint_are_too_sparse_and_no_error(late, project):
    also = [("one", 9, "x", 100, 50, "add", 0, "accuracy", 0.9)]
    late(also=also)
    edit(project / "hypotheses" / "learns.py", "last=1", "last=1, within=100")
    assert any("too few to see it" in note for note in notes())


def test_where_others_of_a_scale_end_is_told_of_that_scale(late):
    longer = [
        (f"y{seed}", seed, "y", 900, step, "add", 0, "accuracy", 0.5)
        for seed in range(2)
        for step in (0, 50, 5000)
    ]
    short = [("r9", 9, "x", 100, step, "add", 0, "accuracy", 0.5) for step in (0, 5)]
    late(0, 0, also=[*longer, *short])
    (note,) = (n for n in notes() if "ends at step 5 in" in n)
    assert "to 55 at most" in note
