"""Record traces with the Trainer of Hugging Face transformers.

recorder = Recorder(model, {"copy": {"input_ids": tokens}}, layers="model.layers.*")
Trainer(model, ..., callbacks=[RecorderCallback(recorder, "data", suite="mine", scale="70m")])
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from emergence_stats.errors import UsageError
from emergence_stats.recorder.missing import described
from emergence_stats.recorder.recorder import Recorder
from emergence_stats.recorder.wrappers import is_sharded

FILE = "recorder.pt"
KEPT = (
    "learning_rate", "per_device_train_batch_size", "gradient_accumulation_steps", "max_steps", "num_train_epochs",
    "weight_decay", "warmup_steps", "adam_beta1", "adam_beta2", "max_grad_norm", "seed",
)  # fmt: skip


class RecorderCallback(TrainerCallback):
    """Measures at the recorder's steps, and writes the run at the end of the training.

    What was recorded is kept in each checkpoint of the Trainer, and a training that is resumed from one
    continues there. The seed is the Trainer's, and so is the config of the run, with `config` added. What
    the Trainer logs as ``loss`` is kept as ``train_loss``. Of several processes only the first keeps and writes
    what is recorded; the others call the model where it is sharded over them.

    Raises `TraceError` when it is made, for a name, a config or a store that will not do, and `UsageError` when the
    training begins, for another seed than the Trainer's. Once it runs, what fails is a `RecorderWarning`.
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
        seed = self.config.get("seed", 0)
        recorder.check(store, suite=suite, scale=scale, seed=seed, config=self.config)

    @contextmanager
    def _no_error(self, event: str) -> Iterator[None]:
        """Inside, an error is a warning: the Trainer goes on."""
        try:
            yield
        except Exception as error:
            self.recorder.warn(
                event, f"{event} of the recorder's callback failed: {described(error)}"
            )

    def on_train_begin(self, args: Any, state: Any, control: Any, **event: Any) -> None:
        if self.config.get("seed", args.seed) != args.seed:  # before the training, not after it
            raise UsageError(
                f"config has seed {self.config['seed']!r}, but the Trainer has {args.seed}. "
                "Leave it out of config: the Trainer's is recorded."
            )
        with self._no_error("on_train_begin"):
            self._follow(event.get("model"))
            if not state.global_step:
                self._record(state)
            elif state.is_world_process_zero:
                self._resume(args, state)

    def _resume(self, args: Any, state: Any) -> None:
        """Go on from the checkpoint; without what it keeps, record from here."""
        kept = Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE
        with self._no_error("on_train_begin"):
            if kept.exists():
                state_dict = torch.load(kept, weights_only=True)
                self.recorder.load_state_dict(state_dict, state.global_step)
                return
        if not is_sharded(
            self.recorder.model
        ):  # other processes do not see the file, and would not call the model
            self._record(state)

    def _follow(self, model: Any) -> None:
        """A model that the Trainer sharded is called through its wrapper."""
        if isinstance(model, torch.nn.Module) and is_sharded(model):
            inside = any(module is self.recorder.model for module in model.modules())
            self.recorder.model = model if inside else self.recorder.model

    def _record(self, state: Any) -> None:
        if state.is_world_process_zero or is_sharded(self.recorder.model):
            self.recorder.record(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.recorder.due(state.global_step):
            with self._no_error("on_step_end"):
                self._record(state)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        with self._no_error("on_log"):
            if state.is_world_process_zero and logs and "loss" in logs:
                self.recorder.log(state.global_step, "train_loss", logs["loss"])

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        with self._no_error("on_save"):
            if state.is_world_process_zero and folder.is_dir():
                torch.save(self.recorder.state_dict(), folder / FILE)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        with self._no_error("on_train_end"):
            config = {name: getattr(args, name) for name in KEPT if hasattr(args, name)}
            for name in ("lr_scheduler_type", "optim"):
                config[name] = str(
                    getattr(getattr(args, name, ""), "value", getattr(args, name, ""))
                )
            self.recorder.save_or_warn(
                self.store,
                suite=self.suite,
                scale=self.scale,
                seed=int(args.seed),
                config={**config, **self.config},
            )
