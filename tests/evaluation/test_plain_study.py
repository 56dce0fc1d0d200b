"""Values of shipped claims on shipped runs, computed a second time by code that shares nothing with the package."""

import copy
import json
import shutil

import pytest

from benchmarks.plain_study import differences, values_of
from tests.support import ROOT, es

RUNS = [
    f"pocket_long-{scale}-s{seed}" for scale in ("d24L4", "d48L4", "d184L4") for seed in (102, 103)
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("some")
    (path / "pocket_long").mkdir()
    for run in RUNS:
        for ending in ("json", "parquet"):
            shutil.copy(ROOT / "data" / "pocket_long" / f"{run}.{ending}", path / "pocket_long")
    return path


@pytest.fixture(scope="module")
def both(store):
    report = es("report", "--all", "--no-controls", "--traces", store, "--json", cwd=ROOT)
    return values_of(store, "pocket_long"), json.loads(report.stdout)


def test_every_value_is_the_same_a_second_time(both):
    found, report = both
    assert list(differences(found, report, "pocket_long")) == []
    assert len(found) >= 8
    assert sum(len(runs) for claim in found.values() for runs in claim.values()) > 80


def test_a_value_that_is_wrong_is_found(both):
    found, report = copy.deepcopy(both)
    found["top_down"]["tau"]["pocket_long-d48L4-s102"] += 1e-6
    assert len(list(differences(found, report, "pocket_long"))) == 1
