"""A small calibration study: 1,000 studies a cell, and bands that an uncalibrated method would leave."""

import numpy as np
import pytest

from calibration import rejected, traces, values, worlds
from calibration.study import enumerated_sign_flips, run
from calibration.values import Design
from emergence_stats.claims.project import Project
from emergence_stats.core.verdicts import Verdict
from emergence_stats.robustness.studies import Study
from tests.support import ROOT

FEW, PLAN = Design(1, 5), Design(5, 5)
CELLS = [
    values.normal_mean(FEW, 0.5),
    values.normal_mean(PLAN, 1.0),
    values.normal_mean(PLAN, 0.5, uneven=True),
    values.share(FEW, 0.75, 0.5),
    values.share(Design(1, 10), 0.9, 0.5),
    values.share(PLAN, 0.9, 0.0),
    values.share(PLAN, 0.97, 0.5),
    values.share(PLAN, 0.75, 1.0),
    values.bounded_mean(FEW, 0.9, 0.2),
    values.bounded_mean(PLAN, 0.97, 0.5),
    values.bounded_mean(PLAN, 0.5, 0.05),
    values.slope(PLAN, curved=True),
    values.slope(Design(5, 1)),
]


@pytest.mark.parametrize("cell", CELLS, ids=lambda c: f"{c.name}, {c.design}")
def test_intervals_miss_as_seldom_as_they_say(cell):
    found = run(cell, 1000)
    assert found.offered == 1
    assert found.held


@pytest.mark.parametrize("cell", rejected.cells(), ids=lambda c: f"{c.name}, {c.design}")
def test_the_bands_catch_methods_that_are_known_to_be_wrong(cell):
    assert not run(cell, 1000).held


@pytest.mark.parametrize("n", [5, 6, 8])
def test_sign_flips_reject_at_most_at_alpha_over_all_signs(n):
    sizes = np.random.default_rng(n).exponential(size=n)
    for alpha in (0.025, 0.05, 0.1):
        assert enumerated_sign_flips(sizes.tolist(), alpha) <= alpha
    assert enumerated_sign_flips([1.0] * n, 0.05) <= 0.05


# --- whole ways from traces to verdicts ---------------------------------------------------------


@pytest.fixture(scope="module")
def loaded():
    project = Project(ROOT)
    return [project.load(name) for name in (*worlds.FALSE, "concordance_limits")]


@pytest.mark.parametrize("world", [worlds.NULLS[0], worlds.NULLS[4]], ids=lambda w: w.name)
def test_false_claims_are_hardly_ever_supported(loaded, world):
    for population in worlds.populate(world, loaded, size=120):
        if population.loaded.name in worlds.FALSE:
            for shares in population.verdicts((5, 25), 300).values():
                assert shares[Verdict.SUPPORTED] <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


def test_true_claims_are_supported_and_their_opposite_refuted(loaded):
    found = {p.loaded.name: p for p in worlds.populate(worlds.TRUE, loaded, size=80)}
    for name in worlds.FALSE:
        assert found[name].verdicts((25,), 100)[25][Verdict.SUPPORTED] >= 0.9
    # geometry that orders emergence refutes that it does no better than chance
    shares = found["concordance_limits"].verdicts((25,), 100)[25]
    assert shares[Verdict.REFUTED] >= 0.9


def test_a_study_of_more_seeds_begins_as_that_of_fewer(loaded):
    population = worlds.populate(worlds.NULLS[0], loaded[:1], size=30)[0]
    short = Study(population.loaded.hypothesis, population.pilots, 50, 8).chances(5)
    long = Study(population.loaded.hypothesis, population.pilots, 50, 8).chances(5)
    assert short == long


def test_simulated_runs_are_simulated_the_same_each_time():
    one, two = (traces.simulated_run(worlds.TRUE, 0, 1, 3) for _ in range(2))
    assert (one.traces("rankme").values == two.traces("rankme").values).all()
