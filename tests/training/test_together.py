"""Many seeds in one process: each as if it had been alone there."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emergence_stats.errors import CollectError, UsageError  # noqa: E402
from emergence_stats.traces.store import Store  # noqa: E402
from emergence_training import run as training_run  # noqa: E402
from emergence_training.checkpoints import measuring  # noqa: E402
from emergence_training.collect import collect  # noqa: E402
from emergence_training.engines.local import groups  # noqa: E402
from emergence_training.engines.outcome import Outcome  # noqa: E402
from emergence_training.engines.task import Options, Task  # noqa: E402
from emergence_training.engines.together import Together, train_together  # noqa: E402
from emergence_training.engines.workplace import Workplace  # noqa: E402
from emergence_training.loop import Training  # noqa: E402
from emergence_training.run import train_run  # noqa: E402
from emergence_training.suites import SUITES, LogSpaced, Scale  # noqa: E402

SCALE = Scale(8, 2, heads=2)
TINY = dataclasses.replace(
    SUITES["smoke"],
    name="tiny",
    scales=(SCALE,),
    steps=12,
    dense_steps=4,
    checkpoints=7,
    evaluation_samples=20,
    own_streams=True,
    log_spaced=LogSpaced(similarity_samples=5),
)


def tasks(store, seeds, suite=TINY):
    return [Task(str(store), suite, SCALE, seed) for seed in seeds]


def values(store):
    """By run: its measures by name, in the order of the file."""
    opened = Store.open(store)
    found = {}
    for run in opened.runs:
        table = opened.read(run)
        names = np.array(table.column("measure").to_pylist())
        numbers = table.column("value").to_numpy()
        found[run.manifest.seed] = {name: numbers[names == name] for name in np.unique(names)}
    return found


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_the_traces_of_a_seed_do_not_depend_on_its_company(tmp_path):
    for name, seeds in (("three", [0, 1, 2]), ("two", [7, 1]), ("alone", [1])):
        dict(train_together(tasks(tmp_path / name, seeds)))
    three, two, alone = (values(tmp_path / name) for name in ("three", "two", "alone"))
    assert list(three) == [0, 1, 2]
    same(three[1], two[1])
    same(three[1], alone[1])
    assert not np.array_equal(three[0]["rankme"], three[1]["rankme"])


def test_they_are_those_of_a_training_alone_up_to_rounding(tmp_path):
    dict(train_together(tasks(tmp_path / "together", [0, 1])))
    for seed in (0, 1):
        train_run(tmp_path / "apart", TINY, SCALE, seed)
    together, apart = values(tmp_path / "together"), values(tmp_path / "apart")
    assert "adam_sharpness" in apart[0]  # of the moments of each optimiser
    for seed in (0, 1):
        assert together[seed].keys() == apart[seed].keys()
        for name in ("rankme", "loss", "weight_norm", "train_loss", "adam_sharpness"):
            np.testing.assert_allclose(
                together[seed][name], apart[seed][name], rtol=2e-3, err_msg=name
            )
    assert Store.open(tmp_path / "together").runs[0].manifest.further["together"] == 2


class Killed(Exception):
    pass


def test_runs_that_were_killed_go_on_together_to_the_same_bytes(tmp_path, monkeypatch):
    dict(train_together(tasks(tmp_path / "whole", [0, 1])))
    monkeypatch.setattr(training_run, "SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(training_run, "SAVING_PAYS", 0.0)

    def die(run_id, step, loss):
        if step > 4 and run_id.endswith("s1"):
            raise Killed

    with pytest.raises(Killed):
        dict(train_together(tasks(tmp_path / "killed", [0, 1]), die))
    sizes = [path.stat().st_size for path in (tmp_path / "killed").rglob("state.pt")]
    assert len(sizes) == 2
    began = []
    some = tasks(tmp_path / "killed", [0, 1])
    dict(train_together(some, lambda run_id, step, loss: began.append(step)))
    assert began[0] >= 4  # and not from the start
    whole, resumed = values(tmp_path / "whole"), values(tmp_path / "killed")
    for seed in (0, 1):
        same(whole[seed], resumed[seed])


def test_what_is_saved_of_one_is_no_larger_than_alone(tmp_path):
    def size(state):
        torch.save(state, tmp_path / "state.pt")
        return (tmp_path / "state.pt").stat().st_size

    many = [Training(TINY, SCALE, seed, torch.device("cpu")) for seed in range(8)]
    steps = Together(many).steps()
    next(steps), next(steps)
    alone = Training(TINY, SCALE, 0, torch.device("cpu"))
    steps = alone.steps()
    next(steps), next(steps)
    assert size(many[0].state()) < 1.2 * size(alone.state())


def test_one_that_diverges_leaves_the_others_alone(tmp_path):
    dict(train_together(tasks(tmp_path / "well", [0, 1])))
    real = measuring.training_loss

    def diverges(model, inputs, targets):
        reading = real(model, inputs, targets)
        first = diverges.first = diverges.first or model
        diverges.calls += model is first
        if model is first and diverges.calls > 3:
            return dataclasses.replace(reading, values=np.asarray(np.nan))
        return reading

    diverges.first, diverges.calls = None, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "training_loss", diverges)
        dict(train_together(tasks(tmp_path / "ill", [0, 1])))
    ill = {run.manifest.seed: run.manifest for run in Store.open(tmp_path / "ill").runs}
    assert "loss is nan" in ill[0].further["stopped"]["error"]
    same(values(tmp_path / "ill")[1], values(tmp_path / "well")[1])


def test_seeds_of_one_scale_share_a_process():
    wide = Scale(16, 2, heads=2)
    some = [Task("data", TINY, scale, seed) for seed in range(3) for scale in (wide, SCALE)]
    found = [[task.run_id for task in group] for group in groups(some, 2)]
    assert found == [
        ["tiny-d16L2-s0", "tiny-d16L2-s1"],
        ["tiny-d8L2-s0", "tiny-d8L2-s1"],
        ["tiny-d16L2-s2"],
        ["tiny-d8L2-s2"],
    ]
    assert [len(group) for group in groups(some, 1)] == [1] * 6


def test_a_collection_of_seeds_together(tmp_path):
    assert collect(tmp_path, TINY, None, [0, 1], options=Options(jobs=1, together=2)) == 2
    manifests = [run.manifest for run in Store.open(tmp_path).runs]
    assert [m.further.get("together") for m in manifests] == [2, 2]


def test_a_suite_that_changes_the_steps_of_each_model_cannot_be_trained_so(tmp_path):
    equal = dataclasses.replace(TINY, equal_steps=True)
    with pytest.raises(UsageError, match="one by one"):
        dict(train_together(tasks(tmp_path / "store", [0, 1], equal)))
    with pytest.raises(UsageError, match="one by one: leave out --together"):
        collect(tmp_path / "none", equal, None, [0, 1], options=Options(together=2))
    assert not (tmp_path / "none").exists()


def test_one_that_cannot_be_written_leaves_the_others_to_be(tmp_path, monkeypatch):
    write = Workplace.write

    def refuses(self, table, **fields):
        if fields["seed"] == 0:
            raise CollectError("the store does not answer")
        return write(self, table, **fields)

    monkeypatch.setattr(Workplace, "write", refuses)
    ends = dict(train_together(tasks(tmp_path, [0, 1])))
    assert str(ends["tiny-d8L2-s0"]) == "the store does not answer"
    assert ends["tiny-d8L2-s1"] == Outcome()
    assert [run.manifest.seed for run in Store.open(tmp_path).runs] == [1]


def test_batches_that_do_not_fit_are_taken_in_pieces(tmp_path, monkeypatch):
    """The means are over answers, of which pieces have different numbers."""

    def parameters(pieces):
        some = [Training(TINY, SCALE, seed, torch.device("cpu")) for seed in (0, 1)]
        together = Together(some)
        found = together._gradients

        def small(parameters, inputs, targets):
            if pieces and inputs.shape[1] > 8:
                torch.empty(1 << 60)  # more than there is
            return found(parameters, inputs, targets)

        together._gradients = small
        list(together.steps())
        assert [t.pieces.n for t in some] == ([TINY.batch // 8] * 2 if pieces else [1, 1])
        return [p for t in some for p in t.model.parameters()]

    whole = parameters(False)
    with pytest.warns(RuntimeWarning, match="going on with 8"):
        parts = parameters(True)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_seconds_are_those_of_a_run_and_its_share_of_the_steps(tmp_path, monkeypatch):
    """On a clock that only the steps and the measuring of seed 1 move."""
    now = [0.0]
    real, update = measuring.Measuring.measure, Together._update

    def slow(self, step, inputs, targets):
        now[0] += 100.0 * self._training.seed
        return real(self, step, inputs, targets)

    def step(self, *arguments):
        now[0] += 1.0
        return update(self, *arguments)

    monkeypatch.setattr(training_run.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(training_run, "SAVE_EVERY_SECONDS", 1e9)
    monkeypatch.setattr(measuring.Measuring, "measure", slow)
    monkeypatch.setattr(Together, "_update", step)
    dict(train_together(tasks(tmp_path, [0, 1])))
    seconds = [run.manifest.further["seconds"] for run in Store.open(tmp_path).runs]
    steps = TINY.last_step / 2
    assert seconds == [steps, steps + 100.0 * len(TINY.schedule())]


def test_a_run_that_goes_on_alone_says_that_it_was_trained_together(tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(training_run, "SAVING_PAYS", 0.0)

    def die(run_id, step, loss):
        if step > 4:
            raise Killed

    with pytest.raises(Killed):
        dict(train_together(tasks(tmp_path, [0, 1]), die))
    further = train_run(tmp_path, TINY, SCALE, 0).further
    assert "together" not in further
    (before,) = further["earlier"]
    assert (before["together"], before["to_step"]) == (2, 7)
