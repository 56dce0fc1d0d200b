"""A recorder never raises into a training: what it cannot measure is a gap, which is said once and kept."""

import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from emergence_stats.recorder import Recorder, RecorderWarning

X = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))


def recorded(model=None, steps=1, **options):
    """A recorder after some steps, and the texts of its warnings."""
    options = {"layers": ["0", "2"], **options}
    mine = Recorder(net() if model is None else model, {"copy": X}, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(steps):
            assert mine.record(step)
    return mine, [str(w.message) for w in caught if w.category is RecorderWarning]


def train(mine, losses):
    """Records a loss at each step."""
    for step, loss in enumerate(losses):
        mine.record(step, train_loss=loss)


def values(mine, measure):
    return [row["value"] for row in mine.table().to_pylist() if row["measure"] == measure]


def kinds(mine):
    return {(gap["measure"], gap["kind"]) for gap in mine.missing}


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_one_value_that_is_not_finite_is_left_out_of_the_run_which_says_so(bad, tmp_path):
    mine = Recorder(net(), {"copy": X}, layers=["0", "2"])
    with pytest.warns(RecorderWarning, match=r"train_loss is missing \(step 57\)"):
        train(mine, [1.0] * 57 + [bad] + [1.0] * 2)
    mine.save(tmp_path, suite="s", scale="a", seed=0, config={})
    assert values(mine, "train_loss") == [1.0] * 59
    (gap,) = json.loads((tmp_path / "s" / "s-a-s0.json").read_text())["missing"]
    assert (gap["measure"], gap["kind"], gap["values"]) == ("train_loss", "not finite", 1)
    assert (gap["first_step"], gap["last_step"]) == (57, 57)


def test_a_run_without_gaps_has_none_in_its_manifest(tmp_path):
    mine, said = recorded()
    manifest = mine.save(tmp_path, suite="s", scale="a", seed=0, config={})
    assert said == []
    assert set(manifest.further) == {"seconds_recording"}


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(2.0), torch.tensor([[2.0]]), torch.tensor(2.0, requires_grad=True), np.float32(2),
        np.array([2.0]), 2, torch.tensor(2, dtype=torch.bfloat16),
    ],
)  # fmt: skip
def test_a_metric_is_any_one_number(value):
    mine, said = recorded(metrics=lambda output, batch: {"loss": value})
    assert values(mine, "loss") == [2.0]
    assert said == []


@pytest.mark.parametrize(
    "value",
    [
        None, "0.5", b"1", 1j, np.complex64(1), torch.ones(3), np.ones(2), [1.0], {"a": 1}, 10**400, np.ma.masked,
        torch.tensor(1j), torch.ones(0),
    ],
)  # fmt: skip
def test_a_metric_that_is_no_number_is_a_gap(value):
    mine, said = recorded(metrics=lambda output, batch: {"loss": value, "other": 1.0})
    assert kinds(mine) == {("loss", "not a number")}
    assert values(mine, "other") == [1.0]
    assert len(said) == 1


@pytest.mark.parametrize("value", [True, torch.tensor(True), np.bool_(True)])
def test_a_metric_that_is_true_is_one(value):
    mine, _ = recorded(metrics=lambda output, batch: {"right": value})
    assert values(mine, "right") == [1.0]


def test_metrics_that_raise_leave_ranks_as_they_are():
    mine, said = recorded(metrics=lambda output, batch: {"loss": 1 / 0})
    assert kinds(mine) == {("metrics", "error")}
    assert len(values(mine, "rankme")) == 2
    assert "ZeroDivisionError" in said[0]


@pytest.mark.parametrize("result", [None, 1.0, [("loss", 1.0)]])
def test_metrics_that_give_no_numbers_by_name_are_a_gap(result):
    mine, _ = recorded(metrics=lambda output, batch: result)
    assert kinds(mine) == {("metrics", "error")}


@pytest.mark.parametrize(
    "row",
    [
        {"measure": None}, {"measure": ""}, {"measure": "a\nb"}, {"task": 3}, {"task": "\ud800"}, {"level": -1},
        {"layer": 2**15}, {"layer": 0.5}, {"step": -1}, {"step": 2**63}, {"step": "3"}, {"step": None},
    ],
)  # fmt: skip
def test_a_row_that_the_format_does_not_take_is_a_gap_and_the_run_is_written(row, tmp_path):
    mine, _ = recorded()
    with pytest.warns(RecorderWarning):
        mine.log(**{"step": 1, "measure": "mine", "value": 1.0, **row})
    assert [kind for _, kind in kinds(mine)] == ["name"]
    assert mine.save(tmp_path, suite="s", scale="a", seed=0, config={}).rows == 2


@pytest.mark.parametrize("stderr", [float("nan"), -0.1, "0.1"])
def test_a_value_without_a_usable_standard_error_is_kept(stderr, tmp_path):
    mine, _ = recorded()
    with pytest.warns(RecorderWarning, match="stderr of mine"):
        mine.log(0, "mine", 2.0, stderr=stderr)
    mine.save(tmp_path, suite="s", scale="a", seed=0, config={})
    assert values(mine, "mine") == [2.0]


# --- models -----------------------------------------------------------------------------------


def test_a_diverged_model_keeps_what_is_finite():
    model = net()
    with torch.no_grad():
        model[2].weight.fill_(float("nan"))
    mine, said = recorded(model, metrics=lambda output, batch: {"loss": output.mean(), "n": 1})
    assert [row["layer"] for row in mine.table().to_pylist() if row["measure"] == "rankme"] == [1]
    assert kinds(mine) == {("rankme", "not finite"), ("loss", "not finite")}
    assert values(mine, "n") == [1.0]
    assert len(said) == 1


def test_finite_layers_have_the_same_rank_beside_one_that_is_not():
    whole, _ = recorded()
    model = net()
    with torch.no_grad():
        model[2].weight.fill_(float("inf"))
    part, _ = recorded(model)
    assert values(part, "rankme") == values(whole, "rankme")[:1]


def test_states_that_are_zero_throughout_have_no_rank():
    model = net()
    with torch.no_grad():
        model[2].weight.zero_()
        model[2].bias.zero_()
    mine, _ = recorded(model)
    assert kinds(mine) == {("rankme", "not finite")}


def test_a_layer_that_is_not_called_is_a_gap_by_its_number():
    model = net()
    model.add_module("spare", nn.Linear(8, 8))
    model.forward = lambda x: model[0](x)
    mine, said = recorded(model, layers=["0", "spare"])
    (gap,) = mine.missing
    assert (gap["kind"], gap["layers"], gap["tasks"]) == ("not called", [2], ["copy"])
    assert "layer 2" in said[0]


def test_a_model_that_raises_is_as_it_was():
    model = net()

    def broken(batch):
        raise RuntimeError("no memory")

    mine, said = recorded(
        model, steps=3, forward=broken, metrics=lambda output, batch: {"loss": 1.0}
    )
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
    assert kinds(mine) == {("rankme", "error"), ("metrics", "error")}
    assert [gap["values"] for gap in mine.missing] == [6, 3]
    assert len(said) == 1


def test_a_batch_that_fails_leaves_the_others():
    mine = Recorder(net(), {"wrong": torch.randn(4, 3), "copy": X}, layers="0")
    with pytest.warns(RecorderWarning, match="task 'wrong'"):
        mine.record(0)
    assert [row["task"] for row in mine.table().to_pylist()] == ["copy"]


def test_an_evaluation_mode_that_raises_is_a_gap():
    model = net()
    model.eval = lambda: 1 / 0
    mine, _ = recorded(model)
    assert kinds(mine) == {("rankme", "error")}
    assert model.training


def test_an_interruption_goes_through():
    def interrupted(batch):
        raise KeyboardInterrupt

    mine = Recorder(net(), {"copy": X}, layers="0", forward=interrupted)
    with pytest.raises(KeyboardInterrupt):
        mine.record(0)
    assert mine.model.training


def test_a_model_that_draws_numbers_leaves_the_generator_as_it_was():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(8, 8)

        def forward(self, x):
            return self.inner(x) + torch.randn(8)

    mine = Recorder(Noisy(), {"copy": X}, layers="inner")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    mine.record(0)
    assert torch.equal(torch.rand(3), expected)


# --- steps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [torch.tensor(4), np.int64(4), 4.0])
def test_a_step_is_any_whole_number(step):
    mine = Recorder(net(), {"copy": X}, layers="0", steps=[4])
    assert mine.record(step)
    assert mine.table().column("step").to_pylist() == [4]
    assert mine.load_state_dict(mine.state_dict()) is None


@pytest.mark.parametrize("step", [None, "4", 4.5, -1, [4], float("nan"), torch.ones(2)])
def test_a_step_that_is_none_is_not_recorded_and_said(step):
    mine = Recorder(net(), {"copy": X}, layers="0", steps=[4])
    with pytest.warns(RecorderWarning, match="the step is"):
        assert not mine.record(step)
    assert kinds(mine) == {("everything", "step")}


def test_a_step_that_goes_back_is_said_and_nothing_is_lost():
    mine, _ = recorded(steps=4)
    with pytest.warns(RecorderWarning, match=r"step 2 was recorded after step 3.*last_step=2"):
        mine.record(2)
    assert sorted(set(mine.table().column("step").to_pylist())) == [0, 1, 2, 3]
    mine.load_state_dict(mine.state_dict(), last_step=1)
    assert sorted(set(mine.table().column("step").to_pylist())) == [0, 1]


def test_steps_that_were_due_and_passed_by_are_gaps_of_the_run(tmp_path):
    mine = Recorder(net(), {"copy": X}, layers="0", steps=[0, 1, 5, 9])
    mine.record(5)  # a training that went on without load_state_dict
    with pytest.warns(RecorderWarning, match="not called at this step"):
        manifest = mine.save(tmp_path, suite="s", scale="a", seed=0, config={})
    (gap,) = manifest.further["missing"]
    assert (gap["first_step"], gap["last_step"], gap["values"]) == (0, 1, 2)


def test_gaps_go_with_a_checkpoint_and_what_came_after_it_is_forgotten():
    mine = Recorder(net(), {"copy": X})
    with pytest.warns(RecorderWarning):
        train(mine, [1.0, float("nan"), 1.0, 1.0, float("nan"), 1.0])
    again = Recorder(net(), {"copy": X})
    again.load_state_dict(mine.state_dict(), last_step=3)
    (gap,) = again.missing
    assert (gap["values"], gap["last_step"]) == (1, 1)


def test_a_checkpoint_of_version_0_1_is_taken():
    mine = Recorder(net(), {"copy": X})
    mine.load_state_dict({"rows": [(3, None, None, None, "loss", 1.0, None)], "seconds": 0.5})
    assert mine.table().column("step").to_pylist() == [3]


@pytest.mark.parametrize("state", [{}, {"rows": [(1, 2)], "seconds": 0}, None, {"rows": None}])
def test_a_checkpoint_that_is_none_is_an_error_that_says_so(state):
    with pytest.raises(ValueError, match="state_dict"):
        Recorder(net(), {"copy": X}).load_state_dict(state)


# --- words ------------------------------------------------------------------------------------


def test_a_kind_is_said_once_and_points_to_the_line_that_recorded():
    mine = Recorder(net(), {"copy": X})
    with pytest.warns(RecorderWarning) as caught:
        train(mine, [float("nan"), float("inf"), float("nan")])
    (warning,) = caught
    assert warning.filename == __file__


def test_warnings_that_are_errors_do_not_end_the_training(caplog):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Recorder(net(), {"copy": X}).record(0, loss=float("nan"))
    assert "loss is missing (step 0)" in caplog.text


def test_a_summary_says_what_is_there_and_what_is_not():
    mine, _ = recorded(steps=2, metrics=lambda output, batch: {"loss": float("nan")})
    first, second = mine.summary().splitlines()
    assert first == "4 values at 2 steps (0 to 1): rankme"
    assert second == "missing: loss, 2 values, steps 0 to 1, tasks copy: its value is nan"


def test_gaps_without_end_do_not_fill_the_manifest(tmp_path):
    mine = Recorder(net(), {"copy": X})
    with pytest.warns(RecorderWarning):
        mine.record(0, **{f"loss_{i}": float("nan") for i in range(300)})
    with pytest.warns(RecorderWarning, match="nothing"):
        manifest = mine.save(tmp_path, suite="s", scale="a", seed=0, config={})
    assert len(manifest.further["missing"]) <= 101
    assert sum(gap["values"] for gap in manifest.further["missing"]) == 300


def test_a_run_of_nothing_says_so(tmp_path):
    mine = Recorder(net(), {}, layers="0")
    with pytest.warns(RecorderWarning, match="the recorder has no batches"):
        mine.record(0)
    with pytest.warns(RecorderWarning, match="nothing was recorded"):
        manifest = mine.save(tmp_path, suite="s", scale="a", seed=0, config={})
    assert manifest.further["recording_notes"]


# --- what is wrong before the training --------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": "blocks"}, "no module 'blocks'"),
        ({"layers": ["0", "*"]}, "named twice"),
        ({"layers": [nn.ReLU()]}, "not by a ReLU"),
        ({"layers": 3}, "names in order"),
        ({"layers": None}, "names in order"),
        ({"layers": {"0", "2"}}, "names in order"),
        ({"embedding": "*"}, "3 modules"),
        ({"steps": []}, "no steps"),
        ({"steps": [0.5]}, "whole number"),
        ({"metrics": {"loss": 1}}, "cannot be called"),
        ({"sample_dim": 2}, "0 or 1"),
        ({"channel_dim": 2}, "1 or -1"),
        ({"channel_dim": 1, "sample_dim": 1}, "both 1"),
    ],
)
def test_what_is_wrong_with_a_recorder_is_an_error_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        Recorder(net(), {"copy": X}, **options)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ({"copy": torch.zeros(0, 8)}, "empty"),
        ({"": X}, "the task is ''"),
        ({3: X}, "the task is 3"),
        ({("copy", "hard"): X}, "the level is 'hard'"),
        ({("copy", 1, 2): X}, "neither a task"),
        ({"copy": X, ("copy", None): X}, "two batches"),
        (X, "not samples by task"),
    ],
)
def test_batches_that_are_none_are_an_error_at_once(batches, message):
    with pytest.raises(ValueError, match=message):
        Recorder(net(), batches)


def test_a_model_that_is_none_is_an_error_at_once():
    with pytest.raises(ValueError, match=r"no torch\.nn\.Module"):
        Recorder(lambda x: x, {"copy": X})
