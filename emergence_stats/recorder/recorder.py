"""Record traces in your own training loop: RankMe of named layers, and anything else you measure.

    recorder = Recorder(model, {"copy": tokens}, layers="blocks.*", steps=log_steps(4000))
    for step, batch in enumerate(data):
        recorder.record(step)
        ...                                    # the update
    recorder.record(step + 1)
    recorder.save("data", suite="mine", scale="d64", seed=0, config={"lr": 1e-3})

Works with any `torch.nn.Module`. Layers are observed through hooks that exist only while something is
measured, so that the steps in between cost nothing, and training is not affected.

What is wrong with a recorder is an error when it is made, before the training. Nothing raises into a training that runs:
what cannot be measured is a gap, said once by a `RecorderWarning` and kept in the run's manifest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import nn

from emergence_stats.recorder.hooks import (
    Seen,
    evaluating,
    matching,
    same_random_numbers,
    watching,
)
from emergence_stats.recorder.missing import Missing, described
from emergence_stats.recorder.provenance import device_name, software
from emergence_stats.recorder.rankme import rankme_by_layer
from emergence_stats.recorder.recording import Recording
from emergence_stats.recorder.states import Batch, on_device_of, readings, tensors
from emergence_stats.recorder.values import level_of, name_of, step_of
from emergence_stats.recorder.wrappers import (
    check_whole,
    eager,
    is_sharded,
    n_params,
    rank,
    unwrapped,
)
from emergence_stats.recorder.writing import check_destination, write
from emergence_stats.traces.format import Manifest

Metrics = Callable[[Any, Batch], Mapping[str, float]]


def log_steps(last: int, ratio: float = 1.1) -> tuple[int, ...]:
    """0, and from 1 to `last` steps that grow by `ratio` each, or by one if that is more.

    Event times are intervals between such steps, and are compared on a logarithmic scale.
    """
    if last < 1 or not ratio > 1:
        raise ValueError(f"log_steps({last}, {ratio}): at least one step, and a ratio above 1")
    steps, step = [0], 1.0
    while step < last:
        steps.append(round(step))
        step = max(step * ratio, steps[-1] + 1)
    return tuple(dict.fromkeys((*steps, last)))


class Recorder:
    """Traces of one model.

    `batches`: by task, or by (task, level), the fixed samples for RankMe and `metrics`: a tensor, a tuple
    of arguments, or a mapping of keywords (whose `attention_mask` leaves padding out). Use the same for all
    runs: RankMe grows with their number. They are moved to the model's device.
    `layers`: names of modules, from input to output, where ``*`` stands for one part of a name
    (``"transformer.h.*"``); they are layers 1 to L. `embedding` is layer 0, `final` (after the last norm)
    layer L + 1. A hidden state is (samples, positions, width), and mean-pooled over positions, or
    (samples, width), or (samples, channels, ...) of a convolution; if a module returns a tuple, its first item.
    `forward`: how a batch goes through the model, if not by calling it.
    `metrics`: a function of the model's output and the batch that gives numbers by name, such as ``accuracy``.
    `steps`: those at which to measure; None: at every call.
    `sample_dim`: the dimension of a hidden state of three dimensions that counts samples, 0 or 1
    (``batch_first=False``); None: the one that has as many as the first dimension of the batch. `channel_dim`: the dimension that is the width, 1
    (channels first) or -1; None: the second of convolutions and modules that hold them, the last of others.
    `every_process`: whether each process of a distributed training records a run of its own, and not the first
    alone. A model that is sharded (FSDP) has to be recorded by a call in every process; the first keeps the values.

    Raises `ValueError` for an unknown module, and for anything else about it that cannot be right.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Mapping[str | tuple[str, int], Batch],
        *,
        layers: str | Sequence[str] = (),
        embedding: str | None = None,
        final: str | None = None,
        forward: Callable[[Batch], Any] | None = None,
        metrics: Metrics | None = None,
        steps: Collection[int] | None = None,
        sample_dim: int | None = None,
        channel_dim: int | None = None,
        every_process: bool = False,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise ValueError(f"the model is {model!r:.80}, and no torch.nn.Module")
        for name, function in (("forward", forward), ("metrics", metrics)):
            if function is not None and not callable(function):
                raise ValueError(f"{name} is {function!r:.80}, which cannot be called")
        self.model = model
        self.batches = _checked_batches(batches)
        self.forward = forward or self._called
        self.metrics = metrics
        self.steps = None if steps is None else frozenset(map(step_of, steps))
        if self.steps is not None and not self.steps:
            raise ValueError(
                "there are no steps to record at; leave steps out to record at each call"
            )
        self.every_process = every_process
        self._first = True  # as far as is known
        if isinstance(layers, set | frozenset) or not isinstance(layers, Iterable):
            raise ValueError(f"layers are {type(layers).__name__}, and not names in order")
        blocks = matching(model, [layers] if isinstance(layers, str) else layers)
        self.n_layers = len(blocks)
        modules = dict(enumerate(blocks, 1))
        for pattern, place in ((embedding, 0), (final, self.n_layers + 1)):
            if pattern is not None:
                found = matching(model, [pattern])
                if len(found) != 1:
                    raise ValueError(
                        f"{pattern!r} is {len(found)} modules, and layer {place} is one"
                    )
                modules[place] = found[0]
        read = readings(model, list(modules.values()), sample_dim, channel_dim)
        self._layers = dict(zip(modules, read, strict=True))
        self._n_params = n_params(model)
        self._recording = Recording()
        self._own: set[tuple[str, str]] = set()  # runs that this recorder wrote

    def due(self, step: int) -> bool:
        """Whether that step is to be measured. One that is no whole number from 0 is not, with a warning."""
        if type(step) is not int or step < 0:
            try:
                step = step_of(step)
            except ValueError as error:
                self._missing.add("step", "everything", None, str(error))
                return False
        return self.steps is None or step in self.steps

    def record(self, step: int, **values: float) -> bool:
        """Measure the model after `step` updates, if that step is due; returns whether it was.

        `values`: numbers of the whole model by name, such as ``train_loss``, kept at the same steps.
        Never raises: what cannot be measured is a gap. False in processes that do not record.
        """
        if not self.due(step):
            return False
        try:
            keeps = self._keeps()
            sharded = not keeps and is_sharded(self.model)
            if keeps or sharded:
                self._measure_all(step_of(step), values, keeps)
            elif unwrapped(self.model) is self.model:
                self._missing.note(
                    "process",
                    f"this is process {rank()} of a distributed training, of which the first records; if each trains "
                    "a model of its own: Recorder(..., every_process=True)",
                )
            return keeps
        except Exception as error:  # of the recorder itself
            self._missing.add("error", "everything", None, described(error))
            return True

    def _measure_all(self, step: int, values: Mapping[str, Any], keeps: bool) -> None:
        began = time.perf_counter()
        recording, rows = self._recording, len(self._recording.rows)
        recording.begin(step)
        for name, value in values.items():
            self.log(step, name, value)
        if self._layers and not self.batches:
            recording.missing.add("no samples", "rankme", step, "the recorder has no batches")
        try:
            check_whole(unwrapped(self.model))
            with evaluating(self.model), same_random_numbers(self.model), torch.no_grad(), eager():
                for (task, level), batch in self.batches.items():
                    try:
                        self._measure(step, task, level, batch)
                    except Exception as error:
                        self._failed(step, task, described(error))
        except Exception as error:
            self._failed(step, None, described(error))
        if not keeps:
            del recording.rows[rows:]
        recording.seconds += time.perf_counter() - began

    def _failed(self, step: int, task: str | None, why: str) -> None:
        """Neither layers nor metrics could be looked at."""
        for name in ["metrics"] * (self.metrics is not None) + ["rankme"] * bool(self._layers):
            self._missing.add("error", name, step, why, task=task)

    def log(
        self,
        step: int,
        measure: str,
        value: float,
        *,
        task: str | None = None,
        level: int | None = None,
        layer: int | None = None,
        stderr: float | None = None,
    ) -> None:
        """Add one measurement of your own, under your own name or one of the trace format.

        `value`: a number of Python or numpy, or a tensor of one element. Never raises: what is no finite number, or
        has no place in the format, is a gap.
        """
        self._recording.log(
            step, measure, value, task=task, level=level, layer=layer, stderr=stderr
        )

    def _measure(self, step: int, task: str, level: int | None, batch: Batch) -> None:
        """RankMe of all layers and metrics, on the samples of one task-level."""
        failure = None  # in words: the error itself would keep the tensors of the forward pass
        batch = on_device_of(self.model, batch)
        with watching(self._layers, batch) as seen:
            try:
                output = self.forward(batch)
            except Exception as error:
                failure = described(error)
        self._log_ranks(step, task, level, seen, failure)
        if self.metrics is None:
            return
        if failure is not None:
            self._missing.add("error", "metrics", step, failure, task=task)
            return
        try:
            found = self.metrics(output, batch)
            if not isinstance(found, Mapping):
                raise TypeError(f"metrics gave {type(found).__name__}, and no numbers by name")
            for name, value in found.items():
                self.log(step, name, value, task=task, level=level)
        except Exception as error:
            self._missing.add("error", "metrics", step, described(error), task=task)

    def _log_ranks(
        self, step: int, task: str, level: int | None, seen: Seen, failure: str | None
    ) -> None:
        """RankMe of the layers that were seen; the others are gaps."""
        for layer, value in rankme_by_layer(seen.pooled).items():
            if math.isfinite(value):
                self.log(step, "rankme", value, task=task, level=level, layer=layer)
            else:
                detail = "the hidden state is not finite, or zero throughout"
                self._missing.add("not finite", "rankme", step, detail, task=task, layer=layer)
        for layer, reading in self._layers.items():
            if layer in seen.pooled:
                continue
            if layer in seen.unread:
                kind, detail = "shape", seen.unread[layer]
            elif failure is not None:
                kind, detail = "error", failure
            else:
                what = type(reading.module).__name__
                kind, detail = "not called", f"the forward pass did not call this layer ({what})"
            self._missing.add(kind, "rankme", step, detail, task=task, layer=layer)
        for layer in sorted(seen.second)[:1]:
            self._missing.note(
                "samples second",
                f"states of layer {layer} have the batch's samples in their second dimension, and are read as "
                "(positions, samples, width). Say so, or otherwise: Recorder(..., sample_dim=1)",
            )
        for layers, calls in seen.calls.items():
            if calls > len(layers):
                self._missing.note(
                    "called again",
                    f"layer {layers[-1]} was called {calls} times in one forward pass, in place of {len(layers)}; its "
                    "hidden state is what it returned last",
                )

    def _called(self, batch: Batch) -> Any:
        model = unwrapped(self.model)
        if isinstance(batch, Mapping):
            return model(**batch)
        return model(*batch) if isinstance(batch, tuple | list) else model(batch)

    def _keeps(self) -> bool:
        """Whether this process records: of those of a distributed training, the first.

        One that does not stays so: it may save after its process group has ended.
        """
        self._first = self._first and rank() == 0
        return self.every_process or self._first

    @property
    def missing(self) -> list[dict[str, Any]]:
        """What could not be recorded: one entry a measure and kind, as the manifest has it."""
        return self._missing.gaps()

    @property
    def _missing(self) -> Missing:
        return self._recording.missing

    def warn(self, kind: str, text: str) -> None:
        """Say a remark once a kind, and keep it with the run."""
        self._missing.note(kind, text)

    def summary(self) -> str:
        """What was recorded and what is missing, in a few lines."""
        return self._recording.summary()

    def state_dict(self) -> dict[str, Any]:
        """What was recorded so far, to be kept with a checkpoint of the model."""
        return self._recording.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], last_step: int | None = None) -> None:
        """Continue from what `state_dict` gave; `last_step`: forget what came after it.

        Raises `ValueError` for anything else.
        """
        self._recording = Recording.from_state(state, last_step)

    def table(self) -> pa.Table:
        """What was recorded, in the columns of the trace format. A step recorded twice counts once."""
        return self._recording.table()

    def save(
        self,
        store: str | Path,
        *,
        suite: str,
        scale: str,
        seed: int,
        config: Mapping[str, Any],
        run_id: str | None = None,
    ) -> Manifest | None:
        """Write the run into a trace store, all of it or nothing; one of the same name is replaced.

        `config`: everything that determines the run. Two runs with the same scale, seed and config are taken
        for the same training. The manifest says what is ``missing``. None, and nothing is written, in processes
        that do not record, and for a recording of nothing where the store has a run of that name.

        Raises `TraceError` for a name or config that the format does not take, and `OSError` if the write fails; what
        was recorded is then in a temporary file, which a note of the error names. `saving` finds the former before
        the training, and raises neither after it.
        """
        return self._save(store, self._fields(suite, scale, seed, config, run_id), None)

    @contextmanager
    def saving(
        self,
        store: str | Path,
        *,
        suite: str,
        scale: str,
        seed: int,
        config: Mapping[str, Any],
        run_id: str | None = None,
    ) -> Iterator[Recorder]:
        """Around a training: checks at once that the run can be saved, and saves it at the end, as `save` does.

        Also if the training raises: the manifest then says where it ``stopped``, unless the store has a whole run of
        that name, which stays. The training's own error goes on. A run that cannot be written is put aside, with a
        `RecorderWarning`. Raises `TraceError` on entering, for names, a config or a store that will not do.
        """
        run: dict[str, Any] = {
            "suite": suite,
            "scale": scale,
            "seed": seed,
            "config": config,
            "run_id": run_id,
        }
        self.check(store, **run)
        try:
            yield self
        except BaseException as error:
            self.save_or_warn(store, stopped=error, **run)
            raise
        if self._keeps():
            self._recording.end(self.steps or frozenset())
        self.save_or_warn(store, **run)

    def check(self, store: str | Path, **run: Any) -> None:
        """Raise `TraceError` if `save` could not write such a run, before the training. `run`: as of `save`."""
        if self._keeps():
            fields = self._fields(**run)
            check_destination(store, {**fields, "n_params": max(1, fields["n_params"])})

    def save_or_warn(
        self, store: str | Path, *, stopped: BaseException | None = None, **run: Any
    ) -> None:
        """`save` at the end of a training, which is never ended by it: a run that is not written is a warning.

        `run`: as of `save`. `stopped`: why the training did not come to its end.
        """
        try:
            self._save(store, self._fields(**run), stopped)
        except Exception as error:
            notes = " ".join(getattr(error, "__notes__", ()))
            text = f"the run was not written ({described(error)}). {notes}"
            self._missing.note("not written", text, each=True)

    def _save(
        self, store: str | Path, fields: Mapping[str, Any], stopped: BaseException | None
    ) -> Manifest | None:
        if not self._keeps():
            return None
        self._recording.finish(self.steps or frozenset())
        name = (fields["suite"], fields["run_id"])
        own = self._recording.continues or name in self._own
        written = write(self._recording, store, fields, own=own, stopped=stopped)
        if written is not None:
            self._own.add(name)
        return written

    def _fields(
        self,
        suite: str,
        scale: str,
        seed: int,
        config: Mapping[str, Any],
        run_id: str | None = None,
    ) -> dict[str, Any]:
        """Fields of the run's manifest."""
        device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        return {
            "run_id": run_id or f"{suite}-{scale}-s{seed}",
            "suite": suite,
            "scale": scale,
            "n_params": max(self._n_params, n_params(self.model)),  # it may be sharded by now
            "n_layers": self.n_layers,
            "seed": seed,
            "config": config,
            "software": software(),
            "device": device_name(device),
        }


def _checked_batches(batches: Mapping[Any, Batch]) -> dict[tuple[str, int | None], Batch]:
    """Batches by task and level. Raises `ValueError` for what is no task-level, and for a batch of no samples."""
    if not isinstance(batches, Mapping):
        raise ValueError(f"batches are {type(batches).__name__}, and not samples by task")
    found: dict[tuple[str, int | None], Batch] = {}
    for key, batch in batches.items():
        if isinstance(key, tuple) and len(key) != 2:
            raise ValueError(f"{key!r} is neither a task nor (task, level)")
        task, level = key if isinstance(key, tuple) else (key, None)
        place = (name_of(task, "task"), level_of(level))
        if place in found:
            raise ValueError(f"there are two batches of {key!r}")
        parts = list(tensors(batch))
        if parts and all(part.numel() == 0 for part in parts):
            raise ValueError(f"the batch of {key!r} is empty: it has no samples")
        found[place] = batch
    return found
