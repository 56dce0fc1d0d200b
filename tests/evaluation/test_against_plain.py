"""The shipped claims on the shipped runs, against a plain script that shares no code with us."""

import pytest

pytest.importorskip("pandas")

from benchmarks import plain_order, plain_report
from emergence_stats.claims.project import Project
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.traces.store import Store
from tests.support import ROOT

DRAWS = 9_999


def test_every_number_is_that_of_a_plain_script():
    plain = plain_report.analyse(
        plain_report.load(ROOT / "data"), DRAWS, plain_order.load(ROOT / "data")
    )
    project = Project(ROOT)
    results = evaluate([project.load(name) for name in project.sources], Store.open(ROOT / "data"))
    assert {r.name for r in results} == plain.keys()
    for result in results:
        assert {p.name for p in result.predictions} == plain[result.name].keys()
        for prediction in result.predictions:
            peer = plain[result.name][prediction.name]
            assert prediction.estimate.value == pytest.approx(peer["estimate"], rel=1e-9)
            assert prediction.estimate.interval == pytest.approx(peer["interval"], rel=1e-9)
            p = prediction.estimate.p_value
            if "sign-flip" in prediction.estimate.method:
                error = 5 * (p * (1 - p) / DRAWS) ** 0.5 + 2 / DRAWS  # scipy draws, we enumerate
                assert peer["p_value"] == pytest.approx(p, abs=error)
            else:
                assert peer["p_value"] == pytest.approx(p, rel=1e-6, abs=1e-12)
