"""The three claims about the order of measures as a plain script; a part of `plain_report`.

Where the package solves least squares for all midpoints at once, here the share of variance that a
sigmoid explains is the squared (weighted) correlation of the trace with it, as one would write it down.
"""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats

CONFIRMATORY_SEEDS = range(40, 48)
MEASURES = ("rankme", "llc", "hessian_top")
WIDTHS = {"sigmoid": (0.05, 0.1, 0.2, 0.4), "step": (0.05,)}
LAGS = np.linspace(-np.log(2), np.log(2), 70)
TIE = np.log(1.25)


def counted(suite, seeds):
    """Manifests of the confirmatory runs, of all where there are none."""
    found = [(path, json.loads(path.read_text())) for path in sorted(suite.glob("*.json"))]
    return [x for x in found if x[1]["seed"] in seeds] or found


def load(store):
    """Rows that the three claims read, of the confirmatory runs: RankMe of the last block alone."""
    frames = []
    for path, manifest in counted(Path(store) / "pocket_deep", CONFIRMATORY_SEEDS):
        frame = pd.read_parquet(
            path.with_suffix(".parquet"),
            columns=["run_id", "step", "task", "level", "layer", "measure", "value", "stderr"],
            filters=[("measure", "in", ["accuracy", *MEASURES])],
        )
        frame = frame[frame["task"].notna()].astype({"level": int})
        last = frame["layer"] == manifest["n_layers"]
        frame = frame[(frame["measure"] != "rankme") | last]
        for name in ("scale", "seed", "n_params", "n_layers"):
            frame[name] = manifest[name]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else None


def series(frame, measure):
    """{(task, level): (step, value, error)} of one run, errors 0 where there are none."""
    found = {}
    for key, trace in frame[frame["measure"] == measure].groupby(["task", "level"], observed=True):
        trace = trace.sort_values("step")
        value, error = trace["value"].to_numpy(), trace["stderr"].fillna(0.0).to_numpy()
        if measure in ("rankme", "hessian_top"):
            value, error = np.log(value), error / value
        found[key] = trace["step"].to_numpy(), value, error
    return found


def log_step(step):
    return np.log(np.maximum(step, 1))


def explained(step, value, error, widths):
    """Midpoints, and the share of the variance that a sigmoid with each explains at best.

    None where fewer than twelve checkpoints are left.
    """
    n, t = len(step), log_step(step)
    if n < 12:
        return None
    tenths = [np.linspace(a, b, 10, endpoint=False) for a, b in itertools.pairwise(t[1:-1])]
    midpoints = np.concatenate([*tenths, t[-2:-1]])
    curves = [special.expit((t - midpoints[:, None]) / width) for width in widths]

    def best(weight):
        weight = weight / weight.sum()
        v = value - (weight * value).sum()
        shares = []
        for curve in curves:
            c = curve - (curve * weight).sum(1, keepdims=True)
            covariance = (weight * c * v).sum(1)
            shares.append(covariance**2 / (weight * c**2).sum(1) / (weight * v**2).sum())
        return np.max(shares, axis=0)

    share = best(np.ones(n))
    if (error > 0).any():
        left = (1 - share.max()) * ((value - value.mean()) ** 2).sum() / (n - 4)
        share = best(1 / (error**2 + max(left - (error**2).mean(), 0.0)))
    return midpoints, share


def sigmoid_onset(step, value):
    """Middle of the checkpoints around the midpoints that the profile likelihood leaves open."""
    _, share = explained(step, value, np.zeros(len(step)), WIDTHS["sigmoid"])
    t = log_step(step)
    left = max((1 - share.max()) / (len(t) - 4), 1e-20)
    if share.max() <= 15 * left:
        return np.nan
    limit = stats.t.ppf(0.975, len(t) - 4) ** 2
    still_open = np.flatnonzero((share.max() - share) / left <= limit)
    first, last = still_open[0] - 1, still_open[-1] + 1  # of tenths, from the second checkpoint
    return (t[int(np.floor(1 + first / 10))] + t[int(np.ceil(1 + last / 10))]) / 2


def half_way_onset(step, value):
    smooth = pd.Series(value).rolling(3, center=True).median().fillna(pd.Series(value)).to_numpy()
    change = smooth[None, :] - smooth[:, None]
    change = np.triu(change)  # from row to column
    size = change.max()
    last = int(np.argmax(change.max(0) == size))
    first = int(np.flatnonzero(smooth[: last + 1] == smooth[: last + 1].min())[-1])
    assert size >= -change.min()  # accuracy rises more than it falls
    at = first + int(np.argmax(smooth[first : last + 1] - smooth[first] >= size / 2))
    return log_step(step[at - 1 : at + 1]).mean()


def with_equal_noise(run, keys, after):
    """Traces at common checkpoints, all as noisy as the noisiest, relative to their changes."""
    common = set.intersection(*[set(run[m][key][0]) for m in MEASURES for key in keys])
    steps = np.array(sorted(common))
    table = {
        m: [
            [x[np.isin(run[m][key][0], steps)] for x in run[m][key]]
            for key in keys
        ]
        for m in MEASURES
    }  # fmt: skip
    size, rough = np.zeros((3, len(keys))), np.zeros((3, len(keys)))
    for i, measure in enumerate(MEASURES):
        for j, (_, value, _) in enumerate(table[measure]):
            inside = value[steps >= after[j]]
            smooth = pd.Series(inside).rolling(3, center=True).median()
            smooth = smooth.fillna(pd.Series(inside)).to_numpy()
            change = np.triu(smooth[None, :] - smooth[:, None])
            size[i, j] = np.abs(change).max()
            rough[i, j] = np.median(np.abs(np.diff(value, 2))) / 0.6745 / np.sqrt(6)
    relative = rough / size
    added = size * np.sqrt(relative.max(0) ** 2 - relative**2)
    rng = np.random.default_rng(run["seed"])
    noisy = {}
    for i, measure in enumerate(MEASURES):
        noise = rng.standard_normal((len(keys), len(steps)))
        noisy[measure] = {
            key: (steps, value + noise[j] * added[i, j], np.hypot(error, added[i, j]))
            for j, (key, (_, value, error)) in enumerate(zip(keys, table[measure], strict=True))
        }
    return noisy


def common_lag(fits, behaviour):
    """The lag within a factor of two at which most is explained, over traces that could show all."""
    pairs = [(fit, y) for fit, y in zip(fits, behaviour, strict=True) if fit is not None]
    curves = [
        np.interp(y + LAGS, midpoints, share)
        for (midpoints, share), y in pairs
        if y + LAGS[0] >= midpoints[0] and y + LAGS[-1] <= midpoints[-1]
    ]
    mean = np.mean(curves, axis=0)
    return LAGS[mean >= mean.max() - 1e-9].mean()


def tau(lags):
    """Kendall's tau-b with the claimed order; lags nearer than a factor of 1.25 are ties."""
    signs = [
        0 if abs(b - a) < TIE else np.sign(b - a) for i, a in enumerate(lags) for b in lags[i + 1 :]
    ]
    untied = np.count_nonzero(signs)
    return sum(signs) / np.sqrt(3 * untied) if untied else 0.0


def one_run(frame, table, chance):
    """The estimates of one run; `table` has its emergence and floors, `chance` by task and level."""
    run = {measure: series(frame, measure) for measure in ("accuracy", *MEASURES)}
    run["seed"] = 1_000_003 * int(frame["n_params"].iloc[0]) + int(frame["seed"].iloc[0])
    learned = table[np.isfinite(table["learned"])]
    keys = list(zip(learned["task"], learned["level"], strict=True))
    after = learned["floor_step"].to_numpy()

    def window(trace, from_):
        keep = trace[0] >= from_
        return [x[keep] for x in trace]

    def behaviour(onset):
        found = []
        for key, from_ in zip(keys, after, strict=True):
            step, value, _ = window(run["accuracy"][key], from_)
            base = chance.get(key[0], (0.0, 0.0, 0.0))[key[1]]
            found.append(onset(step, np.maximum(value, base) - base))
        return np.array(found)

    def fits(traces, widths):
        return [
            explained(*window(traces[key], from_), widths)
            for key, from_ in zip(keys, after, strict=True)
        ]

    y = {"sigmoid": behaviour(sigmoid_onset), "step": behaviour(half_way_onset)}
    fitted = {(m, kind): fits(run[m], w) for m in MEASURES for kind, w in WIDTHS.items()}
    lag = {(m, kind): common_lag(fit, y[kind]) for (m, kind), fit in fitted.items()}
    noisy = with_equal_noise(run, keys, after)
    equal = [common_lag(fits(noisy[m], WIDTHS["sigmoid"]), y["sigmoid"]) for m in MEASURES]
    own, others = [], []
    usable = [
        (key, fit, at)
        for key, fit, at in zip(keys, fitted["llc", "sigmoid"], y["sigmoid"], strict=True)
        if fit is not None and np.isfinite(at)
    ]
    for (key, fit, _), (other, _, at) in itertools.product(usable, usable):
        value = np.interp(at, *fit, left=0.0, right=0.0)
        if key == other:
            own.append(value)
        elif key[0] != other[0]:
            others.append(value)
    return {
        ("llc_synchronous", "common lag (sigmoid)"): lag["llc", "sigmoid"],
        ("llc_synchronous", "common lag (step)"): lag["llc", "step"],
        ("llc_synchronous", "matched minus mismatched"): np.mean(own) - np.mean(others),
        ("hessian_lags", "common lag (sigmoid)"): lag["hessian_top", "sigmoid"],
        ("hessian_lags", "common lag (step)"): lag["hessian_top", "step"],
        ("geometric_hierarchy", "tau-b (lower of two)"): min(
            tau([lag[m, kind] for m in MEASURES]) for kind in WIDTHS
        ),
        ("geometric_hierarchy", "tau-b (equal noise)"): tau(equal),
    }


REGIONS = {
    "common lag (sigmoid)": {
        "llc_synchronous": {"lo": -TIE, "hi": TIE},
        "hessian_lags": {"lo": 0.0},
    },
    "common lag (step)": {
        "llc_synchronous": {"lo": -TIE, "hi": TIE},
        "hessian_lags": {"lo": 0.0},
    },
    "matched minus mismatched": {"llc_synchronous": {"lo": 0.0}},
    "tau-b (lower of two)": {"geometric_hierarchy": {"lo": 0.5}},
    "tau-b (equal noise)": {"geometric_hierarchy": {"lo": 0.5}},
}
BOUNDS = {"llc_synchronous": np.log(2), "hessian_lags": np.log(2), "geometric_hierarchy": 1.0}
PREDICTIONS = {"llc_synchronous": 3, "hessian_lags": 2, "geometric_hierarchy": 2}


def analyse(frame, table_of, chance, mean_over_runs):
    """{hypothesis: {prediction: estimate, interval, p-value}}."""
    runs = list(frame.groupby("run_id", observed=True))
    runs.sort(key=lambda item: item[1]["n_params"].iloc[0])
    scales = [run["scale"].iloc[0] for _, run in runs]
    found = [one_run(run, table_of(run), chance) for _, run in runs]
    result = {name: {} for name in PREDICTIONS}
    for name, prediction in found[0]:
        bound = 1.0 if prediction == "matched minus mismatched" else BOUNDS[name]
        result[name][prediction] = mean_over_runs(
            [values[name, prediction] for values in found],
            scales,
            1 - 0.05 / PREDICTIONS[name],
            bounds=(-bound, bound),
            **REGIONS[prediction][name],
        )
    return result
