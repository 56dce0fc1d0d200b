"""Published checkpoints of language models as suites: a model is a scale, a revision of its repository a checkpoint.

Of Pythia one model of each size was trained once, so that a size is one run; of PolyPythias (van der Wal et al. 2025,
arXiv:2503.09543) nine, in five smaller sizes. Which revisions there are is their model cards': step 0, the powers of two to 512, and
every 1,000th step to 143,000, 2,097,152 tokens each. `language/declare.py` makes a suite of any other model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from .suite import BASE_BYTES

_BYTES_A_WEIGHT = 4  # in memory: float32
_COPIES = 2.4  # of the weights, at the most: as they are read, and as they are used
_SCORES = 1e9  # bytes of scores of a vocabulary, and of states (docs/language_benchmark.md)


@dataclass(frozen=True)
class Published:
    """A model. `repository`: on the hub, or a folder, with ``{seed}`` where each seed has one of its own; `parameters`, of which
    memory and time are estimated.
    """

    name: str
    repository: str
    width: int
    layers: int
    parameters: int


@dataclass(frozen=True)
class PublishedSuite:
    """Models, a run for each seed of a size. `revisions`: step and name of each checkpoint; `folder`: of models that are looked
    for there first; `step_unit`: what steps count; `end`: the step at which training ended, None if it is the last revision's.
    """

    name: str
    scales: tuple[Published, ...]
    revisions: tuple[tuple[int, str], ...]
    tokens_a_step: int | None
    seeds: tuple[int, ...] = (0,)
    folder: Path | None = None
    step_unit: str = "optimiser steps"
    bytes_a_weight: int = 2  # as it is published, for what a download takes
    end: int | None = None
    trainer: ClassVar[str] = ".language.published"  # module that makes a run

    def config(self, scale: Published, seed: int) -> dict[str, Any]:
        """What determines the traces, but for the weights themselves, whose digests the manifest has."""
        return {
            "repository": self.address(scale, seed),
            "revisions": {revision: step for step, revision in self.revisions},
            **({} if self.tokens_a_step is None else {"tokens_a_step": self.tokens_a_step}),
            "seed": seed,
        }

    def address(self, scale: Published, seed: int) -> str:
        """What a run's model is called, wherever its files are."""
        return scale.repository.replace("{seed}", str(seed))

    def repository(self, scale: Published, seed: int) -> str:
        """Where a run's checkpoints are: in `folder` as ``models--OWNER--NAME``, as in the hub's cache, or NAME; else its address."""
        address = self.address(scale, seed)
        if self.folder is None:
            return address
        names = (f"models--{address.replace('/', '--')}", address.split("/")[-1])
        there = (self.folder / name for name in names if (self.folder / name).is_dir())
        return str(next(there, address))

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

    @property
    def final_step(self) -> int:
        """The step at which training ended."""
        return self.last_step if self.end is None else self.end

    def schedule(self) -> tuple[int, ...]:
        """The steps of its checkpoints, in order."""
        return tuple(step for step, _ in self.revisions)

    def at(self, folder: Path) -> PublishedSuite:
        """The same suite with its models in a folder; those that are not there keep their address."""
        return replace(self, folder=folder)


def pythia_steps() -> tuple[int, ...]:
    return (0, *(2**k for k in range(10)), *range(1000, 143_001, 1000))


# Width, blocks, and parameters as the model cards give them, embeddings and all.
_SIZES: Mapping[str, tuple[int, int, int]] = {
    "14m": (128, 6, 14_067_712),
    "31m": (256, 6, 30_494_720),
    "70m": (512, 6, 70_426_624),
    "160m": (768, 12, 162_322_944),
    "410m": (1024, 24, 405_334_016),
    "1b": (2048, 16, 1_011_781_632),
    "2.8b": (2560, 32, 2_775_208_960),
}


def _pythia(
    name: str, sizes: Sequence[str], ending: str = "", seeds: Sequence[int] = (0,)
) -> PublishedSuite:
    return PublishedSuite(
        name=name,
        scales=tuple(
            Published(size, f"EleutherAI/pythia-{size}{ending}", *_SIZES[size]) for size in sizes
        ),
        revisions=tuple((step, f"step{step}") for step in pythia_steps()),
        tokens_a_step=2_097_152,
        seeds=tuple(seeds),
    )


PYTHIA = _pythia("pythia", ("160m", "410m", "1b", "2.8b"))
POLYPYTHIAS = _pythia(
    "polypythias", ("14m", "31m", "70m", "160m", "410m"), "-seed{seed}", range(1, 10)
)
