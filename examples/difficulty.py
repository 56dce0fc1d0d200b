"""When each task emerges in the runs of the first study: the difficulty that the second study's claims were given.

    python examples/difficulty.py

Median step over all runs, sizes and levels of a task; levels that have not emerged by the end are later than all others.
"""

from collections import defaultdict

import numpy as np

import emergence_stats as es
from emergence_stats.claims.project import Project

project = Project()
definitions = project.load("precursor_rates").module
store = es.Store.open(project.traces)

steps = defaultdict(list)
for file in store.runs:
    if file.manifest.suite not in ("pocket", "pocket_deep"):
        continue
    events = definitions.emergences(es.Run(file.manifest, store.read(file, measures=["accuracy"])))
    for task, step in zip(events.task, events.hi, strict=True):
        steps[str(task)].append(step)

print("| task | median step of emergence |")
print("|---|---|")
for task in sorted(steps, key=lambda task: np.median(steps[task])):
    print(f"| {task} | {np.median(steps[task]):,.0f} |")
