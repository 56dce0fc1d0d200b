"""Recording with the Trainer of transformers: a callback never ends its training."""

import errno

import pytest
import torch
import torch.distributed as dist

from emergence_stats import Run, Store
from emergence_stats.errors import TraceError, UsageError
from emergence_stats.recorder import Recorder, RecorderWarning, log_steps, writing
from tests.recorder.test_recorder import tokens


@pytest.fixture
def trainer(tmp_path):
    """A Trainer of a tiny GPT-2 with random weights; call it with the recorder's options."""
    transformers = pytest.importorskip("transformers")
    from emergence_stats.recorder.callbacks import RecorderCallback

    def make(max_steps):
        config = transformers.GPT2Config(
            vocab_size=11, n_positions=8, n_embd=8, n_layer=2, n_head=2, resid_pdrop=0.0
        )
        torch.manual_seed(0)
        model = transformers.GPT2LMHeadModel(config)
        data = [{"input_ids": row, "labels": row} for row in tokens(5, samples=64)]
        mine = Recorder(
            model,
            {"copy": {"input_ids": tokens(6)}},
            layers="transformer.h.*",
            embedding="transformer.drop",
            final="transformer.ln_f",
            steps=log_steps(8, 1.5),
        )
        arguments = transformers.TrainingArguments(
            output_dir=tmp_path / "out",
            max_steps=max_steps,
            per_device_train_batch_size=8,
            save_steps=4,
            logging_steps=2,
            report_to=[],
            use_cpu=True,
            seed=7,
            disable_tqdm=True,
        )
        callback = RecorderCallback(mine, tmp_path / "data", suite="hf", scale="tiny")
        return transformers.Trainer(model, arguments, train_dataset=data, callbacks=[callback])

    return make


def test_a_trainer_records_and_goes_on_where_it_was(trainer, tmp_path):
    trainer(4).train()
    trainer(8).train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-4"))
    store = Store.open(tmp_path / "data")
    (file,) = store.runs
    run = Run(file.manifest, store.read(file))
    assert (run.run_id, run.n_layers) == ("hf-tiny-s7", 2)
    traces = run.traces("rankme", layers="all", tasks=True)
    assert traces.layer.tolist() == [0, 1, 2, 3]
    assert traces.steps[0].tolist() == list(log_steps(8, 1.5))
    assert run.manifest.config["learning_rate"] == 5e-05
    assert run.traces("train_loss", tasks=False).length[0] == 4


def test_a_config_with_another_seed_is_an_error_before_the_training(trainer):
    made = trainer(4)
    callback_of(made).config = {"seed": 8}
    with pytest.raises(UsageError, match="seed 8, but the Trainer has 7"):
        made.train()
    assert made.state.global_step == 0


def test_of_several_processes_one_records(trainer, tmp_path):
    made = trainer(4)
    callback = callback_of(made)
    made.state.is_world_process_zero = False
    for event in ("on_train_begin", "on_step_end", "on_log", "on_save", "on_train_end"):
        getattr(callback, event)(made.args, made.state, made.control, logs={"loss": 1.0})
    assert callback.recorder.table().num_rows == 0
    assert not (tmp_path / "data").exists()


def callback_of(made):
    (callback,) = [c for c in made.callback_handler.callbacks if hasattr(c, "recorder")]
    return callback


@pytest.mark.parametrize(
    "run", [{"suite": "a/b"}, {"scale": ""}, {"config": {"lr": torch.ones(1)}}]
)
def test_what_is_wrong_with_a_run_is_an_error_before_the_training(run, trainer, tmp_path):
    callback = callback_of(trainer(4))
    with pytest.raises(TraceError):
        type(callback)(
            callback.recorder, tmp_path / "data", **{"suite": "hf", "scale": "tiny", **run}
        )


@pytest.mark.parametrize("loss", [float("nan"), "0.5", None])
def test_a_loss_that_is_no_finite_number_is_a_gap(loss, trainer):
    made = trainer(4)
    callback = callback_of(made)
    with pytest.warns(RecorderWarning, match="train_loss is missing"):
        callback.on_log(made.args, made.state, made.control, logs={"loss": loss})
    assert callback.recorder.table().num_rows == 0


def test_a_full_disk_does_not_end_the_training(trainer, tmp_path, monkeypatch):
    def write_run(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "write_run", write_run)
    monkeypatch.setattr(writing.tempfile, "gettempdir", lambda: str(tmp_path))
    made = trainer(2)
    with pytest.warns(RecorderWarning, match=r"No space left.*kept in"):
        made.train()
    assert made.state.global_step == 2


def test_a_recorder_that_fails_in_each_event_does_not_end_the_training(
    trainer, tmp_path, monkeypatch
):
    made = trainer(4)
    recorder = callback_of(made).recorder
    for name in ("record", "log", "state_dict", "save_or_warn"):
        monkeypatch.setattr(recorder, name, lambda *_, **__: 1 / 0)
    with pytest.warns(RecorderWarning) as caught:
        made.train()
    assert made.state.global_step == 4
    said = " ".join(str(w.message) for w in caught)
    for event in ("on_train_begin", "on_step_end", "on_log", "on_save", "on_train_end"):
        assert f"{event} of the recorder's callback failed: ZeroDivisionError" in said


def test_a_checkpoint_that_is_cut_off_does_not_end_the_training(trainer, tmp_path):
    trainer(4).train()
    (tmp_path / "out" / "checkpoint-4" / "recorder.pt").write_bytes(b"PK")
    made = trainer(8)
    with pytest.warns(RecorderWarning) as caught:
        made.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-4"))
    assert made.state.global_step == 8
    said = " ".join(str(w.message) for w in caught)
    assert "on_train_begin of the recorder's callback failed" in said
    assert "not called at this step" in said  # steps 0 to 3 are not in this run
    assert "is replaced by this recording" in said


@pytest.mark.filterwarnings("ignore::UserWarning:torch")
def test_a_model_that_the_trainer_shards_is_called_by_every_process(trainer, tmp_path):
    from torch.distributed.fsdp import FullyShardedDataParallel

    made = trainer(4)
    callback = callback_of(made)
    dist.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1
    )
    try:
        sharded = FullyShardedDataParallel(callback.recorder.model, device_id=torch.device("cpu"))
        called = []
        callback.recorder.record = called.append
        made.state.is_world_process_zero = False
        callback.on_train_begin(made.args, made.state, made.control, model=sharded)
        callback.on_step_end(made.args, made.state, made.control)
        assert callback.recorder.model is sharded
        assert called == [0, 0]
    finally:
        dist.destroy_process_group()
