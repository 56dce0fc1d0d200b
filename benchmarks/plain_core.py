"""The core's numbers a second time, as plain code from the values of runs: shares nothing with the package.

    emergence-stats report --all --json | python benchmarks/plain_core.py

Reads the JSON of a report and prints, a line each, what differs from its intervals and verdicts; nothing if nothing does.
What it knows of the analyses is what docs/decisions.md says of them.
"""

import json
import math
import sys
from statistics import fmean, variance

from scipy import optimize, stats


def group(prediction, scale_of):
    """Values by scale; one group for units that are seeds."""
    found = {}
    for one in prediction["values"]:
        name = scale_of(one["runs"][0]) if prediction["unit"] == "run" else ""
        found.setdefault(name, []).append((one["value"], one.get("trials")))
    return found


# --- the mean of scales -----------------------------------------------------------------------


def error_of(groups, weights):
    """Variance of sum(weight * mean of scale) and its degrees of freedom; a scale with one run borrows."""
    pieces = []  # (variance piece, degrees of freedom)
    many = {name: [v for v, _ in some] for name, some in groups.items() if len(some) > 1}
    if not many:
        return None, None
    residuals = sum(len(x) - 1 for x in many.values())
    borrowed = sum(weights[name] ** 2 for name, some in groups.items() if len(some) == 1)
    for name, x in many.items():
        own = weights[name] ** 2 / len(x) * variance(x)
        lent = borrowed * (len(x) - 1) / residuals * variance(x)
        pieces.append((own + lent, len(x) - 1))
    total = sum(piece for piece, _ in pieces)
    if total == 0:
        return 0.0, float(residuals)
    return total, total**2 / sum(piece**2 / df for piece, df in pieces)


def students(value, total, df, alpha):
    if total is None or total == 0:
        return None
    half = stats.t.ppf(1 - alpha, df) * math.sqrt(total)
    return value - half, value + half


def bounded(value, total, df, n_effective, bounds, trials, alpha):
    """Korn and Graubard's interval of a rate on a range, and what unseen runs could add."""
    if total is None:
        return None
    low, width = bounds[0], bounds[1] - bounds[0]
    p, v = min(max((value - low) / width, 0.0), 1.0), total / width**2
    unseen = 1 - alpha ** (1 / n_effective)
    ends = [p, p]
    if v > 0 and 0 < p < 1:
        own = stats.t.ppf(alpha, n_effective - 1) if n_effective > 1.5 else stats.norm.ppf(alpha)
        size = min(p * (1 - p) / v * (own / stats.t.ppf(alpha, df)) ** 2, trials, 1e12)
        k = p * size
        ends = [stats.beta.ppf(alpha, k, size - k + 1), stats.beta.ppf(1 - alpha, k + 1, size - k)]
    elif v > 0:
        ends = [0.0, 1.0]
    lower = max(p - math.hypot(p - ends[0], p * unseen), 0.0)
    upper = min(p + math.hypot(ends[1] - p, (1 - p) * unseen), 1.0)
    return low + width * lower, low + width * upper


def betting(values, weights, bounds, alpha):
    """Waudby-Smith and Ramdas 2024: where the mean over 40 bets of the wealth of each reaches 1 / alpha."""
    low, width = bounds[0], bounds[1] - bounds[0]
    x = [min(max((v - low) / width, 0.0), 1.0) for v in values]
    share = [w * len(x) for w in weights]

    def lower(some):
        def wealth(m):
            most = 1 / max(m * max(share), 1e-12)
            found = []
            for i in range(1, 41):
                bet = most * i / 41
                found.append(
                    sum(math.log1p(bet * s * (y - m)) for s, y in zip(share, some, strict=True))
                )
            top = max(found)
            return top + math.log(fmean(math.exp(one - top) for one in found)) + math.log(alpha)

        middle = fmean(s * y for s, y in zip(share, some, strict=True))
        if wealth(0.0) < 0:
            return 0.0
        return optimize.brentq(wealth, 0.0, middle, xtol=1e-13)

    upper = 1 - lower([1 - y for y in x])
    return low + width * lower(x), low + width * upper


# --- a prediction -----------------------------------------------------------------------------


def check(result, prediction, bounds, scale_of):
    """What differs, a line each."""
    alpha = (1 - prediction["level"]) / 2
    groups = group(prediction, scale_of)
    if not groups or prediction["interval"][0] is None:
        return
    where = f"{result['name']}, {prediction['name']}"
    names, k = list(groups), len(groups)
    own, together, free = {}, {}, []
    for name in names:
        weights = {other: float(other == name) for other in names}
        total, df = error_of(groups, weights)
        value = fmean(v for v, _ in groups[name])
        for found, a in ((own, alpha), (together, alpha / k)):
            trials = sum(t for _, t in groups[name] if t) or math.inf
            found[name] = (
                students(value, total, df, a)
                if bounds is None
                else bounded(value, total, df, len(groups[name]), bounds, trials, a)
            )
        if bounds is not None:
            n = len(groups[name])
            free.append(betting([v for v, _ in groups[name]], [1 / n] * n, bounds, alpha))
    for one in prediction["scales"]:
        yield from differs(f"{where} at {one['scale']}", own[one["scale"]], one["interval"])
        simultaneous = one["simultaneous_interval"]
        yield from differs(
            f"{where} at {one['scale']}, simultaneous", together[one["scale"]], simultaneous
        )
    if prediction["scope"] == "every scale":
        hull = min(e[0] for e in own.values()), max(e[1] for e in own.values())
        yield from differs(where, hull, prediction["interval"])
        if free:
            hull = min(e[0] for e in free), max(e[1] for e in free)
            yield from differs(f"{where}, free", hull, prediction["distribution_free_interval"])
        return
    weights = dict.fromkeys(names, 1 / k)
    total, df = error_of(groups, weights)
    value = fmean(fmean(v for v, _ in some) for some in groups.values())
    each = [1 / k / len(groups[name]) for name in names for _ in groups[name]]
    if bounds is None:
        ends = students(value, total, df, alpha)
    else:
        trials = sum(t for some in groups.values() for _, t in some if t) or math.inf
        ends = bounded(value, total, df, 1 / sum(w * w for w in each), bounds, trials, alpha)
        values = [v for name in names for v, _ in groups[name]]
        free_ends = betting(values, each, bounds, alpha)
        yield from differs(f"{where}, free", free_ends, prediction["distribution_free_interval"])
    yield from differs(where, ends, prediction["interval"])


def largest_difference(prediction, scale_of):
    """Of the means of two scales, and its interval: the upper end of every pair, the lower one of some."""
    alpha = (1 - prediction["level"]) / 2
    groups = {name: [v for v, _ in x] for name, x in group(prediction, scale_of).items()}
    names = list(groups)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    uppers, lowers = [], []
    for a, b in pairs:
        weights = {name: (name == a) - (name == b) for name in names}
        raw = {name: [(v, None) for v in x] for name, x in groups.items()}
        total, df = error_of(raw, weights)
        if total is None:
            return None  # one run a scale: nothing tells an error
        size = abs(fmean(groups[a]) - fmean(groups[b]))
        uppers.append(size + stats.t.ppf(1 - alpha, df) * math.sqrt(total))
        lowers.append(size - stats.t.ppf(1 - alpha / (2 * len(pairs)), df) * math.sqrt(total))
    return max(*lowers, 0.0), max(uppers)


def median_ends(values, level):
    """From one order statistic to its mirror image, so far in that binomial tails allow it; none for few values."""
    x, n = sorted(values), len(values)
    inside = [k for k in range(1, n + 1) if stats.binom.cdf(k - 1, n, 0.5) <= (1 - level) / 2]
    return (x[max(inside) - 1], x[n - max(inside)]) if inside else None


def check_medians(result, prediction, scale_of):
    """The interval of the median of each scale, and their hull."""
    groups = {name: [v for v, _ in x] for name, x in group(prediction, scale_of).items()}
    where, level = f"{result['name']}, {prediction['name']}", prediction["level"]
    own = {name: median_ends(x, level) for name, x in groups.items()}
    together = {name: median_ends(x, 1 - (1 - level) / len(groups)) for name, x in groups.items()}
    for one in prediction["scales"]:
        name = one["scale"]
        yield from differs(f"{where} at {name}", own[name], one["interval"])
        simultaneous = one["simultaneous_interval"]
        yield from differs(f"{where} at {name}, simultaneous", together[name], simultaneous)
    if None not in own.values():
        hull = min(e[0] for e in own.values()), max(e[1] for e in own.values())
        yield from differs(where, hull, prediction["interval"])


def differs(where, ours, theirs):
    if ours is None:
        if theirs[0] is not None:
            yield f"{where}: none, not {theirs}"
        return
    for a, b in zip(ours, theirs, strict=True):
        if not math.isclose(a, b, rel_tol=1e-7, abs_tol=1e-8):
            yield f"{where}: {ours}, not {theirs}"
            return


def differences(document):
    """Of all predictions whose method says how they are analysed."""
    for result in document["results"]:
        scale_of = {use["run_id"]: use["run_id"].split("-")[1] for use in result["runs"]}.get
        for prediction in result["predictions"]:
            method = prediction["method"]
            if method.startswith("Korn-Graubard") and "unseen" in method:
                bounds = (0.0, 1.0)
                if " on [" in method:
                    low, high = method.split(" on [")[1].split("]")[0].split(",")
                    bounds = (float(low), float(high))
                yield from check(result, prediction, bounds, scale_of)
            elif method.startswith("Student's t"):
                yield from check(result, prediction, None, scale_of)
            elif method.startswith("median"):
                yield from check_medians(result, prediction, scale_of)
            elif method.startswith("largest difference"):
                ends = largest_difference(prediction, scale_of)
                where = f"{result['name']}, {prediction['name']}"
                yield from differs(where, ends, prediction["interval"])


if __name__ == "__main__":
    lines = list(differences(json.load(sys.stdin)))
    print("\n".join(lines) if lines else "no difference")
