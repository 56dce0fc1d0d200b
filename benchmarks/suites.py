"""What the runs of a store cost: `python -m benchmarks.suites [STORE ...] > docs/suites_cost.md`.

From the runs' own manifests: nothing is trained. Positions are those of the padded batch, of language models tokens.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator

from emergence_stats.reports.markdown import markdown_table
from emergence_stats.support.words import natural
from emergence_stats.traces.format import Manifest
from emergence_stats.traces.store import Store
from emergence_training import tasks
from emergence_training.suites import SUITES, TEXTS


def last_step(suite: str) -> int:
    return {**SUITES, **TEXTS}[suite].last_step


def positions_of_step(manifest: Manifest) -> int:
    """What a step of its training reads, 0 for a run of another kind of suite."""
    if manifest.suite in SUITES:
        return int(manifest.config["batch"]) * tasks.CONTEXT
    if manifest.suite in TEXTS:
        return int(manifest.config["batch"]) * int(manifest.config["length"])
    return 0


def rows(manifests: list[Manifest]) -> Iterator[tuple[str, ...]]:
    groups: dict[tuple[str, int, str, str], list[Manifest]] = defaultdict(list)
    for m in manifests:
        if positions_of_step(m) and isinstance(m.further.get("seconds"), int | float):
            groups[m.suite, m.n_params, m.scale, m.device].append(m)
    for (suite, _, scale, device), some in sorted(groups.items(), key=lambda g: (natural(g[0][0]), g[0][1])):  # fmt: skip
        seconds = statistics.median(m.further["seconds"] for m in some)
        measuring = statistics.median(m.further.get("seconds_measuring", 0.0) for m in some)
        positions = last_step(suite) * positions_of_step(some[0])
        days = sorted(m.created[:10] for m in some)
        yield (
            suite,
            scale,
            device,
            str(len(some)),
            f"{seconds:,.0f}",
            f"{positions / max(seconds - measuring, 1e-9):,.0f}",
            f"{100 * measuring / seconds:.0f}%",
            days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}",
        )


def main() -> None:
    stores = sys.argv[1:] or ["data"]
    manifests = [run.manifest for store in stores for run in Store.open(store).runs]
    command = " ".join(["python -m benchmarks.suites", *sys.argv[1:]])
    others = sorted({m.suite for m in manifests if not positions_of_step(m)})
    print("# What the runs of each suite cost\n")
    print(
        f"`{command}`, from the manifests of the runs; medians. Collected with `emergence-stats collect --suite NAME`, two"
    )
    print(
        "processes of one thread each, some beside other work: `seconds` are those of a run, in training and in measuring.\n"
    )
    header = ("suite", "scale", "device", "runs", "seconds a run", "positions a second, training", "share of measuring", "made")  # fmt: skip
    for line in markdown_table(header, list(rows(manifests))):
        print(line)
    if others:
        print(f"\nNot of the backend's own suites, and left out: {', '.join(others)}.")


if __name__ == "__main__":
    main()
