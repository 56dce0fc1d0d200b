"""Controls: what each changes, what it keeps, and what the report says of it."""

import numpy as np
import pytest

from emergence_stats import (
    Claim,
    Control,
    Count,
    Hypothesis,
    Mean,
    Needs,
    Prediction,
    Region,
    Run,
    Share,
    Store,
    Undefined,
    equal_noise,
    mismatched_tasks,
    placebo,
    shuffled_answers,
    surrogate,
    with_options,
)
from emergence_stats.claims.project import Loaded, Source
from emergence_stats.core.controls.changes import EqualNoise, MismatchedTasks, Placebo, Surrogate
from emergence_stats.core.events.noise import roughness
from emergence_stats.core.verdicts import Verdict
from emergence_stats.errors import HypothesisError
from emergence_stats.evaluation.evaluate import evaluate
from tests.support import add_run


def make_run(folder, seed=0, **options):
    add_run(folder, seed, **options)
    store = Store.open(folder)
    return Run(store.runs[0].manifest, store.read(store.runs[0]))


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "store", tasks=("add", "copy", "mod"))


def rows(traces):
    keys = zip(traces.task.tolist(), traces.level.tolist(), traces.layer.tolist(), strict=True)
    return {key: traces.values[i] for i, key in enumerate(keys)}


# --- changes ----------------------------------------------------------------------------------


def test_mismatched_tasks_pair_each_task_with_every_other_once(run):
    variants = MismatchedTasks(("rankme",)).variants(run)
    original = rows(run.traces("rankme"))
    came_from = []
    for variant in variants:
        changed = rows(variant.traces("rankme"))
        assert changed.keys() == original.keys()
        assert rows(variant.traces("accuracy")).keys() == rows(run.traces("accuracy")).keys()
        for (task, level, layer), values in changed.items():
            (source,) = [
                t for t in ("add", "copy", "mod") if (original[t, level, layer] == values).all()
            ]
            assert source != task
            came_from.append((task, source))
    assert {pair: came_from.count(pair) for pair in came_from} == dict.fromkeys(
        [(a, b) for a in ("add", "copy", "mod") for b in ("add", "copy", "mod") if a != b], 3 * 6
    )


def test_mismatched_tasks_need_two(tmp_path):
    with pytest.raises(Undefined, match="need two"):
        MismatchedTasks(("rankme",)).variants(make_run(tmp_path / "one", tasks=("add",)))


def test_a_change_leaves_the_run_as_it_was(run):
    before = {measure: run.traces(measure).values.copy() for measure in run.measures}
    for change in (
        MismatchedTasks(("rankme",)),
        Placebo("rankme", "accuracy"),
        Surrogate(("rankme",)),
        EqualNoise(("rankme", "accuracy")),
    ):
        change.variants(run)
    for measure, values in before.items():
        assert (run.traces(measure).values == values).all()


def test_a_placebo_stands_for_all_layers(run):
    (variant,) = Placebo("rankme", "log_prob").variants(run)
    log_prob = rows(run.traces("log_prob"))
    changed = rows(variant.traces("rankme"))
    assert changed.keys() == rows(run.traces("rankme")).keys()
    for (task, level, _), values in changed.items():
        assert (values == log_prob[task, level, -1]).all()


def test_a_placebo_that_is_not_there_is_undefined(run):
    with pytest.raises(Undefined, match="weight_norm"):
        Placebo("rankme", "weight_norm").variants(run)


def test_surrogates_keep_the_values_and_lose_the_moment(run):
    original = run.traces("rankme")
    variants = Surrogate(("rankme",), spread=4.0, draws=40).variants(run)
    half = [(v.traces("rankme").values < original.values[:, :1] * 0.7).argmax(1) for v in variants]
    true = (original.values < original.values[:, :1] * 0.7).argmax(1)
    moved = np.log1p(original.steps[0][np.array(half)]) - np.log1p(original.steps[0][true])
    assert np.abs(moved).max() < np.log(4) + 0.3  # a grid step
    assert np.std(moved) == pytest.approx(np.log(4) / 3**0.5, rel=0.15)
    for variant in variants[:3]:
        values = variant.traces("rankme").values
        assert values.min() >= original.values.min() - 1e-9
        assert values.max() <= original.values.max() + 1e-9


def test_surrogates_are_the_same_each_time(run):
    one, two = (Surrogate(("rankme",)).variants(run)[4].traces("rankme").values for _ in range(2))
    assert (one == two).all()


def test_equal_noise_is_equal(tmp_path):
    noisy = make_run(tmp_path / "noisy", tasks=("add", "mod"), noise=0.05)
    (variant,) = EqualNoise(("rankme", "accuracy")).variants(noisy)
    rough, smooth = (roughness(variant.traces(m, tasks=True)) for m in ("rankme", "accuracy"))
    sizes = [np.ptp(variant.traces(m, tasks=True).values, axis=1) for m in ("rankme", "accuracy")]
    ratio = (rough / sizes[0]) / (smooth / sizes[1])
    assert np.median(ratio) == pytest.approx(1, abs=0.35)


# --- in a hypothesis ----------------------------------------------------------------------------


def leads(run, pairing="matched"):
    """Final RankMe against final accuracy: which is larger; what `pairing` says does not matter."""
    rank, right = run.traces("rankme", layers="final").values, run.traces("accuracy").values
    return Count(float((rank[:, -1] > right[:, -1]).sum()), float(len(rank)))


def final(run, part=1.0):
    return part * run.traces("accuracy").values[:, -1].mean()


def hypothesis(**changes):
    fields = {
        "claim": Claim("RankMe is larger."),
        "needs": Needs(measures=["rankme", "accuracy"]),
        "predictions": [
            Prediction("larger", leads, Region.at_least(0.4), Share()),
            Prediction("final", final, Region.above(0.1), Mean()),
        ],
    }
    return Hypothesis(**(fields | changes))


def tried(tmp_path, hypothesis, suites=("sim",)):
    store = tmp_path / "store"
    for suite in suites:
        for seed in range(6):
            add_run(store, seed, suite=suite, tasks=("add", "mod"))
    loaded = Loaded("trial", Source("trial", tmp_path / "trial.py"), hypothesis, np)
    return evaluate([loaded], Store.open(store), suite="sim")[0]


def test_a_control_that_earns_the_verdict_says_so(tmp_path):
    result = tried(
        tmp_path,
        hypothesis(
            controls=[
                mismatched_tasks("rankme"),
                with_options("a tenth", "it needs no accuracy", predictions=["final"], part=0.01),
            ]
        ),
    )
    assert result.verdict is Verdict.SUPPORTED
    same, other = result.controls
    assert same.same
    assert same.verdict is Verdict.SUPPORTED
    assert not other.same
    assert other.verdict is Verdict.REFUTED
    assert [p.name for p in other.predictions] == ["final"]
    (difference,) = other.differences
    assert difference.estimate.value == pytest.approx(0.99 * result.predictions[1].estimate.value)
    assert difference.estimate.interval[0] > 0


def test_a_control_changes_no_verdict_and_no_run(tmp_path):
    plain = tried(tmp_path, hypothesis())
    controlled = tried(
        tmp_path / "b",
        hypothesis(controls=[surrogate("rankme"), placebo("rankme", by="weight_norm")]),
    )
    assert controlled.verdict is plain.verdict
    assert [p.to_dict() for p in controlled.predictions] == [p.to_dict() for p in plain.predictions]
    assert controlled.to_dict()["runs"] == plain.to_dict()["runs"]
    lacking = controlled.controls[1]
    assert lacking.verdict is Verdict.INCONCLUSIVE
    assert lacking.same == (plain.verdict is not Verdict.INCONCLUSIVE)  # it clears nothing
    assert "weight_norm" in lacking.reason


def test_a_suite_that_is_not_there_is_asked_for(tmp_path):
    result = tried(tmp_path, hypothesis(controls=[shuffled_answers("pocket_shuffled")]))
    (control,) = result.controls
    assert control.verdict is Verdict.INCONCLUSIVE
    assert "emergence-stats collect --suite pocket_shuffled" in control.reason
    other = tried(tmp_path, hypothesis(controls=[shuffled_answers("mine")])).controls[0]
    assert "collect" not in other.reason  # nothing trains it


def test_a_control_of_another_suite_uses_its_runs_alone(tmp_path):
    result = tried(
        tmp_path, hypothesis(controls=[shuffled_answers("shuffled")]), suites=("sim", "shuffled")
    )
    (control,) = result.controls
    assert control.n_runs == 6
    assert control.suite == "shuffled"
    assert {u for p in control.predictions for v in p.values for u in v.run_ids} == {
        f"shuffled-d32-s{seed}" for seed in range(6)
    }
    # the same seeds with the same traces: nothing is left between them
    assert control.differences[1].estimate.value == pytest.approx(0)
    assert sum(use.status == "other suite" for use in result.runs) == 6


def test_without_controls_there_are_none(tmp_path):
    tried(tmp_path, hypothesis())
    loaded = Loaded(
        "trial",
        Source("trial", tmp_path / "trial.py"),
        hypothesis(controls=[surrogate("rankme")]),
        np,
    )
    (result,) = evaluate([loaded], Store.open(tmp_path / "store"), suite="sim", controls=False)
    assert result.controls == ()


def test_a_declaration_says_what_a_control_changes():
    declared = hypothesis(
        controls=[surrogate("rankme", spread=2.0), equal_noise("rankme", "accuracy")]
    ).declaration()
    assert declared["controls"][0]["change"] == {
        "kind": "Surrogate", "measures": ["rankme"], "spread": 2.0, "draws": 10,
    }  # fmt: skip
    assert declared["controls"][1]["change"]["kind"] == "EqualNoise"


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Control("x", "y"),
        lambda: Control("x", "y", suite="s", predictions="final"),
        lambda: hypothesis(controls=[surrogate("rankme"), surrogate("rankme")]),
        lambda: hypothesis(controls=["surrogate"]),
        lambda: hypothesis(controls=[with_options("x", "y", pairng="mismatched")]),
        lambda: hypothesis(controls=[surrogate("rankme", predictions=["finale"])]),
    ],
)
def test_controls_that_make_no_sense_are_refused(declare):
    with pytest.raises(HypothesisError):
        declare()
