"""What every kind of suite declares, whatever trains or reads its runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

_NO_OTHER_TRAINING = ("deep", "folder")  # what is measured besides, and where files lie


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


def other_settings(
    suite: Declared, scale: str, seed: int, config: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """The settings of a run that are not those that its suite has now, each with both values; none for a scale that it lacks.

    `config`: of the run's manifest. What it does not say is not compared: an older version has not written it.
    """
    size = next((one for one in suite.scales if one.name == scale), None)
    if size is None:
        return {}
    off = {
        key: value
        for key, value in vars(suite).items()
        if not value and key not in _NO_OTHER_TRAINING
    }
    now = json.loads(json.dumps({**off, **suite.config(size, seed)}))
    return {
        key: (config[key], value)
        for key, value in now.items()
        if key in config and config[key] != value
    }
