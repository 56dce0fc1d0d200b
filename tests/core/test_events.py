"""Events of traces: interval censoring, floors, order of layers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import emergence_stats as es
from emergence_stats.core.events import definitions as events
from emergence_stats.core.runs import TraceSet
from tests.support import add_run

STEPS = np.array([0, 1, 2, 4, 8, 16, 32])


def traces(*values, steps=STEPS, layers=None, task="add", lengths=None):
    values = np.array(values, float)
    n, k = values.shape
    return TraceSet(
        "rankme",
        np.array([task] * n),
        np.zeros(n, int),
        np.array(layers if layers is not None else [-1] * n),
        np.tile(steps[:k], (n, 1)),
        values,
        np.full((n, k), np.nan),
        np.array(lengths if lengths is not None else [k] * n),
    )


def lowest(t):
    index = t.values.argmin(1)
    rows = np.arange(len(t))
    return events.Floor(t, t.values[:, 0], t.values[rows, index], t.steps[rows, index], index)


def intervals(found):
    return list(zip(found.lo.tolist(), found.hi.tolist(), strict=True))


def test_an_event_lies_between_two_checkpoints():
    t = traces([10, 9, 8, 5, 2, 3, 4])
    assert intervals(events.collapse(lowest(t))) == [(2, 4)]  # half of 8 is at 6


def test_no_collapse_is_censored_at_the_end():
    t = traces([10, 9.9, 9.5, 9, 9, 9.5, 10])
    assert intervals(events.collapse(lowest(t))) == [(32, np.inf)]


def test_persistence_skips_a_blip_and_dates_the_first_checkpoint():
    t = traces([0, 1, 0, 0, 1, 1, 1])
    found = events.first_lasting(t, t.values > 0.5, 3)
    assert intervals(found) == [(4, 8)]


def test_an_event_that_begins_too_late_is_censored_where_it_began():
    t = traces([0, 0, 0, 0, 0, 1, 1])
    found = events.first_lasting(t, t.values > 0.5, 3)
    assert intervals(found) == [(8, np.inf)]
    assert not found.observed.any()


def test_an_event_at_the_first_checkpoint_is_left_censored():
    t = traces([1, 1, 1, 1, 1, 1, 1])
    assert intervals(events.first_lasting(t, t.values > 0.5, 2)) == [(-np.inf, 0)]


def test_padding_is_no_evidence_of_persistence():
    t = traces([0, 0, 0, 0, 1, 1, 1], lengths=[5])
    found = events.first_lasting(t, t.values > 0.5, 3)
    assert intervals(found) == [(4, np.inf)]


def test_recovery_is_sought_after_the_floor():
    t = traces([10, 4, 2, 2.1, 2.6, 2.7, 3])
    assert intervals(events.recovery(lowest(t))) == [(4, 8)]


def order(lo, hi):
    n = len(lo)
    return events.Events(
        np.array(["add"] * n), np.zeros(n, int), np.arange(n),
        np.array(lo, float), np.array(hi, float),
    )  # fmt: skip


def test_precedence_needs_disjoint_intervals():
    first = order([1, 1, 4, 32, -np.inf], [2, 2, 8, np.inf, 0])
    second = order([2, 1, 1, 32, 0], [4, 2, 2, np.inf, 1])
    assert events.precedence(first, second).tolist() == [1, 0, -1, 0, 1]


grid_events = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), min_size=2, max_size=9)


@given(grid_events)
def test_kendall_on_a_shared_grid_is_scipys(pairs):
    layer = np.array([p[0] for p in pairs])
    cell = np.array([p[1] for p in pairs], float)
    found = events.kendall_tau_b(layer, cell, cell + 1)
    expected = stats.kendalltau(layer, cell).statistic
    assert found == pytest.approx(0.0 if np.isnan(expected) else expected, abs=1e-12)


@given(grid_events)
def test_interval_order_is_antisymmetric(pairs):
    lo = np.array([p[0] for p in pairs], float)
    hi = lo + 1 + np.array([p[1] for p in pairs])
    found = events.interval_order(lo, hi)
    assert (found == -found.T).all()


def test_deeper_first_is_minus_one():
    t = traces(
        [10, 10, 10, 10, 2, 2, 2],
        [10, 10, 10, 2, 2, 2, 2],
        [10, 10, 2, 2, 2, 2, 2],
        [10, 2, 2, 2, 2, 2, 2],
        layers=[1, 2, 3, 4],
    )
    assert events.collapse(lowest(t)).layer_order().tolist() == [-1.0]


def run_of(tmp_path, **options):
    add_run(tmp_path, 1, **options)
    (file,) = es.Store.open(tmp_path).runs
    return es.Run(file.manifest, es.Store.open(tmp_path).read(file))


def test_traces_of_one_layer_are_no_order_of_blocks(tmp_path):
    run = run_of(tmp_path, tasks=("add",), n_layers=1)
    deep = es.Run(replace(run.manifest, n_layers=4), run._table)
    with pytest.raises(es.Undefined, match=r"only at layers 1, 2.* needs all 4 blocks"):
        deep.traces("rankme", layers="blocks", tasks=True)
    with pytest.raises(es.Undefined, match=r"only at layers? .*, and the claim needs layer 4"):
        deep.traces("rankme", layers="final", tasks=True)
    assert len(deep.traces("rankme", layers=[1], tasks=True)) == len(
        run.traces("rankme", layers="blocks", tasks=True)
    )


def test_blocks_of_which_one_task_lacks_some_are_no_order(tmp_path):
    run = run_of(tmp_path, tasks=("add", "mod"), n_layers=2)
    whole = run.traces("rankme", layers="blocks", tasks=True)
    part = run.replacing({"rankme": whole.select(np.arange(len(whole)) > 0)})
    with pytest.raises(es.Undefined, match="not of every task-level"):
        part.traces("rankme", layers="blocks", tasks=True)


def test_events_that_the_authors_dated_are_intervals_up_to_their_step(tmp_path):
    dated = [{"task": "add", "level": 0, "step": 4}, {"task": "mod", "level": 0, "step": None}]
    run = run_of(tmp_path, further={"events": {"grok": dated}}, tasks=("add", "mod"))
    checkpoints = np.unique(run.traces("accuracy").steps)
    found = es.recorded(run, "grok")
    assert found.task_levels() == [("add", 0), ("mod", 0)]
    assert found.hi.tolist() == [4, np.inf]
    assert found.lo.tolist() == [checkpoints[checkpoints < 4].max(), checkpoints.max()]
    with pytest.raises(es.Undefined, match="no recorded events called 'other'"):
        es.recorded(run, "other")


# --- what cannot be meant -----------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    add_run(tmp_path, 0, tasks=("add", "mod"))
    (found,) = es.load_runs(tmp_path)
    return found


@pytest.mark.parametrize(
    ("chance", "said"),
    [
        ({"add": 0.5}, "pairs of a task and a level"),
        ({("add", "0"): 0.5}, "pairs of a task and a level"),
        ({("add", 0): 50}, "not a share"),
        ({("add", 0): -0.1}, "not a share"),
        ({("add", 0): 1.0}, "not a share"),
    ],
)
def test_a_chance_that_is_none_is_refused(run, chance, said):
    with pytest.raises(ValueError, match=said):
        es.emergence(run, chance=chance)


@pytest.mark.parametrize("rise", [0, -1, 25, float("nan")])
def test_a_rise_that_is_no_share_is_refused(run, rise):
    with pytest.raises(ValueError, match="rise"):
        es.emergence(run, rise=rise)


@pytest.mark.parametrize("key", [("ad", 0), ("add", 7), ("add", -1), ("mods", 1)])
def test_a_chance_of_what_is_nearly_there_is_undefined(run, key):
    with pytest.raises(es.Undefined, match="says nothing of"):
        es.emergence(run, chance={key: 0.5})


def test_a_table_may_name_more_than_a_run_has_and_less(run):
    more = {(task, level): 0.1 for task in ("add", "mod", "parity") for level in range(3)}
    assert len(es.emergence(run, chance=more)) == 6
    assert len(es.emergence(run, chance={("parity", 0): 0.5})) == 6
    assert len(es.emergence(run, chance={("add", 0): 0.5})) == 6


def test_no_fall_can_be_seen_at_one_checkpoint(run):
    with pytest.raises(es.Undefined, match="first checkpoint alone up to step 0"):
        es.floor(run, within=0)
    traces = run.traces("rankme", layers="final")
    first = replace(traces, length=np.ones_like(traces.length))
    with pytest.raises(es.Undefined, match="first checkpoint alone"):
        es.floor(run.replacing({"rankme": first}))


def test_traces_of_tasks_by_name(run):
    assert set(run.traces("accuracy", tasks="add").task) == {"add"}
    assert set(run.traces("accuracy", tasks=["add", "mod"]).task) == {"add", "mod"}
    with pytest.raises(es.Undefined, match="of tasks add, mod, and not what was asked for"):
        run.traces("accuracy", tasks=["parity"])
