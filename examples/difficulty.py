"""When each task emerges in the runs of the first study: the difficulty that the second study's claims were given.

    git worktree add ../first-study 51f7408
    python examples/difficulty.py ../first-study/data pocket pocket_deep

Median step over all runs, sizes and levels of a task; levels that have not emerged by the end are later than all others. Without
suites: those of all runs of the store.
"""

import sys
from collections import defaultdict

import numpy as np

import emergence_stats as es
from emergence_stats.claims.project import Project

definitions = Project().load("precursor_rates").module
folder, *suites = sys.argv[1:]
store = es.Store.open(folder)

steps = defaultdict(list)
for file in store.runs:
    if suites and file.manifest.suite not in suites:
        continue
    events = definitions.emergences(es.Run(file.manifest, store.read(file, measures=["accuracy"])))
    for task, step in zip(events.task, events.hi, strict=True):
        steps[str(task)].append(step)

print("| task | median step of emergence |")
print("|---|---|")
for task in sorted(steps, key=lambda task: np.median(steps[task])):
    print(f"| {task} | {np.median(steps[task]):,.0f} |")
