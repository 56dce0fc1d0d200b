"""A recording reaches the store, or is kept elsewhere with a word: also when the training or the disk fails."""

import errno
import json
import re

import pytest
import torch
from torch import nn

from emergence_stats import Store
from emergence_stats.errors import TraceError
from emergence_stats.recorder import Recorder, RecorderWarning, writing

RUN = {"suite": "s", "scale": "a", "seed": 0, "config": {"lr": 0.1}}


def recorder(steps=0):
    mine = Recorder(nn.Linear(2, 2), {})
    for step in range(steps):
        mine.record(step, loss=1.0)
    return mine


def manifest(folder):
    return json.loads((folder / "s" / "s-a-s0.json").read_text())


def steps_in(folder):
    store = Store.open(folder)
    (file,) = store.runs
    return store.read(file).column("step").to_pylist()


@pytest.fixture
def full(monkeypatch, tmp_path):
    """A disk that is full, but for the folder of temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(writing.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))

    def write_run(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "write_run", write_run)
    return tmp_path / "temporary"


def test_a_training_within_saving_is_saved(tmp_path):
    mine = recorder()
    with mine.saving(tmp_path, **RUN):
        mine.record(0, loss=1.0)
    assert steps_in(tmp_path) == [0]
    assert "stopped" not in manifest(tmp_path)


def test_steps_that_were_due_behind_the_end_are_said(tmp_path):
    mine = Recorder(nn.Linear(2, 2), {}, steps=[0, 5, 10, 20])

    def training():
        with mine.saving(tmp_path, **RUN):
            for step in range(7):
                mine.record(step, loss=1.0)

    said = "after step 5, .* 2 more were due, at steps 10 to 20"
    with pytest.warns(RecorderWarning, match=said):
        training()
    assert "2 more were due" in manifest(tmp_path)["recording_notes"][0]
    assert "missing" not in manifest(tmp_path)


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), KeyboardInterrupt()])
def test_a_training_that_stops_keeps_what_was_recorded_and_its_error(error, tmp_path):
    mine = recorder()

    def training():
        with mine.saving(tmp_path, **RUN):
            mine.record(0, loss=1.0)
            mine.record(1, loss=1.0)
            raise error

    with pytest.warns(RecorderWarning, match="the training stopped"), pytest.raises(type(error)):
        training()
    assert steps_in(tmp_path) == [0, 1]
    stopped = manifest(tmp_path)["stopped"]
    assert stopped["last_step"] == 1
    assert stopped["error"].startswith(type(error).__name__)


def stop(mine, folder):
    with mine.saving(folder, **RUN):
        mine.record(0, loss=2.0)
        raise ZeroDivisionError


def test_a_training_that_stops_does_not_replace_a_whole_run(tmp_path):
    recorder(3).save(tmp_path, **RUN)
    with (
        pytest.warns(RecorderWarning, match=r"has a whole run.*stays.*kept in") as caught,
        pytest.raises(ZeroDivisionError),
    ):
        stop(recorder(), tmp_path)
    assert steps_in(tmp_path) == [0, 1, 2]
    path = re.search(r"kept in (\S+\.pt)", str(caught[-1].message))[1]
    again = recorder()
    again.load_state_dict(torch.load(path, weights_only=True))
    assert again.table().column("value").to_pylist() == [2.0]


def test_a_training_that_stopped_before_is_replaced_by_its_next_try(tmp_path):
    for _ in range(2):
        with (
            pytest.warns(RecorderWarning, match="What was recorded so far is written"),
            pytest.raises(ZeroDivisionError),
        ):
            stop(recorder(), tmp_path)
    assert steps_in(tmp_path) == [0]


def test_a_full_disk_at_the_end_puts_the_recording_aside_and_ends_no_training(full, tmp_path):
    mine = recorder(3)
    with pytest.warns(RecorderWarning, match=r"No space left on device.*kept in"):
        mine.save_or_warn(tmp_path / "data", **RUN)
    (file,) = full.iterdir()
    again = recorder()
    again.load_state_dict(torch.load(file, weights_only=True))
    assert again.table().equals(mine.table())
    mine.record(3, loss=1.0)
    with pytest.warns(RecorderWarning, match="kept in"):  # the second file is said too
        mine.save_or_warn(tmp_path / "data", **RUN)


def test_a_full_disk_is_an_error_of_save_that_says_where_the_recording_is(full, tmp_path):
    mine = recorder(3)
    with pytest.raises(OSError, match="No space left") as caught:
        mine.save(tmp_path / "data", **RUN)
    (file,) = full.iterdir()
    assert str(file) in caught.value.__notes__[0]
    assert mine.table().num_rows == 3  # it can be saved elsewhere


def test_where_nothing_can_be_kept_it_is_said(full, tmp_path, monkeypatch):
    def save(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing.torch, "save", save)
    monkeypatch.chdir(tmp_path)
    with pytest.warns(RecorderWarning, match="could not be kept elsewhere either"):
        recorder(1).save_or_warn(tmp_path / "data", **RUN)
    assert list(full.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]


def test_a_wrong_name_at_the_end_loses_nothing(tmp_path):
    mine = recorder(2)
    with pytest.raises(TraceError, match="cannot be a file name") as caught:
        mine.save(tmp_path, **{**RUN, "suite": "a/b"})
    assert "kept in" in caught.value.__notes__[0]
    assert mine.save(tmp_path, **RUN).rows == 2


def test_saving_at_each_checkpoint_leaves_the_last_one(tmp_path, recwarn):
    mine = recorder()
    for step in range(3):
        mine.record(step, loss=1.0)
        mine.save(tmp_path, **RUN)
    assert steps_in(tmp_path) == [0, 1, 2]
    assert not [w for w in recwarn if w.category is RecorderWarning]


def test_two_recorders_of_one_run_are_said(tmp_path):
    recorder(3).save(tmp_path, **RUN)
    with pytest.warns(RecorderWarning, match="'s-a-s0' of suite 's' was in the store"):
        written = recorder(1).save(tmp_path, **RUN)
    assert "is replaced" in written.further["recording_notes"][0]


def test_a_recording_of_nothing_replaces_no_run(tmp_path):
    recorder(3).save(tmp_path, **RUN)
    with pytest.warns(RecorderWarning, match="that the store has stays"):
        assert recorder().save(tmp_path, **RUN) is None
    assert steps_in(tmp_path) == [0, 1, 2]


def test_a_recording_that_goes_on_from_a_checkpoint_replaces_its_own_run(tmp_path, recwarn):
    first = recorder(2)
    first.save(tmp_path, **RUN)
    again = recorder()
    again.load_state_dict(first.state_dict())
    again.record(2, loss=1.0)
    again.save(tmp_path, **RUN)
    assert steps_in(tmp_path) == [0, 1, 2]
    assert not [w for w in recwarn if w.category is RecorderWarning]


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "a/b"},
        {"config": {"lr": torch.ones(1)}},
        {"seed": 0.5},
        {"scale": ""},
        {"run_id": "../x"},
    ],
)
def test_a_run_that_cannot_be_saved_is_an_error_before_the_training(change, tmp_path):
    with pytest.raises(TraceError), recorder().saving(tmp_path, **{**RUN, **change}):
        pytest.fail("the training began")
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_stops_before_anything_is_recorded_leaves_no_run(tmp_path):
    def training():
        with recorder().saving(tmp_path, **RUN):
            raise ZeroDivisionError

    with (
        pytest.warns(RecorderWarning, match="before anything was recorded"),
        pytest.raises(ZeroDivisionError),
    ):
        training()
    assert list(tmp_path.glob("*/*")) == []


def test_a_store_that_is_a_file_is_an_error_before_the_training(tmp_path):
    (tmp_path / "data").touch()
    for store in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(TraceError), recorder().saving(store, **RUN):
            pytest.fail("the training began")


def test_a_store_that_cannot_be_written_to_is_an_error_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(writing.os, "access", lambda *_: False)  # as for one who is not root
    with pytest.raises(TraceError, match="cannot be written to"):
        recorder().check(tmp_path, **RUN)


def test_parameters_that_get_their_size_later_are_counted_then(tmp_path):
    model = nn.Sequential(nn.LazyLinear(3))
    mine = Recorder(model, {})
    with mine.saving(tmp_path, **RUN):
        mine.record(0, loss=1.0)
        model(torch.ones(2, 4))
    assert manifest(tmp_path)["n_params"] == 15
