"""The picture of the README: how rank and accuracy of one task move in training, in all runs of one size.

    python examples/collapse.py docs/pictures/collapse.svg

Thin lines are the shipped runs of suite `pocket_long`, thick ones their medians; the dashed line is the median step of emergence.
"""

import sys

import numpy as np
from matplotlib.figure import Figure

import emergence_stats as es

SCALE, TASK, LEVEL = "d96L4", "mod", 0
runs = es.load_runs(suite="pocket_long", scale=SCALE, measures=["rankme", "accuracy"])

figure = Figure(figsize=(7.4, 3.0), layout="constrained")
axes = figure.subplots(1, 2, sharex=True)
for ax, measure, colour in zip(axes, ("rankme", "accuracy"), ("C0", "C1"), strict=True):
    values = []
    for run in runs:
        traces = run.traces(measure, tasks=True, layers="final" if measure == "rankme" else None)
        (one,) = np.flatnonzero((traces.task == TASK) & (traces.level == LEVEL))
        steps = traces.steps[one]
        values.append(traces.values[one])
        ax.plot(steps, values[-1], color=colour, lw=0.5, alpha=0.35)
    ax.plot(steps, np.median(values, axis=0), color=colour, lw=2)
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xlim(0, steps[-1])
    ax.set_xlabel("optimiser step")
    ax.spines[["top", "right"]].set_visible(False)

chance = {(TASK, LEVEL): 1 / 5}  # what the most frequent answer scores
emerged = [es.emergence(run, chance=chance).at([(TASK, LEVEL)]) for run in runs]
step = float(np.median([events.hi[0] for events in emerged]))
for ax in axes:
    ax.axvline(step, color="0.5", ls="--", lw=1)
low, high = axes[0].get_ylim()
axes[0].text(step * 0.9, high, "emergence", ha="right", va="top", color="0.4", fontsize="small")
axes[0].set_title("effective rank (RankMe), last block", fontsize="medium", loc="left")
axes[1].set_title("accuracy", fontsize="medium", loc="left")
figure.savefig(sys.argv[1], metadata={"Date": None} if sys.argv[1].endswith("svg") else None)
print(f"{len(runs)} runs of {SCALE}, {TASK} {LEVEL}: emergence at step {step:.0f} (median)")
