"""A declared set of runs on the algorithmic tasks: scales x seeds, steps, optimiser, checkpoints.

**The learning-rate rule.** The peak learning rate is ``0.16 / width`` at every scale. Floors
depend on the learning rate, so some rule has to be chosen before scale can be compared, and the
paper's is unknown. With Adam, a learning rate proportional to 1/width keeps the size of
the change that one step makes to the hidden activations the same at all widths (Yang et al.
2021, arXiv:2203.03466); with one constant rate, wider models move further per step, fall through
the collapse in two or three steps, and train worse (at width 184, 3e-3 reached half the accuracy
of 1e-3 after 800 steps). The rule is applied to all parameters alike. Another rule may give
other floors; the rule is a choice, and it is recorded in each run's `config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from ..measures.sampler import Sampler

BYTES_A_PARAMETER = 16  # weights, gradients and two moments, in float32
BASE_BYTES = 1.2e9  # of a process with torch and what it loads
_POSITIONS = 13
_SAMPLES_AND_COPIES = (
    24  # bytes of a hidden state that is pooled: in float32, in float64, and normalised
)


@dataclass(frozen=True)
class Scale:
    """A model size; `name` is what manifests and file names call it."""

    width: int
    layers: int
    heads: int = 4

    @property
    def name(self) -> str:
        return f"d{self.width}L{self.layers}"


@dataclass(frozen=True)
class DeepMeasures:
    """The measures that cost too much for every checkpoint, and which checkpoints carry them.

    Effective ranks of gradients grow with the number of samples, and the LLC depends on its sampler
    more than on anything else: both are part of a run's config.
    """

    every: int  # of the log-spaced checkpoints, counted back from the last; also step 0
    llc: Mapping[str, Sampler]  # by scale: the other scales of a suite have no deep measures
    since: int = 0  # not at checkpoints before this step, but for step 0
    measures: tuple[str, ...] = (
        "gradient_rank",
        "fisher_rank",
        "hessian_top",
        "hessian_trace",
        "llc",
    )
    samples: int = 512  # of the mixture, for the LLC
    part_samples: int = 256  # of each task-level, for its part in the LLC
    rank_samples: int = 64  # the first of them
    hessian_samples: int = 32
    hessian_block: int | None = None  # samples at a time; None: all, for the trace 64
    trace_probes: int = 8


@dataclass(frozen=True)
class LogSpaced:
    """Measures of the log-spaced checkpoints and of step 0: of the whole model, and of its layers."""

    sharpness_samples: int = 2  # of each task-level: the mixture of all; 0: no sharpness
    similarity_samples: int = 20  # of each task-level, for each layer's similarity with its end


@dataclass(frozen=True)
class Suite:
    """A declared set of runs. All lengths are in optimiser steps."""

    name: str
    scales: tuple[Scale, ...]
    seeds: tuple[int, ...]
    steps: int
    batch: int
    dense_steps: int  # every step up to this one is a checkpoint: the collapse is over by then
    checkpoints: int  # in all, initialisation included; at least this many, log-spaced after
    evaluation_samples: int = 200  # of each task-level; RankMe depends on this number
    evaluation_seed: int = 20260217  # the same samples for every run, whatever its seed
    learning_rate_times_width: float = 0.16
    one_rate: float | None = None  # the peak learning rate of all scales, in place of that rule
    warmup: int = 200
    final_learning_rate: float = 0.1  # of the peak, where the cosine ends
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip_norm: float = 1.0
    shuffled_answers: bool = False  # a control: what happens here too is not about the tasks
    until: int | None = None  # training stops here, on the learning rates of all `steps`
    equal_steps: bool = False  # a control: at every step all blocks move equally far
    own_streams: bool = False  # data and initial weights are fixed by scale and seed, not by seed
    precision: str | None = (
        None  # of the products in training, "bf16" or "tf32"; None, and all measures: float32
    )
    centred: bool = False  # RankMe of centred hidden states beside that of the states as they are
    log_spaced: LogSpaced | None = None
    deep: DeepMeasures | None = None
    trainer: ClassVar[str] = ".run"  # module that makes a run

    def config(self, scale: Scale, seed: int) -> dict[str, Any]:
        """Everything that determines a run, for its manifest."""
        shared = {
            name: value
            for name, value in asdict(self).items()
            if name not in {"scales", "seeds", "name", "deep", *_ABSENT_IF_OFF}
        }
        for name in _ABSENT_IF_OFF:  # older runs of the same training lack the key
            if value := getattr(self, name):
                shared[name] = asdict(value) if isinstance(value, LogSpaced) else value
        deep = self.deep_measures(scale)
        if deep is not None:
            shared["deep"] = {
                name: value
                for name, value in asdict(deep).items()
                if name not in _LATER_DEEP or value != _LATER_DEEP[name]
            }
            shared["deep"]["llc"] = asdict(deep.llc[scale.name])
        shared["betas"] = list(self.betas)
        shared["learning_rate"] = self.peak_rate(scale)
        schedule = "constant" if self.final_learning_rate == 1 else "cosine"
        return {**shared, **asdict(scale), "seed": seed, "optimiser": "AdamW", "schedule": schedule}

    def peak_rate(self, scale: Scale) -> float:
        """The learning rate after warm-up."""
        return self.one_rate or self.learning_rate_times_width / scale.width

    def run_id(self, scale: Scale, seed: int) -> str:
        return f"{self.name}-{scale.name}-s{seed}"

    def memory(self, scale: Scale) -> float:
        """Bytes that training and measuring a run need on a CPU: an estimate, for schedulers."""
        d, layers = scale.width, scale.layers
        states = self.evaluation_samples * _POSITIONS * d * (layers + 2) * _SAMPLES_AND_COPIES
        activations = self.batch * _POSITIONS * d * layers * 34 * 4
        return BASE_BYTES + BYTES_A_PARAMETER * 12 * d * d * layers + states + activations

    def schedule(self) -> tuple[int, ...]:
        """Checkpoint steps: 0, every step to `dense_steps`, then a constant ratio to `steps`."""
        steps = checkpoint_steps(self.dense_steps, self.checkpoints, self.steps)
        return tuple(step for step in steps if step <= (self.until or self.steps))

    @property
    def last_step(self) -> int:
        """Where training ends: the last checkpoint."""
        return self.schedule()[-1]

    def log_schedule(self) -> tuple[int, ...]:
        """The log-spaced checkpoints, and step 0."""
        return (0, *(step for step in self.schedule() if step >= self.dense_steps))

    def deep_measures(self, scale: Scale) -> DeepMeasures | None:
        """The deep measures of a scale, None if it has none."""
        return self.deep if self.deep is not None and scale.name in self.deep.llc else None

    def deep_schedule(self) -> tuple[int, ...]:
        """The checkpoints that carry the deep measures, none if the suite has none."""
        if self.deep is None:
            return ()
        thinned = self.log_schedule()[:0:-1][:: self.deep.every][::-1]
        return (0, *(step for step in thinned if step >= self.deep.since))


def checkpoint_steps(dense: int, checkpoints: int, steps: int) -> tuple[int, ...]:
    """0, every step to `dense`, then a constant ratio to `steps`; at most `checkpoints` of them, since late ones may round alike."""
    remaining = checkpoints - dense - 1
    ratio = (steps / dense) ** (1 / remaining)
    sparse = {round(dense * ratio**i) for i in range(1, remaining + 1)}
    return tuple(sorted({*range(dense + 1), *sparse}))


# Fields of a config that are written only where they differ from what older runs did.
_ABSENT_IF_OFF = (
    "shuffled_answers",
    "one_rate",
    "until",
    "equal_steps",
    "own_streams",
    "precision",
    "centred",
    "log_spaced",
)
_LATER_DEEP = {"since": 0, "measures": DeepMeasures.measures}
