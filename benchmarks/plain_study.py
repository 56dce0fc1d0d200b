"""The values of the shipped claims a second time, run by run, from the Parquet files: shares nothing with the package.

    python benchmarks/plain_study.py data pocket_long > values.json
    emergence-stats report --all --json > report.json
    python benchmarks/plain_study.py data pocket_long --compare report.json

Plain pandas and scipy, one trace after another, written from the docstrings of the claims and docs/decisions.md. What is not
here are the lags, whose fits are checked by themselves (tests/core/test_onsets.py).
"""

import argparse
import itertools
import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

EASY, HARD = ("copy", "reverse", "sort", "compare"), ("add", "mod", "mul", "parity")
CHANCE = {
    ("add", 0): 0.1,
    ("add", 1): 0.01,
    ("mod", 0): 1 / 5,
    ("mod", 1): 1 / 7,
    ("mod", 2): 1 / 11,
}
CHANCE |= {("mul", 0): 0.19, ("mul", 1): 0.109, ("mul", 2): 0.0199}
CHANCE |= {(task, level): 0.5 for task in ("compare", "parity") for level in range(3)}
DIFFICULTY = {
    "copy": 436, "reverse": 436, "sort": 436, "compare": 479, "mod": 1205, "parity": 1743, "add": 3032, "mul": 3326,
}  # fmt: skip
IGNORANT = {
    ("add", 0): 1.495,
    ("add", 1): 1.766,
    ("add", 2): 1.9,
    ("mod", 0): 0.805,
    ("mod", 1): 0.973,
    ("mod", 2): 1.289,
}
IGNORANT |= {
    ("sort", 0): 1.98,
    ("sort", 1): 1.878,
    ("sort", 2): 1.726,
    ("mul", 0): 1.911,
    ("mul", 1): 2.05,
    ("mul", 2): 2.141,
}
IGNORANT |= {(task, level): 2.303 for task in ("copy", "reverse") for level in range(3)}
SOME = {
    "easy": [*itertools.product(("copy", "reverse"), range(3)), ("sort", 0), ("sort", 1)],
    "hard": [("mod", 0), ("mod", 1), ("mul", 0), ("add", 0)],
}


class Run:
    """One run's traces as dictionaries of (steps, values), by measure and key."""

    def __init__(self, path):
        self.manifest = json.loads(path.with_suffix(".json").read_text())
        table = pd.read_parquet(path).sort_values("step", kind="stable")
        self.traces = {}
        for (measure, task, level, layer), some in table.groupby(
            ["measure", "task", "level", "layer"], dropna=False, observed=True
        ):
            key = (
                None if pd.isna(task) else str(task),
                None if pd.isna(level) else int(level),
                None if pd.isna(layer) else int(layer),
            )
            self.traces.setdefault(str(measure), {})[key] = (
                some["step"].to_numpy(float),
                some["value"].to_numpy(float),
            )
        self.blocks = self.manifest["n_layers"]

    def by_task_level(self, measure, layer=None):
        found = self.traces[measure].items()
        return {(t, v): x for (t, v, at), x in found if t is not None and at == layer}


def first_that_lasts(steps, holds, times):
    """(last step before, step) of the first of `times` checkpoints running; an infinite end where there is none."""
    for i in range(len(steps) - times + 1):
        if all(holds[i : i + times]):
            return (float(steps[i - 1]) if i else -math.inf), float(steps[i])
    i = len(steps)
    while i > 0 and holds[i - 1]:
        i -= 1
    return (float(steps[i - 1]) if i else -math.inf), math.inf


def emergences(run):
    found = {}
    for key, (steps, values) in run.by_task_level("accuracy").items():
        chance = CHANCE.get(key, 0.0)
        found[key] = first_that_lasts(steps, values >= chance + 0.25 * (1 - chance), 3)
    return found


def smooth(values):
    """Medians of three; the ends stay."""
    inner = [float(np.median(values[i - 1 : i + 2])) for i in range(1, len(values) - 1)]
    return np.array([values[0], *inner, values[-1]])


def floors(run, measure="rankme", within=300):
    """(initial value, floor, index of the floor) among the first steps, smoothed, in the last block."""
    found = {}
    for key, (steps, values) in run.by_task_level(measure, run.blocks).items():
        values = smooth(values)
        i = int(np.argmin(np.where(steps <= within, values, math.inf)))
        found[key] = (values[0], values[i], i)
    return found


def recoveries(run):
    found = {}
    for key, (_, floor, at) in floors(run).items():
        steps, values = run.by_task_level("rankme", run.blocks)[key]
        values = smooth(values)
        holds = [i > at and v >= 1.25 * floor for i, v in enumerate(values)]
        found[key] = first_that_lasts(steps, holds, 3)
    return found


def middle(event, late):
    lo, hi = event
    if math.isinf(hi):
        return math.log(late)
    return (math.log(max(lo, 1)) + math.log(max(hi, 1))) / 2


# --- the claims: for each prediction, one number a run, or None -------------------------------


def universal_collapse(run):
    lowest = floors(run, within=84).values()
    yield "share halved", np.mean([low - 1 <= (start - 1) / 2 for start, low, _ in lowest])


def scale_invariant_floors(run):
    for name, measure in (
        ("between scales", "rankme"),
        ("between scales, centred", "rankme_centred"),
    ):
        if measure not in run.traces:
            continue
        of_tasks, lowest = {}, floors(run, measure)
        for task in (*EASY, *HARD):
            of_tasks[task] = np.mean(
                [math.log(low) for (t, _), (_, low, _) in lowest.items() if t == task]
            )
            yield f"{task}, {name}", of_tasks[task]
        if measure == "rankme":
            yield "between tasks", max(of_tasks.values()) - min(of_tasks.values())
            yield "modular floor", math.exp(of_tasks["mod"])


def top_down(run):
    slopes, taus = [], []
    depth = np.arange(1, run.blocks + 1)
    task_levels = list(run.by_task_level("rankme", 1))
    for task, level in task_levels:
        at = []
        for layer in depth:
            steps, values = run.traces["rankme"][task, level, layer]
            floor = values[steps <= 300].min()
            half = values[0] - (values[0] - floor) / 2
            if values[0] < 1.25 * floor:
                break
            i = next(i for i, v in enumerate(values) if v <= half)
            part = (values[i - 1] - half) / (values[i - 1] - values[i])
            at.append(math.log(max(steps[i - 1] + part * (steps[i] - steps[i - 1]), 0.5)))
        if len(at) == len(depth):
            slopes.append(-stats.linregress(depth, at).slope)
            taus.append(np.mean([np.sign(y - x) for x, y in itertools.combinations(at, 2)]))
    enough = len(taus) >= len(task_levels) / 2
    yield "log steps per block", np.mean(slopes) if enough else None
    yield "tau", np.mean(taus) if enough else None


def precursor_rates(run):
    sign, event = recoveries(run), emergences(run)
    keys = list(sign)

    def share(tasks, partner=lambda key: key):
        seen = [k for k in keys if k[0] in tasks and math.isfinite(event[k][1])]
        return np.mean([sign[partner(k)][1] <= event[k][0] for k in seen]) if seen else None

    hard = [k for k in keys if k[0] in HARD]
    shifted = dict(zip(hard, [*hard[3:], *hard[:3]], strict=True))
    hard_share, easy_share = share(HARD), share(EASY)
    never = [k for k in hard if math.isinf(event[k][1])]
    yield "share leading", hard_share
    yield "less mismatched", hard_share - share(HARD, shifted.get)
    last = max((event[k][0] for k in never), default=math.nan)
    alarms = np.mean([sign[k][1] <= last / 4 for k in never]) if never else None
    yield "less false alarms", None if alarms is None else hard_share - alarms
    yield "hard less easy", hard_share - easy_share


def coarse_difficulty(run):
    found = recoveries(run)
    late = [
        np.median([min(hi, 1e12) for (t, _), (_, hi) in found.items() if t == task])
        for task in DIFFICULTY
    ]
    same = len(set(late)) == 1
    yield (
        "Spearman's rho",
        0.0 if same else stats.spearmanr(late, list(DIFFICULTY.values())).statistic,
    )


def concordance_limits(run):
    sign, event = recoveries(run), emergences(run)
    for name, tasks in (("C, easy", EASY), ("C, hard", HARD)):
        points = pairs = ties = 0
        for a, b in itertools.combinations([k for k in sign if k[0] in tasks], 2):
            order = (event[b][1] <= event[a][0]) - (event[a][1] <= event[b][0])
            if a[0] == b[0] or order == 0:
                continue
            moved = (sign[b][1] <= sign[a][0]) - (sign[a][1] <= sign[b][0])
            pairs += 1
            ties += moved == 0
            points += 1.0 if moved == order else 0.5 if moved == 0 else 0.0
        yield name, points / pairs if pairs and ties <= pairs / 2 else None


def emergence_at_loss(run):
    events = emergences(run)
    steps, loss = run.traces["loss"][None, None, None]
    for name, keys in SOME.items():
        at = [middle(events[k], 8000) for k in keys]
        if any(math.isinf(events[k][1]) for k in keys):
            yield f"loss at emergence, {name}", None
        else:
            yield (
                f"loss at emergence, {name}",
                np.interp(at, np.log(np.maximum(steps, 1)), np.log(loss)).mean(),
            )


def larger_learn_earlier(run):
    events = emergences(run)
    for name, keys in SOME.items():
        yield f"log step, {name}", np.mean([middle(events[k], 8000) for k in keys])


def emergence_is_metric(run):
    accuracy, log_prob = run.by_task_level("accuracy"), run.by_task_level("log_prob")
    many = [
        k
        for k in accuracy
        if k[0] not in ("compare", "parity") and accuracy[k][1][-3:].mean() >= 0.9
    ]
    if len(many) < 3:
        yield "share before emergence", None
        return

    def come(values, start):
        return np.maximum((values - start) / (values[-3:].mean() - start), 0)

    def duration(steps, way):
        highest, t = np.maximum.accumulate(way), np.log(np.maximum(steps, 1))
        return max(np.interp(0.9, highest, t) - np.interp(0.1, highest, t), 1e-3)

    events, ratios, shares = emergences(run), [], []
    for k in many:
        (steps, smooth_one), (_, sharp_one) = log_prob[k], accuracy[k]
        way = come(smooth_one, -IGNORANT[k])
        sharp = duration(steps, come(sharp_one, CHANCE.get(k, 0.0)))
        ratios.append(math.log(duration(steps, way)) - math.log(sharp))
        shares.append(min(way[max(int((steps <= events[k][0]).sum()) - 1, 0)], 1))
    yield "duration, log-probability to accuracy", np.mean(ratios)
    yield "share before emergence", np.mean(shares)


def three_phases(run):
    found = {"collapse": [], "expansion": [], "compression": []}
    traces = run.by_task_level("rankme_answer_centred", run.blocks).values()
    logs = [np.log(smooth(values)) for _, values in traces]
    steps = next(iter(traces))[0]
    for i, x in enumerate(logs):
        others = np.mean([y for j, y in enumerate(logs) if j != i], axis=0)
        at = int(np.argmin(others[steps <= 300]))
        peak = at + int(np.argmax(others[at:]))
        found["collapse"].append(x[0] - x[at])
        found["expansion"].append(x[peak] - x[at])
        found["compression"].append(x[peak] - x[-3:].mean())
    yield from ((name, np.mean(some)) for name, some in found.items())


def later_layers_compress(run):
    taus, slopes = [], []
    depth = np.arange(1, run.blocks + 1)
    for task, level in run.by_task_level("rankme_centred", 1):
        ranks = [np.log(run.traces["rankme_centred"][task, level, k][1][-3:]).mean() for k in depth]
        taus.append(stats.kendalltau(depth, ranks).statistic)
        slopes.append(stats.linregress(depth, ranks).slope)
    yield "tau of depth and rank", np.mean(taus)
    yield "log rank per block", np.mean(slopes)


def early_layers_settle_first(run):
    depth, at = np.arange(1, run.blocks + 1), []
    for layer in depth:
        steps, values = run.traces["svcca_end"][None, None, layer]
        values = smooth(values)
        half = (values[0] + values[-1]) / 2
        last = max(i for i, v in enumerate(values) if v < half)
        t = np.log(np.maximum(steps, 1))
        part = (half - values[last]) / (values[last + 1] - values[last])
        at.append(t[last] + part * (t[last + 1] - t[last]) if last else None)
    if None not in at:
        yield "log steps per block", stats.linregress(depth, at).slope
        yield "tau of depth and settling", stats.kendalltau(depth, at).statistic


CLAIMS = (
    universal_collapse, scale_invariant_floors, top_down, precursor_rates, coarse_difficulty, concordance_limits,
    emergence_at_loss, larger_learn_earlier, emergence_is_metric, three_phases, later_layers_compress,
    early_layers_settle_first,
)  # fmt: skip
NEEDS = {
    "scale_invariant_floors": "rankme_centred",
    "three_phases": "rankme_answer_centred",
    "later_layers_compress": "rankme_centred",
    "early_layers_settle_first": "svcca_end",
}
DEEP = (
    "top_down",
    "later_layers_compress",
    "early_layers_settle_first",
)  # an order needs four blocks


def values_of(folder, suite):
    """By claim, prediction and run."""
    found = {}
    for path in sorted(Path(folder, suite).glob("*.parquet")):
        run = Run(path)
        for claim in CLAIMS:
            name = claim.__name__
            if NEEDS.get(name, "rankme") not in run.traces or (name in DEEP and run.blocks < 4):
                continue
            for prediction, value in claim(run):
                if value is not None:
                    mine = found.setdefault(name, {}).setdefault(prediction, {})
                    mine[run.manifest["run_id"]] = float(value)
    return found


def differences(found, report, suite):
    """Values of a report's JSON that are not those found in this suite, a line each."""
    compared = 0
    for result in report["results"]:
        if result["suite"] != suite:
            continue
        for prediction in result["predictions"]:
            mine = found.get(result["name"], {}).get(prediction["name"])
            theirs = {one["runs"][0] for one in prediction["values"]}
            for run_id in sorted((mine or {}).keys() - theirs):
                yield f"{result['name']}, {prediction['name']}, {run_id}: {mine[run_id]}, not none"
            for one in prediction["values"] if mine is not None else ():
                run_id = one["runs"][0]
                if run_id not in mine:
                    yield f"{result['name']}, {prediction['name']}, {run_id}: none, not {one['value']}"
                    continue
                compared += 1
                if not math.isclose(mine[run_id], one["value"], rel_tol=1e-9, abs_tol=1e-9):
                    yield f"{result['name']}, {prediction['name']}, {run_id}: {mine[run_id]}, not {one['value']}"
    if not compared:
        yield "nothing could be compared"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("store")
    parser.add_argument("suite")
    parser.add_argument("--compare", metavar="REPORT.json")
    options = parser.parse_args()
    found = values_of(options.store, options.suite)
    if options.compare is None:
        json.dump(found, sys.stdout, indent=1)
        return
    lines = list(differences(found, json.loads(Path(options.compare).read_text()), options.suite))
    print("\n".join(lines) if lines else "no difference")


if __name__ == "__main__":
    main()
