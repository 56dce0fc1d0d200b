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


def floors(run, measure="rankme", within=math.inf):
    """(initial value, floor, index of the floor) before the emergence of the same task-level, in the last block."""
    events, found = emergences(run), {}
    for key, (steps, values) in run.by_task_level(measure, run.blocks).items():
        limit = max(min(events[key][1], within), steps[0])
        i = int(np.argmin(np.where(steps <= limit, values, math.inf)))
        found[key] = (values[0], values[i], i)
    return found


def recoveries(run):
    found = {}
    for key, (_, floor, at) in floors(run).items():
        steps, values = run.by_task_level("rankme", run.blocks)[key]
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
    lowest = floors(run, within=100).values()
    yield "share halved", np.mean([low - 1 <= (start - 1) / 2 for start, low, _ in lowest])


def scale_invariant_floors(run):
    for name, measure in (
        ("between scales", "rankme"),
        ("between scales, centred", "rankme_centred"),
    ):
        if measure not in run.traces:
            continue
        lowest = floors(run, measure)
        for task in (*EASY, *HARD):
            logs = [math.log(low) for (t, _), (_, low, _) in lowest.items() if t == task]
            yield f"{task}, {name}", np.mean(logs)
            if task == "mod" and measure == "rankme":
                yield "modular floor", math.exp(np.mean(logs))


def top_down(run):
    slopes, taus = [], []
    depth = np.arange(1, run.blocks + 1)
    for task, level in run.by_task_level("rankme", 1):
        at = []
        for layer in depth:
            steps, values = run.traces["rankme"][task, level, layer]
            floor = values[steps <= 300].min()
            fallen = values <= values[0] - (values[0] - floor) / 2
            fell = values[0] >= 1.25 * floor
            at.append(first_that_lasts(steps, fallen & fell, 1))
        before = after = 0
        for i, j in itertools.combinations(range(len(at)), 2):
            before += at[i][1] <= at[j][0]
            after += at[j][1] <= at[i][0]
        n = math.comb(len(at), 2)
        taus.append((before - after) / math.sqrt(n * (before + after)) if before + after else 0.0)
        if all(math.isfinite(hi) for _, hi in at):
            logs = [(math.log(max(lo, 1)) + math.log(max(hi, 1))) / 2 for lo, hi in at]
            slopes.append(-stats.linregress(depth, logs).slope)
    yield "log steps per block", np.mean(slopes) if slopes else None
    yield "tau-b", np.mean(taus)


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
    alarms = np.mean([math.isfinite(sign[k][1]) for k in never]) if never else None
    yield "less false alarms", None if alarms is None else hard_share - alarms
    yield "hard less easy", hard_share - easy_share


def coarse_difficulty(run):
    found = recoveries(run)
    late = [
        np.median([min(hi, 1e12) for (t, _), (_, hi) in found.items() if t == task])
        for task in DIFFICULTY
    ]
    yield "Spearman's rho", stats.spearmanr(late, list(DIFFICULTY.values())).statistic


def concordance_limits(run):
    sign, event = recoveries(run), emergences(run)
    for name, tasks in (("C, easy", EASY), ("C, hard", HARD)):
        points = pairs = 0
        for a, b in itertools.combinations([k for k in sign if k[0] in tasks], 2):
            order = (event[b][1] <= event[a][0]) - (event[a][1] <= event[b][0])
            if a[0] == b[0] or order == 0:
                continue
            moved = (sign[b][1] <= sign[a][0]) - (sign[a][1] <= sign[b][0])
            pairs += 1
            points += 1.0 if moved == order else 0.5 if moved == 0 else 0.0
        yield name, points / pairs if pairs else None


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

    def duration(steps, values):
        way, top, t = [], -math.inf, np.log(np.maximum(steps, 1))
        for v in values:
            top = max(top, (v - values[0]) / (values[-3:].mean() - values[0]))
            way.append(top)
        return max(np.interp(0.9, way, t) - np.interp(0.1, way, t), 1e-3)

    events = emergences(run)
    ratios = [math.log(duration(*log_prob[k])) - math.log(duration(*accuracy[k])) for k in many]
    yield "duration, log-probability to accuracy", np.mean(ratios)
    shares = []
    for k in many:
        steps, values = log_prob[k]
        at = values[max(int((steps <= events[k][0]).sum()) - 1, 0)]
        shares.append(min(max((at - values[0]) / (values[-3:].mean() - values[0]), 0), 1))
    yield "share before emergence", np.mean(shares)


def three_phases(run):
    found = {"collapse": [], "expansion": [], "compression": []}
    for steps, values in run.by_task_level("rankme_answer_centred", run.blocks).values():
        x = [
            values[0],
            *(np.median(values[i - 1 : i + 2]) for i in range(1, len(values) - 1)),
            values[-1],
        ]
        x = np.log(x)
        at = int(np.argmin(x[steps <= 300]))
        found["collapse"].append(x[0] - x[at])
        found["expansion"].append(x[at:].max() - x[at])
        found["compression"].append(x[at:].max() - x[-3:].mean())
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
        half = (values[0] + values[-1]) / 2
        last = max(i for i, v in enumerate(values) if v < half)
        t = np.log(np.maximum(steps, 1))
        part = (half - values[last]) / (values[last + 1] - values[last])
        at.append(t[last] + part * (t[last + 1] - t[last]))
    yield "log steps per block", stats.linregress(depth, at).slope
    yield "tau of depth and settling", stats.kendalltau(depth, at).statistic


CLAIMS = (
    universal_collapse, scale_invariant_floors, top_down, precursor_rates, coarse_difficulty, concordance_limits,
    emergence_at_loss, larger_learn_earlier, emergence_is_metric, three_phases, later_layers_compress,
    early_layers_settle_first,
)  # fmt: skip
NEEDS = {
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


def differences(found, report):
    """Values of a report's JSON that are not those found, a line each."""
    compared = 0
    for result in report["results"]:
        for prediction in result["predictions"]:
            mine = found.get(result["name"], {}).get(prediction["name"])
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
    lines = list(differences(found, json.loads(Path(options.compare).read_text())))
    print("\n".join(lines) if lines else "no difference")


if __name__ == "__main__":
    main()
