"""The claims about the order of measures, on simulated runs whose order is known."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

import emergence_stats as es
from emergence_stats import Store, Undefined
from emergence_stats.onsets import middle
from emergence_stats.runs import Run
from emergence_stats.traces.write import write_run
from hypotheses import _order, geometric_hierarchy, hessian_lags, llc_synchronous
from hypotheses._paper import CHANCE
from tests.support import ROOT, TASKS

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
            rank = 2 * 3 ** risen(DENSE, rankme * own) + collapse
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


ONSETS = pytest.mark.parametrize("onset", ["sigmoid", "step"])


@ONSETS
@pytest.mark.parametrize("factor", [1 / 1.5, 1.0, 1.25, 1.5])
def test_the_lag_that_was_planted_is_found(tmp_path, onset, factor):
    """With errors and roughness as large as the changes themselves."""
    run = simulated_run(tmp_path, llc=factor, hessian=factor, llc_error=1.5, rough=1.0)
    for lag in (llc_synchronous.lag, hessian_lags.lag):
        assert lag(run, onset=onset) == pytest.approx(np.log(factor), abs=0.15)


@ONSETS
def test_lags_are_right_on_average(tmp_path, onset):
    found = [
        llc_synchronous.lag(simulated_run(tmp_path, seed, llc=1.2, llc_error=1.5), onset=onset)
        for seed in range(12)
    ]
    assert np.mean(found) == pytest.approx(np.log(1.2), abs=0.04)


def test_a_lag_beyond_the_range_is_at_its_end(tmp_path):
    run = simulated_run(tmp_path, hessian=2.4, llc=1 / 2.4)
    assert hessian_lags.lag(run) == pytest.approx(np.log(2), abs=0.03)
    assert llc_synchronous.lag(run) == pytest.approx(-np.log(2), abs=0.03)


def test_an_llc_that_leads_is_seen_to_lead(tmp_path):
    """The positive control of a claim of absence."""
    leading, of = llc_synchronous.leads(simulated_run(tmp_path, llc=0.5))
    assert leading / of > 0.9
    leading, of = llc_synchronous.leads(simulated_run(tmp_path, seed=1, llc=1.0))
    assert leading / of < 0.1


def test_lags_of_noise_scatter(tmp_path):
    """So that an interval over runs of noise is wide, and the verdict inconclusive."""
    found = [
        llc_synchronous.lag(simulated_run(tmp_path, seed, llc_error=40.0)) for seed in range(12)
    ]
    assert np.std(found) > 0.2


def test_a_change_that_all_tasks_share_knows_nothing_of_its_own(tmp_path):
    own = llc_synchronous.own_task(simulated_run(tmp_path))
    shared = llc_synchronous.own_task(simulated_run(tmp_path, seed=1, apart=False))
    assert own > 0.1
    assert abs(shared) < 0.05


@pytest.mark.parametrize(
    ("factors", "tau"), [((0.6, 1.0, 1.6), 1.0), ((1.6, 1.0, 0.6), -1.0), ((0.6, 1.6, 1.0), 1 / 3)]
)
def test_the_order_that_was_planted_is_found(tmp_path, factors, tau):
    rankme, llc, hessian = factors
    run = simulated_run(tmp_path, rankme=rankme, llc=llc, hessian=hessian, rough=0.5)
    for estimate in (
        geometric_hierarchy.order,
        geometric_hierarchy.order_by_both,
        geometric_hierarchy.order_at_equal_noise,
    ):
        assert estimate(run) == pytest.approx(tau)


def test_measures_that_change_together_are_in_no_order_whatever_their_noise(tmp_path):
    """RankMe has no noise, the LLC some, and the Hessian most: none must seem to come first."""
    for estimate in (
        geometric_hierarchy.order,
        geometric_hierarchy.order_by_both,
        geometric_hierarchy.order_at_equal_noise,
    ):
        found = [
            estimate(simulated_run(tmp_path, seed, llc_error=1.0, rough=1.0)) for seed in range(10)
        ]
        assert abs(np.mean(found)) < 0.5


def test_equal_noise_is_the_same_noise_each_time(tmp_path):
    first, second = (simulated_run(tmp_path / name, rough=0.5) for name in "ab")
    of = [_order.same_noise(run, geometric_hierarchy.ORDER) for run in (first, second)]
    assert all(np.array_equal(a.values, b.values) for a, b in zip(*of, strict=True))


def test_task_levels_that_never_emerge_take_no_part(tmp_path):
    run = simulated_run(tmp_path)
    table = run._table.to_pandas()
    never = (table["task"] == "mul") & (table["measure"] == "accuracy")
    table.loc[never, "value"] = 0.0
    fewer = Run(run.manifest, pa.Table.from_pandas(table, schema=run._table.schema))
    assert len(_order.learned(run)) == 24
    assert len(_order.learned(fewer)) == 21


def test_task_levels_that_emerge_too_late_to_show_a_lag_take_no_part(tmp_path):
    run = simulated_run(tmp_path)
    y = middle(_order.behaviour_of(run, _order.How()))
    takes_part = _order.align(run, "llc", _order.How()).keys
    reach = np.log(SPARSE[-2] / 2)
    assert {k for k, at in zip(_order.learned(run), y, strict=True) if at < reach} == set(
        takes_part
    )


def test_a_run_that_learned_little_has_no_value(tmp_path):
    run = simulated_run(tmp_path)
    table = run._table.to_pandas()
    few = ~table["task"].isin(["copy"]) & (table["measure"] == "accuracy")
    table.loc[few, "value"] = 0.0
    little = Run(run.manifest, pa.Table.from_pandas(table, schema=run._table.schema))
    with pytest.raises(Undefined, match="3 task-levels emerge"):
        llc_synchronous.lag(little)


def test_the_whole_way_to_a_verdict(tmp_path, monkeypatch):
    """Planted truths give the verdicts that they should, by the command line's own path."""
    monkeypatch.chdir(ROOT)
    for seed, scale in itertools.product(range(30, 38), _order.DEEP.scales):
        write(tmp_path, seed, scale, rankme=0.6, llc=1.02, hessian=1.6, llc_error=1.0, rough=0.5)
    for name in ("llc_synchronous", "hessian_lags", "geometric_hierarchy"):
        assert es.test(name, traces=str(tmp_path)).verdict == "supported", name
    for seed, scale in itertools.product(range(30, 38), _order.DEEP.scales):
        write(tmp_path / "b", seed, scale, rankme=1.5, llc=0.6, hessian=0.7, llc_error=1.0)
    for name in ("llc_synchronous", "hessian_lags", "geometric_hierarchy"):
        assert es.test(name, traces=str(tmp_path / "b")).verdict == "refuted", name
