"""The command line as a user meets it: what it prints, and the status that it ends with."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergence_stats.core.regions import Region
from emergence_stats.core.verdicts import Verdict
from emergence_stats.traces.scan import scan
from tests.support import (
    HYPOTHESIS,
    ROOT,
    add_run,
    edit,
    edited,
    es,
    es_process,
    failed,
    fill,
    result_of,
)

# --- planted truths on the shipped hypotheses -------------------------------------------------


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Two scales, eight seeds each: top-down collapse, floor 2 at both scales."""
    path = tmp_path_factory.mktemp("planted")
    for seed in range(8):
        add_run(path, seed, scale="d32", n_params=50_000)
        add_run(path, seed, scale="d64", n_params=10_500_000)
    return path


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory):
    """The same with layers in random order, and no top-down collapse."""
    path = tmp_path_factory.mktemp("shuffled")
    for seed in range(8):
        add_run(path, seed, scale="d32", n_params=50_000, top_down=False)
        add_run(path, seed, scale="d64", n_params=10_500_000, top_down=False)
    return path


def test_a_planted_top_down_collapse_is_supported(planted):
    done = es("test", "top_down", "--traces", planted, "--json", cwd=ROOT)
    result = result_of(done)
    assert done.returncode == 0
    assert result["verdict"] == "supported"
    assert result["predictions"][0]["n_runs"] == 16
    assert result["predictions"][0]["region"] == [0.05, None]
    assert result["confirmatory"] in (True, False)
    assert result["reported"]["v1"].startswith("32/32")


def test_a_random_layer_order_is_refuted(shuffled):
    done = es("test", "top_down", "--traces", shuffled, "--json", cwd=ROOT)
    assert done.returncode == 1
    assert result_of(done)["verdict"] == "refuted"


def test_a_collapse_that_all_tasks_share_is_no_precursor(planted):
    result = result_of(es("test", "precursor_rates", "--traces", planted, "--json", cwd=ROOT))
    share, *more = result["predictions"]
    assert share["estimate"] == 1.0
    assert more[0]["verdict"] != "supported"
    assert result["verdict"] != "supported"


def test_a_report_of_everything_has_every_claim(planted):
    done = es("report", "--all", "--traces", planted, "--json", cwd=ROOT)
    names = {result["name"] for result in json.loads(done.stdout)["results"]}
    assert names == {p.stem for p in (ROOT / "hypotheses").glob("*/*.py") if p.stem[0] != "_"}
    assert len(names) == 24
    assert done.returncode in (1, 3)


def test_runs_outside_the_region_are_shown_where_a_run_can_be(shuffled, planted):
    shown = es("test", "top_down", "--traces", shuffled, cwd=ROOT).stdout
    assert re.search(r"1\d of 16 runs outside the region of log steps per block", shown)
    shown = es("test", "larger_learn_earlier", "--traces", planted, cwd=ROOT).stdout
    assert "log step, easy" in shown
    assert "outside the region of log step" not in shown  # one run has no slope


def test_markdown_and_files(planted, tmp_path):
    target = tmp_path / "report.md"
    done = es(
        "report", "--all", "--traces", planted, "--format", "markdown", "-o", target, cwd=ROOT
    )
    assert done.stdout == ""
    assert "| top_down | + supported * |" in target.read_text()


# --- somebody else's project ------------------------------------------------------------------


def test_a_project_of_ones_own(project):
    fill(project, range(5))
    done = es("test", "learns", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "PASS (supported)" in done.stdout
    assert "\x1b" not in done.stdout
    assert result_of(es("test", "learns", "--json", cwd=project))["registration"] == "unregistered"


def test_registration_then_new_runs_are_confirmatory(project):
    fill(project, range(3))
    assert es("register", "learns", cwd=project).returncode == 0
    before = result_of(es("test", "learns", "--json", cwd=project))
    assert before["registration"] == "registered"
    assert before["confirmatory"] is False
    assert before["predictions"][0]["n_runs"] == 3
    fill(project, range(3, 8))
    after = result_of(es("test", "learns", "--json", cwd=project))
    assert after["confirmatory"] is True
    assert after["predictions"][0]["n_runs"] == 5
    assert after["run_counts"] == {"pilot": 3, "counted": 5}


def test_an_edited_hypothesis_is_amended_and_says_what_changed(project):
    fill(project, range(3))
    es("register", "learns", cwd=project)
    fill(project, range(3, 8))
    module = project / "hypotheses" / "learns.py"
    edit(module, "at_least(0.5)", "at_least(0.4)")
    result = result_of(es("test", "learns", "--json", cwd=project))
    assert result["registration"] == "amended"
    assert result["confirmatory"] is False
    assert "predictions.final accuracy.region.lo: 0.5 -> 0.4" in result["changes"]
    verified = es("register", "--check", cwd=project)
    assert verified.returncode == 1
    assert "learns: amended" in verified.stdout
    # Registered anew, all those runs have been seen; the old entry stays.
    es("register", "learns", cwd=project)
    result = result_of(es("test", "learns", "--json", cwd=project))
    assert result["registration"] == "registered"
    assert result["confirmatory"] is False
    lock = json.loads((project / "hypotheses" / "learns.lock").read_text())
    assert len(lock["entries"]) == 2


def test_a_pilot_under_another_name_is_still_a_pilot(project):
    fill(project, range(3))
    es("register", "learns", cwd=project)
    for path in (project / "data" / "sim").iterdir():
        path.unlink()
    for seed in range(3):  # the same seed and configuration, another name and other bytes
        add_run(project / "data", seed, name=f"fresh-{seed}", tasks=("add", "mod"), noise=0.02)
    result = result_of(es("test", "learns", "--json", cwd=project))
    assert result["confirmatory"] is False
    assert result["run_counts"] == {"counted": 3}


def test_runs_that_an_earlier_plan_saw_stay_seen(project):
    fill(project, range(3))
    es("register", "learns", cwd=project)
    aside = project / "aside"
    (project / "data" / "sim").rename(aside)
    fill(project, [9])
    module = project / "hypotheses" / "learns.py"
    edit(module, "at_least(0.5)", "at_least(0.4)")
    es("register", "learns", cwd=project)  # sees seed 9 alone
    for path in aside.iterdir():
        path.rename(project / "data" / "sim" / path.name)
    result = result_of(es("test", "learns", "--json", cwd=project))
    assert result["confirmatory"] is False
    assert result["run_counts"] == {"counted": 4}


def test_an_altered_lock_is_an_error(project):
    fill(project, range(3))
    es("register", "learns", cwd=project)
    lock = project / "hypotheses" / "learns.lock"
    edit(lock, "sim-d32-s0", "sim-d32-s9")
    failed(es("test", "learns", cwd=project), "learns.lock", "altered")


def test_a_missing_lock_fails_the_check(project):
    done = es("register", "--check", cwd=project)
    assert done.returncode == 1
    assert "learns" in done.stderr


def test_recorded_verdicts_notice_a_change(project):
    fill(project, range(5))
    failed(es("check", cwd=project), "verdicts.lock", "--update")
    assert es("check", "--update", cwd=project).returncode == 0
    assert es("check", cwd=project).returncode == 0
    fill(project, [5])
    done = es("check", cwd=project)
    assert done.returncode == 1
    assert "runs 5 -> 6" in done.stdout


def test_a_record_that_agrees_is_kept_and_one_without_runs_is_named(project):
    fill(project, range(5))
    assert es("check", "--update", cwd=project).returncode == 0
    lock = project / "hypotheses" / "verdicts.lock"
    record = json.loads(lock.read_text())
    record["verdicts"]["learns"]["predictions"]["final accuracy"]["estimate"] += 1e-15
    lock.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    before = lock.read_text()
    done = es("check", "--update", cwd=project)
    assert "note" not in done.stdout
    assert lock.read_text() == before
    fill(project, [0], suite="other")
    done = es("check", "--update", cwd=project)
    assert (
        "note: learns is recorded without any run: the store has suites other, sim" in done.stdout
    )


def test_an_amended_plan_says_what_undoes_it_and_what_registering_again_costs(project):
    fill(project, range(2))
    es("register", "learns", cwd=project)
    edit(project / "hypotheses" / "learns.py", "at_least(0.5)", "at_least(0.4)")
    (project / "hypotheses" / "second.py").write_text(HYPOTHESIS)
    done = es("register", "--check", cwd=project)
    assert done.returncode == 1
    assert "1 of 2 plans amended: learns. Undo the changes above" in done.stderr
    assert "needs new runs" in done.stderr
    assert "not registered yet: second. Freeze with: emergence-stats register second" in done.stderr


def test_orphaned_and_missing_records_both_fail(project):
    fill(project, range(5))
    es("check", "--update", cwd=project)
    module = project / "hypotheses" / "learns.py"
    module.rename(module.with_name("other.py"))
    done = es("check", cwd=project)
    assert done.returncode == 1
    assert "learns: recorded, but there is no such hypothesis" in done.stdout
    assert "other: no recorded verdict" in done.stdout


# --- how far a verdict holds ------------------------------------------------------------------


def test_a_multiverse_is_shown_drawn_and_kept_for_reports(varied_project, tmp_path):
    picture = tmp_path / "curve.svg"
    options = ("--jobs", 1, "-o", picture, "-v")
    done = es("multiverse", "learns", *options, cwd=varied_project, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "learns: the claim is supported in 3 of 3 analyses (100%)" in done.stdout
    assert "no single choice changes the verdict" in done.stdout
    assert picture.read_text().count("<svg") == 1
    assert (tmp_path / "emergence-stats").is_dir()
    assert es("multiverse", "learns", "--jobs", 1, "--record", cwd=varied_project).returncode == 0
    shown = es("test", "learns", cwd=varied_project).stdout
    assert "multiverse  the claim is supported in 3 of 3 analyses" in shown
    assert "power  not recorded" in shown
    result = result_of(es("test", "learns", "--json", cwd=varied_project))
    assert result["multiverse"]["analyses"] == 3


def test_json_of_multiverse_and_power_is_json_and_nothing_else(varied_project, tmp_path):
    for command, rows in (("multiverse", "specifications"), ("power", "rows")):
        done = es(
            command, "learns", "--json", *(["--draws", 20, "--most", 3] if rows == "rows" else []),
            cwd=varied_project, XDG_CACHE_HOME=str(tmp_path),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)[rows]) >= 2


def test_power_says_how_many_runs(varied_project):
    done = es("power", "learns", "--draws", 50, "--most", 5, cwd=varied_project)
    assert done.returncode == 0, done.stderr
    assert "all runs there are: the plan saw none" in done.stdout
    assert re.search(r"supported with a chance of 80%: \d+ runs", done.stdout)


def test_questions_that_make_no_sense_are_errors_at_once(varied_project):
    failed(es("multiverse", cwd=varied_project), "--all")
    failed(es("multiverse", "learns", "-o", "curve.txt", cwd=varied_project), "curve.txt", ".svg")
    failed(
        es("multiverse", "learns", "--prediction", "x", cwd=varied_project),
        "no prediction 'x'", "final accuracy",
    )  # fmt: skip
    failed(es("power", "learns", "--suite", "none", cwd=varied_project), "none", "sim")


def test_a_report_shows_controls_and_many_claims_at_once(planted):
    done = es("report", "--all", "--traces", planted, cwd=ROOT)
    assert "5 p-values, adjusted over the claims" in done.stdout
    done = es("report", "--all", "--traces", planted, "-v", cwd=ROOT)
    assert "p-values of 5 claims" in done.stdout
    shown = es("test", "precursor_rates", "--traces", planted, cwd=ROOT).stdout
    assert "control  surrogate traces (16 runs of sim" in shown
    assert (
        "shuffled answers: no value" in es("test", "top_down", "--traces", planted, cwd=ROOT).stdout
    )
    bare = es("test", "precursor_rates", "--no-controls", "--traces", planted, cwd=ROOT).stdout
    assert "control  surrogate traces" not in bare


def test_what_became_of_runs_is_counted_and_each_is_told_on_request(project):
    fill(project, range(12))
    es("register", "learns", cwd=project)
    fill(project, range(12, 15))
    fill(project, [0], suite="other")
    shown = es("test", "learns", "--suite", "sim", "-v", cwd=project).stdout
    assert "12 runs pilot: the plan had seen it when it was registered (sim-d32-s[0-11])" in shown
    assert "3 runs counted (sim-d32-s[12-14])" in shown
    assert "1 run of suite other: other suite" in shown
    assert "sim-d32-s3  pilot" not in shown
    assert "sim-d32-s12  0.9" in shown  # values are shown all the same
    each = es("test", "learns", "--suite", "sim", "-vv", cwd=project).stdout
    for seed in range(12):
        assert f"sim-d32-s{seed}  pilot: the plan had seen it" in each


# --- bad input --------------------------------------------------------------------------------


def test_an_unknown_hypothesis_is_answered_with_the_nearest(project):
    failed(es("test", "lerns", cwd=project), "'lerns'", "did you mean 'learns'?")


def test_a_claim_that_names_no_suite_is_asked_for_one_where_there_are_several(project):
    fill(project, range(2))
    fill(project, range(2), suite="other")
    es("new", "my_claim", cwd=project)
    failed(
        es("test", "my_claim", cwd=project),
        "my_claim",
        "no design",
        "other, sim",
        "--suite",
        "es.Design('other'",
    )
    assert es("test", "my_claim", "--suite", "sim", cwd=project).returncode == 0
    assert es("report", cwd=project).returncode == 3  # a report says it of each such claim
    assert "declares no design" in es("register", "my_claim", cwd=project).stderr


def test_an_empty_store_is_an_error(project):
    failed(es("test", "learns", cwd=project), "empty", "collect")
    failed(es("traces", "validate", cwd=project), "empty")


def test_a_store_that_is_not_there_is_an_error(project):
    failed(es("test", "learns", "--traces", "nowhere", cwd=project), "nowhere")
    failed(es("test", "learns", "--traces", "what://ever", cwd=project), "what://ever")


def test_a_broken_store_is_an_error(project):
    fill(project, range(2))
    path = project / "data" / "sim" / "sim-d32-s1.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    failed(es("test", "learns", cwd=project), "sim-d32-s1.parquet", "sha256")
    failed(es("traces", "validate", cwd=project), "sim-d32-s1.parquet", "sha256")


def test_traces_that_lack_a_measure_are_inconclusive(project):
    module = project / "hypotheses" / "learns.py"
    edit(module, 'measures=["accuracy"]', 'measures=["llc"]')
    fill(project, range(3))
    done = es("test", "learns", "--json", cwd=project)
    assert done.returncode == 3
    assert "lacks llc" in result_of(done)["reason"]
    assert result_of(done)["run_counts"] == {"refused": 3}


def test_a_shipped_claim_without_traces_names_the_command(project, tmp_path):
    store = tmp_path / "other"
    add_run(store, 0, n_layers=2)
    done = es("test", "top_down", "--traces", store, "--json", cwd=ROOT)
    assert done.returncode == 3
    assert "emergence-stats collect top_down" in result_of(done)["reason"]


def test_one_run_is_inconclusive(project):
    fill(project, [0])
    done = es("test", "learns", "--json", cwd=project)
    assert done.returncode == 3
    assert "needs two" in result_of(done)["reason"]


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("import Claim", "import Clam, Claim", "Clam"),
        ("Region.at_least(0.5)", "Region.between(1, 0)", "empty"),
        ('claim=Claim("Models learn the tasks."),', 'level=95.0, claim=Claim("x"),', "95.0"),
        ("def final_accuracy", "def final accuracy", "learns.py:6"),
        ("learns = Hypothesis", "learns = dict", "no Hypothesis"),
    ],
)
def test_a_module_that_declares_nonsense_is_named(project, old, new, word):
    fill(project, [0])
    (project / "hypotheses" / "learns.py").write_text(edited(HYPOTHESIS, old, new))
    failed(es("test", "learns", cwd=project), "learns.py", word)


@pytest.mark.parametrize(
    ("design", "word"),
    [
        ('Design("sim", ["d32"], "2345")', "'2345'"),
        ('Design("sim", ["d32"], [1, True])', "True"),
        ('Design("sim", ["d32"], [1, 2, 1])', "seed 1 twice"),
        ('Design("sim", ["d32", "d32"], [1])', "scale 'd32' twice"),
    ],
)
def test_a_design_that_no_run_fits_is_named(project, design, word):
    fill(project, [0])
    module = project / "hypotheses" / "learns.py"
    edit(module, "import Claim", "import Design, Claim")
    edit(module, "    predictions=", f"    design={design},\n    predictions=")
    failed(es("register", "learns", cwd=project), "learns.py", word)


def test_a_declaration_that_json_cannot_hold_is_named(project):
    edit(project / "hypotheses" / "learns.py", "last=1", "last=1, least=float('nan')")
    failed(es("register", "learns", cwd=project), "learns.py", "cannot be written down")


def test_an_estimate_that_fails_is_an_error_and_no_verdict(project):
    fill(project, range(3))
    module = project / "hypotheses" / "learns.py"
    module.write_text(edited(HYPOTHESIS, ".mean()", ".mean() / {}['x']"))
    failed(es("test", "learns", cwd=project), "final accuracy", "KeyError", "learns.py:8")
    module.write_text(edited(HYPOTHESIS, ".mean()", ".mean() * float('nan')"))
    failed(es("test", "learns", cwd=project), "nan", "Undefined")


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("report.html", "<!doctype html>"),
        ("report.HTML", "<!doctype html>"),
        ("report.md", "| hypothesis |"),
        ("report.json", "{"),
        ("report.xml", "<?xml"),
        ("report.csv", "hypothesis,verdict,"),
        ("report.txt", "hypothesis  verdict"),
        ("report", "hypothesis  verdict"),
    ],
)
def test_the_suffix_of_a_report_decides_its_format(project, name, begins):
    fill(project, range(2))
    done = es("report", "-o", name, cwd=project)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (project / name).read_text().startswith(begins)


def test_a_suffix_that_says_nothing_is_an_error_unless_a_format_is_named(project):
    fill(project, range(2))
    for command in (("report",), ("check",), ("describe", "learns")):
        failed(es(*command, "-o", "x.pdf", cwd=project), "x.pdf", ".json", "--format")
    assert es("report", "-o", "x.pdf", "--format", "json", cwd=project).returncode == 0
    assert es("check", "--update", cwd=project).returncode == 0
    assert es("check", "-o", "x.xml", cwd=project).returncode == 0
    assert (project / "x.xml").read_text().startswith("<?xml")
    assert es("describe", "learns", "-o", "x.md", cwd=project).returncode == 0
    assert "## Claim" in (project / "x.md").read_text()


def test_a_table_of_a_report_has_the_numbers_in_full(project):
    import csv

    fill(project, range(4))
    result = result_of(es("test", "learns", "--json", cwd=project))
    (row,) = csv.DictReader(es("report", "--format", "csv", cwd=project).stdout.splitlines())
    (prediction,) = result["predictions"]
    assert float(row["estimate"]) == prediction["estimate"]
    assert [float(row["low"]), float(row["high"])] == prediction["interval"]
    assert (row["region_low"], row["region_high"]) == ("0.5", "")
    assert (row["hypothesis"], row["runs"], row["basis"]) == ("learns", "4", "exploratory")


def test_a_text_that_a_spreadsheet_would_run_as_a_formula_is_text(project):
    import csv

    fill(project, range(4))
    edit(project / "hypotheses" / "learns.py", '"final accuracy"', '"=HYPERLINK(1)"')
    (row,) = csv.DictReader(es("report", "--format", "csv", cwd=project).stdout.splitlines())
    assert row["prediction"] == "'=HYPERLINK(1)"
    assert float(row["estimate"]) > 0


def test_runs_that_cannot_be_used_are_not_said_to_be_made_anew(project):
    """They are there, and often somebody's own: `collect` mends nothing."""
    claim = project / "hypotheses" / "learns.py"
    edit(claim, "import Claim", "import Claim, Design")
    edit(claim, "(0.5))],", '(0.5))],\n    design=Design("pocket_long", ("d32",), (5, 6)),')
    edit(claim, 'measures=["accuracy"]', 'measures=["accuracy", "sharpness"]')
    fill(project, (5, 6), suite="pocket_long")
    done = es("test", "learns", cwd=project).stdout
    assert "sharpness" in done
    assert "make them with" not in done


def test_a_plan_that_is_no_test_does_not_have_to_be_registered(project):
    """`register` would refuse it, so `register --check` cannot ask for it; it says why."""
    claim = project / "hypotheses" / "learns.py"
    edit(claim, "import Claim", "import Claim, Design, Share")
    edit(claim, "(0.5))],", '(0.9), Share())],\n    design=Design("sim", ("d32",), (5, 6)),')
    done = es("register", "--check", cwd=project)
    assert done.returncode == 0
    assert "2 runs cannot support" in done.stderr
    assert "cannot be registered" in done.stderr
    edit(claim, "(5, 6)", "range(80)")
    done = es("register", "--check", cwd=project)
    assert done.returncode == 1
    assert "not registered yet: learns" in done.stderr


def test_a_report_that_cannot_be_written_is_an_error(project):
    fill(project, range(2))
    for output in ("nowhere/report.json", "/dev/full"):
        done = es("report", "--all", "--format", "json", "-o", output, cwd=project)
        failed(done, "there is no folder" if output[0] == "n" else "No space left")
    assert not (project / "nowhere").exists()


def test_output_that_cannot_be_written_is_an_error(project):
    fill(project, range(2))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "emergence_stats", "test", "learns", "--json"],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_fault(project):
    fill(project, range(2))
    command = f"{sys.executable} -m emergence_stats test learns -v --json"
    done = subprocess.run(["bash", "-c", f"{command} | true"], capture_output=True, text=True)
    assert done.stderr == ""


def test_a_collection_that_makes_no_sense_is_an_error(tmp_path):
    failed(es("collect", "--suite", "pock", cwd=ROOT), "'pock'", "smoke")
    failed(es("collect", "--suite", "smoke", "--scale", "d9", cwd=ROOT), "'d9'", "d16L4")
    failed(es("collect", "--suite", "smoke", "--device", "tpu", cwd=ROOT), "'tpu'")
    failed(es("collect", "--suite", "smoke", "--engine", "jax", cwd=ROOT), "'jax'")
    failed(es("collect", "top_down", "--suite", "smok", cwd=ROOT), "'smok'", "smoke")


def test_a_mistyped_setting_is_named(project):
    (project / "pyproject.toml").write_text("[tool.emergence_stats]\ntrases = 'x'\n")
    failed(es("list", cwd=project), "'trases'", "did you mean 'traces'?")


# --- manners ----------------------------------------------------------------------------------


def test_analysis_imports_no_torch_and_help_no_numpy(project):
    fill(project, range(3))
    script = (
        "import sys, emergence_stats as es; es.test('learns'); "
        "sys.exit('torch' in sys.modules or 'training' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=project).returncode == 0
    script = "import sys, emergence_stats.interfaces.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_runs_do_not_stay_in_memory(project):
    """What is kept of a run is its values: traces go when all hypotheses have seen them."""
    import gc

    from emergence_stats.claims.project import Project
    from emergence_stats.core.runs import Run
    from emergence_stats.evaluation.evaluate import evaluate
    from emergence_stats.evaluation.reading import AHEAD
    from emergence_stats.traces.store import Store

    fill(project, range(12))
    alive = []

    def count(done, total):
        gc.collect()
        alive.append(sum(type(o) is Run for o in gc.get_objects()))

    evaluate([Project(project).load("learns")], Store.open(project / "data"), progress=count)
    assert len(alive) == 12
    assert max(alive) <= 2 + AHEAD + 1  # at work, the one before, read ahead, being read


def test_two_calls_agree_to_the_last_digit(project):
    fill(project, range(5))
    assert (
        es("test", "learns", "--json", cwd=project).stdout
        == es("test", "learns", "--json", cwd=project).stdout
    )


def test_names_are_shown_as_they_are():
    from io import StringIO

    from rich.console import Console

    from emergence_stats.reports.console import print_table

    for terminal in (True, False):
        shown = StringIO()
        console = Console(file=shown, force_terminal=terminal, color_system=None, width=80)
        print_table(console, ("name", "CI"), [("[bold]x[/bold]", "[-1, 2]")])
        assert "[bold]x[/bold]" in shown.getvalue()
        assert "[-1, 2]" in shown.getvalue()


@pytest.mark.parametrize(
    ("interval", "region", "shown"),
    [
        ((-0.9, -0.7), Region.at_most(-0.3), r"-1 \|#+\[=*o=*\]#+-+\| -0.2"),
        ((0.5, 0.7), Region.at_least(0.75), r"0.45 \|-+\[=*o=*\]-*#+\| 0.8"),
        ((-0.3, 0.3), Region.between(-0.1, 0.1), r"-0.4 \|-+\[=+o=+\]-+\| 0.4"),
        ((0.0, 0.0), Region.between(-0.1, 0.1), r"-0.15 \|-+#+o#+-+\| 0.15"),
        ((4.0, 9.0), Region.above(0.0), r"-2 \|-+0#+\[=+o=+\]#+\| 10"),
    ],
)
def test_the_bar_shows_where_the_interval_lies(interval, region, shown):
    from emergence_stats.core.intervals.estimates import Estimate
    from emergence_stats.evaluation.results import PredictionResult
    from emergence_stats.reports.console import interval_bar

    value = sum(interval) / 2
    estimate = Estimate(value, interval, 0.95, None, None, 5, "none")
    result = PredictionResult("p", estimate, region, Verdict.SUPPORTED, "", "run", 5, ())
    assert re.fullmatch(rf" *{shown}", interval_bar(result))


@given(
    st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0.001, 1e3), st.sampled_from(["lo", "hi"])
)
def test_the_bar_has_room_for_the_interval_and_the_region(lo, width, edge, side):
    from emergence_stats.core.intervals.estimates import Estimate
    from emergence_stats.evaluation.results import PredictionResult
    from emergence_stats.reports.console import interval_bar

    estimate = Estimate(lo + width / 2, (lo, lo + width), 0.95, None, None, 5, "none")
    region = Region(**{side: edge})
    shown = interval_bar(
        PredictionResult("p", estimate, region, Verdict.SUPPORTED, "", "run", 5, ())
    )
    left, line, right = shown.split("|")
    assert len(line) == 41
    assert line.count("o") == 1
    assert float(left) <= lo + 1e-2 * abs(lo)
    assert float(right) >= lo + width - 1e-2 * abs(lo + width)


def test_list_and_describe(project):
    assert "learns" in es("list", cwd=project).stdout
    words = es("describe", "top_down", cwd=ROOT).stdout
    assert ">= 0.05" in words
    assert "fraction=0.5" in words
    declared = json.loads(es("describe", "top_down", "--json", cwd=ROOT).stdout)
    assert declared["design"]["seeds"] == list(range(102, 112))


def test_describe_reads_as_methods_and_fills_the_forms(project):
    fill(project, [0])
    es("register", "learns", cwd=project)
    methods = es("describe", "learns", "--format", "markdown", cwd=project).stdout
    headings = [line[3:] for line in methods.splitlines() if line.startswith("## ")]
    assert headings[:6] == ["Claim", "Data", "Sample", "Exclusions", "Predictions", "Inference"]
    assert "final accuracy: claimed >= 0.5. Mean accuracy at the end. Choices: last=1." in methods
    plan = json.loads(
        es("describe", "learns", "--form", "aspredicted", "--json", cwd=project).stdout
    )
    questions = plan["form"]["fields"]
    assert len(questions) == 9
    assert "1 training runs existed" in next(iter(questions.values()))
    assert all(questions.values())
    assert es("describe", "learns", "--form", "osf", "-o", "plan.md", cwd=project).returncode == 0
    written = (project / "plan.md").read_text()
    assert "## Stopping rule" in written
    assert plan["plan"] in written


def test_plan_says_what_is_missing(project, tmp_path):
    done = es("plan", "top_down", "--traces", tmp_path / "none", cwd=ROOT)
    assert "50 missing" in done.stdout
    assert "emergence-stats collect top_down" in done.stdout


def test_plan_of_another_suite_has_the_runs_that_can_be_used(tmp_path):
    done = es("plan", "top_down", "--suite", "smoke", "--traces", tmp_path / "none", cwd=ROOT)
    assert "2 runs, none of them in the plan" in done.stdout
    assert "d16L4" in done.stdout
    assert "d8L2" not in done.stdout  # two blocks show no order
    assert "emergence-stats collect top_down --suite smoke" in done.stdout
    control = "suite pocket_long_shuffled, 0 runs there: emergence-stats collect --suite pocket_long_shuffled"
    assert f"for a control: {control}" in done.stdout


def test_a_hypothesis_without_design_has_no_plan_but_that_of_a_suite(project):
    failed(es("plan", "learns", cwd=project), "no design", "--suite")
    assert "4 missing" in es("plan", "learns", "--suite", "smoke", cwd=project).stdout


def test_plan_says_what_each_measure_costs(tmp_path):
    for seed, spent in ((8, 10.0), (9, 30.0)):
        add_run(
            tmp_path, seed, suite="pocket_long", scale="d24L4", tasks=("add",),
            further={"seconds": 2 * spent, "seconds_by_measure": {"llc": spent, "hessian_top": 1.0}},
        )  # fmt: skip
    add_run(  # one that diverged after a second tells nothing of what a whole one takes
        tmp_path, 10, suite="pocket_long", scale="d24L4", tasks=("add",),
        further={"seconds": 1.0, "stopped": {"last_step": 3, "error": "the loss is nan at step 4"}},
    )  # fmt: skip
    done = es("plan", "top_down", "--traces", tmp_path, cwd=ROOT)
    assert "d24L4  40 s a run" in done.stdout
    assert "of these: llc 20 s, hessian_top 1 s" in done.stdout


def test_collect_fills_a_store_that_can_be_tested(tmp_path):
    pytest.importorskip("torch")
    store = tmp_path / "store"
    smoke = ("collect", "--suite", "smoke", "--scale", "d16L4", "--traces", store)
    done = es_process(*smoke, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "2 runs collected" in done.stdout
    assert es("traces", "validate", store, cwd=ROOT).returncode == 0
    done = es("test", "top_down", "--traces", store, "--json", cwd=ROOT)
    assert result_of(done)["predictions"][0]["n_runs"] == 2
    assert "0 runs collected" in es(*smoke, cwd=ROOT).stdout


@pytest.mark.parametrize("command", [("collect", "--suite", "smoke"), ("traces", "ls"), ("test",)])
def test_a_file_is_no_store(project, command):
    (project / "runs.csv").write_text("step,loss\n")
    failed(es(*command, "--traces", "runs.csv", cwd=project), "runs.csv is a file", "traces import")


def test_a_command_imports_pyarrow_without_pandas(project):
    pytest.importorskip("pandas")
    fill(project, range(3))
    script = (
        "import sys; from emergence_stats.__main__ import main\n"
        "sys.argv = ['emergence-stats', 'test', 'learns']\n"
        "try: main()\n"
        "except SystemExit: assert 'pandas' not in sys.modules\n"
        "import pyarrow as pa\n"
        "assert list(pa.table({'a': [1]}).to_pandas()['a']) == [1]\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True)
    assert done.returncode == 0, done.stderr
    # A hypothesis that works with pandas has it.
    module = project / "hypotheses" / "learns.py"
    uses = "import pandas as pd, pyarrow as pa\n" + edited(
        HYPOTHESIS,
        "return run",
        "assert pa.array(pd.Series([1.0, float('nan')])).null_count; return run",
    )
    module.write_text(uses)
    assert es("test", "learns", cwd=project).returncode == 0


def test_collect_without_torch_says_what_to_install(project):
    script = (
        "import sys; from emergence_stats.__main__ import main\n"
        "sys.modules['torch'] = None\n"
        "sys.argv = ['emergence-stats', 'collect', '--suite', 'smoke']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, capture_output=True, text=True
    )
    failed(done, "torch", "pip install 'emergence-stats[training]'")
    assert not list((project / "data").iterdir())


def test_an_installed_package_offers_its_claims(project, tmp_path):
    (project / "hypotheses" / "learns.py").unlink()
    site = tmp_path / "site"
    (site / "someclaims").mkdir(parents=True)
    (site / "someclaims" / "__init__.py").touch()
    (site / "someclaims" / "learns.py").write_text(HYPOTHESIS)
    metadata = site / "someclaims-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: someclaims\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[emergence_stats.hypotheses]\nlearns = someclaims.learns\n"
    )
    fill(project, range(4))
    done = es_process("test", "learns", "--json", cwd=project, PYTHONPATH=str(site))
    assert result_of(done)["verdict"] == "supported"


# --- a new hypothesis -------------------------------------------------------------------------


def test_a_new_module_runs_as_it_is(project):
    fill(project, range(4))
    done = es("new", "copy_last", "--claim", 'It isn\'t "learned".', cwd=project)
    assert done.returncode == 0, done.stderr
    assert "emergence-stats test copy_last -v" in done.stdout
    tested = es("test", "copy_last", "--json", cwd=project)
    assert tested.returncode == 0, tested.stderr
    result = result_of(tested)
    assert result["claim"] == 'It isn\'t "learned".'
    assert result["predictions"][0]["n_runs"] == 4
    assert "3 of 3 analyses" in es("multiverse", "copy_last", "--jobs", 1, cwd=project).stdout


def test_a_new_module_begins_with_a_measure_that_is_there(project):
    fill(project, range(2))
    failed(es("new", "other", "--measure", "nothing", cwd=project), "it has accuracy", "rankme")
    assert es("new", "other", "--measure", "rankme", cwd=project).returncode == 0
    assert 'measures=["rankme"]' in (project / "hypotheses" / "other.py").read_text().replace(
        "'", '"'
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [("learns", "already"), ("my-claim", "my_claim"), ("class", "module"), ("_x", "module")],
)
def test_a_name_that_cannot_be_is_refused(project, name, words):
    before = sorted((project / "hypotheses").iterdir())
    failed(es("new", "--", name, cwd=project), words)
    assert sorted((project / "hypotheses").iterdir()) == before


# --- manners ----------------------------------------------------------------------------------


def test_quiet_says_what_has_to_be_said(project):
    fill(project, range(5))
    done = es("test", "learns", "-q", cwd=project)
    assert (done.stdout, done.returncode) == ("+ learns: supported\n", 0)
    assert (
        es("report", "--all", "-q", cwd=project).stdout
        == "1 supported, 0 refuted, 0 inconclusive\n"
    )
    es("check", "--update", cwd=project)
    assert es("check", "-q", cwd=project).stdout == ""
    fill(project, [5])
    assert "runs 5 -> 6" in es("check", "-q", cwd=project).stdout


@pytest.mark.parametrize(
    ("option", "setting", "environment", "coloured"),
    [
        (None, None, {}, False),  # a pipe
        ("always", None, {}, True),
        (None, "always", {}, True),
        ("never", "always", {}, False),
        (None, None, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_are_off_when_asked(project, option, setting, environment, coloured):
    fill(project, range(3))
    if setting:
        (project / "pyproject.toml").write_text(f'[tool.emergence_stats]\ncolor = "{setting}"\n')
    words = ("--color", option) if option else ()
    environment = {"NO_COLOR": "", "FORCE_COLOR": "", "TERM": "xterm"} | environment
    done = es(*words, "test", "learns", cwd=project, **environment)
    assert done.returncode == 0, done.stderr
    assert ("\x1b[1;32m" in done.stdout) == coloured


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ('color = "red"', ("color is 'red'", "auto, always, never")),
        ("jobs = 0", ("jobs is 0", "number of processes")),
        ("traces = 3", ("traces is 3", "not a path")),
        ('colour = "never"', ("no setting 'colour'", "did you mean 'color'")),
    ],
)
def test_a_setting_that_cannot_be_is_an_error(project, setting, words):
    (project / "pyproject.toml").write_text(f"[tool.emergence_stats]\n{setting}\n")
    failed(es("list", cwd=project), "[tool.emergence_stats]", *words)


def test_a_shell_completes_names_of_hypotheses(project):
    environment = {
        "_EMERGENCE_STATS_COMPLETE": "complete_bash",
        "COMP_WORDS": "emergence-stats test lea",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        [Path(sys.executable).parent / "emergence-stats"],  # the program by its name
        capture_output=True,
        text=True,
        cwd=project,
        env={**os.environ, **environment},
    )
    assert done.stdout.split() == ["learns"]


def test_a_terminal_is_told_what_was_written_and_a_pipe_is_not(project):
    """Seen through a pseudo-terminal."""
    import pty

    fill(project, range(4))
    assert es("describe", "learns", "-o", "plan.md", cwd=project).stdout == ""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "emergence_stats", "describe", "learns", "-o", "plan.md"]
    done = subprocess.run(command, cwd=project, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    shown = os.read(ours, 1000).decode()
    os.close(ours)
    assert done.returncode == 0, done.stderr
    assert shown.strip() == "wrote plan.md"


@pytest.mark.parametrize("words", [["test", "-vv"], ["audit"]])
def test_a_call_scans_its_store_once(project, words):
    """Counted from outside: a framework that is replaced gives no verdict."""
    (project / "hypotheses" / "learns.py").write_text(HYPOTHESIS)
    fill(project, range(3))
    scans = []

    def count(frame, event, _argument):
        if event == "call" and frame.f_code is scan.__code__:
            scans.append(frame)

    sys.setprofile(count)
    try:
        done = es(words[0], "learns", *words[1:])
    finally:
        sys.setprofile(None)
    assert done.returncode in (0, 1, 3), done.stderr
    assert len(scans) == 1
