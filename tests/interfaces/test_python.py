"""The face for Python: many claims at once, results by name, runs as tables and pictures."""

import numpy as np
import pytest

import emergence_stats as es
from emergence_stats.errors import UsageError
from tests.support import add_run, fill

CLAIM = '''
"""{name}."""
import emergence_stats as es


def final(run):
    return float(run.traces("accuracy", tasks=True).values[:, -1].mean())


{name} = es.Hypothesis(
    claim=es.Claim("It is {name}."),
    needs=es.Needs(["accuracy"]),
    predictions=[es.Prediction("final", final, es.Region.above({edge}))],
)
'''


@pytest.fixture
def two(project):
    folder = project / "hypotheses"
    for old in folder.glob("*.py"):
        old.unlink()
    (folder / "high.py").write_text(CLAIM.format(name="high", edge=0.5))
    (folder / "higher.py").write_text(CLAIM.format(name="higher", edge=2.0))
    fill(project, range(4))
    return project


def test_several_claims_are_a_report_by_position_and_name(two):
    found = es.test(["high", "higher"], project=two)
    assert [str(one.verdict) for one in found] == ["supported", "refuted"]
    assert found["higher"] is found[1]
    assert found.to_frame()["hypothesis"].tolist() == ["high", "higher"]
    assert "higher" in found._repr_html_()
    assert [one.name for one in es.report(project=two)] == ["high", "higher"]
    with pytest.raises(KeyError, match="no result 'low', only high, higher"):
        found["low"]


def test_a_prediction_is_found_by_its_name(two):
    result = es.test("high", project=two)
    final = result.predictions["final"]
    assert final is result.predictions[0]
    assert final.interval[0] < final.estimate.value < final.interval[1]
    assert 0 < final.p_value < 0.05
    assert "supported" in result.summary()
    with pytest.raises(KeyError, match="only final"):
        result.predictions["first"]


def test_a_claim_is_described_in_words_and_compared_on_two_suites(two):
    assert "It is high." in es.describe("high", project=two)
    for seed in range(4):
        add_run(two / "data", seed, suite="other", tasks=("add",))
    found = es.compare("high", ["sim", "other"], project=two)
    assert found["suite"].tolist() == ["sim", "other"]


def test_runs_are_loaded_by_suite_scale_and_seed(two):
    runs = es.load_runs(suite="sim", seed=[1, 3], project=two)
    assert [run.seed for run in runs] == [1, 3]
    (run,) = es.load_runs(seed=2, measures=["accuracy"], project=two)
    assert run.measures == {"accuracy"}
    with pytest.raises(UsageError, match="no run of scale 'd99'; it has d32"):
        es.load_runs(scale="d99", project=two)
    (run,) = es.load_runs(seed=2, measures="accuracy", project=two)
    assert run.measures == {"accuracy"}
    with pytest.raises(UsageError, match=r"no run has a measure 'acuracy'.*accuracy"):
        es.load_runs(measures=["acuracy"], project=two)


def test_a_run_its_traces_and_events_are_tables(two):
    run = es.load_runs(seed=0, project=two)[0]
    traces = run.traces("accuracy", tasks=True)
    frame = es.to_frame(traces)
    assert len(frame) == traces.length.sum()
    one = frame[(frame["task"] == traces.task[0]) & (frame["level"] == traces.level[0])]
    assert one["value"].tolist() == traces.values[0, : traces.length[0]].tolist()
    assert frame["layer"].isna().all()
    whole = es.to_frame(run)
    assert set(whole["measure"]) == run.measures
    assert len(whole) == run.manifest.rows
    events = es.emergence(run)
    assert es.to_frame(events)["hi"].tolist() == events.hi.tolist()
    with pytest.raises(TypeError, match="int is neither"):
        es.to_frame(3)


def test_a_store_is_a_collection_of_runs(two):
    store = es.Store(two / "data")
    names = [run.run_id for run in store]
    assert len(store) == len(names) == len(store.runs)
    assert names[0] in store
    assert "absent" not in store
    run = store[names[0]]
    assert (
        run.traces("accuracy").values.shape
        == es.load_runs(project=two)[0].traces("accuracy").values.shape
    )
    with pytest.raises(KeyError, match=f"did you mean '{names[0]}'"):
        store[names[0] + "x"]
    assert len(es.Store.open(two / "data")) == len(store)  # as it was called before
    with pytest.raises(es.EmergenceStatsError, match="no trace store"):
        es.Store(two / "nowhere")


def test_an_empty_store_is_a_store(tmp_path):
    store = es.Store(tmp_path)
    assert store
    assert len(store) == 0
    assert list(store) == []


def test_traces_and_events_are_drawn_into_axes(two):
    from matplotlib.figure import Figure

    run = es.load_runs(seed=0, project=two)[0]
    traces = run.traces("accuracy", tasks=True)
    ax = Figure().subplots()
    assert es.plot(traces, ax) is ax
    assert len(ax.lines) == len(traces)
    assert np.array_equal(ax.lines[0].get_ydata(), traces.values[0, : traces.length[0]])
    events = es.emergence(run)
    assert len(es.plot(events).get_yticks()) == len(events)
    with_bands = es.plot(traces, events=events)
    bands = [patch.get_x() for patch in with_bands.patches]
    ends = [patch.get_x() + patch.get_width() for patch in with_bands.patches]
    assert bands == pytest.approx(events.lo[events.observed])
    assert ends == pytest.approx(events.hi[events.observed])
    with pytest.raises(TypeError, match="drawn over traces"):
        es.plot(events, events=events)
    with pytest.raises(TypeError, match=r"plot run.traces\(MEASURE\)"):
        es.plot(run)
