"""How far each measure leads or lags emergence, and whether its change knows its own task.

    python examples/order_of_measures.py

Of the confirmatory runs of suite pocket_deep, of all its runs before there are any, by the estimates that the hypotheses register
(`hypotheses/_order.py`). Exploratory: a description of these runs, and no test.
"""

from importlib import import_module

import numpy as np

import emergence_stats as es
from emergence_stats.claims.project import Project

project = Project()
order = project.load("geometric_hierarchy").module
shared = import_module("._order", order.__package__)
store = es.Store.open(project.traces)

lags, knows = {m: [] for m in order.ORDER}, {m: [] for m in order.ORDER}
files = [file for file in store.runs if file.manifest.suite == shared.DEEP.suite]
planned = set(shared.DEEP.runs())
confirmatory = [file for file in files if (file.manifest.scale, file.manifest.seed) in planned]
for file in confirmatory or files:
    run = es.Run(file.manifest, store.read(file, measures=["accuracy", *order.ORDER]))
    for measure in order.ORDER:
        lags[measure].append(shared.lag_behind(run, measure, shared.How()))
        knows[measure].append(shared.matched_minus_mismatched(run, measure, shared.How()))

print(
    "| measure | runs | lag as a factor of steps, median (range) | its own task, mean | above 0 |"
)
print("|---|---|---|---|---|")
for measure in order.ORDER:
    factor, own = np.exp(lags[measure]), np.array(knows[measure])
    print(
        f"| {measure} | {len(own)} | x{np.median(factor):.2f} ({factor.min():.2f} to "
        f"{factor.max():.2f}) | {own.mean():+.3f} | {(own > 0).sum()} of {len(own)} |"
    )
