"""Estimates in a unit that a reader can picture: said beside the claims, and no part of any plan."""

import json
import math
import re

import pytest

import emergence_stats as es_package
from tests.support import edit, es, failed, fill


@pytest.fixture
def claim(project):
    fill(project, range(3))
    return project


def shown(project, text):
    (project / "hypotheses" / "shown.toml").write_text(text)


def test_a_factor_is_shown_in_every_report_and_the_numbers_stay(claim):
    plain = json.loads(es("test", "learns", "--json", cwd=claim).stdout)["results"][0]
    (prediction,) = plain["predictions"]
    shown(claim, f'[learns]\n"{prediction["name"]}" = "factor"\n')
    as_factor = f"x{math.exp(prediction['estimate']):.3g}"
    claimed = f">= x{math.exp(prediction['region'][0]):.3g}"
    line = next(x for x in es("report", cwd=claim).stdout.splitlines() if x.startswith("learns"))
    assert as_factor in line
    assert claimed in line or claimed.replace(">=", ">") in line
    detailed = es("test", "learns", cwd=claim).stdout
    assert f"as a factor: {as_factor} [" in detailed
    assert f"{prediction['estimate']:.3g}" in detailed
    for suffix in ("md", "html"):
        assert es("report", "-o", f"page.{suffix}", cwd=claim).returncode in (0, 1)
        assert f"as a factor: {as_factor} [" in (claim / f"page.{suffix}").read_text()
    said = json.loads(es("test", "learns", "--json", cwd=claim).stdout)["results"][0]
    assert said["predictions"][0].pop("shown_as") == "factor"
    assert said["predictions"] == plain["predictions"]
    assert as_factor in es_package.test("learns", project=claim)._repr_html_()


def test_a_unit_changes_no_plan(claim):
    assert es("check", "--update", cwd=claim).returncode == 0
    before = es("describe", "learns", "--json", cwd=claim).stdout
    shown(claim, '[learns]\n"*" = "percent"\n')
    assert es("check", cwd=claim).returncode == 0
    assert es("describe", "learns", "--json", cwd=claim).stdout == before
    assert re.search(r"\d%", es("report", cwd=claim).stdout)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[learnt]\n"*" = "factor"\n', ("no claim 'learnt'", "'learns'")),
        ('[learns]\n"final accuracies" = "factor"\n', ("no prediction 'final accuracies'", "'final accuracy'")),
        ('[learns]\n"*" = "odds"\n', ("'odds'", "factor, percent")),
        ("[learns\n", ("shown.toml",)),
        ("learns = 1\n", ("not a table",)),
    ],
)  # fmt: skip
def test_what_the_file_has_wrong_is_an_error(claim, text, words):
    shown(claim, text)
    failed(es("report", cwd=claim), "shown.toml", *words)


def test_a_share_is_no_factor(claim):
    module = claim / "hypotheses" / "learns.py"
    edit(module, "import Claim, ", "import Claim, Count, Share, ")
    edit(
        module,
        'return run.traces("accuracy").values[:, -last:].mean()',
        'return Count(int((run.traces("accuracy").values[:, -1] > 0.5).sum()), 6)',
    )
    edit(module, "Region.at_least(0.5))", "Region.at_least(0.2), Share())")
    shown(claim, '[learns]\n"*" = "percent"\n')
    assert es("report", cwd=claim).returncode == 0
    shown(claim, '[learns]\n"*" = "factor"\n')
    failed(es("report", cwd=claim), "shown.toml", "'final accuracy' is a share")
