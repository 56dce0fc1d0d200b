"""The claims about the order of measures, on simulated runs whose order is known."""

import numpy as np
import pyarrow as pa
import pytest

from emergence_stats import Store, Undefined
from emergence_stats.runs import Run
from emergence_stats.writing import write_run
from hypotheses import _order, geometric_hierarchy, hessian_lags, llc_synchronous
from hypotheses._paper import CHANCE
from tests.conftest import TASKS

SPARSE = np.unique(np.geomspace(30, 4000, 28).round().astype(int))
DENSE = np.unique(np.r_[0:30, np.geomspace(30, 4000, 55).round().astype(int)])


def risen(steps, at):
    """A rise from 0 to 1 that is half-way at step `at`."""
    return 1 / (1 + (at / np.maximum(steps, 1)) ** 7)


def simulated(rng, *, llc=1.0, hessian=1.0, rankme=1.0, llc_error=0.05, rough=0.05, apart=True):
    """A run in which each measure changes at this multiple of the step where accuracy rises.

    `apart`: each task rises at a time of its own, otherwise the measures change at one time.
    """
    rows = []

    def add(measure, task, level, layer, steps, values, stderr=None):
        stderr = [None] * len(steps) if stderr is None else stderr
        rows.extend(
            (int(s), task, level, layer, measure, float(v), e)
            for s, v, e in zip(steps, values, stderr, strict=True)
        )

    for task in TASKS:
        rises = np.exp(rng.uniform(np.log(250), np.log(1200)))
        for level in range(3):
            at = rises * np.exp(rng.normal(0, 0.05))
            own = at if apart else 550.0
            chance = CHANCE.get((task, level), 0.0)
            add("accuracy", task, level, None, DENSE, chance + (1 - chance) * risen(DENSE, at))
            error = llc_error * rng.uniform(0.5, 1.5, len(SPARSE))
            values = 4 * risen(SPARSE, llc * own) + error * rng.standard_normal(len(SPARSE))
            add("llc", task, level, None, SPARSE, values, error)
            fall = np.exp(
                -3 * risen(SPARSE, hessian * own) + rough * rng.standard_normal(len(SPARSE))
            )
            add("hessian_top", task, level, None, SPARSE, 100 * fall)
            collapse = 10 * np.exp(-DENSE / 6.0)
            rank = 2 + collapse + 4 * risen(DENSE, rankme * own)
            for layer in range(6):
                add("rankme", task, level, layer, DENSE, rank)
    columns = list(zip(*rows, strict=True))
    kinds = [pa.int64(), pa.string(), pa.int16(), pa.int16(), pa.string(), *[pa.float64()] * 2]
    names = ["step", "task", "level", "layer", "measure", "value", "stderr"]
    return pa.table([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names)


def write(store, seed, scale="d24L4", **options):
    return write_run(
        store,
        simulated(np.random.default_rng(seed), **options),
        run_id=f"pocket_deep-{scale}-s{seed}",
        suite="pocket_deep",
        scale=scale,
        n_params=30_000,
        n_layers=4,
        seed=seed,
        config={"simulated": True},
        software={},
        device="none",
    )


def simulated_run(tmp_path, seed=0, **options):
    manifest = write(tmp_path, seed, **options)
    store = Store.open(tmp_path)
    return next(Run(manifest, store.read(r)) for r in store.runs if r.manifest.seed == seed)


@pytest.mark.parametrize("onset", ["sigmoid", "half-way"])
@pytest.mark.parametrize("factor", [1 / 1.5, 1.0, 1.5])
def test_the_lag_that_was_planted_is_found(tmp_path, onset, factor):
    run = simulated_run(tmp_path, llc=factor, hessian=factor)
    for lag in (llc_synchronous.lag, hessian_lags.lag):
        assert lag(run, onset=onset) == pytest.approx(np.log(factor), abs=0.1)


def test_an_llc_that_leads_by_a_factor_of_two_is_seen_to_lead(tmp_path):
    """The positive control of a claim of absence."""
    leading, of = llc_synchronous.leads(simulated_run(tmp_path, llc=0.5))
    assert leading / of > 0.9
    leading, of = llc_synchronous.leads(simulated_run(tmp_path, seed=1, llc=1.0))
    assert leading / of < 0.1


@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_a_noisy_llc_that_leads_is_not_taken_for_one_that_does_not(tmp_path, noise):
    """Noise leaves fewer task-levels that tell, or none; it does not turn leads into their absence."""
    run = simulated_run(tmp_path, llc=0.5, llc_error=noise)
    leading, of = llc_synchronous.leads(run)
    assert leading / of > 0.8


def test_an_llc_of_noise_has_no_value(tmp_path):
    run = simulated_run(tmp_path, llc_error=4.0)
    for estimate in (llc_synchronous.lag, llc_synchronous.leads, llc_synchronous.nearness):
        with pytest.raises(Undefined, match="llc"):
            estimate(run)
    with pytest.raises(Undefined):
        geometric_hierarchy.order(run)


def test_a_change_that_all_tasks_share_is_not_near_its_own_task(tmp_path):
    near = llc_synchronous.nearness(simulated_run(tmp_path))
    shared = llc_synchronous.nearness(simulated_run(tmp_path, seed=1, apart=False))
    assert near < -0.3
    assert abs(shared) < 0.05


@pytest.mark.parametrize(
    ("factors", "tau"), [((0.5, 1.0, 2.0), 1.0), ((2.0, 1.0, 0.5), -1.0), ((0.5, 2.0, 1.0), 1 / 3)]
)
def test_the_order_that_was_planted_is_found(tmp_path, factors, tau):
    rankme, llc, hessian = factors
    run = simulated_run(tmp_path, rankme=rankme, llc=llc, hessian=hessian)
    for estimate in (
        geometric_hierarchy.order,
        geometric_hierarchy.order_half_way,
        geometric_hierarchy.order_same_noise,
    ):
        assert estimate(run) == pytest.approx(tau, abs=0.15)


def test_measures_that_change_together_are_in_no_order_whatever_their_noise(tmp_path):
    run = simulated_run(tmp_path, llc_error=0.4, rough=0.5)
    for estimate in (
        geometric_hierarchy.order,
        geometric_hierarchy.order_half_way,
        geometric_hierarchy.order_same_noise,
    ):
        assert abs(estimate(run)) < 0.35


def test_equal_noise_is_the_same_noise_each_time(tmp_path):
    run = simulated_run(tmp_path)
    again = simulated_run(tmp_path)
    first, second = (geometric_hierarchy.order_same_noise(r) for r in (run, again))
    assert first == second


def test_task_levels_that_never_emerge_take_no_part(tmp_path):
    run = simulated_run(tmp_path)
    table = run._table.to_pandas()
    never = (table["task"] == "mul") & (table["measure"] == "accuracy")
    table.loc[never, "value"] = 0.0
    fewer = Run(run.manifest, pa.Table.from_pandas(table, schema=run._table.schema))
    assert len(_order.learned(run)) == 24
    assert len(_order.learned(fewer)) == 21
    assert llc_synchronous.leads(fewer)[1] <= 21
