"""Intervals of shipped claims on shipped runs, computed a second time by code that shares nothing with the package."""

import copy
import json

import pytest

from benchmarks.plain_core import differences
from tests.support import ROOT, es


@pytest.fixture(scope="module")
def document():
    return json.loads(es("report", "--all", "--no-controls", "--json", cwd=ROOT).stdout)


def test_every_interval_is_the_same_a_second_time(document):
    assert list(differences(document)) == []
    kinds = {p["method"].split(",")[0][:20] for r in document["results"] for p in r["predictions"]}
    assert len(kinds) >= 3  # bounded, unbounded, differences of scales
    scopes = {p["scope"] for r in document["results"] for p in r["predictions"]}
    assert scopes == {"average", "every scale", "across scales"}


def test_an_interval_that_is_wrong_is_found(document):
    wrong = copy.deepcopy(document)
    touched = 0
    for result in wrong["results"]:
        for prediction in result["predictions"]:
            if prediction["interval"][0] is not None and not prediction["method"].startswith(
                "slope"
            ):
                prediction["interval"][0] -= 1e-4
                touched += 1
    assert len(list(differences(wrong))) >= touched > 10
