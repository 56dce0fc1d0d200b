"""What lies beside claims and is none stops nothing; a claim that is broken stops no other."""

import json
import xml.etree.ElementTree as ET

import pytest

from tests.support import HYPOTHESIS, edit, edited, es, failed, fill

NOT_PYTHON = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "  # how AppleDouble files begin


@pytest.fixture
def filled(project):
    fill(project, range(4))
    return project


def claims(done):
    return [one["name"] for one in json.loads(done.stdout)["hypotheses"]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("conftest.py", b"raise ValueError\n"),
        ("test_learns.py", b"def test_it():\n    assert 'Hypothesis('\n"),
        ("learns_test.py", b"raise ValueError\n"),
        ("._learns.py", NOT_PYTHON),
        (".#learns.py", b"raise ValueError\n"),
        ("learns.py~", b"raise ValueError\n"),
        ("__init__.py", b"raise ValueError\n"),
        ("setup.py", b"raise ValueError\n"),
        ("tests/support.py", b"TEXT = 'Hypothesis('\n"),
        ("tests/test_learns.py", b"raise ValueError\n"),
        ("folder.py/inside.txt", b"a folder may have any name\n"),
        ("doe_2026/._other.py", NOT_PYTHON + b"Hypothesis("),
        ("doe_2026/other_test.py", b"Hypothesis(\n"),
    ],
)
def test_a_stray_file_stops_nothing_and_is_not_named(filled, name, content):
    path = filled / "hypotheses" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    done = es("list", "--json")
    assert (done.returncode, done.stderr, claims(done)) == (0, "", ["learns"])
    for words in (("report", "--all"), ("test", "learns"), ("check", "--update"), ("check",)):
        done = es(*words)
        assert (done.returncode, done.stderr) == (0, ""), words


def test_the_lock_of_an_editor_which_leads_nowhere_stops_nothing(filled):
    (filled / "hypotheses" / ".#learns.py").symlink_to("somebody@somewhere.1:2")
    assert es("report", "--all").returncode == 0


def test_a_helper_without_an_underscore_is_named_once_and_stops_nothing(filled):
    (filled / "hypotheses" / "helper.py").write_text("x = 1\n")
    for words in (("list",), ("report", "--all"), ("register", "--check")):
        done = es(*words)
        (line,) = [one for one in done.stderr.splitlines() if "helper" in one]
        assert "note: hypotheses/helper.py holds no Hypothesis, so it is no claim" in line
        assert "_helper.py" in line
        assert done.returncode == (1 if words[0] == "register" else 0)
    assert es("test", "learns").stderr == ""
    assert es("report", "--all", "-q").stderr == ""
    failed(es("test", "helper"), "hypotheses/helper.py", "no Hypothesis")


def test_a_claim_that_lost_its_hypothesis_is_no_helper(filled):
    es("register", "learns")
    edit(filled / "hypotheses" / "learns.py", "learns = Hypothesis", "learns = dict")
    failed(es("list"), "hypotheses/learns.py", "no Hypothesis")


def test_a_module_of_tests_is_no_claim_by_its_name(filled):
    (filled / "hypotheses" / "test_learns.py").write_text(HYPOTHESIS)
    failed(es("test", "test_learns"), "hypotheses/test_learns.py is no claim, by its name")
    failed(es("new", "test_more"), "test_more", "tests")
    failed(es("new", "conftest"), "conftest")


def test_a_module_that_cannot_be_imported_is_an_error_of_its_own(filled):
    assert es("check", "--update").returncode == 0
    fill(filled, [4])
    (filled / "hypotheses" / "broken.py").write_text("import nothing_like_it\n")
    for words in (("list",), ("report", "--all"), ("test", "learns", "broken"), ("check",)):
        done = es(*words)
        assert done.returncode == 2, words
        assert "learns" in done.stdout, words
        (line,) = done.stderr.splitlines()
        assert line.startswith("emergence-stats: error:"), words
        assert "broken.py:1: cannot be imported" in line, words
    failed(es("test", "broken"), "broken.py")


def test_nothing_is_recorded_while_a_claim_cannot_be_judged(filled):
    (filled / "hypotheses" / "second.py").write_text(HYPOTHESIS)
    assert es("check", "--update").returncode == 0
    record = (filled / "hypotheses" / "verdicts.lock").read_bytes()
    (filled / "hypotheses" / "second.py").write_text("import nothing_like_it\n")
    failed(es("check", "--update"), "second.py")
    assert (filled / "hypotheses" / "verdicts.lock").read_bytes() == record
    done = es("check")
    assert done.returncode == 2
    assert "second" not in done.stdout  # it is there, and was not dropped


def test_an_estimate_that_raises_ends_no_other_claim(filled):
    (filled / "hypotheses" / "second.py").write_text(
        edited(HYPOTHESIS, ".mean()", ".mean() / {}['x']")
    )
    done = es("report", "--all", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 2
    assert [one["name"] for one in document["results"]] == ["learns"]
    assert list(document["errors"]) == ["second"]
    assert "KeyError" in document["errors"]["second"]
    assert "second, prediction 'final accuracy'" in done.stderr
    case = ET.fromstring(es("report", "--all", "--format", "junit").stdout).find(
        ".//testcase[@name='second']/error"
    )
    assert "KeyError" in case.get("message")
    for how in ("markdown", "html"):
        page = es("report", "--format", how).stdout
        assert "1 supported, 0 refuted, 0 inconclusive, 1 error" in page
        assert "KeyError" in page
    assert "0 inconclusive, 1 error" in es("report").stdout
    assert es("test", "learns").returncode == 0
    (filled / "hypotheses" / "learns.py").unlink()
    failed(es("report", "--all"), "second", "KeyError")


def test_a_broken_lock_ends_no_other_claim(filled):
    (filled / "hypotheses" / "second.py").write_text(HYPOTHESIS)
    assert es("register", "second").returncode == 0
    (filled / "hypotheses" / "second.lock").write_text("{}")
    for words in (("list",), ("report", "--all"), ("register", "--check")):
        done = es(*words)
        assert done.returncode == 2, words
        assert "learns" in done.stdout, words
        assert "second.lock" in done.stderr, words


def test_a_registration_without_its_module_is_named(filled):
    es("register", "learns")
    (filled / "hypotheses" / "learns.py").rename(filled / "hypotheses" / "other.py")
    (filled / "hypotheses" / "uv.lock").write_text("version = 1\n")
    for words in (("list",), ("report", "--all")):
        (line,) = es(*words).stderr.splitlines()
        assert "hypotheses/learns.lock is a registration without its module learns.py" in line
