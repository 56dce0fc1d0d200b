"""Multiverse, power and multiplicity: what they count, that they agree with a single test, and caches."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from emergence_stats import Store
from emergence_stats.claims.project import Project
from emergence_stats.claims.registration import register
from emergence_stats.core.verdicts import Verdict
from emergence_stats.errors import RegistrationError, UsageError
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.reports.pictures.robustness import power_curve, specification_curve
from emergence_stats.reports.pictures.style import check_suffix, save
from emergence_stats.robustness.cache import ValueCache
from emergence_stats.robustness.curve import Curve, Point, explained_by_choice
from emergence_stats.robustness.explore import explore
from emergence_stats.robustness.multiplicity import adjust, claim_p
from emergence_stats.robustness.multiverse import choices_of, curve_of, specifications
from emergence_stats.robustness.power import Power
from emergence_stats.robustness.recorded import attach, record_multiverse, record_power
from emergence_stats.robustness.simulate import simulate
from emergence_stats.robustness.words import flip_texts
from tests.support import add_run, edit, edited, es, failed

CLAIM = '''
"""Models learn, and the floor is low."""
from emergence_stats import Claim, Count, Design, Hypothesis, Mean, Needs, Prediction, Region, Share
from emergence_stats import Undefined


def final_accuracy(run, last=1, scale=1.0):
    """Mean accuracy at the end."""
    if scale is None:
        raise Undefined("no scale")
    return scale * run.traces("accuracy").values[:, -last:].mean()


def solved(runs, threshold=0.5):
    """Task-levels that are solved, over the runs of a seed."""
    values = [run.traces("accuracy").values[:, -1] >= threshold for run in runs]
    return Count(float(sum(v.sum() for v in values)), float(sum(map(len, values))))


learns = Hypothesis(
    claim=Claim("Models learn the tasks."),
    needs=Needs(measures=["accuracy"]),
    predictions=[
        Prediction("final accuracy", final_accuracy, Region.at_least(0.6), Mean()),
        Prediction("solved", solved, Region.at_least(0.5), Share(), unit="seed"),
    ],
    level=0.8,
    design=Design("sim", ("d32", "d64"), (0, 1, 2, 3, 4, 5)),
    multiverse={
        "last": [1, 3],
        "scale": [0.1, 1.0, None],
        "threshold": [0.5, 2.0],
        "suite": ["sim", "other", "absent"],
    },
)
'''


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two suites, two scales, six seeds."""
    folder = tmp_path_factory.mktemp("runs")
    for suite in ("sim", "other"):
        for seed in range(6):
            for scale, n_params in (("d32", 50_000), ("d64", 900_000)):
                add_run(
                    folder, seed, suite=suite, scale=scale, n_params=n_params, tasks=("add", "mod")
                )
    return folder


@pytest.fixture
def root(project, runs):
    (project / "hypotheses" / "learns.py").write_text(CLAIM)
    shutil.copytree(runs, project / "data", dirs_exist_ok=True)
    return project


def explored(root, **options):
    return explore(Project(root), "learns", Store.open(root / "data"), processes=1, **options)


# --- multiverse -------------------------------------------------------------------------------


def drawn(curve):
    """What a specification curve shows: by analysis its choices as text, and the estimate."""
    return [
        (
            {choice: curve.choices[choice][n] for choice, n in p.chosen.items()},
            float(f"{p.value:.6g}"),
        )
        for p in curve.points
    ]


@pytest.mark.parametrize("old", [False, True])
def test_a_recorded_curve_keeps_its_labels_whatever_the_order_of_keys(root, old):
    """`last`, `scale`, `threshold`, `suite`: not the order in which a file with sorted keys has them."""
    found = explored(root)
    curve = curve_of(found, "final accuracy")
    document = curve.to_dict()
    if old:  # as version 0.1 wrote it: numbers by position, and choices under their keys
        document["choices"] = {k: list(v) for k, v in curve.choices.items()}
        document["analyses"] = [
            " ".join([",".join(map(str, p.chosen.values())), *line.split()[1:]])
            for p, line in zip(curve.points, document["analyses"], strict=True)
        ]
    kept = json.loads(json.dumps(document, sort_keys=True))
    declared = list(Project(root).load("learns").hypothesis.multiverse)
    again = Curve.from_dict("learns", kept, declared)
    assert list(again.choices) == declared
    assert drawn(again) == drawn(curve)
    tenth = {value for chosen, value in drawn(again) if chosen["scale"] == "0.1"}
    assert max(tenth) < min(value for chosen, value in drawn(again) if chosen["scale"] == "1.0")


def test_all_combinations_are_analysed_the_registered_one_first(root):
    found = explored(root)
    assert len(found.analyses) == 2 * 3 * 2 * 2
    assert found.why_not == ("absent",)
    assert dict(found.registered.choices) == {
        "last": 1, "scale": 1.0, "threshold": 0.5, "suite": "sim",
    }  # fmt: skip
    assert len({tuple(a.choices.values()) for a in found.analyses}) == len(found.analyses)


def test_the_registered_analysis_is_that_of_test(root):
    found = explored(root).registered
    (result,) = evaluate([Project(root).load("learns")], Store.open(root / "data"))
    assert found.verdict is result.verdict
    for prediction in result.predictions:
        assert found.estimates[prediction.name].interval == prediction.estimate.interval
        assert found.verdicts[prediction.name] is prediction.verdict


def test_choices_change_the_estimates_that_know_them_alone(root):
    by_choice = {tuple(a.choices.values()): a for a in explored(root).analyses}
    base, tenth = by_choice[1, 1.0, 0.5, "sim"], by_choice[1, 0.1, 0.5, "sim"]
    assert tenth.estimates["final accuracy"].value == pytest.approx(
        0.1 * base.estimates["final accuracy"].value
    )
    assert tenth.estimates["solved"] == base.estimates["solved"]
    none = by_choice[1, 1.0, 2.0, "sim"]  # a threshold that nothing reaches
    assert none.estimates["solved"].value == 0
    assert none.verdict is Verdict.REFUTED


def test_flips_are_single_choices(root):
    flips = explored(root).flips()
    assert ("threshold", 2.0, Verdict.REFUTED, 12) in flips
    assert ("scale", 0.1, Verdict.REFUTED, 12) in flips
    assert all(flip.choice != "last" for flip in flips)


def test_a_suite_of_fewer_runs_that_decides_less_says_so(root):
    for seed in range(2, 6):
        for path in (root / "data" / "other").glob(f"*-s{seed}.*"):
            path.unlink()
    assert "suite = other: inconclusive (with 4 runs, not 12)" in flip_texts(
        explored(root).summary()
    )


def test_shares_are_of_the_analyses_that_have_data(root):
    found = explored(root)
    total = sum(found.share(verdict) for verdict in Verdict)
    assert total == pytest.approx(1)
    assert found.share(Verdict.REFUTED, "threshold", 2.0) == 1
    # without a scale the first prediction has no value, and the second decides nothing by itself
    assert found.share(Verdict.INCONCLUSIVE, "scale", None) == 0.5


def test_a_default_that_is_not_declared_is_added(root):
    module = root / "hypotheses" / "learns.py"
    module.write_text(edited(CLAIM, '"last": [1, 3]', '"last": [2, 3]'))
    hypothesis = Project(root).load("learns").hypothesis
    assert choices_of(hypothesis, "sim")["last"] == (1, 2, 3)
    assert next(specifications(choices_of(hypothesis, "sim")))["last"] == 1


def test_two_processes_find_what_one_finds(root):
    one = explored(root)
    two = explore(Project(root), "learns", Store.open(root / "data"), processes=2)
    assert two.to_dict() == one.to_dict()


def test_the_cache_gives_the_same_and_forgets_what_changed(root, tmp_path):
    cache, calls = tmp_path / "cache", tmp_path / "calls"
    module = root / "hypotheses" / "learns.py"
    edit(module, "* run.traces", f"* open({str(calls)!r}, 'a').write('.') * run.traces")
    first = explored(root, cache=cache)
    computed = calls.read_text()
    assert computed
    assert explored(root, cache=cache).to_dict() == first.to_dict()
    assert calls.read_text() == computed
    edit(module, "* run.traces", "*run.traces")
    assert explored(root, cache=cache).to_dict() == first.to_dict()
    assert calls.read_text() == 2 * computed  # another source: everything anew


def test_a_broken_cache_is_computed_anew(root, tmp_path):
    cache = tmp_path / "cache"
    first = explored(root, cache=cache)
    for path in cache.rglob("*.json"):
        path.write_text("{")
    assert explored(root, cache=cache).to_dict() == first.to_dict()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    cache = ValueCache(blocked, {})
    cache.write(["a"], {"k": 1.0})
    assert cache.read(["a"]) == {}


def test_a_hypothesis_without_a_multiverse_says_so(root):
    module = root / "hypotheses" / "learns.py"
    text = module.read_text()
    a, b = text.index("    multiverse={"), text.index("    },\n", text.index("multiverse"))
    module.write_text(text[:a] + text[b + 7 :])
    with pytest.raises(UsageError, match="declares no multiverse"):
        explored(root)


# --- power ------------------------------------------------------------------------------------


def test_power_grows_with_runs_and_chances_sum_to_one(root):
    found = simulate(Project(root).load("learns"), Store.open(root / "data"), draws=200, most=12)
    assert found.pilots == 12
    assert not found.seen
    for row in found.rows:
        assert sum(row.chance.values()) == pytest.approx(1)
        assert row.runs == 2 * row.seeds
    supported = [row.chance[Verdict.SUPPORTED] for row in found.rows]
    assert supported[-1] > 0.9
    assert supported[-1] >= supported[0]
    needed = found.needed(Verdict.SUPPORTED, 0.8)
    assert needed is not None
    below = [row for row in found.rows if row.seeds < needed.seeds]
    assert all(row.chance[Verdict.SUPPORTED] < 0.8 for row in below)
    assert found.planned == 6
    assert found.at(6) is not None


def test_power_rests_on_what_the_plan_had_seen(root):
    loaded = Project(root).load("learns")
    store = Store.open(root / "data")
    sim = [r.manifest for r in store.runs if r.manifest.suite == "sim" and r.manifest.seed < 2]
    register(loaded, sim, "data")
    found = simulate(loaded, store, draws=50, most=4)
    assert found.seen
    assert found.pilots == 4


def test_power_takes_somebody_elses_runs_as_a_test_does(root, tmp_path):
    for seed in range(3):
        add_run(tmp_path / "elsewhere", seed, suite="theirs", scale="x9", tasks=("add", "mod"))
    theirs = Store.open(tmp_path / "elsewhere")
    found = simulate(Project(root).load("learns"), theirs, draws=20, most=3)
    assert found.pilots == 3
    assert found.scales == ("x9",)


def test_power_is_the_same_each_time(root):
    loaded, store = Project(root).load("learns"), Store.open(root / "data")
    one, two = (simulate(loaded, store, draws=50, most=6).to_dict() for _ in range(2))
    assert one == two


def test_one_pilot_tells_nothing_of_how_much_runs_differ(project):
    (project / "hypotheses" / "learns.py").write_text(CLAIM)
    add_run(project / "data", 0, tasks=("add",))
    with pytest.raises(UsageError, match="two of some scale are needed"):
        simulate(Project(project).load("learns"), Store.open(project / "data"))


# --- many claims, pictures, records -----------------------------------------------------------


def results(root):
    store = Store.open(root / "data")
    project = Project(root)
    return project, store, evaluate([project.load("learns")], store)


def test_a_claim_is_as_surprising_as_its_weakest_prediction(root):
    _, _, (result,) = results(root)
    assert claim_p(result) == max(p.estimate.p_value for p in result.predictions)
    (adjusted,) = adjust([result])
    assert adjusted.adjusted.holm == adjusted.adjusted.p == claim_p(result)
    assert adjusted.verdict is result.verdict


def test_pictures_repeat_to_the_byte(root, tmp_path):
    found = explored(root)
    prediction = Project(root).load("learns").hypothesis.predictions[0]
    powered = simulate(Project(root).load("learns"), Store.open(root / "data"), draws=20, most=4)
    for name, draw in (
        ("curve", lambda: specification_curve(curve_of(found, prediction.name), prediction.region)),
        ("power", lambda: power_curve(powered)),
    ):
        paths = [tmp_path / f"{name}{i}.svg" for i in range(2)]
        for path in paths:
            save(draw(), path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        assert b"<svg" in paths[0].read_bytes()


@pytest.mark.parametrize("name", ["curve.txt", "nowhere/curve.svg"])
def test_a_picture_that_cannot_be_is_an_error_before_the_work(tmp_path, name):
    with pytest.raises(UsageError):
        check_suffix(tmp_path / name)


def test_records_are_shown_while_they_hold_and_no_longer(root):
    project, store, found = results(root)
    record_multiverse(project, store, explored(root))
    record_power(project, store, simulate(project.load("learns"), store, draws=20, most=4))
    (shown,) = attach(found, project, store)
    assert shown.multiverse.numbers["analyses"] == 24
    assert shown.multiverse.statement == (
        "the claim is supported in 4 of 24 analyses (17%), refuted in 16; changed by threshold = 2.0: refuted, "
        "scale = 0.1: refuted, scale = None: inconclusive"
    )
    lock = (root / "hypotheses" / "robustness.lock").read_text()
    assert "statement" not in lock  # numbers are kept, and put into words when they are shown
    assert "planned runs" in shown.power.statement
    document = json.loads(json.dumps(shown.to_dict()))
    assert document["multiverse"]["flips"]
    curve = Curve.from_dict("learns", document["multiverse"]["curve"], ())
    assert len(curve.points) == len(curve_of(explored(root), curve.prediction).points)
    assert curve.points[0].value == pytest.approx(found[0].predictions[0].estimate.value, rel=1e-5)
    assert curve.registered(curve.points[0])
    assert Power.from_dict("learns", document["power"]).rows[0].seeds == 2
    # a run of the plan is another: the statements are of other data now
    add_run(root / "data", 5, scale="d32", tasks=("add", "mod"), noise=0.02)
    _, store, found = results(root)
    (shown,) = attach(found, project, store)
    assert "other runs" in shown.multiverse.statement
    assert shown.multiverse.numbers is None
    assert "emergence-stats power learns --record" in shown.power.statement


def test_a_store_without_the_suite_of_the_plan_is_no_error(root, tmp_path):
    project, store, _ = results(root)
    record_multiverse(project, store, explored(root))
    record_power(project, store, simulate(project.load("learns"), store, draws=20, most=4))
    add_run(tmp_path / "elsewhere", 0, suite="theirs", tasks=("add", "mod"))
    theirs = Store.open(tmp_path / "elsewhere")
    (shown,) = attach(evaluate([project.load("learns")], theirs), project, theirs)
    assert shown.multiverse is None
    assert shown.power is None


def test_another_suite_is_not_recorded_for_reports_of_the_plans(root):
    for command in ("multiverse", "power"):
        done = es(command, "learns", "--suite", "other", "--record", cwd=root)
        failed(done, "suite sim", "--suite other")
    assert not (root / "hypotheses" / "robustness.lock").exists()


@pytest.mark.parametrize(
    "choices", ["[[1], [2]]", "[{'a': 1}, None]", "[print, len]", "[frozenset({1}), 2]"]
)
def test_choices_of_any_kind_can_be_explored_and_recorded(root, choices):
    """A registration takes them, so the commands after it have to."""
    module = root / "hypotheses" / "learns.py"
    edit(module, "last=1, scale=1.0", "last=1, scale=1.0, kind=None")
    edit(module, '"last": [1, 3],', f'"kind": {choices}, "last": [1],')
    done = es("multiverse", "learns", "--jobs", 1, "--json", "--record", cwd=root)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["by_choice"]["kind"]) >= 2


def test_power_without_a_run_at_the_scales_of_the_plan_is_an_error(root):
    edit(root / "hypotheses" / "learns.py", '("d32", "d64")', '("d99",)')
    failed(es("power", "learns", cwd=root), "learns", "no run")


def test_a_broken_record_is_an_error(root):
    project, store, found = results(root)
    (root / "hypotheses" / "robustness.lock").write_text("[]")
    with pytest.raises(RegistrationError, match="robustness"):
        attach(found, project, store)


def test_values_of_a_multiverse_are_numbers(root):
    found = explored(root).to_dict()
    json.dumps(found, allow_nan=False)
    assert all(np.isfinite(v) for v in found["shares"].values())


# --- which choice moves the estimate ----------------------------------------------------------


def factorial(seed=0, drop=0):
    """A curve of three choices with main effects and noise; the last analyses dropped."""
    rng = np.random.default_rng(seed)
    points = []
    for a in range(3):
        for b in range(2):
            for c in range(4):
                value = 2.0 * a + 0.5 * b + rng.normal(0, 0.3)
                chosen = {"a": a, "b": b, "c": c}
                points.append(Point(chosen, value, (value - 1, value + 1), Verdict.SUPPORTED))
    choices = {"a": ("0", "1", "2"), "b": ("0", "1"), "c": ("0", "1", "2", "3")}
    return Curve("x", "p", choices, tuple(points[: len(points) - drop]))


@pytest.mark.parametrize("drop", [0, 5])
def test_shares_of_variance_are_those_of_an_analysis_of_variance(drop):
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    curve = factorial(drop=drop)
    frame = pd.DataFrame([{**p.chosen, "value": p.value} for p in curve.points])
    table = anova_lm(ols("value ~ C(a) + C(b) + C(c)", frame).fit(), typ=2)["sum_sq"]
    shares = explained_by_choice(curve)
    for name in "abc":
        assert shares[name] == pytest.approx(table[f"C({name})"] / table.sum())
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["a"] > 0.8


def test_one_choice_explains_all_of_its_variance_and_none_explains_nothing():
    curve = factorial()
    only = Curve(
        "x",
        "p",
        curve.choices,
        tuple(p for p in curve.points if (p.chosen["b"], p.chosen["c"]) == (0, 0)),
    )
    assert explained_by_choice(only) == {"a": 1.0, "interactions": 0.0}
    assert explained_by_choice(Curve("x", "p", curve.choices, only.points[:1])) == {}


def test_power_shows_two_numbers_of_seeds_that_are_certain_and_no_more():
    from emergence_stats.core.verdicts import Verdict
    from emergence_stats.reports.robustness import power_rows
    from emergence_stats.robustness.power import Chances, Power

    def chances(*supported):
        rows = (
            Chances(
                n, 2 * n, {Verdict.SUPPORTED: c, Verdict.REFUTED: 0.0, Verdict.INCONCLUSIVE: 1 - c}
            )
            for n, c in enumerate(supported, 2)
        )
        return Power("x", tuple(rows), ("a",), 4, False, 100, 7)

    seeds = [row[0] for row in power_rows(chances(0.5, 0.996, 1.0, 1.0, 1.0, 1.0, 1.0))[1]]
    assert seeds == ["2", "3", "4", "7 *"]
    seeds = [row[0] for row in power_rows(chances(1.0, 0.9, 1.0, 0.9, 1.0, 0.9))[1]]
    assert seeds == ["2", "3", "4", "5", "6", "7 *"]
