"""Where a benchmark ran, in a line."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """Cores and their model, and the versions that matter."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy", "pandas", "pyarrow"))
    return f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}, {versions}"
