"""What a verdict means: said beside the claims, shown with the verdict that it is of, and no part of any plan."""

import json

import pytest

import emergence_stats as es_package
from tests.support import edit, es, failed, fill

SENTENCES = '[learns]\nsupported = "They learn <it>."\nrefuted = "They do not."\n'


def said(project, text):
    (project / "hypotheses" / "meaning.toml").write_text(text)


def test_the_sentence_of_the_verdict_is_in_every_report_and_the_others_are_not(project):
    fill(project, range(3))
    result = json.loads(es("test", "learns", "--json", cwd=project).stdout)["results"][0]
    assert (result["verdict"], result["meaning"]) == ("supported", None)
    said(project, SENTENCES)
    result = json.loads(es("test", "learns", "--json", cwd=project).stdout)["results"][0]
    assert result["meaning"] == "They learn <it>."
    assert es("report", "-o", "page.md", cwd=project).returncode == 0
    assert es("report", "-o", "page.html", cwd=project).returncode == 0
    shown = [
        es("test", "learns", cwd=project).stdout,
        (project / "page.md").read_text(),
        (project / "page.html").read_text().replace("&lt;", "<").replace("&gt;", ">"),
        es_package.test("learns", project=project).summary(),
        es_package.test("learns", project=project)._repr_html_().replace("&lt;", "<").replace("&gt;", ">"),
    ]  # fmt: skip
    for text in shown:
        assert "They learn <it>." in text
        assert "They do not." not in text


def test_without_runs_nothing_means_anything(project):
    fill(project, range(2))
    edit(project / "hypotheses" / "learns.py", 'measures=["accuracy"]', 'measures=["llc"]')
    said(project, '[learns]\ninconclusive = "Not known."\n')
    result = json.loads(es("report", "--json", cwd=project).stdout)["results"][0]
    assert (result["verdict"], result["meaning"]) == ("inconclusive", None)


def test_a_sentence_changes_no_plan_and_no_record(project):
    fill(project, range(3))
    assert es("check", "--update", cwd=project).returncode == 0
    before = es("describe", "learns", "--json", cwd=project).stdout
    said(project, SENTENCES)
    assert es("check", cwd=project).returncode == 0
    assert es("describe", "learns", "--json", cwd=project).stdout == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[learnt]\nrefuted = "No."\n', ("no claim 'learnt'", "'learns'")),
        ('[learns]\nsuported = "Yes."\n', ("no verdict 'suported'", "'supported'")),
        ("[learns]\nsupported = 1\n", ("'supported'", "text")),
        ('[learns]\nsupported = " "\n', ("'supported'", "one line")),
        ('[learns]\nsupported = "a\\nb"\n', ("'supported'", "one line")),
        ("learns = 1\n", ("not a table",)),
        ("[learns\n", ("meaning.toml",)),
    ],
)
def test_what_the_file_has_wrong_is_an_error(project, text, words):
    fill(project, range(2))
    said(project, text)
    failed(es("report", cwd=project), "meaning.toml", *words)
