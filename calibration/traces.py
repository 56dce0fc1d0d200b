"""Traces of simulated runs with a planted truth, to test the whole way from traces to verdicts.

RankMe starts at 12, falls to a floor, and comes back at the recovery; accuracy rises at emergence.
Log steps of emergence are the task's own mean, plus an effect of the run and one of the task-level: of
these two the share `icc` lies between runs. A world decides how recovery relates to emergence, and the
depth of a block to its collapse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from emergence_stats.core.runs import Run, TraceSet
from emergence_stats.traces.format import Manifest

Floats = NDArray[np.float64]

TASKS = ("copy", "reverse", "compare", "parity", "add", "mod", "sort", "mul")
HARD = ("add", "mod", "mul", "parity")
OF_TASK = (
    -0.5,
    -0.35,
    -0.2,
    0.1,
    0.3,
    0.0,
    0.4,
    0.5,
)  # log floors of tasks, that of modular arithmetic as it is
LEVELS = 3
LAYERS = 4
LAST = 4000
START = 12.0


@dataclass(frozen=True)
class World:
    """What is true in a simulated world.

    `related`: recovery comes a factor of two before the emergence of its own task-level; otherwise all
    task-levels recover about step 400, whatever they learn: an early, universal event. `top_down`:
    deeper blocks fall earlier; otherwise the order of blocks is drawn anew for each task-level. `drift`:
    how much the log floor grows over the scales. `late`: share of task-levels that have not emerged at
    the end.

    Further truths, by scale where they are tuples, repeated where there are more scales: `bend` is added to the log floor,
    and `turned` scales have the opposite order of blocks. `signs` "specific": recovery only where the task-level emerges.
    `hard`: whether hard tasks emerge. `lags` of the LLC and the Hessian behind the emergence of each task-level, None for
    measures that know nothing of it: the Hessian changes about step 1,900 then, as a schedule does, and the LLC is noise. `ramps`:
    both only grow with the log step. `shared`: all task-levels of a run have one geometry, which recovers when some middle task does.
    `speed`: how many log steps earlier a scale learns, and `loss_follows`: whether its loss falls as much earlier. `smooth`:
    log-probability rises over more log steps than accuracy, and begins before; otherwise with it. `compressed`: ranks of the
    last block fall at the end. `narrowing`: 1 where the rank falls with depth at the end, -1 where it grows. `settles`: 1 where
    layers settle from the input to the output, -1 the other way.
    """

    name: str
    icc: float = 0.5
    checkpoints: int = 60
    noise: float = 0.02
    related: bool = False
    top_down: bool = False
    drift: float = 0.0
    late: float = 0.1
    bend: tuple[float, ...] = (0.0,)
    turned: tuple[bool, ...] = (False,)
    signs: str = "always"
    hard: bool = True
    lags: tuple[float, ...] | None = None
    measured: bool = False
    ramps: bool = False
    shared: bool = False
    speed: tuple[float, ...] = (0.0,)
    loss_follows: bool = True
    smooth: bool = True
    compressed: bool = True
    narrowing: int = 1
    settles: int = 1

    def steps(self) -> NDArray[np.int64]:
        spaced = np.geomspace(2, LAST, self.checkpoints - 2).round().astype(np.int64)
        return np.unique(np.r_[0, 1, spaced])


def simulated_run(world: World, scale: int, scales: int, seed: int) -> Run:
    """One run; `scale` of `scales`, 0 the smallest."""
    rng = np.random.default_rng([20260217, scale, seed])
    n = len(TASKS) * LEVELS
    task = np.repeat(np.array(TASKS), LEVELS)
    level = np.tile(np.arange(LEVELS), len(TASKS))
    spread = 0.8
    of_task = np.repeat(np.linspace(-0.8, 0.8, len(TASKS)), LEVELS)
    middle = np.log(LAST) - spread * 1.6 * _normal_quantile(1 - world.late)
    effects = world.icc**0.5 * rng.normal() + (1 - world.icc) ** 0.5 * rng.normal(size=n)
    speed = world.speed[scale % len(world.speed)]
    emergence = middle + of_task + spread * effects - speed
    recovery = emergence - np.log(2) if world.related else rng.normal(np.log(400), 0.5, n)
    recovery = np.maximum(recovery, np.log(40))
    if world.shared:
        recovery[:] = np.median(recovery)
    if not world.hard:
        emergence[np.isin(task, HARD)] = 30.0  # never
    if world.signs == "specific":
        recovery[emergence > np.log(LAST)] = 30.0
    steps = world.steps()
    log_step = np.log(np.maximum(steps, 0.5))
    accuracy = 1 / (1 + np.exp(-(log_step - emergence[:, None]) / 0.15))
    accuracy = np.round(accuracy * 200) / 200  # of 200 samples
    bend = world.bend[scale % len(world.bend)]
    floor = np.exp(np.log(2.0) + bend + world.drift * (scale / max(scales - 1, 1) - 0.5))
    floor = floor * np.repeat(np.exp(OF_TASK), LEVELS) * np.exp(rng.normal(0, 0.05, n))
    order = np.tile(np.arange(LAYERS)[::-1], (n, 1))
    if not world.top_down:
        order = np.argsort(rng.random((n, LAYERS)), axis=1)
    if world.turned[scale % len(world.turned)]:
        order = LAYERS - 1 - order
    half = np.log(5.0) + 0.35 * order + rng.normal(0, 0.1, (n, 1))  # (n, layers)
    down = 1 / (1 + np.exp(-(log_step - half[..., None]) / 0.2))
    up = 1 / (1 + np.exp(-(log_step - recovery[:, None, None]) / 0.2))
    clean = START + (floor[:, None, None] - START) * down + 4 * up
    # Neighbouring blocks share most of their noise.
    errors = rng.normal(size=(n, LAYERS, len(steps)))
    for block in range(1, LAYERS):
        errors[:, block] = 0.8 * errors[:, block - 1] + 0.6 * errors[:, block]
    if world.shared:
        clean = np.broadcast_to(clean.mean(0), clean.shape)
    rankme = clean * np.exp(world.noise * errors)
    traces = {
        "accuracy": _traces("accuracy", task, level, np.full(n, -1), steps, accuracy),
        "rankme": _traces(
            "rankme",
            np.repeat(task, LAYERS),
            np.repeat(level, LAYERS),
            np.tile(np.arange(1, LAYERS + 1), n),
            steps,
            rankme.reshape(n * LAYERS, -1),
        ),
    }
    ahead = speed if world.loss_follows else 0.0
    loss = 3.2 / (1 + np.exp((log_step + ahead - 6.0) / 0.8))
    traces |= _further(rng, world, task, level, steps, log_step, emergence, rankme, loss)
    if world.measured:
        lag = None if world.lags is None else world.lags[scale % len(world.lags)]
        deep = _deep(rng, lag, emergence, log_step)
        if world.ramps:
            deep = {
                k: v * 0 + np.exp(0.2 * log_step) * np.exp(rng.normal(0, 0.01, v.shape))
                for k, v in deep.items()
            }
        for name, found in deep.items():
            traces[name] = _traces(name, task, level, np.full(n, -1), steps, found)
    return Run(_manifest(world, scale, scales, seed), _EMPTY).replacing(traces)


def _further(
    rng: np.random.Generator,
    world: World,
    task: NDArray,
    level: NDArray,
    steps: NDArray,
    log_step: Floats,
    emergence: Floats,
    rankme: Floats,
    loss: Floats,
) -> dict[str, TraceSet]:
    """What the claims of other papers look at. `rankme` (n, layers, k), `loss` (k,) of the mixture."""
    n, k = len(task), len(steps)
    begins, takes = (0.5, 0.5) if world.smooth else (0.0, 0.15)
    known = 1 / (1 + np.exp(-(log_step - (emergence - begins)[:, None]) / takes))
    late = 1 / (1 + np.exp(-(log_step - np.log(LAST / 2)) / 0.15))
    depth = np.arange(LAYERS)[:, None] - (LAYERS - 1) / 2
    narrower = rankme * np.exp(-0.1 * world.narrowing * depth * late)
    compressed = rankme * np.exp(-0.4 * late) if world.compressed else rankme
    own = 1 / (1 + np.exp(-(log_step - 5.0 - 0.3 * world.settles * depth) / 0.4))
    likeness = 0.3 + 0.7 * own / own[:, -1:]
    likeness[:, 1:-1] += rng.normal(0, 0.005, (LAYERS, k - 2))
    blocks = np.tile(np.arange(1, LAYERS + 1), n)
    by_block = (np.repeat(task, LAYERS), np.repeat(level, LAYERS), blocks)
    whole, none = np.array([""]), np.array([-1])
    return {
        "log_prob": _traces(
            "log_prob", task, level, np.full(n, -1), steps, np.log(0.1) * (1 - known)
        ),
        "loss": _traces("loss", whole, none, none, steps, loss[None]),
        "rankme_centred": _traces("rankme_centred", *by_block, steps, narrower.reshape(-1, k)),
        "rankme_answer_centred": _traces(
            "rankme_answer_centred", *by_block, steps, compressed.reshape(-1, k)
        ),
        "svcca_end": _traces(
            "svcca_end",
            np.full(LAYERS, ""),
            np.full(LAYERS, -1),
            np.arange(1, LAYERS + 1),
            steps,
            likeness,
        ),
    }


def _deep(
    rng: np.random.Generator, lag: float | None, emergence: Floats, log_step: Floats
) -> dict[str, Floats]:
    """The LLC and the Hessian of each task-level (n, k)."""
    n = len(emergence)
    own = (np.full(n, np.log(1900.0)) if lag is None else emergence + lag) + rng.normal(0, 0.1, n)
    change = 1 / (1 + np.exp(-(log_step - own[:, None]) / 0.2))
    noise = rng.normal(0, 0.05, (2, n, len(log_step)))
    llc = noise[0] if lag is None else 5 + change + noise[0]
    return {"llc": llc, "hessian_top": np.exp(2 + change + noise[1])}


def population(world: World, scales: int, seeds: int) -> list[Run]:
    return [simulated_run(world, s, scales, seed) for s in range(scales) for seed in range(seeds)]


def _normal_quantile(p: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(p))


def _traces(
    measure: str, task: NDArray, level: NDArray, layer: NDArray, steps: NDArray, values: Floats
) -> TraceSet:
    order = np.lexsort((layer, level, task))
    n, k = values.shape
    return TraceSet(
        measure,
        task[order],
        level[order],
        layer[order],
        np.tile(steps, (n, 1)),
        values[order],
        np.full((n, k), np.nan),
        np.full(n, k),
    )


_EMPTY = pa.table(
    {
        "step": pa.array([], pa.int64()),
        "task": pa.array([], pa.string()),
        "level": pa.array([], pa.int16()),
        "layer": pa.array([], pa.int16()),
        "measure": pa.array([], pa.string()),
        "value": pa.array([], pa.float64()),
        "stderr": pa.array([], pa.float64()),
    }
)


def _manifest(world: World, scale: int, scales: int, seed: int) -> Manifest:
    n_params = round(10_000 * 210 ** (scale / max(scales - 1, 1)))
    return Manifest(
        run_id=f"simulated-{scale}-{seed}",
        suite="simulated",
        scale=f"s{scale}",
        n_params=n_params,
        n_layers=LAYERS,
        seed=seed,
        created="2026-01-01T00:00:00+00:00",
        config={"simulated": world.name},
        software={},
        device="none",
        rows=0,
        sha256="",
    )


NO_MANIFEST = _manifest(World("none"), 0, 1, 0)  # for values that come from no trace
