"""An estimate is tried before it is frozen: twice the same unit, twice the same value."""

import pytest

from tests.support import edit, es, fill


@pytest.mark.parametrize(
    "value",
    [
        "np.random.default_rng().normal()",
        "__import__('time').perf_counter_ns()",
        "len(calls.append(1) or calls)",
        "np.random.default_rng(abs(hash(run.run_id)) % 2**32).normal()",
        "sum(hash(str(c)) for c in list({*'abcdefgh'})[:3])",
        "(calls.append(run.seed) or calls)[0]",
    ],
)
def test_an_estimate_with_two_values_for_one_run_is_not_registered(project, value):
    fill(project, [0, 1])
    claim = project / "hypotheses" / "learns.py"
    edit(claim, "def final_accuracy", "import numpy as np\ncalls = []\n\n\ndef final_accuracy")
    edit(claim, "return run", f"return 0.7 + 1e-9 * {value} + 0 * run")
    done = es("register", "learns", cwd=project)
    assert done.returncode == 2
    assert "sim-d32-s0: evaluated twice" in done.stderr
    assert not claim.with_suffix(".lock").exists()


def test_an_estimate_that_fails_is_not_registered(project):
    fill(project, [0])
    claim = project / "hypotheses" / "learns.py"
    edit(claim, "return run", "return 1 / 0 + run")
    assert es("register", "learns", cwd=project).returncode == 2
    assert not claim.with_suffix(".lock").exists()


def test_what_cannot_be_tried_is_registered_with_a_note(project):
    fill(project, [0])
    edit(project / "hypotheses" / "learns.py", '"accuracy"]', '"accuracy", "llc"]')
    done = es("register", "learns", cwd=project)
    assert done.returncode == 0
    assert "so no estimate was tried" in done.stderr
