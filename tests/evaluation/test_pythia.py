"""The claims about Pythia: what they say without traces, and on made-up models that have, or lack, what they look for."""

import json

import numpy as np
import pyarrow as pa
import pytest

from emergence_stats import write_run
from tests.support import ROOT, es, fill, result_of

STEPS = (0, *(2**k for k in range(10)), *range(1000, 30_000, 1000))
MODELS = {"160m": (162_322_944, 12), "410m": (405_334_016, 24), "2.8b": (2_775_208_960, 32)}
PROBES = ("syntax", "semantics", "arithmetic", "in_context", "facts", "reasoning", "general")
CHANCE = 0.35


def table(rng, *, n_layers, collapses=True, precursor=False):
    """A model whose RankMe falls to a floor by step 300, the output first, and recovers from step 600 to 12,000; probes emerge
    soon after their own recovery if there is a precursor, else whenever.
    """
    steps = np.array(STEPS, float)
    rows = []
    for probe in PROBES:
        for level in range(3):
            recovers = np.exp(rng.uniform(np.log(600), np.log(12_000)))
            emerges = (
                1.8 * recovers if precursor else np.exp(rng.uniform(np.log(1000), np.log(22_000)))
            )
            accuracy = CHANCE + (1 - CHANCE) / (1 + (emerges / (steps + 1)) ** 8)
            rows += [
                (s, probe, level, None, "accuracy", v) for s, v in zip(STEPS, accuracy, strict=True)
            ]
            for layer in range(1, n_layers + 1):
                half = 30 * 1.05 ** (n_layers - layer)
                fall = 1 / (1 + (half / (steps + 1)) ** 3) if collapses else 0 * steps
                rise = 1 / (1 + (recovers / (steps + 1)) ** 8)
                rank = 100 - 80 * fall + 60 * rise
                rows += [
                    (s, probe, level, layer, "rankme", v) for s, v in zip(STEPS, rank, strict=True)
                ]
    step, task, level, layer, measure, value = zip(*rows, strict=True)
    return pa.table(
        {
            "step": pa.array(step, pa.int64()),
            "task": list(task),
            "level": pa.array(level, pa.int16()),
            "layer": pa.array(layer, pa.int16()),
            "measure": list(measure),
            "value": pa.array(value, pa.float64()),
            "stderr": pa.nulls(len(rows), pa.float64()),
        }
    )


def models(store, **options):
    for name, (n_params, n_layers) in MODELS.items():
        write_run(
            store,
            table(np.random.default_rng(n_layers), n_layers=n_layers, **options),
            run_id=f"pythia-{name}-s0",
            suite="pythia",
            scale=name,
            n_params=n_params,
            n_layers=n_layers,
            seed=0,
            config={},
            software={},
            device="made up",
        )
    return store


def verdict(store, claim):
    return result_of(es("test", claim, "--traces", store, "--json", cwd=ROOT))


@pytest.mark.parametrize("claim", ["pythia_global", "pythia_no_task_precursor"])
def test_without_traces_it_says_what_would_come_out_at_best(project, claim):
    for suite in ("sim", "other"):  # as many as make a choice
        fill(project, range(1), suite=suite)
    said = verdict(project / "data", claim)
    assert said["verdict"] == "inconclusive"
    assert f"emergence-stats collect {claim}" in said["reason"]
    assert "3 runs, one at each scale, leave it inconclusive whatever they show" in said["reason"]


def test_global_patterns_are_estimated_and_three_models_settle_nothing(tmp_path):
    found = verdict(models(tmp_path / "a"), "pythia_global")
    estimates = {p["name"]: p["estimate"] for p in found["predictions"]}
    assert estimates["share halved"] == estimates["share recovered"] == 1.0
    assert estimates["tau"] < -0.9
    assert found["verdict"] == "inconclusive"
    flat = verdict(models(tmp_path / "b", collapses=False), "pythia_global")
    assert flat["predictions"][0]["estimate"] == 0.0


def test_a_precursor_of_each_probe_is_told_from_none(tmp_path):
    without = verdict(models(tmp_path / "a"), "pythia_no_task_precursor")
    with_it = verdict(models(tmp_path / "b", precursor=True), "pythia_no_task_precursor")
    assert with_it["predictions"][0]["estimate"] > without["predictions"][0]["estimate"] + 0.2
    assert abs(without["predictions"][0]["estimate"]) < 0.2
    assert with_it["verdict"] == without["verdict"] == "inconclusive"


def test_chance_is_that_of_the_shipped_probes():
    items = pytest.importorskip("emergence_training.language.items")
    namespace = {}
    source = (ROOT / "hypotheses" / "billa_2026" / "_pythia.py").read_text()
    exec(source, namespace)  # the table is written out, since claims do not import the backend
    shipped = {key: items.chance_of(some) for key, some in items.shipped_items().items()}
    assert namespace["CHANCE"] == pytest.approx(shipped, abs=1e-3)


def test_the_design_is_what_collect_makes():
    suites = pytest.importorskip("emergence_training.suites")
    shown = json.loads(es("plan", "pythia_global", "--json", cwd=ROOT).stdout)
    scales = {scale.name for scale in suites.PUBLISHED["pythia"].scales}
    assert {run["scale"] for run in shown["runs"]} <= scales
