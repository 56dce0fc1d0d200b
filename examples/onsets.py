"""Which definition of an onset finds what has to be there: why the claims about lags use the largest step.

    git worktree add ../first-study 51f7408
    python examples/onsets.py ../first-study/data pocket_deep

Log-probability has to move with accuracy (lag 0, slope 1), and the norm of all weights knows no task (slope 0). Medians over the
runs of a suite, there of the first study, which are pilots; "events" is how many task-levels of a run show a change. No verdict
rests on it.
"""

import sys

import numpy as np

import emergence_stats as es
from emergence_stats.claims.project import Project

folder, suite = sys.argv[1:]
module = Project().load("llc_synchronous").module
lags_of = module.median_lag.__globals__["lags_of"]
store = es.Store.open(folder)
MEASURES = ("log_prob", "weight_norm", "llc", "hessian_top")

runs = [
    es.Run(file.manifest, store.read(file, measures=["accuracy", *MEASURES]))
    for file in store.runs
    if file.manifest.suite == suite
]
runs = [run for run in runs if set(MEASURES) <= run.measures]  # not all sizes have deep measures
print("| measure | onset | events | median lag | slope on emergence |")
print("|---|---|---|---|---|")
for measure in MEASURES:
    for onset in ("step", "sigmoid", "half-way"):
        found = [lags_of(run, measure, onset=onset) for run in runs]
        enough = [lags for lags in found if len(lags) >= 6]
        lag = slope = "-"
        if enough:
            lag = f"{np.median([np.median(lags.values) for lags in enough]):+.2f}"
            slope = f"{np.median([lags.slope(least_spread=0) for lags in enough]):.2f}"
        print(
            f"| {measure} | {onset} | {np.median([len(lags) for lags in found]):.0f} | {lag} | {slope} |"
        )
