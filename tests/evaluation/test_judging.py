"""What a verdict comes with, in every format: scopes, reservations, controls, missing runs, looks, the paper's numbers."""

import json
import sys
import xml.etree.ElementTree as ET

import pyarrow as pa
import pytest

from emergence_stats.traces.write import write_run
from tests.support import add_run, edit, es, failed, result_of

MODULE = '''
"""A planted number is high."""
import emergence_stats as es


def value(run, of="value"):
    """The number of a run."""
    return float(run.traces(of).values[0, -1])


planted = es.Hypothesis(
    claim=es.Claim("The number is high.", paper="a paper", reported={}),
    needs=es.Needs(measures=["value"]),
    predictions=[es.Prediction("value", value, es.Region.at_least(0.5), ANALYSIS, scope=SCOPE)],
    FURTHER
)
'''


def claim(project, scope="'average'", further="", analysis="es.Mean()"):
    text = MODULE.replace("SCOPE", scope).replace("FURTHER", further).replace("ANALYSIS", analysis)
    (project / "hypotheses" / "learns.py").unlink(missing_ok=True)
    path = project / "hypotheses" / "planted.py"
    path.write_text(text)
    return path


def add(project, scale, seed, value, suite="s", name=None, **more):
    """A run of one step, whose measures are `value` and `more`."""
    measures = {"value": value, **more}
    n = len(measures)
    table = pa.table(
        {
            "step": pa.array([10] * n, pa.int64()),
            "task": pa.nulls(n, pa.string()),
            "level": pa.nulls(n, pa.int16()),
            "layer": pa.nulls(n, pa.int16()),
            "measure": pa.array(list(measures), pa.string()),
            "value": pa.array(list(measures.values()), pa.float64()),
            "stderr": pa.nulls(n, pa.float64()),
        }
    )
    write_run(
        project / "data",
        table,
        run_id=name or f"{suite}-{scale}-s{seed}",
        suite=suite,
        scale=scale,
        n_params={"small": 10_000, "large": 1_000_000}[scale],
        n_layers=2,
        seed=seed,
        config={"simulated": True},
        software={},
        device="none",
    )


def fill(project, small=0.8, large=0.9, seeds=range(8), suite="s", **more):
    """Two scales; runs differ by a hundredth each."""
    for seed in seeds:
        for scale, at in (("small", small), ("large", large)):
            add(project, scale, seed, at + 0.01 * (seed % 3), suite=suite, **more)


def kinds(result):
    return [q["kind"] for q in result["qualifiers"]]


# --- scopes -----------------------------------------------------------------------------------


def test_the_mean_of_scales_that_contradict_one_another_supports_nothing(project):
    claim(project)
    fill(project, small=0.3, large=1.5)
    done = es("test", "planted", "--json", cwd=project)
    result = result_of(done)
    assert done.returncode == 3
    assert result["verdict"] == "inconclusive"
    assert kinds(result) == ["mixed across scales"]
    assert result["predictions"][0]["mixed"] == ["small"]
    assert result["reason"].startswith("mixed across scales")
    assert [s["scale"] for s in result["predictions"][0]["scales"]] == ["small", "large"]
    claim(
        project,
        scope="'every scale'",
        further="design=es.Design('s', ['small', 'large'], range(8)),",
    )
    refuted = result_of(es("test", "planted", "--json", cwd=project))
    assert refuted["verdict"] == "refuted"
    assert "for certain at small" in refuted["reason"]


def test_a_scope_without_scales_is_named_with_its_place(project):
    path = claim(project, scope="'every scale'")
    fill(project)
    line = path.read_text().splitlines().index("planted = es.Hypothesis(") + 1
    failed(es("test", "planted", cwd=project), f"planted.py:{line}", "the plan names none")


def test_a_plan_that_its_runs_cannot_support_at_every_scale_is_not_registered(project):
    claim(
        project,
        scope="'every scale'",
        analysis="es.Mean((0.0, 1.0))",
        further="design=es.Design('s', ['small', 'large'], range(8)),",
    )
    path = project / "hypotheses" / "planted.py"
    edit(path, "at_least(0.5)", "at_least(0.9)")
    done = es("register", "planted", cwd=project)
    failed(done, "cannot support 'value'", " seeds a scale could")


# --- reservations in every format -------------------------------------------------------------


@pytest.fixture
def not_specific(project):
    """A claim that a control does not fall short of."""
    claim(
        project,
        further="controls=[es.with_options('another', 'any number does', measures=['other'], of='other')],",
    )
    fill(project, other=0.9)
    return project


def test_reservations_are_in_every_format(not_specific):
    root = not_specific
    done = es("test", "planted", cwd=root)
    assert done.returncode == 0
    assert "PASS (supported, with reservations)" in done.stdout
    assert (
        "reservation  not specific: cannot be told apart" not in done.stdout
    )  # it is exceeded by the control
    assert "reservation  not specific: it is no less in the control 'another'" in done.stdout
    assert "0 supported, 1 supported with reservations, 0 refuted" in done.stdout
    assert (
        "planted: supported with reservations: not specific"
        in es("test", "planted", "-q", cwd=root).stdout
    )
    shown = es("report", "--all", cwd=root).stdout
    assert "+ supported *" in shown
    assert "with reservations: not specific (another)" in shown
    assert (
        "reservation: not specific"
        in es("report", "--all", "--format", "markdown", cwd=root).stdout
    )
    page = es("report", "--all", "--format", "html", cwd=root).stdout
    assert "<h1>0 supported, 1 supported with reservations" in page
    assert "Reservation, not specific" in page
    junit = ET.fromstring(es("report", "--all", "--format", "junit", cwd=root).stdout)
    facts = {p.get("name"): p.get("value") for p in junit.iter("property")}
    assert facts["qualifiers"] == "not specific"
    assert kinds(result_of(es("test", "planted", "--json", cwd=root))) == ["not specific"]


def test_reservations_are_recorded_and_compared(not_specific):
    root = not_specific
    assert es("check", "--update", cwd=root).returncode == 0
    recorded = json.loads((root / "hypotheses" / "verdicts.lock").read_text())["verdicts"][
        "planted"
    ]
    assert recorded["qualifiers"] == ["not specific"]
    done = es("check", cwd=root)
    assert done.returncode == 0
    assert "as recorded: 0 supported, 1 supported with reservations" in done.stdout
    annotated = es("check", "--format", "github", cwd=root).stdout
    assert "::warning" in annotated
    assert "planted%3A supported with reservations" in annotated
    path = root / "hypotheses" / "planted.py"
    edit(path, "controls=[es.with_options", "controls=[] and [es.with_options")
    changed = es("check", cwd=root)
    assert changed.returncode == 1
    assert "no longer a reservation: not specific" in changed.stdout
    assert json.loads(es("check", "--json", cwd=root).stdout)["qualifiers"] == {"planted": []}


def test_a_control_that_is_exceeded_leaves_the_verdict_clean(project):
    claim(
        project,
        further="controls=[es.with_options('another', 'any number does', measures=['other'], of='other')],",
    )
    for seed in range(8):
        for scale in ("small", "large"):
            add(project, scale, seed, 0.9 + 0.01 * seed, other=0.1 + 0.02 * (seed % 4))
    result = result_of(es("test", "planted", "--json", cwd=project))
    difference = result["controls"][0]["differences"][0]
    assert (difference["judgement"], difference["exceeds"]) == ("differs", True)
    assert result["qualifiers"] == []


@pytest.mark.parametrize(
    ("margin", "judgement"), [(0.05, "the same"), (0.0001, "cannot be told apart")]
)
def test_sameness_needs_a_margin(project, margin, judgement):
    claim(
        project,
        further=f"controls=[es.with_options('another', 'x', measures=['other'], margin={margin}, expects='the same', of='other')],",
    )
    for seed in range(8):
        for scale in ("small", "large"):
            value = 0.9 + 0.01 * (seed % 3)
            add(project, scale, seed, value, other=value + 0.01 * (-1) ** seed)
    result = result_of(es("test", "planted", "--json", cwd=project))
    assert result["controls"][0]["differences"][0]["judgement"] == judgement
    assert kinds(result) == ([] if judgement == "the same" else ["not specific"])


def test_an_absence_whose_planted_effect_is_not_found_is_inconclusive(project):
    path = claim(
        project,
        further="controls=[es.with_options('planted', 'nothing', measures=['other'], finds='refuted', of='other')],",
    )
    edit(path, "es.Region.at_least(0.5)", "es.Region.at_most(1.0)")
    fill(project, other=0.2)  # no effect was planted
    result = result_of(es("test", "planted", "--json", cwd=project))
    assert result["verdict"] == "inconclusive"
    assert "positive control 'planted' is not found" in result["reason"]
    assert kinds(result) == ["insensitive"]
    without = result_of(es("test", "planted", "--json", "--no-controls", cwd=project))
    assert kinds(without) == ["insensitive"]
    for seed in range(8, 16):
        for scale in ("small", "large"):
            add(project, scale, seed, 0.8 + 0.01 * seed, other=5.0 + 0.01 * seed, suite="t")
    found = result_of(es("test", "planted", "--json", "--suite", "t", cwd=project))
    assert (found["verdict"], found["controls"][0]["found"]) == ("supported", True)


def test_values_at_an_end_of_their_search_are_said(project):
    claim(project, analysis="es.Mean((-1.0, 2.0), search=True)")
    for seed in range(20):
        for scale in ("small", "large"):
            add(project, scale, seed, 2.0 if seed % 3 else 1.9)
    result = result_of(es("test", "planted", "--json", cwd=project))
    assert "at bound" in kinds(result)


def test_where_the_interval_that_assumes_nothing_disagrees_it_is_said(project):
    claim(project, analysis="es.Mean((0.0, 1.0))")
    fill(project, small=0.66, large=0.68)
    result = result_of(es("test", "planted", "--json", cwd=project))
    assert result["verdict"] == "supported"
    lo, hi = result["predictions"][0]["distribution_free_interval"]
    assert lo < 0.5 < hi
    assert kinds(result) == ["guarantee differs"]


# --- runs that are missing --------------------------------------------------------------------

DESIGN = "design=es.Design('s', ['small', 'large'], range(10, 20)),"


def test_planned_runs_without_a_value_are_shown_with_what_they_could_have_been(project):
    claim(project, further=DESIGN, analysis="es.Mean((0.0, 1.0))")
    assert es("register", "planted", cwd=project).returncode == 0
    fill(project, small=0.9, large=0.9, seeds=range(10, 13))
    for seed in range(13, 20):
        for scale in ("small", "large"):  # these ended badly, and have no value
            add(project, scale, seed, 0.1, suite="s") if scale == "large" and seed < 15 else None
    result = result_of(es("test", "planted", "--json", cwd=project))
    text = next(q["text"] for q in result["qualifiers"] if q["kind"] == "incomplete")
    assert "12 planned units of 'value' gave no value" in text
    assert "lowest possible values it would be" in text
    assert any(text == deviation for deviation in result["deviations"])


def test_without_bounds_nothing_says_what_they_could_have_been(project):
    claim(project, further=DESIGN)
    assert es("register", "planted", cwd=project).returncode == 0
    fill(project, seeds=range(10, 19))
    result = result_of(es("test", "planted", "--json", cwd=project))
    assert result["verdict"] == "supported"
    assert kinds(result) == ["incomplete"]
    assert "nothing bounds" in result["qualifiers"][0]["text"]


# --- looking early ----------------------------------------------------------------------------

LOOKS = "design=es.Design('s', ['small', 'large'], range(10, 18), sequential=True, looks=[3, 8]),"


def test_a_plan_that_looks_early_says_stop_or_go_on(project):
    claim(project, further=LOOKS)
    assert es("register", "planted", cwd=project).returncode == 0
    fill(project, seeds=range(10, 12))
    shown = es("plan", "planted", cwd=project).stdout
    assert "go on: the first of 2 looks is at 3 seeds a scale" in shown
    fill(project, seeds=range(12, 13))
    shown = es("plan", "planted", cwd=project).stdout
    assert "so far supported (confirmatory)" in shown
    assert "stop now: decided by look 1 of 2" in shown
    result = result_of(es("test", "planted", "--json", cwd=project))
    assert result["confirmatory"]
    assert result["deviations"] == []  # stopping is no deviation
    assert "look 1 of 2 (3 seeds)" in result["predictions"][0]["method"]


def test_a_look_that_does_not_decide_says_when_the_next_is(project):
    claim(project, further=LOOKS)
    assert es("register", "planted", cwd=project).returncode == 0
    for seed in range(10, 14):
        for scale in ("small", "large"):
            add(project, scale, seed, 0.5 + 0.3 * (-1) ** seed)
    result = result_of(es("test", "planted", "--json", cwd=project))
    assert "go on: look 1 of 2 does not decide, the next is at 8 seeds a scale" in result["reason"]


# --- the paper's numbers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reported", "says"),
    [
        ("es.Reported(estimate=0.85, stderr=0.05)", "agrees"),
        ("es.Reported(estimate=0.1, stderr=0.05)", "does not agree"),
        ("es.Reported(estimate=0.85)", "the paper reports no error"),
        ("es.Reported(17, 20)", "ours is no share"),
    ],
)
def test_ours_is_compared_with_the_papers(project, reported, says):
    path = claim(project)
    edit(path, "reported={}", f"reported={{'v1': {reported}}}")
    fill(project)
    shown = es("test", "planted", cwd=project).stdout
    line = next(line for line in shown.splitlines() if "beside the paper" in line)
    assert says in line
    comparison = result_of(es("test", "planted", "--json", cwd=project))["comparisons"][0]
    assert comparison["agrees"] == {"agrees": True, "does not agree": False}.get(says)


def test_a_reported_that_is_no_number_is_named_with_its_place(project):
    path = claim(project)
    edit(path, "reported={}", "reported={'v1': es.Reported('27%')}")
    failed(es("test", "planted", cwd=project), "planted.py:", "'27%', not a number")


# --- second opinions --------------------------------------------------------------------------


def test_second_opinions_are_those_of_the_packages(project):
    import numpy as np
    from statsmodels.stats.meta_analysis import combine_effects

    claim(project)
    fill(project)
    result = result_of(es("test", "planted", "-v", "--json", cwd=project))
    scales = result["predictions"][0]["scales"]
    found = combine_effects(
        np.array([s["estimate"] for s in scales]), np.array([s["stderr"] ** 2 for s in scales])
    )
    shown = result["opinions"]["heterogeneity"]["value"]
    assert shown["q"] == pytest.approx(found.q)
    assert shown["i2"] == pytest.approx(max(found.i2, 0))
    by = {one["by"] for one in result["opinions"]["others"]}
    assert by == {"statsmodels MixedLM", "pingouin ttest", "pingouin convert_effsize"}
    assert result_of(es("test", "planted", "--json", cwd=project))["opinions"] is None


def test_how_scales_differ_stands_in_every_report_for_readers(project):
    claim(project)
    fill(project)
    one = ["planted"]
    for arguments in (
        ["test", *one],
        ["test", *one, "-v"],
        ["report", *one, "--format", "markdown"],
    ):
        shown = es(*arguments, cwd=project).stdout
        assert shown.count("scales differ by Q = ") == 1, arguments
        assert "a new scale is expected in" in shown


def test_a_package_that_is_missing_is_named(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "pingouin", None)  # as if it were not installed
    claim(project)
    fill(project)
    shown = es("test", "planted", "-v", cwd=project).stdout
    assert "pingouin is not installed, so its opinion is missing" in shown
    assert "statsmodels MixedLM" in shown


# --- scales -----------------------------------------------------------------------------------


def test_every_scale_is_every_one_of_the_plan_or_of_runs_of_ones_own(project):
    """A shipped claim has to be of use for somebody whose sizes have other names."""
    path = claim(project, scope="'every scale'")
    text = path.read_text()
    assert "design=" not in text
    path.write_text(
        text.replace(
            "    needs=",
            "    design=es.Design('s', ['small', 'large', 'huge'], range(8)),\n    needs=",
            1,
        )
    )
    fill(project, small=1.0, large=1.0)
    planned = result_of(es("test", "planted", "--json", cwd=project))
    assert planned["verdict"] == "inconclusive"
    assert "no value at huge" in planned["reason"]
    path.write_text(path.read_text().replace("es.Design('s'", "es.Design('another'"))
    assert (
        result_of(es("test", "planted", "--suite", "s", "--json", cwd=project))["verdict"]
        == "supported"
    )


# --- rules ------------------------------------------------------------------------------------


def test_a_registration_holds_the_core_that_judges_it(project):
    path = claim(project)
    fill(project)
    assert es("register", "planted", cwd=project).returncode == 0
    entry = json.loads(path.with_suffix(".lock").read_text())["entries"][-1]
    assert "emergence_stats/core/settle.py" in entry["code"]
    assert entry["core"]


def test_what_public_names_mean_cannot_be_changed():
    import emergence_stats

    with pytest.raises(TypeError):
        emergence_stats.MODULES["Prediction"] = "regions"


def test_text_is_no_value_even_where_it_reads_as_a_number(project):
    add_run(project / "data", 0)
    edit(
        project / "hypotheses" / "learns.py",
        'return run.traces("accuracy").values[:, -last:].mean()',
        'return "0.7"',
    )
    failed(es("test", "learns", cwd=project), "'0.7', not a number")


# --- what the numbers of runs hide --------------------------------------------------------------


def test_a_reported_number_beside_a_comparison_of_one_scale_is_json(project):
    further = ""
    path = claim(project, scope="None", analysis="es.Slope(10)", further=further)
    edit(path, "reported={}", 'reported={"v1": es.Reported(estimate=0.5, stderr=0.1)}')
    for seed in range(3):
        add(project, "small", seed, 0.9)
    result = result_of(es("test", "planted", "--json"))
    assert result["verdict"] == "inconclusive"
    assert result["predictions"][0]["estimate"] is None
    assert result["comparisons"][0]["ours"] is None


def test_runs_of_a_control_that_lack_a_measure_are_said(project):
    further = 'controls=[es.Control("other", "it is of the tasks", suite="c")],'
    path = claim(project, further=further)
    edit(path, 'measures=["value"]', 'measures=["value", "more"]')
    fill(project, more=1.0)
    fill(project, suite="c")
    control = result_of(es("test", "planted", "--suite", "s", "--json"))["controls"][0]
    assert control["n_runs"] == 0
    assert "lacks more" in control["reason"]


def test_runs_that_count_twice_in_a_claim_that_is_not_registered_are_said(project):
    claim(project)
    fill(project, seeds=range(3))
    add(project, "small", 1, 0.8, name="again")
    notes = result_of(es("test", "planted", "--json"))["notes"]
    (note,) = (note for note in notes if "s-small-s1 as again" in note)
    assert note.startswith("1 of the runs has, as another")
    assert "independent" in note


@pytest.mark.parametrize(
    ("count", "words"),
    [
        ("lambda run: float('nan')", "not a finite number"),
        ("lambda run: es.Count(1, 2) if run.seed else 0.5", "a Count for some runs"),
    ],
)
def test_a_count_of_the_paper_that_is_none_is_an_error(project, count, words):
    claim(project, further=f'pooled=es.Pooled("of the paper", {count}),')
    fill(project, seeds=range(3))
    failed(es("test", "planted"), words)


def test_a_page_of_a_claim_whose_predictions_have_other_units(project):
    """The picture is of a run; what is estimated of all runs of a seed is not asked of one."""
    path = claim(project)
    edit(
        path,
        "planted = es.Hypothesis(",
        "def both(runs):\n    small, large = runs\n    return value(large) - value(small)\n\n\nplanted = es.Hypothesis(",
    )
    edit(
        path,
        "scope='average')]",
        "scope='average'), es.Prediction('both', both, es.Region.above(0.0), es.Mean(), unit='seed')]",
    )
    fill(project, seeds=range(4))
    done = es("report", "--format", "html")
    assert done.returncode in (0, 1, 3), done.stderr
    assert "both" in done.stdout
