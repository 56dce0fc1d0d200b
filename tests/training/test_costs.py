"""What a GPU would cost: the figures are those of the page, and the model gives them back."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

from emergence_stats.claims.planning.plans import total_on_gpu
from emergence_training.engines import costs
from emergence_training.suites import PAPER_SCALES, SUITES
from tests.support import es, failed

PAGE = Path(__file__).parents[2] / "docs" / "device_benchmark.md"


def test_what_is_called_measured_is_what_the_page_shows():
    rows = re.findall(r"^\| (d\d+L\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE.read_text(), re.M)  # fmt: skip
    assert {name: tuple(map(float, cells)) for name, *cells in rows} == costs.MEASURED
    assert costs.DEVICE in PAGE.read_text()


def test_the_model_gives_back_what_it_was_fitted_to():
    near = SUITES["paper"]
    for scale, estimate in zip(PAPER_SCALES, costs.costs(near), strict=True):
        assert estimate.basis == "measured"
        modelled = costs._cost(near.__class__(**{**vars(near), "batch": 511}), scale, 139.0)
        assert modelled.basis == "estimated"
        for name, tolerance in (("step_ms", 0.1), ("checkpoint_s", 0.15), ("memory_gb", 0.2)):
            assert getattr(modelled, name) == pytest.approx(getattr(estimate, name), rel=tolerance)


def test_more_memory_has_room_for_more():
    small, large = (costs.costs(SUITES["paper"], memory) for memory in (24.0, 80.0))
    for a, b in zip(small, large, strict=True):
        assert 0 < a.largest_batch < b.largest_batch
    assert all(cost.largest_batch == 0 for cost in costs.costs(SUITES["paper"], 0.1))


def test_plan_shows_it():
    found = json.loads(
        es("plan", "universal_collapse", "--suite", "paper", "--device", "cuda", "--json").stdout
    )
    assert [cost["scale"] for cost in found["gpu"]["scales"]] == [s.name for s in PAPER_SCALES]
    shown = es("plan", "universal_collapse", "--suite", "paper", "--device", "cuda").stdout
    assert "NVIDIA H200" in shown
    assert "measured" in shown
    hours = sum(3 * cost["hours"] for cost in found["gpu"]["scales"])
    assert f"15 runs of suite paper missing: {hours:.1f} hours" in shown
    failed(es("plan", "universal_collapse", "--device", "tpu"), "'tpu'", "cuda")
    failed(es("plan", "universal_collapse", "--memory", "24"), "--device cuda")


def test_a_scale_that_a_suite_has_not_costs_nothing_that_is_known():
    run = {"seed": 1, "state": "missing"}
    plan = {
        "suite": "paper",
        "runs": [{"scale": "d128L2", **run}, {"scale": "d1L1", **run}],
        "gpu": {"scales": [{"scale": "d128L2", "hours": 0.5}]},
    }
    assert total_on_gpu([plan, plan], "paper") == (1, 0.5)


def test_a_suite_whose_cost_is_not_known_does_not_hide_the_others():
    done = es("plan", "universal_collapse_85m", "pythia_global", "--device", "cuda")
    assert done.returncode == 0
    assert "note: what a GPU would take is known for models of the tasks" in done.stderr
    assert "suite paper_early on" in done.stdout
