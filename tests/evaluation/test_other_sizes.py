"""The plans for the paper's own sizes and for language models trained here, on made-up worlds: what is true, and what only looks so.

Every world here was tried on a draft that it deceived, or shows that the plan can come out the other way.
"""

import numpy as np
import pyarrow as pa
import pytest

from emergence_stats.claims.project import Project
from emergence_stats.core.runs import NONE, Run, TraceSet, Undefined
from emergence_stats.core.verdicts import COMBINE
from emergence_stats.evaluation.judging.rules import settle
from emergence_stats.evaluation.values import Values
from emergence_stats.traces.format import Manifest
from tests.support import ROOT

SIZES = {
    "d128L2": (405_000, 2), "d256L4": (3_200_000, 4), "d384L6": (10_700_000, 6), "d512L8": (25_300_000, 8), "d768L12": (85_000_000, 12),
}  # fmt: skip
TASKS = ("add", "compare", "copy", "mod", "mul", "parity", "reverse", "sort")
EARLY = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 18, 21, 25, 29, 35, 41, 48, 57, 67, 79, 94, 111, 130, 154, 182, 215, 253, 299, 353, 417, 492, 581])  # fmt: skip
TEXT_SIZES = {"d16L4": 28_000, "d32L4": 90_000, "d64L4": 300_000, "d128L4": 1_000_000}
PROBES = ("agreement", "capital", "copy", "form", "frequency", "matching", "order", "phrase", "topic")  # fmt: skip
CHANCE = np.repeat([1 / 2, 1 / 2, 1 / 4, 1 / 2, 1 / 2, 1 / 2, 1 / 2, 1 / 4, 1 / 2], 3)
CHANCE[6] = 1 / 3
EMPTY = pa.table(
    {name: pa.nulls(0) for name in ("step", "task", "level", "layer", "measure", "value", "stderr")}
)
TEXT = np.array([*range(13), *np.unique(np.round(12 * (2000 / 12) ** (np.arange(1, 32) / 31)))])


@pytest.fixture(scope="module")
def project():
    return Project(ROOT)


def traces(measure, tasks, steps, values):
    """`values` (tasks x levels, steps), or (tasks x levels, blocks, steps)."""
    task, level = np.repeat(tasks, 3), np.tile(np.arange(3), len(tasks))
    layer = np.full(len(task), NONE)
    if values.ndim == 3:
        blocks = values.shape[1]
        task, level = np.repeat(task, blocks), np.repeat(level, blocks)
        layer = np.tile(np.arange(1, blocks + 1), 3 * len(tasks))
        values = values.reshape(-1, len(steps))
    every = np.broadcast_to(steps, values.shape).astype(np.int64)
    nothing, length = np.full(values.shape, np.nan), np.full(len(values), len(steps))
    return TraceSet(measure, task, level, layer, every, values, nothing, length)


def run(scale, seed, n_params, n_layers, **measures):
    """A run of these `TraceSet`s."""
    manifest = Manifest(
        run_id=f"made-up-{scale}-s{seed}", suite="made-up", scale=scale, n_params=n_params, n_layers=n_layers,
        seed=seed, created="2026-01-01T00:00:00+00:00", config={}, software={}, device="none", rows=0, sha256="0" * 64,
    )  # fmt: skip
    return Run(manifest, EMPTY).replacing(measures)


def judge(project, name, runs):
    """The verdict of the plan, and of each prediction, without controls."""
    hypothesis = project.load(name).hypothesis
    found = {}
    for prediction in hypothesis.predictions:
        units = [[one] for one in runs]
        if prediction.unit == "seed":
            seeds = sorted({one.seed for one in runs})
            units = [[one for one in runs if one.seed == seed] for seed in seeds]
        values = Values()
        for unit in units:
            try:
                value = prediction.estimate(unit if prediction.unit == "seed" else unit[0])
            except Undefined:
                continue
            values.values.append(value)
            values.runs.append([one.manifest for one in unit])
        found[prediction.name] = settle(hypothesis, prediction, values).verdict
    return str(COMBINE[hypothesis.combine](found.values())), {k: str(v) for k, v in found.items()}


# --- the collapse at the paper's sizes --------------------------------------------------------


def early(rng, half=12.0, a_block=0.1, floors=2.0, start=12.0, sizes=SIZES):
    """Runs whose RankMe falls half-way about step `half` in the last block, `a_block` log steps later in each before it.

    `half` and `floors`: numbers, or functions of task-level and block, counted from the last (0), and of the size.
    """

    def of(what, size, blocks):
        shape = (24, blocks)
        if not callable(what):
            return np.full(shape, what)
        return np.array([[what(i // 3, blocks - 1 - b, size) for b in range(blocks)] for i in range(24)])  # fmt: skip

    runs = []
    for number, (size, (n_params, blocks)) in enumerate(sizes.items()):
        later = a_block(blocks) if callable(a_block) else a_block
        at = of(half, number, blocks) * np.exp(later * np.arange(blocks)[::-1])
        low = of(floors, number, blocks)
        for seed in range(101, 106):
            fell = 1 / (1 + (at[..., None] / np.maximum(EARLY, 1e-9)) ** 3)
            ranks = (start - (start - low[..., None]) * fell) * np.exp(
                rng.normal(0, 0.01, (24, blocks, len(EARLY)))
            )
            ranks *= np.exp(rng.normal(0, 0.02))
            runs.append(run(size, seed, n_params, blocks, rankme=traces("rankme", TASKS, EARLY, ranks)))  # fmt: skip
    return runs


DEEPER = {size: SIZES[size] for size in list(SIZES)[1:]}


@pytest.mark.parametrize(
    ("verdict", "world"),
    [
        ("supported", {}),
        ("refuted", {"floors": lambda task, _b, _s: 12.0 if task == 4 else 1.5}),  # one task does not
        ("refuted", {"floors": lambda _t, _b, size: 8.0 if size == 4 else 2.0}),  # one size does not
        ("refuted", {"floors": 1.04, "start": 1.1}),  # RankMe - 1 halves, and nothing falls
        ("refuted", {"half": 3000.0}),  # later than anybody looked
    ],
    ids=["true", "one task", "one size", "from one to one", "too late"],
)  # fmt: skip
def test_collapse_at_the_papers_sizes(project, verdict, world):
    runs = early(np.random.default_rng(1), **world)
    assert judge(project, "universal_collapse_85m", runs)[0] == verdict


def test_a_fall_at_the_last_checkpoint_alone_is_none(project):
    runs = early(np.random.default_rng(1), floors=12.0)
    for one in runs:
        one.traces("rankme").values[:, -1] = 2.0
    assert judge(project, "universal_collapse_85m", runs)[0] == "refuted"


@pytest.mark.parametrize(
    ("verdict", "world"),
    [
        ("supported", {}),
        ("supported", {"a_block": lambda blocks: np.log(1.4) / (blocks - 1)}),  # whatever the depth
        ("refuted", {"a_block": -0.1}),
        ("refuted", {"a_block": 0.0}),
        ("refuted", {"half": lambda task, b, _s: 12.0 * np.exp(-0.2 * b if task < 3 else 0.0)}),
        ("refuted", {"a_block": -0.05, "half": lambda _t, b, size: 80.0 if b == (3, 5, 7, 11)[size] else 12.0}),
        ("refuted", {"floors": lambda task, b, _s: 12.0 if task < 4 and b < 2 else 2.0}),
    ],
    ids=["true", "a factor of 1.4 in all", "the other way", "no order", "three tasks the other way", "a late first block", "the last blocks never"],
)  # fmt: skip
def test_order_of_blocks_at_the_papers_sizes(project, verdict, world):
    runs = early(np.random.default_rng(2), sizes=DEEPER, **world)
    assert judge(project, "top_down_85m", runs)[0] == verdict


@pytest.mark.parametrize(
    ("verdict", "drift"), [("supported", 0.0), ("refuted", 0.15)], ids=["none", "a factor of 1.8"]
)
def test_floors_at_the_papers_sizes(project, verdict, drift):
    own = np.exp(np.linspace(0.3, 2.0, 8))[[1, 2, 3, 0, 4, 5, 6, 7]] + 0.5
    runs = early(
        np.random.default_rng(3), floors=lambda task, _b, size: own[task] * np.exp(drift * size)
    )
    assert judge(project, "scale_invariant_floors_85m", runs)[0] == verdict


# --- language models trained here -------------------------------------------------------------


def texts(rng, arms, *, a_block=0.1, recovers=True, quiet=()):
    """Runs of the arms. By arm: "own", recovery comes a factor of three before the emergence of its own probe; "other", about step
    60 whatever emerges when. `quiet`: sizes and arms where nothing emerges.
    """
    mean, own = np.log(400), np.repeat(rng.normal(0, 0.6, 9), 3)
    runs = []
    for (size, n_params), (arm, kind), seed in (
        (s, a, n) for s in TEXT_SIZES.items() for a in arms.items() for n in range(101, 109)
    ):
        emerges = np.exp(mean + own + rng.normal(0, 0.3, 27))
        if (size, arm) in quiet:
            emerges[:] = np.inf
        back = emerges / 3 if kind == "own" else np.exp(np.log(60) + rng.normal(0, 0.15, 27))
        steps = np.maximum(TEXT, 1e-9)
        half = 5.0 * np.exp(a_block * np.arange(4)[::-1])
        fell = 1 / (1 + (half[:, None] / steps) ** 3)[None]
        rose = 1 / (1 + (back[:, None] / steps) ** 4)[:, None] if recovers else 0.0
        ranks = (40 - 35 * fell) * (1 + rose) * np.exp(rng.normal(0, 0.005, (27, 4, len(TEXT))))
        right = CHANCE[:, None] + (1 - CHANCE[:, None]) * 0.9 / (1 + (emerges[:, None] / steps) ** 4)  # fmt: skip
        noisy = np.clip(right + rng.normal(0, 0.02, right.shape), 0, 1)
        measures = {"rankme": ranks, "rankme_answer_centred": ranks, "accuracy": noisy}
        sets = {name: traces(name, PROBES, TEXT, values) for name, values in measures.items()}
        runs.append(run(f"{size}-{arm}", seed, n_params, 4, **sets))
    return runs


@pytest.mark.parametrize(
    ("verdict", "world"),
    [("supported", {}), ("refuted", {"recovers": False}), ("refuted", {"a_block": -0.1})],
    ids=["true", "no recovery", "the other way"],
)
def test_global_patterns_on_text(project, verdict, world):
    runs = texts(np.random.default_rng(4), {"text": "other"}, **world)
    assert judge(project, "text_global", runs)[0] == verdict


@pytest.mark.parametrize(("verdict", "kind"), [("supported", "other"), ("refuted", "own")])
def test_precursors_on_text(project, verdict, kind):
    runs = texts(np.random.default_rng(5), {"text": kind})
    assert judge(project, "text_no_task_precursor", runs)[0] == verdict


@pytest.mark.parametrize(
    ("verdict", "kinds"),
    [
        ("supported", ("other", "own", "own")),
        ("refuted", ("other", "other", "other")),
        ("refuted", ("own", "own", "own")),  # precursors, whatever is trained on
        ("refuted", ("other", "own", "other")),  # a tenth of probes does not do
    ],
    ids=["true", "none anywhere", "everywhere", "not in the mixture"],
)
def test_precursors_by_what_is_trained_on(project, verdict, kinds):
    arms = dict(zip(("text", "tasks", "mixed"), kinds, strict=True))
    assert judge(project, "alignment_makes_precursors", texts(np.random.default_rng(6), arms))[0] == verdict  # fmt: skip


def test_sizes_that_learn_nothing_on_text_decide_nothing(project):
    arms = {"text": "other", "tasks": "own", "mixed": "own"}
    runs = texts(np.random.default_rng(7), arms, quiet={("d16L4", "text")})
    assert judge(project, "alignment_makes_precursors", runs)[0] == "inconclusive"


def test_nine_probes_agree_by_accident_as_often_as_the_page_says():
    """Fixed effects of probes, and smaller ones of levels, in recovery and in emergence, which know nothing of one another."""
    rng, (i, j) = np.random.default_rng(1), np.triu_indices(27, 1)
    apart = i // 3 != j // 3
    found = []
    for _ in range(2000):
        emerges, recovers = (
            np.repeat(rng.normal(0, sd, 9), 3) + rng.normal(0, 0.25, 27) for sd in (0.6, 0.5)
        )
        found.append(((emerges[i] < emerges[j]) == (recovers[i] < recovers[j]))[apart].mean())
    share = np.mean(np.array(found) > 0.6)
    assert 0.15 < share < 0.20
