"""What the runs of a store cost: `python -m benchmarks.suites [STORE ...] > docs/suites_cost.md`.

From the runs' own manifests: nothing is trained. Positions are those of the padded batch.
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
from emergence_training.suites import SUITES


def rows(manifests: list[Manifest]) -> Iterator[tuple[str, ...]]:
    groups: dict[tuple[str, int, str, str], list[Manifest]] = defaultdict(list)
    for m in manifests:
        if m.suite in SUITES and isinstance(m.further.get("seconds"), int | float):
            groups[m.suite, m.n_params, m.scale, m.device].append(m)
    for (suite, _, scale, device), some in sorted(groups.items(), key=lambda g: (natural(g[0][0]), g[0][1])):  # fmt: skip
        seconds = statistics.median(m.further["seconds"] for m in some)
        measuring = statistics.median(m.further.get("seconds_measuring", 0.0) for m in some)
        positions = SUITES[suite].last_step * some[0].config["batch"] * tasks.CONTEXT
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


if __name__ == "__main__":
    main()
