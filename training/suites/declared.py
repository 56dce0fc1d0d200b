"""What every kind of suite declares, whatever trains or reads its runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Size(Protocol):
    """A model size; `name` is what manifests and file names call it."""

    @property
    def name(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def layers(self) -> int: ...


class Declared(Protocol):
    """A set of runs, scales x seeds. `trainer`: the module of this backend whose `train` makes one.

    `scale`, below, is one of the suite's own.
    """

    @property
    def name(self) -> str: ...
    @property
    def scales(self) -> Sequence[Size]: ...
    @property
    def seeds(self) -> Sequence[int]: ...
    @property
    def trainer(self) -> str: ...
    @property
    def last_step(self) -> int: ...

    def schedule(self) -> Sequence[int]:
        """The steps of its checkpoints, in order."""

    def config(self, scale: Any, seed: int) -> dict[str, Any]:
        """What determines a run, for its manifest."""

    def run_id(self, scale: Any, seed: int) -> str: ...

    def memory(self, scale: Any) -> float:
        """Bytes that a run needs on a CPU: an estimate, for schedulers."""
