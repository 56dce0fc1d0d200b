"""Published checkpoints of language models as suites: a model is a scale, a revision of its repository a checkpoint.

One model of each size was trained once, so that a size is one run. Which revisions of Pythia there are is its model card's:
step 0, the powers of two to 512, and every 1,000th step to 143,000, 2,097,152 tokens each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from .suite import BASE_BYTES

_BYTES_A_WEIGHT = 4  # in memory: float32
_COPIES = 2.4  # of the weights, at the most: as they are read, and as they are used
_SCORES = 1e9  # bytes of scores of a vocabulary, and of states (docs/language_benchmark.md)


@dataclass(frozen=True)
class Published:
    """A model. `repository`: on the hub, or a folder; `parameters` without the output embedding count for memory and time."""

    name: str
    repository: str
    width: int
    layers: int
    parameters: int


@dataclass(frozen=True)
class PublishedSuite:
    """Models with one run each. `revisions`: step and name of each checkpoint; `folder`: of revisions as sub-folders instead."""

    name: str
    scales: tuple[Published, ...]
    revisions: tuple[tuple[int, str], ...]
    tokens_a_step: int
    seeds: tuple[int, ...] = (0,)
    bytes_a_weight: int = 2  # as it is published, for what a download takes
    trainer: ClassVar[str] = ".language.published"  # module that makes a run

    def config(self, scale: Published, seed: int) -> dict[str, Any]:
        """What determines the traces, but for the weights themselves, whose digests the manifest has."""
        return {
            "repository": scale.repository,
            "revisions": {revision: step for step, revision in self.revisions},
            "tokens_a_step": self.tokens_a_step,
            "seed": seed,
        }

    def run_id(self, scale: Published, seed: int) -> str:
        return f"{self.name}-{scale.name}-s{seed}"

    def memory(self, scale: Published) -> float:
        """Bytes that measuring a checkpoint needs on a CPU: an estimate, for schedulers."""
        return BASE_BYTES + _SCORES + _COPIES * _BYTES_A_WEIGHT * scale.parameters

    def download(self, scale: Published) -> int:
        """Bytes of all checkpoints of a model, as they are published: an estimate."""
        return self.bytes_a_weight * scale.parameters * len(self.revisions)

    @property
    def last_step(self) -> int:
        return self.revisions[-1][0]

    def schedule(self) -> tuple[int, ...]:
        """The steps of its checkpoints, in order."""
        return tuple(step for step, _ in self.revisions)

    def at(self, folder: Path) -> PublishedSuite:
        """The same suite with its models in a folder: ``models--OWNER--NAME``, as in the hub's cache, or NAME.

        Those that are not there keep their address.
        """
        return replace(self, scales=tuple(_placed(scale, folder) for scale in self.scales))


def _placed(scale: Published, folder: Path) -> Published:
    names = (f"models--{scale.repository.replace('/', '--')}", scale.repository.split("/")[-1])
    there = next((folder / name for name in names if (folder / name).is_dir()), None)
    return scale if there is None else replace(scale, repository=str(there))


def pythia_steps() -> tuple[int, ...]:
    return (0, *(2**k for k in range(10)), *range(1000, 143_001, 1000))


# Parameters as the model cards give them, embeddings and all.
_SIZES: Mapping[str, tuple[int, int, int]] = {
    "160m": (768, 12, 162_322_944),
    "410m": (1024, 24, 405_334_016),
    "1b": (2048, 16, 1_011_781_632),
    "2.8b": (2560, 32, 2_775_208_960),
}
PYTHIA = PublishedSuite(
    name="pythia",
    scales=tuple(
        Published(name, f"EleutherAI/pythia-{name}", *size) for name, size in _SIZES.items()
    ),
    revisions=tuple((step, f"step{step}") for step in pythia_steps()),
    tokens_a_step=2_097_152,
)
