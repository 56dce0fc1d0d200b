"""All that is measured of a run on the tasks: at every checkpoint, at log-spaced ones, and at a few."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ..loop import Training, run_key
from ..suites.schedules import learning_rate
from .deep import DeepEvaluation, measure_deeply
from .forward import Evaluation, measure, training_loss
from .log_spaced import LogSpacedEvaluation
from .readings import Reading, to_table

if TYPE_CHECKING:
    import pyarrow as pa


class Measuring:
    """What has been measured of a run so far, by the kind of checkpoint: every one, log-spaced ones, deep ones."""

    def __init__(self, training: Training) -> None:
        suite, scale, device = training.suite, training.scale, training.device
        self._training = training
        self._key = run_key(suite, scale, training.seed)
        self._evaluation = Evaluation.fixed(suite, device)
        self._checkpoints = frozenset(suite.schedule())
        self._log_checkpoints, self._log_spaced = frozenset(suite.log_schedule()), None
        if suite.log_spaced is not None:
            self._log_spaced = LogSpacedEvaluation.fixed(suite, training.model, device)
        self._deep_checkpoints, self._deep = frozenset(suite.deep_schedule()), None
        deep = suite.deep_measures(scale)
        if deep is not None:
            self._deep = DeepEvaluation.fixed(suite, deep, scale.name, device)
        self.readings: list[tuple[int, Reading]] = []
        self.seconds = 0.0

    def due(self, step: int) -> bool:
        return step in self._checkpoints

    def measure(self, step: int, inputs: Tensor, targets: Tensor) -> float:
        """Measure the model as it is after `step` updates; returns the loss of the batch.

        If that is not finite, nothing is measured: there is nothing of such a model that has a value.
        """
        began = time.monotonic()
        training, model = self._training, self._training.model
        loss = training_loss(model, inputs, targets)
        if not math.isfinite(float(loss.values)):
            return float(loss.values)
        rate = np.asarray(learning_rate(training.suite, training.scale, step))
        found = [*measure(model, self._evaluation), loss, Reading("learning_rate", rate)]
        if self._log_spaced is not None and step in self._log_checkpoints:
            found += self._log_spaced.measure(model, training.optimiser, self._key, step)
        if self._deep is not None and step in self._deep_checkpoints:
            found += measure_deeply(model, self._deep, self._key, step)
            model.zero_grad()
        self.readings += [(step, reading) for reading in found]
        self.seconds += time.monotonic() - began
        return float(loss.values)

    def finish(self) -> None:
        """Measure what is known at the end only."""
        if self._log_spaced is not None:
            began = time.monotonic()
            self.readings += self._log_spaced.similarities()
            self.seconds += time.monotonic() - began

    def table(self) -> pa.Table:
        """What has been measured so far, as a trace."""
        return to_table(self.readings)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue from here."""
        return {
            "readings": self.readings,
            "measuring": self.seconds,
            "deep_seconds": self._deep.seconds if self._deep is not None else {},
            "log_spaced": self._log_spaced.state() if self._log_spaced is not None else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.readings, self.seconds = state["readings"], state["measuring"]
        if self._deep is not None:
            self._deep.seconds.update(state["deep_seconds"])
        if self._log_spaced is not None:
            self._log_spaced.restore(state["log_spaced"])

    @property
    def last_step(self) -> int | None:
        """Of what is measured, None before anything is."""
        return self.readings[-1][0] if self.readings else None

    def costs(self) -> dict[str, Any]:
        """Seconds for a manifest: in total, and of each measure that is timed separately."""
        timed = [part.seconds for part in (self._log_spaced, self._deep) if part is not None]
        costs: dict[str, Any] = {"seconds_measuring": round(self.seconds, 1)}
        if timed:
            clocks = (clock for clocks in timed for clock in clocks.items())
            costs["seconds_by_measure"] = {name: round(spent, 1) for name, spent in clocks}
        return costs
