"""Ways to cheat by accident, and what the report then says. Nothing of it may pass in silence."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from emergence_stats.claims.project import Project
from emergence_stats.claims.registration import register, state_of
from emergence_stats.core.verdicts import Verdict
from emergence_stats.errors import (
    EmergenceStatsError,
    HypothesisError,
    RegistrationError,
    TraceError,
)
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.reports.markdown import to_markdown
from emergence_stats.reports.words import control_text
from emergence_stats.traces.store import Store
from tests.support import add_run, edit, edited, es

CLAIM = '''
"""Final accuracy is high."""
from emergence_stats import Claim, Design, Hypothesis, Needs, Prediction, Region
from ._shared import last_values


def final_accuracy(run, last=1):
    """Mean accuracy at the end."""
    return last_values(run, last).mean()


learns = Hypothesis(
    claim=Claim("Models learn the tasks."),
    needs=Needs(measures=["accuracy"]),
    predictions=[Prediction("final accuracy", final_accuracy, Region.at_least(0.5))],
    design=Design("sim", ("d32",), (10, 11, 12, 13, 14)),
)
'''
SHARED = """
def last_values(run, last):
    return run.traces("accuracy").values[:, -last:]
"""
PILOTS, PLANNED = range(3), range(10, 15)


@pytest.fixture
def root(project):
    (project / "hypotheses" / "learns.py").write_text(CLAIM)
    (project / "hypotheses" / "_shared.py").write_text(SHARED)
    return project


def collect(root, seeds, **options):
    for seed in seeds:
        add_run(root / "data", seed, tasks=("add", "mod"), **options)


def frozen(root):
    loaded = Project(root).load("learns")
    data = root / "data"
    seen = [run.manifest for run in Store.open(data).runs] if any(data.iterdir()) else []
    register(loaded, seen, "data")


def outcome(root):
    return evaluate([Project(root).load("learns")], Store.open(root / "data"))[0]


def said(result, *words):
    text = " | ".join(result.deviations)
    return all(word in text for word in words)


def as_planned(root):
    collect(root, PILOTS)
    frozen(root)
    collect(root, PLANNED)


def test_the_honest_way(root):
    as_planned(root)
    result = outcome(root)
    assert result.confirmatory
    assert result.verdict is Verdict.SUPPORTED
    assert result.deviations == ()
    assert result.counted == 5


# --- data -------------------------------------------------------------------------------------


def test_a_pilot_seed_trained_again_for_another_suite_is_a_pilot(root):
    """The same training under another suite, which measures more."""
    collect(root, PILOTS)
    frozen(root)
    for seed in PILOTS:
        add_run(root / "data", seed, suite="deep", tasks=("add", "mod"), noise=0.03)
    result = evaluate([Project(root).load("learns")], Store.open(root / "data"), suite="deep")[0]
    assert not result.confirmatory


def test_a_run_dropped_after_looking_is_missing(root):
    as_planned(root)
    for suffix in (".json", ".parquet"):
        (root / "data" / "sim" / f"sim-d32-s12{suffix}").unlink()
    result = outcome(root)
    assert said(result, "not complete", "1 of 5", "d32 seed 12")


def test_seeds_added_until_it_pleases_are_not_in_the_plan(root):
    as_planned(root)
    planned = outcome(root)
    collect(root, [15, 16])
    result = outcome(root)
    assert result.predictions == planned.predictions
    assert {use.why for use in result.runs if use.status == "not in the plan"} == {
        "seed 15",
        "seed 16",
    }


def test_a_claim_about_one_condition_is_not_judged_by_runs_of_another(root):
    """Runs of another scale in the plan's suite, which alone would refute."""
    collect(root, PILOTS)
    for seed in (*PILOTS, *PLANNED):
        add_run(root / "data", seed, scale="d64", n_params=900_000, tasks=("add",), learns=False)
    before = outcome(root)  # not registered: its own runs, and exploratory
    assert before.verdict is Verdict.SUPPORTED
    assert not before.confirmatory
    frozen(root)
    collect(root, PLANNED)
    result = outcome(root)
    assert (result.verdict, result.confirmatory, result.counted) == (Verdict.SUPPORTED, True, 5)
    assert sum(use.why == "scale d64" for use in result.runs) == 8


def test_runs_of_another_suite_than_the_plans_are_exploratory(root):
    as_planned(root)
    for seed in range(20, 25):
        add_run(root / "data", seed, suite="slow", tasks=("add", "mod"))
    result = evaluate([Project(root).load("learns")], Store.open(root / "data"), suite="slow")[0]
    assert result.registration == "registered"
    assert result.counted == 5
    assert not result.confirmatory
    assert said(result, "suite slow", "the plan is for suite sim", "exploratory")


def test_runs_of_other_seeds_than_the_plans_are_exploratory_evidence_until_the_plans_are_there(
    root,
):
    frozen(root)
    collect(root, [30, 31, 32])
    result = outcome(root)
    assert (result.counted, result.confirmatory) == (3, False)
    assert said(result, "other seeds than the plan's", "exploratory")
    collect(root, PLANNED)
    result = outcome(root)
    assert (result.counted, result.confirmatory, result.deviations) == (5, True, ())


def test_looking_before_the_set_is_complete_shows(root):
    collect(root, PILOTS)
    frozen(root)
    collect(root, [10, 11])
    assert said(outcome(root), "not complete", "3 of 5")


def test_a_run_whose_training_broke_off_is_said(root):
    as_planned(root)
    assert not said(outcome(root), "did not come to their end")
    add_run(
        root / "data",
        10,
        tasks=("add", "mod"),
        further={"stopped": {"step": 9}},
        name="sim-d32-s10",
    )
    assert said(outcome(root), "1 of the runs did not come to their end", "sim-d32-s10")


def test_a_run_copied_under_another_name_is_no_second_run(root):
    as_planned(root)
    add_run(root / "data", 10, name="sim-again", tasks=("add", "mod"))
    assert said(outcome(root), "repeat the training of another", "sim-again")


def test_a_file_that_was_imported_before_the_registration_is_seen_however_it_is_imported_again(
    tmp_path,
):
    """With another scale, other names and one value a run nothing else tells that the plan had seen these runs."""
    (tmp_path / "hypotheses").mkdir()
    (tmp_path / "pyproject.toml").write_text('[tool.emergence_stats]\ntraces = "data"\n')
    (tmp_path / "hypotheses" / "h.py").write_text(
        '"""Ends above."""\nimport emergence_stats as es\n\n\n'
        "def end(run):\n    return float(run.traces('accuracy').values[0, -1])\n\n\n"
        "h = es.Hypothesis(claim=es.Claim('Ends above.'), needs=es.Needs(['accuracy']),\n"
        "    predictions=[es.Prediction('end', end, es.Region.above(0.75))],\n"
        "    design=es.Design('c', ['mlp'], range(5)))\n"
    )
    rows = "".join(f"r{s},{s},0,{0.9 + 0.001 * s}\n" for s in range(5))
    (tmp_path / "q.csv").write_text("run,seed,step,accuracy\n" + rows)
    options = ("traces", "import", "q.csv", "--suite", "c", "--set", "n_params=1k")
    assert es(*options, cwd=tmp_path).returncode == 0
    assert es("register", "h", cwd=tmp_path).returncode == 0
    shutil.rmtree(tmp_path / "data")
    renamed = ("--set", "scale=mlp", "--column", "run=mlp-{seed}")
    assert es(*options, *renamed, cwd=tmp_path).returncode == 0
    shown = es("test", "h", cwd=tmp_path).stdout
    assert "exploratory" in shown
    assert "confirmatory" not in shown.replace("no confirmatory", "")


def test_a_control_on_runs_that_the_plan_had_seen_is_exploratory(root):
    module = root / "hypotheses" / "learns.py"
    text = edited(CLAIM, "import Claim,", "import shuffled_answers, Claim,")
    module.write_text(
        edited(text, "    design=", '    controls=[shuffled_answers("shuffled")],\n    design=')
    )
    collect(root, PILOTS)
    for seed in PLANNED:
        add_run(root / "data", 100 + seed, suite="shuffled", tasks=("add", "mod"))
    frozen(root)
    collect(root, PLANNED)
    result = outcome(root)
    assert result.confirmatory
    (control,) = result.controls
    assert "5 runs of shuffled, exploratory" in control_text(control, result)
    assert "5 runs of shuffled, exploratory" in to_markdown([result])


def test_the_order_of_the_store_changes_nothing(root, tmp_path):
    as_planned(root)
    before = outcome(root)
    moved = tmp_path / "moved"
    shutil.copytree(root / "data" / "sim", moved)
    shutil.rmtree(root / "data" / "sim")
    (root / "data" / "sim").mkdir()
    for path in sorted(moved.iterdir(), reverse=True):
        shutil.copy(path, root / "data" / "sim" / path.name)
    assert outcome(root).to_dict() == before.to_dict()


def test_edited_traces_are_an_error(root):
    as_planned(root)
    path = root / "data" / "sim" / "sim-d32-s10.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(TraceError, match="sim-d32-s10"):
        outcome(root)


def test_a_run_whose_seed_is_changed_to_a_planned_one_is_an_error(root):
    as_planned(root)
    path = root / "data" / "sim" / "sim-d32-s10.json"
    fields = json.loads(path.read_text())
    for config in ({"simulated": True}, {"seed": 10}, {"seed": "10a"}):
        path.write_text(json.dumps(fields | {"config": config}))
        assert len(Store.open(root / "data").runs) == len(PILOTS) + len(PLANNED)
    for seed in (99, 99.0):
        path.write_text(json.dumps(fields | {"config": {"seed": seed}}))
        with pytest.raises(TraceError, match="seed 10, but its config has seed 99"):
            outcome(root)


# --- plans ------------------------------------------------------------------------------------


def test_an_estimator_edited_after_registration_makes_it_exploratory(root):
    as_planned(root)
    module = root / "hypotheses" / "learns.py"
    edit(module, ".mean()", ".max()")
    result = outcome(root)
    assert not result.confirmatory
    assert result.registration == "amended"
    assert any("learns.py: changed" in change for change in result.plan.changes)


def test_a_helper_edited_after_registration_makes_it_exploratory(root):
    as_planned(root)
    (root / "hypotheses" / "_shared.py").write_text(edited(SHARED, "-last:", "-2 * last:"))
    result = outcome(root)
    assert not result.confirmatory
    assert any("_shared.py: changed" in change for change in result.plan.changes)


def test_a_region_moved_after_seeing_the_data_and_registered_again_is_exploratory(root):
    as_planned(root)
    module = root / "hypotheses" / "learns.py"
    edit(module, "at_least(0.5)", "at_least(0.9)")
    frozen(root)
    result = outcome(root)
    assert result.registration == "registered"
    assert not result.confirmatory
    assert result.basis == "exploratory"
    assert said(result, "registered 2 times")


def test_a_region_moved_and_moved_back_was_registered_three_times(root):
    """Back to the first plan, all runs have been seen by a plan all the same."""
    as_planned(root)
    module = root / "hypotheses" / "learns.py"
    original = module.read_text()
    for text in (edited(original, "at_least(0.5)", "at_least(0.9)"), original):
        module.write_text(text)
        frozen(root)
    result = outcome(root)
    assert not result.confirmatory
    assert said(result, "registered 3 times")


def test_registering_after_the_data_exist_is_exploratory(root):
    collect(root, PLANNED)
    frozen(root)
    assert not outcome(root).confirmatory


def test_registering_while_the_data_lie_elsewhere_shows_by_their_dates(root):
    early = (datetime.now(UTC) - timedelta(hours=3)).isoformat(timespec="seconds")
    frozen(root)
    collect(root, PLANNED, created=early)  # brought in after the registration
    assert said(outcome(root), "5 of the unseen runs are dated before the registration")


def altered(root, change):
    """Change the lock as somebody would who also mends the hashes."""
    from emergence_stats.claims.registration import digest

    path = root / "hypotheses" / "learns.lock"
    lock = json.loads(path.read_text())
    change(lock["entries"])
    before = ""
    for entry in lock["entries"]:
        entry["previous"] = before
        before = entry["digest"] = digest({k: v for k, v in entry.items() if k != "digest"})
    path.write_text(json.dumps(lock))


def test_a_clock_set_back_before_registering_again_shows(root):
    as_planned(root)
    module = root / "hypotheses" / "learns.py"
    edit(module, "at_least(0.5)", "at_least(0.4)")
    frozen(root)
    altered(root, lambda entries: entries[1].update(registered="2020-01-01T00:00:00+00:00"))
    collect(root, [20])
    assert said(outcome(root), "registration 2 is dated before the one that it follows")


def test_runs_from_a_clock_set_forward_show(root):
    collect(root, PILOTS)
    frozen(root)
    late = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds")
    collect(root, PLANNED, created=late)
    assert said(outcome(root), "dated in the future")


def test_an_edited_lock_is_an_error(root):
    as_planned(root)
    path = root / "hypotheses" / "learns.lock"
    edit(path, "sim-d32-s1", "sim-d32-s9")
    with pytest.raises(RegistrationError, match="altered"):
        outcome(root)


def test_a_lock_taken_away_leaves_it_unregistered(root):
    as_planned(root)
    (root / "hypotheses" / "learns.lock").unlink()
    result = outcome(root)
    assert result.registration == "unregistered"
    assert not result.confirmatory


def test_an_entry_taken_from_the_middle_is_an_error(root):
    as_planned(root)
    module = root / "hypotheses" / "learns.py"
    for threshold in ("0.4", "0.3"):
        module.write_text(edited(CLAIM, "at_least(0.5)", f"at_least({threshold})"))
        frozen(root)
    path = root / "hypotheses" / "learns.lock"
    lock = json.loads(path.read_text())
    del lock["entries"][1]
    path.write_text(json.dumps(lock))
    with pytest.raises(RegistrationError, match="altered"):
        state_of(Project(root).load("learns"))


# --- slips of the pen ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("predictions=[", "multiverse={'lats': [1, 2]}, predictions=["),
        ("predictions=[", "controls=[C('x', 'y', keywords={'lats': 2})], predictions=["),
        ("predictions=[", "controls=[C('x', 'y')], predictions=["),
        ("predictions=[", "controls=[C('x', 'y', suite='s', predictions=['z'])], predictions=["),
        ("needs=", "neeeds="),
        ('measures=["accuracy"]', 'measure=["accuracy"]'),
    ],
)
def test_a_mistyped_name_is_an_error(root, old, new):
    text = edited(edited(CLAIM, "import Claim", "import Control as C, Claim"), old, new)
    (root / "hypotheses" / "learns.py").write_text(text)
    collect(root, PLANNED)
    with pytest.raises(HypothesisError, match="learns"):
        outcome(root)


def test_a_nan_is_an_error(root):
    collect(root, PLANNED)
    (root / "hypotheses" / "_shared.py").write_text(SHARED.rstrip() + " * float('nan')\n")
    with pytest.raises(EmergenceStatsError, match="nan"):
        outcome(root)


def test_a_dropped_seed_changes_the_interval(root):
    as_planned(root)
    whole = outcome(root).predictions[0].estimate
    for suffix in (".json", ".parquet"):
        (root / "data" / "sim" / f"sim-d32-s14{suffix}").unlink()
    fewer = outcome(root).predictions[0].estimate
    assert fewer.n_runs == whole.n_runs - 1
    assert fewer.interval != whole.interval
