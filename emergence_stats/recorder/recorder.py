"""Record traces in your own training loop: RankMe of named layers, and anything else you measure.

    recorder = Recorder(model, {"copy": tokens}, layers="blocks.*", steps=log_steps(4000))
    for step, batch in enumerate(data):
        recorder.record(step)
        ...                                    # the update
    recorder.record(step + 1)
    recorder.save("data", suite="mine", scale="d64", seed=0, config={"lr": 1e-3})

Works with any `torch.nn.Module`. Layers are observed through hooks that exist only while something is
measured, so that the steps in between cost nothing, and training is not affected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import nn

from emergence_stats.recorder.hooks import (
    Batch,
    evaluating,
    matching,
    on_device_of,
    padding_mask,
    watching,
)
from emergence_stats.recorder.provenance import device_name, software
from emergence_stats.recorder.rankme import rankme
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.write import write_run

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
    (samples, width); if a module returns a tuple, its first item.
    `forward`: how a batch goes through the model, if not by calling it.
    `metrics`: a function of the model's output and the batch that gives numbers by name, such as ``accuracy``.
    `steps`: those at which to measure; None: at every call.

    Raises `ValueError` for an unknown module.
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
    ) -> None:
        self.model = model
        self.batches = {
            key if isinstance(key, tuple) else (key, None): batch for key, batch in batches.items()
        }
        self.forward = forward or self._called
        self.metrics = metrics
        self.steps = None if steps is None else frozenset(steps)
        blocks = matching(model, [layers] if isinstance(layers, str) else layers)
        self.n_layers = len(blocks)
        self._modules = dict(enumerate(blocks, 1))
        for name, number in ((embedding, 0), (final, self.n_layers + 1)):
            if name is not None:
                (self._modules[number],) = matching(model, [name])
        self._rows: list[
            tuple[int, str | None, int | None, int | None, str, float, float | None]
        ] = []
        self._seconds = 0.0

    def due(self, step: int) -> bool:
        return self.steps is None or step in self.steps

    def record(self, step: int, **values: float) -> bool:
        """Measure the model after `step` updates, if that step is due; returns whether it was.

        `values`: numbers of the whole model by name, such as ``train_loss``, kept at the same steps.
        """
        if not self.due(step):
            return False
        began = time.perf_counter()
        for name, value in values.items():
            self.log(step, name, float(value))
        with evaluating(self.model), torch.no_grad():
            for (task, level), batch in self.batches.items():
                self._measure(step, task, level, batch)
        self._seconds += time.perf_counter() - began
        return True

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
        """Add one measurement of your own, under your own name or one of the trace format."""
        self._rows.append((step, task, level, layer, measure, float(value), stderr))

    def _measure(self, step: int, task: str, level: int | None, batch: Batch) -> None:
        batch = on_device_of(self.model, batch)
        with watching(self._modules, padding_mask(batch)) as pooled:
            output = self.forward(batch)
        if pooled:
            states = sorted(pooled.items())
            same = len({state.shape for _, state in states}) == 1
            ranks = (
                rankme(torch.stack([state for _, state in states])).tolist()
                if same
                else [rankme(state).item() for _, state in states]
            )
            for (layer, _), rank in zip(states, ranks, strict=True):
                self.log(step, "rankme", rank, task=task, level=level, layer=layer)
        if self.metrics is not None:
            for name, value in self.metrics(output, batch).items():
                self.log(step, name, float(value), task=task, level=level)

    def _called(self, batch: Batch) -> Any:
        if isinstance(batch, Mapping):
            return self.model(**batch)
        return self.model(*batch) if isinstance(batch, tuple | list) else self.model(batch)

    def state_dict(self) -> dict[str, Any]:
        """What was recorded so far, to be kept with a checkpoint of the model."""
        return {"rows": list(self._rows), "seconds": self._seconds}

    def load_state_dict(self, state: Mapping[str, Any], last_step: int | None = None) -> None:
        """Continue from what `state_dict` gave; `last_step`: forget what came after it."""
        self._rows = [row for row in state["rows"] if last_step is None or row[0] <= last_step]
        self._seconds = state["seconds"]

    def table(self) -> pa.Table:
        """What was recorded, in the columns of the trace format. A step recorded twice counts once."""
        rows = {(row[4], row[1], row[2], row[3], row[0]): row for row in self._rows}.values()
        kinds = (
            ("step", pa.int64()),
            ("task", pa.string()),
            ("level", pa.int16()),
            ("layer", pa.int16()),
            ("measure", pa.string()),
            ("value", pa.float64()),
            ("stderr", pa.float64()),
        )
        cells = list(zip(*rows, strict=True)) or [()] * len(kinds)
        return pa.table(
            {
                name: pa.array(column, kind)
                for (name, kind), column in zip(kinds, cells, strict=True)
            }
        )

    def save(
        self,
        store: str | Path,
        *,
        suite: str,
        scale: str,
        seed: int,
        config: Mapping[str, Any],
        run_id: str | None = None,
    ) -> Manifest:
        """Write the run into a trace store, all of it or nothing; one of the same name is replaced.

        `config`: everything that determines the run. Two runs with the same scale, seed and config are taken
        for the same training. Raises `TraceError` for values that are not finite.
        """
        device = next((p.device for p in self.model.parameters()), torch.device("cpu"))
        return write_run(
            store,
            self.table(),
            run_id=run_id or f"{suite}-{scale}-s{seed}",
            suite=suite,
            scale=scale,
            n_params=sum(p.numel() for p in self.model.parameters()),
            n_layers=self.n_layers,
            seed=seed,
            config=config,
            software=software(),
            device=device_name(device),
            further={"seconds_recording": round(self._seconds, 3)},
        )
