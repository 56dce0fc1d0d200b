"""What measuring published models costs on a CPU: an estimate from what was measured.

    seconds a checkpoint = 2 P N / F        P: parameters; N: tokens of all items; F: operations a second of one core

Measured by `python -m benchmarks.language` (docs/language_benchmark.md).
"""

from __future__ import annotations

from typing import Any

from ..suites import Published, PublishedSuite

TOKENS = 25_247  # with short tokens, of which Pythia's tokenizer needs fewer
OPERATIONS = 6.8e10  # a second, as for 410m; smaller models have more


def costs(suite: PublishedSuite) -> list[dict[str, Any]]:
    """Of all checkpoints of each model: hours of one core, GB of memory, GB to fetch in all and of one checkpoint at a time."""
    return [{"scale": scale.name, **_cost(suite, scale)} for scale in suite.scales]


def _cost(suite: PublishedSuite, scale: Published) -> dict[str, Any]:
    n = len(suite.revisions)
    fetched = suite.download(scale) / 1e9
    return {
        "checkpoints": n,
        "hours": n * 2 * scale.parameters * TOKENS / OPERATIONS / 3600,
        "memory_gb": suite.memory(scale) / 1e9,
        "download_gb": fetched,
        "checkpoint_gb": fetched / n,
    }
