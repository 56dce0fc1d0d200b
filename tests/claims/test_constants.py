"""Constants of shipped and own claims that a project sets for its data."""

import json

import pytest

from emergence_stats.claims.project import Project
from emergence_stats.claims.settings.used import used_names
from tests.support import es, failed, fill

HELPER = (
    'HARD = ("add",)\nCHANCE = {("add", 0): 0.5}\nLEARNED = {"easy": [("add", 0)]}\nEDGE = 0.5\n'
)
CLAIM = '''
"""Hard tasks."""
import emergence_stats as es

from ._tasks import CHANCE, EDGE, HARD, LEARNED


def hard(run):
    traces = run.traces("accuracy", tasks=True)
    return float(len({t for t in traces.task if t in HARD}))


hard_tasks = es.Hypothesis(
    claim=es.Claim("x"),
    needs=es.Needs(["accuracy"]),
    predictions=[es.Prediction("how many", hard, es.Region.above(EDGE))],
)
'''


@pytest.fixture
def claim(project):
    (project / "hypotheses" / "_tasks.py").write_text(HELPER)
    (project / "hypotheses" / "hard_tasks.py").write_text(CLAIM)
    fill(project, range(4))
    return project


def settings(project, text):
    (project / "pyproject.toml").write_text(
        f"[tool.emergence_stats]\n[tool.emergence_stats.claims.hard_tasks]\n{text}\n"
    )


def value(name="hard_tasks"):
    (result,) = json.loads(es("test", name, "--json").stdout)["results"]
    return result["predictions"][0]["estimate"]


def test_what_a_project_sets_is_what_the_claim_uses(claim):
    assert value() == 1
    settings(claim, 'hard = ["add", "mod"]')
    assert value() == 2


def test_constants_keep_their_form(claim):
    settings(
        claim,
        'hard = ["mod"]\nedge = 0.25\n[tool.emergence_stats.claims.hard_tasks.chance]\npiqa = 0.5\n'
        '"add/1" = 0.1\n[tool.emergence_stats.claims.hard_tasks.learned]\neasy = ["piqa", "add/2"]',
    )
    loaded = Project(claim).load("hard_tasks")
    module = loaded.module
    assert module.HARD == ("mod",)
    assert module.CHANCE == {("piqa", -1): 0.5, ("add", 1): 0.1}
    assert module.LEARNED == {"easy": [("piqa", -1), ("add", 2)]}
    assert loaded.hypothesis.predictions[0].region.lo == 0.25


def test_a_claim_with_settings_is_another_plan_than_the_registered_one(claim):
    assert es("register", "hard_tasks").returncode == 0
    assert es("register", "--check", "hard_tasks").returncode == 0
    settings(claim, 'hard = ["mod"]')
    done = es("register", "--check", "hard_tasks")
    assert done.returncode != 0
    assert "exploratory" in es("test", "hard_tasks").stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('hrad = ["mod"]', ("no constant 'hrad'", "did you mean 'hard'")),
        ("zzz = 1", ("no constant 'zzz'", "chance, edge, hard, learned")),
        ('hard = "mod"', ("not a list of names",)),
        ("chance = 1", ("not a table",)),
        ('edge = "high"', ("'high'", "0.5")),
    ],
)
def test_a_setting_that_fits_nothing_is_one_clear_error(claim, text, words):
    settings(claim, text)
    failed(es("test", "hard_tasks"), *words)


def test_settings_of_a_claim_that_there_is_not_are_an_error(claim):
    (claim / "pyproject.toml").write_text(
        "[tool.emergence_stats]\n[tool.emergence_stats.claims.hard_task]\nedge = 1\n"
    )
    failed(es("test", "hard_tasks"), "no hypothesis 'hard_task'", "did you mean 'hard_tasks'")


def test_tasks_of_a_shipped_claim_are_set_for_somebodys_own_data(claim):
    (claim / "pyproject.toml").write_text(
        "[tool.emergence_stats]\n[tool.emergence_stats.claims.precursor_rates]\n"
        'hard = ["mod"]\neasy = ["add"]\n[tool.emergence_stats.claims.precursor_rates.chance]\n"mod/0" = 0.2\n'
    )
    module = Project(claim).load("precursor_rates").module
    assert (module.HARD, module.EASY) == (("mod",), ("add",))
    assert module.emergences.__globals__["CHANCE"] == {("mod", 0): 0.2}


def test_a_constant_that_the_claim_does_not_use_is_an_error(project):
    """`larger_learn_earlier` has its classes from LEARNED, and not from HARD."""
    (project / "pyproject.toml").write_text(
        "[tool.emergence_stats]\n[tool.emergence_stats.claims.larger_learn_earlier]\n"
        'hard = ["mod"]\n'
    )
    fill(project, range(3))
    done = es("test", "larger_learn_earlier", "--suite", "sim")
    failed(done, "larger_learn_earlier] hard", "does not use HARD", "learned")


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("from ._h import direct\n", {"direct"}),
        ("from . import _h\nx = _h.direct\n", {"_h", "x", "direct"}),
        ("from ._h import through\n", {"through", "inner", "deep", "DEEP"}),
        ("from ._h import made\n", {"made", "DEEP", "direct"}),
        ("from ._h import *\n", None),
        ("from . import _h\nx = getattr(_h, 'direct')\n", None),
    ],
)
def test_what_a_claim_uses_is_read_from_its_source(source, used):
    helper = "direct = 1\nDEEP = 2\ndef deep():\n    return DEEP\ndef inner():\n    return deep()\ndef through():\n    return inner()\nif direct:\n    made = DEEP\n"
    assert used_names(source, [helper]) == used


def notes(*words):
    (result,) = json.loads(es("test", "hard_tasks", "--json", *words).stdout)["results"]
    return result["notes"]


def test_a_task_of_a_setting_that_no_run_has_is_said(claim):
    settings(claim, 'hard = ["add", "mood"]')
    note = notes()[0]
    assert "hard in [tool.emergence_stats.claims.hard_tasks] names task 'mood'" in note
    settings(claim, 'hard = ["add", "mod"]')
    assert not any("names task" in note for note in notes())


def test_tasks_that_are_set_somewhere_still_have_no_chance(claim):
    """That a task is hard says nothing of its chance, which is then 0."""
    settings(claim, 'hard = ["mod"]')
    (note,) = notes()
    assert note.startswith("chance and learned of the claim say nothing of task 'mod'")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("mod", "chance in [tool.emergence_stats.claims.hard_tasks] is of 'mod' without a level"),
        ("mod/7", "is of level 7 of 'mod', which these runs have with levels 0, 1, 2"),
    ],
)
def test_a_level_that_no_run_has_is_said(claim, key, said):
    settings(claim, f'chance = {{"{key}" = 0.5}}')
    assert any(said in note for note in notes())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chance = {mod = 50}", ("chance.mod is 50", "a share, from 0 to below 1")),
        ("chance = {mod = -0.1}", ("a share",)),
        ("chance = {mod = 'x'}", ("the claim has a number there",)),
        ('learned = {eazy = ["mod"]}', ("has no 'eazy'; did you mean 'easy'?",)),
        ('learned = ["mod"]', ("not a table, as {'easy'",)),
        ("learned = {}", ("lacks easy",)),
    ],
)
def test_what_no_constant_can_be_is_an_error(claim, text, words):
    settings(claim, text)
    failed(es("test", "hard_tasks"), "[tool.emergence_stats.claims.hard_tasks]", *words)


@pytest.mark.parametrize("table", ["emergence_stat", "emergence-stats", "emergencestats"])
def test_a_table_that_is_nearly_ours_is_an_error(claim, table):
    (claim / "pyproject.toml").write_text(f'[tool.{table}]\ntraces = "x"\n')
    failed(es("list"), f"[tool.{table}]; did you mean [tool.emergence_stats]?")


def test_a_misspelt_task_level_names_what_is_meant(claim):
    settings(claim, 'chance = {"moq/0" = 0.5}')
    note = notes()[0]
    assert "chance" in note
    assert "'moq'" in note
    assert "did you mean 'mod'?" in note


def test_tasks_that_the_claim_knows_nothing_of_are_named_with_what_to_set(claim, capsys):
    helper = claim / "hypotheses" / "_tasks.py"
    helper.write_text(HELPER.replace("add", "piqa"))
    foreign = [note for note in notes() if "say nothing of" in note]
    (note,) = foreign
    assert note.startswith("chance, hard and learned of the claim")
    assert "tasks 'add' and 'mod'" in note
    assert "[tool.emergence_stats.claims.hard_tasks]" in note
    assert "chance is 0 where it is not set" in note


def test_what_is_imported_and_not_used_is_not_used():
    claim = "from ._b import rate"
    helpers = [
        "HARD = 1\nCHANCE = 2\nOTHER = {key: 0 for key in [HARD]}",
        "from ._a import CHANCE, HARD, OTHER\ndef rate():\n    return [CHANCE for key in []]",
    ]
    used = used_names(claim, helpers)
    assert used is not None
    assert "CHANCE" in used
    assert not used & {"HARD", "OTHER"}
