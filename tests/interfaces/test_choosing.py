"""Which claims a command is about: the same words everywhere, and none for all."""

import json

import pytest

from emergence_stats.interfaces.cli.choosing import parse
from tests.support import HYPOTHESIS, ROOT, edit, edited, es, failed, fill

NAMES = ("learns", "slow_lags", "fast_lags")


@pytest.fixture
def three(project):
    """`learns`, and two claims with a helper in the folder of a paper."""
    paper = project / "hypotheses" / "doe_2026"
    paper.mkdir()
    for name in NAMES[1:]:
        (paper / f"{name}.py").write_text(HYPOTHESIS)
    (paper / "_shared.py").write_text("x = 1\n")
    fill(project, range(4))
    return project


def names(done):
    assert done.returncode == 0, done.stderr
    return {one["name"] for one in json.loads(done.stdout)["results"]}


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ((), NAMES),
        (("--all",), NAMES),
        (("learns",), ("learns",)),
        (("learns", "hypotheses/learns.py"), ("learns",)),
        (("hypotheses/doe_2026/slow_lags.py",), ("slow_lags",)),
        (("hypotheses/doe_2026",), NAMES[1:]),
        (("hypotheses/doe_2026/",), NAMES[1:]),
        (("hypotheses",), NAMES),
        (("*_lags",), NAMES[1:]),
        (("hypotheses/*/fast*",), ("fast_lags",)),
        (("hypotheses/doe_2026/_shared.py", "hypotheses/doe_2026/slow_lags.py"), ("slow_lags",)),
        (("-k", "lags"), NAMES[1:]),
        (("-k", "DOE_2026 and not slow"), ("fast_lags",)),
        (("-k", "not (slow or fast)"), ("learns",)),
        (("*_lags", "-k", "slow or learns"), ("slow_lags",)),
    ],
)
def test_words_mean_the_same_in_every_command(three, words, meant):
    assert names(es("report", "--json", *words)) == set(meant)
    assert names(es("test", "--json", *words)) == set(meant)


def test_a_path_is_read_from_the_current_folder(three):
    assert names(es("test", "slow_lags.py", "--json", cwd=three / "hypotheses" / "doe_2026")) == {
        "slow_lags"
    }
    assert es("describe", three / "hypotheses" / "learns.py").returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lerns",), ("'lerns'", "did you mean 'learns'?")),
        (("nothing*",), ("nothing*", "no hypothesis is there")),
        (("nowhere/learns.py",), ("nowhere/learns.py",)),
        (("hypotheses/doe_2026/_shared.py",), ("_shared.py is no claim",)),
        (("-k", "nothing"), ("-k 'nothing'", "emergence-stats list")),
        (("-k", "a and"), ("its end", "parentheses")),
        (("-k", "(a"), ("its end",)),
        (("-k", "a b"), ("at b",)),
        (("learns", "--all"), ("not both",)),
    ],
)
def test_what_means_nothing_is_an_error(three, words, said):
    failed(es("report", *words), *said)
    failed(es("test", *words), *said)


def test_plans_of_several_claims_are_described_one_after_another(three):
    titles = es("describe", "*_lags").stdout.splitlines()
    assert {line for line in titles if line.endswith("(unregistered)")} == {
        f"{name} (unregistered)" for name in NAMES[1:]
    }
    found = json.loads(es("describe", "--json").stdout)["hypotheses"]
    assert len(found) == len(NAMES)


@pytest.mark.parametrize(
    ("expression", "matched"),
    [
        ("a", {"a", "ab"}),
        ("a and b", {"ab"}),
        ("a or b and not a", {"a", "ab", "b"}),
        ("(a or b) and not a", {"b"}),
        ("not not b", {"ab", "b"}),
    ],
)
def test_expressions_bind_as_in_python(expression, matched):
    matches = parse(expression)
    assert {name for name in ("a", "b", "ab", "c") if matches([name])} == matched


def test_a_check_of_some_claims_looks_at_these_and_records_these(three):
    assert es("check", "--update").returncode == 0
    record = three / "hypotheses" / "verdicts.lock"
    before = json.loads(record.read_text())["verdicts"]
    fill(three, [4])
    done = es("check", "learns")
    assert (done.returncode, "lags" in done.stdout) == (1, False)
    assert es("check", "--update", "learns").returncode == 0
    after = json.loads(record.read_text())["verdicts"]
    assert after["learns"] != before["learns"]
    assert after["slow_lags"] == before["slow_lags"]
    assert es("check", "learns").returncode == 0
    assert es("check").returncode == 1


def test_a_plan_of_everything_counts_a_run_once(three):
    for name, seeds in (("slow_lags", "(2, 3, 4)"), ("fast_lags", "(3, 4, 5)")):
        module = three / "hypotheses" / "doe_2026" / f"{name}.py"
        text = edited(HYPOTHESIS, "import Claim", "import Claim, Design")
        module.write_text(
            edited(text, "0.5))],", f'0.5))],\n    design=Design("sim", ("d32",), {seeds}),')
        )
    done = es("plan")
    assert done.returncode == 0, done.stderr
    assert "learns declares no design" in done.stderr
    assert "4 runs in all, each counted once: 2 there, 2 missing: cost unknown" in done.stdout
    total = json.loads(es("plan", "*_lags", "--json").stdout)["total"]
    assert (total["runs"], total["there"], total["missing"]) == (4, 2, 2)
    assert "3 runs in all: 2 there, 1 missing" in es("plan", "slow_lags").stdout
    failed(es("plan", "learns"), "no design", "--suite")


def test_help_has_its_usual_short_form():
    for words in (("-h",), ("test", "-h"), ("traces", "ls", "-h")):
        assert "Usage: " in es(*words, cwd=ROOT).stdout


def test_a_claim_without_enough_pilots_ends_no_other(three):
    module = three / "hypotheses" / "learns.py"
    edit(module, 'measures=["accuracy"]', 'measures=["llc"]')
    done = es("power", "--all", "--draws", 10, "--most", 3)
    assert done.returncode == 2
    assert "slow_lags: as 4 pilot runs show it" in done.stdout
    assert "learns" in done.stderr


def test_an_option_that_is_given_and_empty_is_an_error(project):
    failed(es("traces", "ls", "--traces", "", cwd=project), "--traces is empty")
    failed(es("collect", "--model", "", cwd=project), "--model is empty")
    failed(es("test", "--suite", " ", cwd=project), "--suite is empty")
    failed(es("collect", "--suite", "smoke", "--scale", "", cwd=project), "--scale is empty")
    failed(es("report", "--traces", " ", cwd=project), "--traces is empty")


def test_a_command_that_is_proposed_names_the_store(project):
    done = es("plan", "top_down", "--traces", "my runs", cwd=project)
    assert "collect top_down --traces 'my runs'" in done.stdout
