"""The ten claims as a plain script: pandas for the traces, scipy.stats for the statistics.

What one writes without this project, and the peer that `python -m benchmarks` times and compares
with. Shares no code with the package, so that equal numbers mean something. Definitions are those
that `emergence-stats describe NAME` prints.

    python benchmarks/plain_report.py data        prints JSON, one entry a prediction
"""

import argparse
import itertools
import json
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

if __package__:
    from benchmarks import plain_order
else:
    import plain_order

CONFIRMATORY_SEEDS = (30, 31, 32, 33, 34)
HARD = ("add", "mod", "mul", "parity")
EASY = ("copy", "reverse", "sort", "compare")
TASKS = (*EASY, *HARD)
CHANCE = {
    "compare": (0.5, 0.5, 0.5),
    "parity": (0.5, 0.5, 0.5),
    "add": (0.10, 0.01, 0.0),
    "mod": (1 / 5, 1 / 7, 1 / 11),
    "mul": (0.19, 0.109, 0.0199),
}


def load(store):
    """All rows of RankMe and accuracy of the confirmatory runs, with scale and size."""
    frames = []
    for path, manifest in plain_order.counted(Path(store) / "pocket", CONFIRMATORY_SEEDS):
        frame = pd.read_parquet(
            path.with_suffix(".parquet"),
            columns=["run_id", "step", "task", "level", "layer", "measure", "value"],
            filters=[("measure", "in", ["rankme", "accuracy"])],
        )
        for name in ("scale", "seed", "n_params", "n_layers"):
            frame[name] = manifest[name]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


# --- events -----------------------------------------------------------------------------------


def first_lasting(steps, holds, persistence):
    """(lo, hi]: the event lies between these checkpoints; hi is infinite where it was not seen."""
    for i in range(len(holds) - persistence + 1):
        if holds[i : i + persistence].all():
            return (steps[i - 1] if i else -np.inf), steps[i]
    i = len(holds)
    while i > 0 and holds[i - 1]:
        i -= 1
    return (steps[i - 1] if i else -np.inf), np.inf


def one_run(frame):
    """A table of the task-levels of one run: emergence, floor and recovery in the last block."""
    last = frame["n_layers"].iloc[0]
    accuracy = frame[frame["measure"] == "accuracy"]
    rankme = frame[(frame["measure"] == "rankme") & (frame["layer"] == last)]
    by_task_level = dict(list(rankme.groupby(["task", "level"], observed=True)))
    rows = []
    for (task, level), trace in accuracy.groupby(["task", "level"], observed=True):
        trace = trace.sort_values("step")
        chance = CHANCE.get(task, (0.0, 0.0, 0.0))[level]
        threshold = chance + 0.25 * (1 - chance)
        learned = first_lasting(trace["step"].to_numpy(), trace["value"].to_numpy() >= threshold, 3)
        ranks = by_task_level[task, level].sort_values("step")
        steps, values = ranks["step"].to_numpy(), ranks["value"].to_numpy()
        lowest = np.argmin(np.where(steps <= learned[1], values, np.inf))
        floor = values[lowest]
        after = (np.arange(len(values)) > lowest) & (values >= 1.25 * floor)
        recovered = first_lasting(steps, after, 3)
        rows.append((task, level, *learned, values[0], floor, steps[lowest], *recovered))
    columns = ["task", "level", "learned_lo", "learned", "initial", "floor", "floor_step"]
    columns += ["back_lo", "back"]
    return pd.DataFrame(rows, columns=columns)


def depth_orders(frame):
    """Kendall's tau-b of block and half-way step, for each task-level of one run."""
    blocks = frame[
        (frame["measure"] == "rankme") & frame["layer"].between(1, frame["n_layers"].iloc[0])
    ]
    taus = []
    for _, task_level in blocks.groupby(["task", "level"], observed=True):
        layers, halfway = [], []
        for layer, trace in task_level.groupby("layer"):
            trace = trace.sort_values("step")
            values = trace["value"].to_numpy()
            fallen = values <= values[0] - 0.5 * (values[0] - values.min())
            fallen &= values[0] >= 1.25 * values.min()
            layers.append(layer)
            halfway.append(first_lasting(trace["step"].to_numpy(), fallen, 1)[1])
        tau = stats.kendalltau(layers, stats.rankdata(halfway)).statistic
        taus.append(0.0 if np.isnan(tau) else tau)
    return np.array(taus)


# --- one number a run -------------------------------------------------------------------------


def spearman(run):
    medians = run.groupby("task")[["back", "learned"]].median()
    return stats.spearmanr(medians["back"], medians["learned"]).statistic


def order(lo_a, hi_a, lo_b, hi_b):
    """-1 where a certainly came first, 1 where b did, 0 where the intervals overlap."""
    return -1 if hi_a <= lo_b else 1 if hi_b <= lo_a else 0


def concordance(run):
    agree = pairs = 0.0
    for group in (EASY, HARD):
        rows = run[run["task"].isin(group)].itertuples()
        for a, b in itertools.combinations(rows, 2):
            learned = order(a.learned_lo, a.learned, b.learned_lo, b.learned)
            if a.task == b.task or learned == 0:
                continue
            back = order(a.back_lo, a.back, b.back_lo, b.back)
            pairs += 1
            agree += 1.0 if back == learned else 0.5 if back == 0 else 0.0
    return agree / pairs


def leads(run):
    hard = run[run["task"].isin(HARD)]
    return (hard["back"] <= hard["learned_lo"]).sum(), len(hard)


def lead_beyond_mismatched(run):
    matched, mismatched = [], []
    hard = list(run[run["task"].isin(HARD)].itertuples())
    for a, b in itertools.product(hard, hard):
        if a.Index == b.Index:
            matched.append(a.back <= a.learned_lo)
        elif a.task != b.task:
            mismatched.append(a.back <= b.learned_lo)
    return np.mean(matched) - np.mean(mismatched)


def eta_squared(run):
    values = np.log(run["floor"])
    fitted = values.groupby(run["task"]).transform("mean")
    return ((fitted - values.mean()) ** 2).sum() / ((values - values.mean()) ** 2).sum()


def swaps(runs):
    """(predicted, swaps) between any two scales of one seed."""
    emerged, recovered = [], []
    for run in runs:
        rows = list(run.sort_values(["task", "level"]).itertuples())
        pairs = [(a, b) for a, b in itertools.combinations(rows, 2) if a.task != b.task]
        emerged.append([order(a.learned_lo, a.learned, b.learned_lo, b.learned) for a, b in pairs])
        recovered.append([order(a.back_lo, a.back, b.back_lo, b.back) for a, b in pairs])
    predicted = total = 0
    for i, j in itertools.combinations(range(len(runs)), 2):
        for e, f, g, h in zip(emerged[i], emerged[j], recovered[i], recovered[j], strict=True):
            if e * f == -1:
                total += 1
                predicted += (g, h) == (e, f)
    return predicted, total


# --- over runs --------------------------------------------------------------------------------


def by_scale(values, scales):
    """Mean of the scales' means, its standard error, and Satterthwaite's degrees of freedom."""
    groups = [group.to_numpy() for _, group in pd.Series(values).groupby(list(scales), sort=False)]
    weight = 1 / len(groups)
    parts = [weight**2 * group.var(ddof=1) / len(group) for group in groups]
    variance = sum(parts)
    df = variance**2 / sum(
        part**2 / (len(g) - 1) for part, g in zip(parts, groups, strict=True)
    ) if variance else np.nan  # fmt: skip
    return np.mean([group.mean() for group in groups]), np.sqrt(variance), df


def bootstrapped(values, level):
    """What scipy offers besides: the BCa bootstrap, which ignores that scales are fixed."""
    if np.ptp(values) == 0:
        return None
    found = stats.bootstrap((values,), np.mean, confidence_level=level, rng=0).confidence_interval
    return [found.low, found.high]


def flip(values, at, alternative, draws):
    return stats.permutation_test(
        (np.asarray(values) - at,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=draws,
        alternative=alternative,
        rng=0,
    ).pvalue


def mean_over_runs(values, scales, level, draws, lo=None, hi=None, bounds=(-np.inf, np.inf)):
    values = np.asarray(values, float)
    if np.isfinite(bounds).all():
        return bounded(values, scales, np.inf, level, lo, hi, bounds)
    value, stderr, df = by_scale(values, scales)
    half = stats.t.ppf(0.5 + level / 2, df) * stderr
    tests = [flip(values, lo, "greater", draws)] if lo is not None else []
    tests += [flip(values, hi, "less", draws)] if hi is not None else []
    return {
        "estimate": value,
        "interval": [value - half, value + half],
        "p_value": max(tests),
        "bootstrap": bootstrapped(values, level),
    }


def share_over_runs(counts, scales, level, lo=None, hi=None):
    k, n = np.array(counts, float).T
    return bounded(k / n, scales, n.sum(), level, lo, hi, (0.0, 1.0))


def bounded(values, scales, trials, level, lo, hi, bounds):
    """Clopper-Pearson at the effective sample size (Korn and Graubard), where the variance is averaged
    with the largest possible one as far as runs lie at a bound.
    """
    low, width = bounds[0], bounds[1] - bounds[0]
    rate = (values - low) / width
    p, stderr, df = by_scale(rate, scales)
    if np.ptp(values) < 1e-12:
        size = float(len(rate))
    else:
        if stderr == 0:
            p, stderr, df = by_scale(rate, ["all"] * len(rate))
        runs_of = pd.Series(scales).value_counts()
        # each run counts 1 / (scales x runs of its scale); a run's variance is at most p (1 - p)
        largest = p * (1 - p) * (1 / runs_of / len(runs_of) ** 2).sum()
        at_bound = np.mean([not 0.01 < r < 0.99 for r in rate])
        doubt = at_bound / (1 - at_bound) if at_bound < 1 else np.inf
        variance = largest
        if np.isfinite(doubt):
            variance = np.average([stderr**2, largest], weights=[df, doubt])
        tail = 0.5 + level / 2
        wide = stats.t.ppf(tail, df + doubt) if np.isfinite(doubt) else stats.norm.ppf(tail)
        narrow = stats.t.ppf(tail, trials - 1) if np.isfinite(trials) else stats.norm.ppf(tail)
        size = min(p * (1 - p) / variance * (narrow / wide) ** 2, trials)
    a, b = p * size, (1 - p) * size
    tail = (1 - level) / 2
    ends = (
        stats.beta.ppf(tail, a, b + 1) if a > 0 else 0.0,
        stats.beta.ppf(1 - tail, a + 1, b) if b > 0 else 1.0,
    )
    tests = [stats.beta.cdf((lo - low) / width, a, b + 1)] if lo is not None else []
    tests += [stats.beta.sf((hi - low) / width, a + 1, b)] if hi is not None else []
    return {
        "estimate": low + width * p,
        "interval": [low + width * end for end in ends],
        "p_value": max(tests),
        "bootstrap": bootstrapped(values, level),
    }


def drift_over_runs(values, scales, log_params, level, margin):
    """Slope over scale means in units of a 210-fold growth; the error comes from the seeds."""
    frame = pd.DataFrame(
        {"y": values, "x": np.asarray(log_params) / np.log10(210), "scale": scales}
    )
    means = frame.groupby("scale", sort=False).mean()
    line = stats.linregress(means["x"], means["y"])
    x = means["x"] - means["x"].mean()
    weights = x / (x @ x)
    spread = frame.groupby("scale", sort=False)["y"].agg(["var", "size"])
    parts = weights**2 * spread["var"] / spread["size"]
    stderr = np.sqrt(parts.sum())
    df = parts.sum() ** 2 / (parts**2 / (spread["size"] - 1)).sum()
    half = stats.t.ppf(0.5 + level / 2, df) * stderr
    p_value = max(
        stats.t.sf((line.slope + margin) / stderr, df),
        stats.t.cdf((line.slope - margin) / stderr, df),
    )
    return {
        "estimate": line.slope,
        "interval": [line.slope - half, line.slope + half],
        "p_value": p_value,
        "bootstrap": None,
    }


def analyse(frame, draws, deep_frame=None):
    """{hypothesis: {prediction: estimate, interval, p-value}}.

    `deep_frame`: rows of `plain_order.load`, for the claims about the order of measures.
    """
    order_of_measures = {}
    if deep_frame is not None:
        over_runs = partial(mean_over_runs, draws=draws)
        order_of_measures = plain_order.analyse(deep_frame, one_run, CHANCE, over_runs)
    keys = frame.groupby("run_id", observed=True)[["scale", "seed", "n_params", "n_layers"]].first()
    keys = keys.sort_values("n_params")
    frames = dict(list(frame.groupby("run_id", observed=True)))
    runs = {run_id: one_run(frames[run_id]) for run_id in keys.index}
    scales, log_params = list(keys["scale"]), np.log10(keys["n_params"].to_numpy())
    deep = keys[keys["n_layers"] >= 4]
    orders = [depth_orders(frames[run_id]).mean() for run_id in deep.index]

    def mean(function, level=0.95, **region):
        values = [function(run) for run in runs.values()]
        return mean_over_runs(values, scales, level, draws, **region)

    def share(function, level=0.95, **region):
        return share_over_runs([function(run) for run in runs.values()], scales, level, **region)

    margin = round(np.log(1.25), 4)
    ten = 1 - 0.05 / 10
    floors = {
        f"{task} drift over 210x": drift_over_runs(
            [np.log(run.loc[run["task"] == task, "floor"]).mean() for run in runs.values()],
            scales, log_params, ten, margin,
        )
        for task in TASKS
    }  # fmt: skip
    floors["eta-squared of task"] = mean(eta_squared, ten, lo=0.5, bounds=(0.0, 1.0))
    floors["modular floor, mean of sizes"] = mean(
        lambda run: run.loc[run["task"] == "mod", "floor"].mean(), ten, lo=1.5, hi=2.5
    )
    by_seed = [[runs[i] for i in group.index] for _, group in keys.groupby("seed")]
    return order_of_measures | {
        "top_down": {
            "tau-b of depth and collapse": mean_over_runs(
                orders, list(deep["scale"]), 0.95, draws, hi=-0.3, bounds=(-1.0, 1.0)
            )
        },
        "universal_collapse": {
            "mean log fall": mean(
                lambda run: np.log(run["initial"] / run["floor"]).mean(), 0.975, lo=margin
            ),
            "share halved": share(
                lambda run: ((run["floor"] - 1 <= (run["initial"] - 1) / 2).sum(), len(run)),
                0.975,
                lo=0.8,
            ),
        },
        "scale_invariant_floors": floors,
        "precursor_rates": {
            "share leading": share(leads, 0.975, lo=0.75),
            "matched minus mismatched": mean(
                lead_beyond_mismatched, 0.975, lo=0.0, bounds=(-1.0, 1.0)
            ),
        },
        "coarse_difficulty": {
            "Spearman's rho over tasks": mean(spearman, lo=0.5, bounds=(-1.0, 1.0))
        },
        "concordance_limits": {"Harrell's C": mean(concordance, hi=0.6, bounds=(0.0, 1.0))},
        "order_reversal": {
            "swaps predicted": share_over_runs(
                [swaps(seed) for seed in by_seed], [""] * len(by_seed), 0.95, hi=0.5
            )
        },
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("store", nargs="?", default="data")
    parser.add_argument("--draws", type=int, default=9_999, help="of the permutation tests")
    options = parser.parse_args()
    began = time.perf_counter()
    frame, deep_frame = load(options.store), plain_order.load(options.store)
    loaded = time.perf_counter()
    result = analyse(frame, options.draws, deep_frame)
    ended = time.perf_counter()
    print(f"reading {loaded - began:.2f} s, analysis {ended - loaded:.2f} s", file=sys.stderr)
    json.dump(result, sys.stdout, indent=1, default=float)


if __name__ == "__main__":
    main()
