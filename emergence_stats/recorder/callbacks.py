"""Record traces with the Trainer of Hugging Face transformers.

recorder = Recorder(model, {"copy": {"input_ids": tokens}}, layers="model.layers.*")
Trainer(model, ..., callbacks=[RecorderCallback(recorder, "data", suite="mine", scale="70m")])
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from emergence_stats.errors import UsageError
from emergence_stats.recorder.recorder import Recorder

FILE = "recorder.pt"


class RecorderCallback(TrainerCallback):
    """Measures at the recorder's steps, and writes the run at the end of the training.

    What was recorded is kept in each checkpoint of the Trainer, and a training that is resumed from one
    continues there. The seed is the Trainer's, and so is the config of the run, with `config` added. What
    the Trainer logs as ``loss`` is kept as ``train_loss``. Of several processes only the first records, so
    it has to hold the whole model (data parallel, not sharded).
    """

    def __init__(
        self,
        recorder: Recorder,
        store: str | Path,
        *,
        suite: str,
        scale: str,
        config: dict[str, Any] | None = None,
    ) -> None:
        self.recorder, self.store = recorder, store
        self.suite, self.scale, self.config = suite, scale, config or {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        if self.config.get("seed", args.seed) != args.seed:  # before the training, not after it
            raise UsageError(
                f"config has seed {self.config['seed']!r}, but the Trainer has {args.seed}. "
                "Leave it out of config: the Trainer's is recorded."
            )
        kept = Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE
        if state.global_step and kept.exists():
            self.recorder.load_state_dict(torch.load(kept, weights_only=True), state.global_step)
        else:
            self.recorder.record(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self.recorder.record(state.global_step)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        if state.is_world_process_zero and logs and "loss" in logs:
            self.recorder.log(state.global_step, "train_loss", logs["loss"])

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and folder.is_dir():
            torch.save(self.recorder.state_dict(), folder / FILE)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        keep = (
            "learning_rate", "per_device_train_batch_size", "gradient_accumulation_steps", "max_steps",
            "num_train_epochs", "weight_decay", "warmup_steps", "adam_beta1", "adam_beta2",
            "max_grad_norm", "seed",
        )  # fmt: skip
        config = {name: getattr(args, name) for name in keep if hasattr(args, name)}
        for name in ("lr_scheduler_type", "optim"):
            config[name] = str(getattr(getattr(args, name, ""), "value", getattr(args, name, "")))
        self.recorder.save(
            self.store,
            suite=self.suite,
            scale=self.scale,
            seed=int(args.seed),
            config={**config, **self.config},
        )
