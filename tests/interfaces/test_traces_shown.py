"""The store and its runs looked at: traces ls, traces show."""

import json
from dataclasses import replace

import pytest

from emergence_stats.core.runs import Run
from emergence_stats.interfaces.cli.shown import median_line
from emergence_stats.support.words import natural, sparkline
from emergence_stats.traces.store import Store
from tests.support import add_run, es, failed, fill


def test_numbers_in_names_sort_as_numbers(project):
    fill(project, [10, 2, 1])
    done = es("traces", "ls")
    names = [line.split()[0] for line in done.stdout.splitlines()[1:4]]
    assert names == ["sim-d32-s1", "sim-d32-s2", "sim-d32-s10"]
    assert "3 runs of 1 suite, " in done.stdout
    listed = json.loads(es("traces", "ls", "--json").stdout)["runs"]
    assert [run["seed"] for run in listed] == [1, 2, 10]
    assert sorted(["b", "a10", "a9b", "a9"], key=natural) == ["a9", "a9b", "a10", "b"]


def test_many_runs_are_summed_by_suite_and_scale(project):
    fill(project, range(12))
    fill(project, [*range(3), *range(5, 12)], scale="d9", n_params=900)
    shown = es("traces", "ls").stdout
    rows = [line.split() for line in shown.splitlines()[1:3]]
    assert [row[:5] for row in rows] == [
        ["sim", "d9", "900", "10", "0-2,5-11"],
        ["sim", "d32", "50,000", "12", "0-11"],
    ]
    assert "22 runs of 1 suite" in shown
    assert "sim-d9-s11" not in shown
    assert len(es("traces", "ls", "-v").stdout.splitlines()) == 24


@pytest.mark.parametrize("command", ["ls", "validate"])
def test_a_suite_that_no_run_is_of_is_an_error(project, command):
    fill(project, [1])
    failed(es("traces", command, "--suite", "sin"), "no run of suite 'sin'; did you mean 'sim'?")
    failed(es("traces", command, "--suite", "pocket"), "no run of suite 'pocket'; it has sim")


def test_a_run_is_shown_measure_by_measure(project):
    fill(project, [3])
    done = es("traces", "show", "sim-d32-s3")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split() for line in done.stdout.splitlines()[2:]}
    assert list(lines) == ["accuracy", "log_prob", "rankme"]
    assert lines["accuracy"][1:3] == ["6", "0-3000"]
    assert lines["accuracy"][-1][0] == "▁"
    assert lines["accuracy"][-1][-1] == "█"
    assert len(lines["rankme"][-1]) == 24
    more = es("traces", "show", "sim/sim-d32-s3", "-v").stdout
    assert "  layer 5" in more
    assert "  add" in more
    found = json.loads(es("traces", "show", "sim-d32-s3", "--json").stdout)["measures"]["accuracy"]
    assert found["steps"] == [0, 3000]
    assert 0 <= found["least"] <= found["first"] < found["last"] <= found["most"] <= 1


@pytest.mark.parametrize("name", ["x.svg", "x.png"])
def test_a_picture_of_a_run_is_drawn(project, name):
    fill(project, [3])
    assert es("traces", "show", "sim-d32-s3", "-o", name).returncode == 0
    assert (project / name).stat().st_size > 1000
    failed(es("traces", "show", "sim-d32-s3", "-o", "x.html"), "x.html", ".svg")


def test_an_unknown_run_is_answered_with_the_nearest(project):
    fill(project, [3])
    failed(es("traces", "show", "sim-d32-s4"), "'sim-d32-s4'", "did you mean 'sim-d32-s3'?")
    failed(es("traces", "show", "other/sim-d32-s3"), "other/sim-d32-s3")


def test_the_median_is_over_traces_at_places_in_log_steps(tmp_path):
    add_run(tmp_path, 0, tasks=("add",))
    store = Store.open(tmp_path)
    (file,) = store.runs
    one = Run(file.manifest, store.read(file)).traces("accuracy")
    line = median_line(one, 5)
    by_hand = sorted(float(values[0]) for values in one.values)[1]
    assert line[0] == pytest.approx(by_hand)
    assert line[-1] == pytest.approx(sorted(float(values[-1]) for values in one.values)[1])


def test_a_line_has_no_more_places_than_there_are_checkpoints(tmp_path):
    add_run(tmp_path, 0, tasks=("add",))
    store = Store.open(tmp_path)
    (file,) = store.runs
    one = Run(file.manifest, store.read(file)).traces("accuracy")
    few = replace(
        one, steps=one.steps[:, :3], values=one.values[:, :3], stderr=one.stderr[:, :3], length=one.length * 0 + 3
    )  # fmt: skip
    assert len(median_line(one, 24)) == min(24, one.steps.shape[1])
    assert len(median_line(few, 24)) == 3


def test_a_sparkline_has_the_least_and_the_largest_value_at_its_ends():
    assert sparkline([0, 1, 2]) == "▁▅█"
    assert sparkline([0, 7], wide=False) == "_#"
    assert sparkline([2.0, 2.0]) == "▁▁"


def test_the_unit_of_steps_and_unknown_blocks_are_shown(project):
    (project / "t.csv").write_text("step,loss\n0,3\n100,2\n")
    more = ("--suite", "s", "--set", "n_params=9", "--set", "step_unit=tokens")
    assert es("traces", "import", "t.csv", *more).returncode == 0
    assert "no known blocks, 2 rows of tokens" in es("traces", "show", "t", "-o", "t.svg").stdout
    assert "tokens + 1 (log scale)" in (project / "t.svg").read_text()
