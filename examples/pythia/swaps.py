"""Which tasks swap order between which sizes: a table from the imported evaluations."""

from emergence_stats import Run, Store
from emergence_stats.claims.project import Project

project = Project()
store = Store.open(project.traces)
swaps = project.load("same_order").module.swaps
runs = [Run(file.manifest, store.read(file)) for file in store.runs]
print("| data | at the smaller size first | at the larger size first | sizes |")
print("|---|---|---|---|")
for seed in sorted({run.seed for run in runs}):
    ladder = [run for run in runs if run.seed == seed]
    for first, then, small, large in swaps(ladder)[0]:
        print(f"| {ladder[0].manifest.config['data']} | {first} | {then} | {small}, {large} |")
