"""Language models that are trained here, on text, on tasks made of the same text, or on both.

GPT-NeoX in five widths of four blocks on the addresses of presidents (`language/trained/corpus.py`). A size is trained in three arms, which
are one training but for what it is trained on: "text", the documents; "tasks", the probes themselves, of other items, with the loss
on the right option alone; "mixed", text with every tenth row a row of tasks. The three runs of a seed begin from the same weights and
read from the same places, so that a seed is a matched comparison. The learning rate is that of `pocket`, for the reason that
`suite.py` gives.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from emergence_stats.traces.format import check_name

from .suite import BASE_BYTES, BYTES_A_PARAMETER, Scale, checkpoint_steps

ARMS = {
    "text": 0.0,
    "tasks": 1.0,
    "mixed": 0.1,
}  # the share of the rows of a batch that are of tasks, in the mean


@dataclass(frozen=True)
class Arm(Scale):
    """A size in one of the `ARMS`; to claims, each is a scale."""

    arm: str = "text"

    @property
    def name(self) -> str:
        return f"{super().name}-{self.arm}"

    @property
    def tasks_share(self) -> float:
        return ARMS[self.arm]


@dataclass(frozen=True)
class TextSuite:
    """A declared set of runs."""

    name: str
    scales: tuple[Arm, ...]
    seeds: tuple[int, ...]
    steps: int = 2000
    batch: int = 32
    length: int = 64  # tokens that are predicted in a row
    vocabulary: int = 1024
    dense_steps: int = 12
    checkpoints: int = 44
    learning_rate_times_width: float = 0.16
    warmup: int = 100
    final_learning_rate: float = 0.1
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip_norm: float = 1.0
    corpus: str | None = None  # a folder of texts; None: the default
    corpus_sha256: str = "183f15839280e49b68bd29edf004c65dde005877cdcb5b2a93da1d1cc94e3ea2"
    trainer: ClassVar[str] = ".language.trained.text"  # module that makes a run

    def on(self, corpus: Path, sha256: str) -> TextSuite:
        """The same on another corpus with this digest, under a name of its own: its runs are no runs of this suite.

        Raises `TraceError` for a folder whose name can be that of no suite.
        """
        name = check_name(f"{self.name}_on_{corpus.name}", "suite")
        return replace(self, name=name, corpus=str(corpus), corpus_sha256=sha256)

    def config(self, scale: Arm, seed: int) -> dict[str, Any]:
        """What determines a run, but for the probes, whose digest a run adds."""
        left = {"scales", "seeds", "name", "corpus", "corpus_sha256"}
        shared = {k: v for k, v in asdict(self).items() if k not in left}
        shared["corpus"] = self.corpus_sha256
        shared["betas"] = list(self.betas)
        rate = {"learning_rate": self.peak_rate(scale), "optimiser": "AdamW", "schedule": "cosine"}
        shares = {"tasks_share": scale.tasks_share}
        return {**shared, **asdict(scale), **shares, **rate, "model": "gpt_neox", "seed": seed}

    def peak_rate(self, scale: Scale) -> float:
        return self.learning_rate_times_width / scale.width

    def run_id(self, scale: Scale, seed: int) -> str:
        return f"{self.name}-{scale.name}-s{seed}"

    def memory(self, scale: Scale) -> float:
        """Bytes that training and measuring a run need on a CPU: an estimate, for schedulers."""
        d, layers = scale.width, scale.layers
        parameters = 12 * d * d * layers + 2 * d * self.vocabulary
        activations = self.batch * self.length * (34 * d * layers + 3 * self.vocabulary) * 4
        return BASE_BYTES + BYTES_A_PARAMETER * parameters + activations

    def schedule(self) -> tuple[int, ...]:
        """Checkpoint steps: 0, every step to `dense_steps`, then a constant ratio to `steps`."""
        return checkpoint_steps(self.dense_steps, self.checkpoints, self.steps)

    @property
    def last_step(self) -> int:
        return self.steps


# Seed 100 is a pilot.
TEXT = TextSuite(
    name="text",
    scales=tuple(Arm(width, 4, arm=arm) for width in (16, 32, 64, 128, 192) for arm in ARMS),
    seeds=tuple(range(100, 109)),
)
