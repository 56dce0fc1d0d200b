"""A collection says how far it is, from where a run goes on, and how long the rest takes."""

import dataclasses
from collections import Counter

import pytest

torch = pytest.importorskip("torch")

from emergence_stats.errors import CollectError  # noqa: E402
from emergence_training.collect import collect  # noqa: E402
from emergence_training.engines import bars as bars_module  # noqa: E402
from emergence_training.engines.bars import Bars  # noqa: E402
from emergence_training.engines.partial import RunInProgress  # noqa: E402
from emergence_training.engines.remaining import duration, seconds_left  # noqa: E402
from emergence_training.engines.task import Task  # noqa: E402
from emergence_training.suites import SUITES, Scale  # noqa: E402

SCHEDULE = (*range(11), 20, 40, 80, 160, 320, 640)
SUITE = dataclasses.replace(
    SUITES["smoke"], name="tiny", scales=(Scale(8, 2, heads=2), Scale(16, 2, heads=2)), steps=12,
    dense_steps=4, checkpoints=7, evaluation_samples=20,
)  # fmt: skip


def passed(until, a_step, a_checkpoint):
    """Times of the checkpoints up to one, of a run that takes so long for each."""
    steps = [step for step in SCHEDULE if step <= until]
    return [(step, step * a_step + i * a_checkpoint) for i, step in enumerate(steps)]


@pytest.mark.parametrize(
    ("a_step", "a_checkpoint"), [(0.1, 5.0), (1.0, 0.5), (0.0, 2.0), (1.0, 0.0)]
)
def test_the_time_left_knows_steps_from_checkpoints(a_step, a_checkpoint):
    left = seconds_left(passed(40, a_step, a_checkpoint), SCHEDULE)
    assert left == pytest.approx(600 * a_step + 4 * a_checkpoint, rel=1e-6, abs=1e-6)
    assert seconds_left(passed(640, a_step, a_checkpoint), SCHEDULE) == pytest.approx(0.0)


def test_no_time_is_said_while_nothing_tells_steps_from_checkpoints():
    assert seconds_left(passed(9, 0.1, 5.0), SCHEDULE) is None  # every step has had its checkpoint
    assert seconds_left(passed(2, 0.1, 5.0), SCHEDULE) is None
    assert seconds_left(passed(9, 0.1, 5.0), range(20)) == pytest.approx(10 * 5.1)


def test_durations_are_in_units_that_one_can_picture():
    said = {45: "45 s", 100: "2 min", 3599: "1 h 00 min", 3 * 3600 + 290: "3 h 05 min"}
    assert {seconds: duration(seconds) for seconds in said} == said


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(bars_module, "time", clock)
    return clock


def tasks(seeds):
    return [Task("store", SUITE, scale, seed) for seed in seeds for scale in SUITE.scales]


def test_a_line_a_run_says_what_the_rest_takes(clock, capsys):
    some = tasks(range(3))
    took = {"d8L2": 100.0, "d16L2": 300.0}
    with Bars(some) as bars:
        for task in some[:4]:
            bars.start(task.run_id)
            bars.show(task.run_id, 0, 1.0)
            clock.now += took[task.scale.name]
            bars.finish(task.run_id, written=True)
    lines = capsys.readouterr().err.splitlines()
    assert "left" not in lines[0]  # of the other scale nothing is known
    assert lines[1].endswith("2/6 tiny-d16L2-s0 300 s; 13 min left")  # 800 s
    assert lines[3].endswith("4/6 tiny-d16L2-s1 300 s; 7 min left")


def test_a_run_that_goes_on_says_from_where_and_is_no_measure_of_the_others(clock, capsys):
    some = tasks([0, 1])
    with Bars(some) as bars:
        bars.show(some[0].run_id, 12, 1.0)
        clock.now += 5.0
        bars.finish(some[0].run_id, written=True)
        bars.show(some[1].run_id, 0, 1.0)
        clock.now += 50.0
        bars.finish(some[1].run_id, written=True)
    said = capsys.readouterr().err
    assert "tiny-d8L2-s0 goes on at step 12" in said
    assert "left" not in said
    assert Counter(said.split())["goes"] == 1


def test_a_collection_says_at_once_what_it_makes(tmp_path, capsys):
    store, (scale, _) = tmp_path / "store", SUITE.scales
    with RunInProgress(store, Task(str(store), SUITE, scale, 0)), pytest.raises(CollectError):
        collect(store, SUITE, ["d8L2"], [0])  # another process has it
    assert "runs of suite tiny to make: 1" in capsys.readouterr().err


def test_a_run_that_is_refused_leaves_nothing(tmp_path):
    task = Task(str(tmp_path / "store"), SUITE, SUITE.scales[0], 0)
    with pytest.raises(CollectError), RunInProgress(tmp_path / "store", task):
        raise CollectError("there is no corpus")
    assert not list((tmp_path / "store").rglob("*"))
    with RunInProgress(tmp_path / "store", task) as partial:
        partial.save({"step": 3})
    with RunInProgress(tmp_path / "store", task) as partial:
        assert partial.load() == {"step": 3}


class Foreign:
    """What a stranger's state may hold."""


@pytest.mark.parametrize("foreign", [Foreign(), print, Foreign])
def test_a_state_runs_no_code_of_others(tmp_path, foreign):
    task = Task(str(tmp_path / "store"), SUITE, SUITE.scales[0], 0)
    with RunInProgress(tmp_path / "store", task) as partial:
        partial.save({"step": 3, "more": foreign})
    with (
        pytest.raises(CollectError, match=r"holds \S*(Foreign|print), which this version saves"),
        RunInProgress(tmp_path / "store", task) as partial,
    ):
        partial.load()


def test_a_state_is_read_onto_the_cpu_wherever_it_was_saved(tmp_path, monkeypatch):
    task, asked = Task(str(tmp_path / "store"), SUITE, SUITE.scales[0], 0), {}
    with RunInProgress(tmp_path / "store", task) as partial:
        partial.save({"step": torch.tensor(3)})
        monkeypatch.setattr(torch, "load", lambda _file, **options: asked.update(options) or {})
        assert partial.load() == {}
    assert asked["map_location"] == "cpu"


def test_what_is_said_is_shown_as_it_is(capsys):
    task = Task("data", SUITE, SUITE.scales[0], 0)
    with Bars([task]) as bars:
        bars.say("warning: [/data/x] has [red] runs")
    assert "warning: [/data/x] has [red] runs" in capsys.readouterr().err
