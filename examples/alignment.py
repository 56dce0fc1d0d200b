"""Pictures of docs/alignment.md: probes in models that are trained on text, on the probes, and on both, over training.

    python examples/alignment.py -o docs/pictures/alignment.svg
    python examples/alignment.py --steps -o docs/pictures/alignment_steps.svg

The first: accuracy, and effective rank of the states at the end of a context, of three probes in the shipped runs of one size.
Thin lines are runs, thick ones medians. The second: for every probe and level of these runs, the step at which the rank recovers and the step of
emergence; what did not come by the end stands at the right or upper edge. C is Harrell's, the median over runs, as
`text_no_task_precursor` takes it.
"""

import argparse
import sys

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

import emergence_stats as es
from emergence_stats.claims.project import Project

claim = Project().load("text_no_task_precursor").module
definitions = sys.modules[f"{claim.__package__}._text"]  # what the claim dates, and how

SIZE = "d32L4"
ARMS = {"text": "trained on text", "tasks": "trained on the probes", "mixed": "on both"}
PROBES = {("agreement", 0): "C0", ("matching", 0): "C1", ("phrase", 0): "C2"}
MEASURES = {"accuracy": "accuracy", "rankme_answer_centred": "RankMe, end of the context"}


plain = LogFormatter(minor_thresholds=(2, 1))


def over_training(runs):
    figure = Figure(figsize=(7.4, 4.4), layout="constrained")
    axes = figure.subplots(2, len(runs), sharex=True, sharey="row", squeeze=False)
    for column, (arm, some) in enumerate(runs.items()):
        for ax, (measure, label) in zip(axes[:, column], MEASURES.items(), strict=True):
            for (probe, level), colour in PROBES.items():
                _lines(ax, some, measure, probe, level, colour)
            ax.set_xscale("symlog", linthresh=1)
            ax.spines[["top", "right"]].set_visible(False)
            if column == 0:
                ax.set_ylabel(label)
        axes[0, column].set_title(ARMS[arm], fontsize="medium", loc="left")
        axes[1, column].set_xlabel("optimiser step")
    axes[1, 0].set_yscale("log")
    axes[1, 0].yaxis.set_major_formatter(plain)
    axes[1, 0].yaxis.set_minor_formatter(plain)
    axes[0, 0].legend(frameon=False, fontsize="small")
    return figure


def _lines(ax, runs, measure, probe, level, colour):
    values = []
    for run in runs:
        traces = run.traces(measure, tasks=True, layers=None if measure == "accuracy" else "final")
        (one,) = np.flatnonzero((traces.task == probe) & (traces.level == level))
        steps = traces.steps[one]
        values.append(traces.values[one])
        ax.plot(steps, values[-1], color=colour, lw=0.5, alpha=0.35)
    ax.plot(steps, np.median(values, axis=0), color=colour, lw=2, label=f"{probe} {level}")
    if measure == "accuracy":
        ax.axhline(definitions.CHANCE[probe, level], color=colour, lw=0.8, ls=":")
    ax.set_xlim(0, steps[-1])


def steps_of_both(runs):
    figure = Figure(figsize=(7.4, 3.0), layout="constrained")
    axes = figure.subplots(1, len(runs), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (arm, some) in zip(axes, runs.items(), strict=True):
        last = max(run.traces("accuracy").steps.max() for run in some)
        for run in some:
            sign, event = definitions.signs_and_emergences(
                run, 1.25, definitions.POOLING, "recovery"
            )
            x = np.where(sign.observed, sign.hi, last * 1.6)
            y = np.where(event.observed, event.hi, last * 1.6)
            ax.plot(x, y, "o", color="C0", ms=3, alpha=0.5, mew=0)
        ends = (1, last * 2)
        ax.plot(ends, ends, color="0.6", lw=0.8, ls="--")
        ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
        ax.set_xlabel("step at which RankMe recovers")
        c = np.median([definitions.concordance(run) for run in some])
        ax.set_title(f"{ARMS[arm]}: C = {c:.2f}", fontsize="medium", loc="left")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("step of emergence")
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", dest="file", required=True)
    parser.add_argument("--steps", action="store_true")
    given = parser.parse_args()
    mpl.rcParams["svg.hashsalt"] = "alignment"  # the same file for the same runs
    runs = {}
    for run in es.load_runs(suite="text"):
        size, _, arm = run.scale.rpartition("-")
        if size == SIZE:
            runs.setdefault(arm, []).append(run)
    runs = {arm: runs[arm] for arm in ARMS if arm in runs}
    figure = steps_of_both(runs) if given.steps else over_training(runs)
    figure.savefig(given.file, metadata={"Date": None} if given.file.endswith("svg") else None)
    seeds = {arm: sorted(run.seed for run in some) for arm, some in runs.items()}
    print(f"{SIZE}:", "; ".join(f"{arm}, seeds {seeds[arm]}" for arm in runs))


main()
