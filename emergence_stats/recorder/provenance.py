"""What may change a trace besides its config: the device, and software versions."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import torch

from emergence_stats.support.git import revision


def device_name(device: torch.device) -> str:
    """The kind of device and its name."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {platform.machine()}"


def software() -> dict[str, str]:
    """Versions that may change a trace, and the revision of this repository where there is one."""
    versions = {name: version(name) for name in ("torch", "numpy", "pyarrow")}
    versions["python"] = platform.python_version()
    here = revision(Path(__file__).parent)
    return versions if here is None else {**versions, "revision": here}
