"""Which definition of an onset finds what has to be there: why the claims about lags use the largest step.

    python examples/onsets.py

Log-probability has to move with accuracy (lag 0, slope 1), and the norm of all weights knows no task (slope 0). Medians over the
runs of suite pocket_deep, which are pilots; "events" is how many task-levels of a run show a change. No verdict rests on it.
"""

import numpy as np

import emergence_stats as es
from emergence_stats.claims.project import Project

project = Project()
module = project.load("llc_synchronous").module
lags_of = module.median_lag.__globals__["lags_of"]
store = es.Store.open(project.traces)
MEASURES = ("log_prob", "weight_norm", "llc", "hessian_top")

runs = [
    es.Run(file.manifest, store.read(file, measures=["accuracy", *MEASURES]))
    for file in store.runs
    if file.manifest.suite == "pocket_deep"
]
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
