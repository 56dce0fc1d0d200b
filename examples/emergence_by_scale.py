"""How many task-levels each scale learns, and when: the events of the runs of suite pocket_long by hand.

    python examples/emergence_by_scale.py

The definition of emergence is the one that the hypotheses register (`hypotheses/_tasks.py`).
"""

from collections import defaultdict

import numpy as np

import emergence_stats as es
from emergence_stats.claims.project import Project

project = Project()
definitions = project.load("precursor_rates").module
store = es.Store.open(project.traces)

steps = defaultdict(list)  # scale -> (runs, task-levels), infinite where not learned by the end
sizes = {}
for file in store.runs:
    if file.manifest.suite != "pocket_long":  # a seed of another suite may be the same training
        continue
    run = es.Run(file.manifest, store.read(file, measures=["accuracy"]))
    events = definitions.emergences(run)
    steps[run.scale].append(events.hi)
    sizes[run.scale] = run.n_params
    task_levels = events.task_levels()

print("| scale | parameters | runs | task-levels learned | median step |")
print("|---|---|---|---|---|")
for scale in sorted(sizes, key=sizes.__getitem__):
    hi = np.array(steps[scale])
    learned = np.isfinite(hi).mean()
    print(
        f"| {scale} | {sizes[scale]:,} | {len(hi)} | {learned:.0%} | {np.median(hi[np.isfinite(hi)]):,.0f} |"
    )

print()
print("| task | " + " | ".join(f"level {level}" for level in range(3)) + " |")
print("|---|---|---|---|")
share = np.isfinite(np.concatenate([np.array(steps[s]) for s in sizes])).mean(0)
by_key = dict(zip(task_levels, share, strict=True))
for task in dict.fromkeys(task for task, _ in task_levels):
    print(f"| {task} | " + " | ".join(f"{by_key[task, level]:.0%}" for level in range(3)) + " |")
